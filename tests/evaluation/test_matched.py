"""Check precision and recall in use, at one threshold and at all of them."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.core.measurements import Photograph
from container_doors.evaluation.matched import (
    match_photographs,
    precision,
    precision_over_recall,
    recall,
)

DOOR, FAR = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)


def photograph(number: int, found: Sequence[float], alarms: Sequence[float]) -> Photograph:
    """Build a photograph with one door, boxes on it and boxes elsewhere."""
    return Photograph(
        image=f"images/val/{number}.jpg",
        width_px=100,
        height_px=100,
        doors_xyxy=[DOOR],
        scored_xyxy=[],
        scored_confidences=[],
        used_xyxy=[DOOR] * len(found) + [FAR] * len(alarms),
        used_confidences=[*found, *alarms],
    )


def test_the_curve_has_a_point_at_every_change_of_the_recall():
    """Two doors, found at 0.9 and 0.6; false alarms at 0.8, 0.7 and 0.5.

    The alarm at 0.8 is between two points of the same recall, so it is on the line.
    """
    seen = [photograph(0, [0.9], [0.8, 0.5]), photograph(1, [0.6], [0.7])]

    assert precision_over_recall(seen) == [(0.5, 1.0), (0.5, 1 / 3), (1.0, 0.5), (1.0, 0.4)]


def test_equal_confidences_are_one_point():
    assert precision_over_recall([photograph(0, [0.5], [0.5])]) == [(1.0, 0.5)]


@pytest.mark.parametrize("seen", [[], [photograph(0, [], [])]], ids=["nothing", "no detection"])
def test_without_a_detection_there_is_no_curve(seen: list[Photograph]):
    assert precision_over_recall(seen) == []


CONFIDENCES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7, 0.9]), max_size=3)


@settings(max_examples=200)
@given(
    boxes=st.lists(st.tuples(CONFIDENCES, CONFIDENCES), min_size=1, max_size=6),
    threshold=st.sampled_from([0.05, 0.1, 0.25, 0.3, 0.6, 0.9, 0.95]),
)
def test_every_operating_point_is_on_the_curve(boxes, threshold: float):
    photographs = [photograph(number, *both) for number, both in enumerate(boxes)]
    seen = match_photographs(photographs, range(len(photographs)), conf_threshold=threshold)
    found, right = recall(seen), precision(seen)
    curve = precision_over_recall(photographs)

    if right is None or found is None:
        return
    point = found.value, right.value
    assert any(_is_between(point, *ends) for ends in zip(curve, curve[1:] or curve, strict=False))


def _is_between(
    point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]
) -> bool:
    """Return whether a point is one of two ends, or between two ends of the same recall."""
    if any(point == pytest.approx(one) for one in (start, end)):
        return True
    same = point[0] == pytest.approx(start[0]) == pytest.approx(end[0])
    return bool(same and end[1] <= point[1] <= start[1])
