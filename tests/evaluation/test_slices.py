"""A part of the photographs is too small to say by itself how alike its doors are."""

from container_doors.core.measurements import Photograph
from container_doors.evaluation.matched import MatchedPhotograph, door_icc
from container_doors.evaluation.slices import slices

DOOR = (0.0, 0.0, 10.0, 10.0)


def outcome(number: int, scene: int, confidences: float) -> MatchedPhotograph:
    photograph = Photograph(
        image=f"images/test/{number}.jpg",
        width_px=100,
        height_px=100,
        doors_xyxy=[DOOR],
        scored_xyxy=[DOOR],
        scored_confidences=[confidences],
        used_xyxy=[DOOR],
        used_confidences=[confidences],
    )
    return MatchedPhotograph(scene, (True,), (confidences,), (), photograph)


def test_a_part_proves_no_more_than_the_likeness_of_the_whole_split_allows():
    """Ten scenes of ten, five by night: doors of a night scene are unlike only those of the day."""
    night = [outcome(n, n // 10, 0.6 + 0.01 * (n % 10)) for n in range(50)]
    day = [outcome(n, n // 10, 0.9 + 0.005 * (n % 10)) for n in range(50, 100)]
    values = {one.photograph.image: {"light": "night"} for one in night}

    (part,) = [one for one in slices([*night, *day], values, target=0.9) if one.value == "night"]

    assert door_icc(night) < 0.1
    assert door_icc([*night, *day]) > 0.9
    recall = part.scores["recall"]
    assert (recall.value, recall.n) == (1, 50)
    assert recall.low < 0.6, "five scenes, and not fifty strangers"
    assert part.verdict == "unproven, n = 50"


def test_a_target_with_more_digits_is_said_in_full():
    seen = [outcome(n, n, 0.9) for n in range(400)]

    assert {one.verdict for one in slices(seen, {}, target=0.985)} == {"at least 0.985"}
