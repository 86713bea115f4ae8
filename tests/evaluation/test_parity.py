from pathlib import Path

import pytest

from container_doors.core.ports import Detections
from container_doors.evaluation.parity import parity

BOX = (0.0, 0.0, 100.0, 200.0)
OFF = (0.0, 0.0, 100.5, 200.0)
FAR = (300.0, 0.0, 400.0, 200.0)


def found(*boxes: tuple[tuple[float, float, float, float], float]) -> Detections:
    return Detections(Path("a.jpg"), 640, 640, [b for b, _ in boxes], [c for _, c in boxes])


def test_half_a_pixel_and_a_confidence_of_half_a_hundredth_are_within_the_tolerance():
    same = parity([(found((BOX, 0.9)), found((OFF, 0.905)))], conf_threshold=0.25)

    assert same.holds
    assert (same.boxes, same.without_a_match, same.most_box_px) == (1, 0, 0.5)
    assert same.most_confidence == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(found((BOX, 0.9)), found(), id="lost"),
        pytest.param(found(), found((BOX, 0.9)), id="invented"),
        pytest.param(found((BOX, 0.9)), found((FAR, 0.9)), id="elsewhere"),
        pytest.param(found((BOX, 0.9)), found(((0.0, 0.0, 102.0, 200.0), 0.9)), id="two pixels"),
        pytest.param(found((BOX, 0.9)), found((BOX, 0.88)), id="less confident"),
    ],
)
def test_one_different_box_is_no_parity(first: Detections, second: Detections):
    assert not parity([(first, second)], conf_threshold=0.25).holds


def test_a_box_at_the_threshold_may_be_just_below_it_in_the_other_format():
    assert parity([(found((BOX, 0.251)), found((BOX, 0.249)))], conf_threshold=0.25).holds


def test_boxes_below_the_threshold_in_both_are_not_compared():
    assert parity([(found((BOX, 0.1)), found())], conf_threshold=0.25).boxes == 0
