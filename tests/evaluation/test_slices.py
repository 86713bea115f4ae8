"""A slice uses the intraclass correlation of the whole split."""

from container_doors.core.measurements import Photograph
from container_doors.evaluation.matched import MatchedPhotograph, door_icc
from container_doors.evaluation.slices import slices

DOOR = (0.0, 0.0, 10.0, 10.0)


def matched(number: int, scene: int, confidence: float) -> MatchedPhotograph:
    photograph = Photograph(
        image=f"images/test/{number}.jpg",
        width_px=100,
        height_px=100,
        doors_xyxy=[DOOR],
        scored_xyxy=[DOOR],
        scored_confidences=[confidence],
        used_xyxy=[DOOR],
        used_confidences=[confidence],
    )
    return MatchedPhotograph(scene, (True,), (confidence,), (), photograph)


def test_a_slice_uses_the_intraclass_correlation_of_the_whole_split():
    """Ten scenes of ten, five by night: the confidence differ only between night and day."""
    night = [matched(n, n // 10, 0.6 + 0.01 * (n % 10)) for n in range(50)]
    day = [matched(n, n // 10, 0.9 + 0.005 * (n % 10)) for n in range(50, 100)]
    values = {one.photograph.image: {"light": "night"} for one in night}

    (part,) = [one for one in slices([*night, *day], values, target=0.9) if one.value == "night"]

    assert door_icc(night) < 0.1
    assert door_icc([*night, *day]) > 0.9
    recall = part.scores["recall"]
    assert (recall.value, recall.n) == (1, 50)
    assert recall.low < 0.6, "five scenes, not fifty independent doors"
    assert part.verdict == "unproven, n = 50"


def test_a_verdict_has_all_digits_of_the_target():
    seen = [matched(n, n, 0.9) for n in range(400)]

    assert {one.verdict for one in slices(seen, {}, target=0.985)} == {"at least 0.985"}
