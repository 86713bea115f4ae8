import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.evaluation.matching import BoxXyxy, iou, match, operating_point

DOOR = (0.0, 0.0, 10.0, 10.0)
HALF = (0.0, 0.0, 10.0, 5.0)
FAR = (100.0, 100.0, 110.0, 110.0)

edge = st.floats(0, 100)
boxes = st.tuples(edge, edge, edge, edge).map(
    lambda e: (min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
)


def test_half_a_box_has_an_iou_of_one_half():
    """50 of 100 square pixels are shared, and the union is the whole 100."""
    assert iou(DOOR, HALF) == 0.5


@given(boxes, boxes)
def test_iou_is_symmetric_and_between_zero_and_one(first: BoxXyxy, second: BoxXyxy):
    assert iou(first, second) == iou(second, first)
    assert 0 <= iou(first, second) <= 1 + 1e-9


def test_an_iou_of_exactly_one_half_is_a_match():
    assert match([HALF], [0.9], [DOOR]).door_is_found == (True,)


def test_a_door_is_found_once_by_the_most_confident_box():
    matches = match([DOOR, DOOR], [0.4, 0.8], [DOOR])

    assert matches.detection_is_door == (False, True)


def test_a_detection_matches_the_door_of_the_highest_iou():
    near = (1.0, 0.0, 11.0, 10.0)

    assert match([DOOR], [0.9], [near, DOOR]).door_is_found == (False, True)


def test_matches_are_added_up_over_photographs():
    """Photograph 1: one found, one false alarm. Photograph 2: one missed."""
    point = operating_point(
        [match([DOOR, FAR], [0.9, 0.8], [DOOR]), match([], [], [DOOR])],
        conf_threshold=0.25,
        iou_threshold=0.45,
    )

    assert (point.true_positives, point.false_positives, point.missed) == (1, 1, 1)
    assert (point.precision, point.recall) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("detections", "doors", "precision", "recall"),
    [
        pytest.param([], [DOOR], None, 0.0, id="nothing predicted"),
        pytest.param([DOOR], [], 0.0, None, id="no door"),
        pytest.param([], [], None, None, id="neither"),
    ],
)
def test_a_ratio_without_a_denominator_is_none(detections, doors, precision, recall):
    matches = match(detections, [0.9] * len(detections), doors)

    point = operating_point([matches], conf_threshold=0.25, iou_threshold=0.45)

    assert (point.precision, point.recall) == (precision, recall)
