"""Check each kind by hand, and many random cases against hotcoco's ``tide_errors``."""

from typing import Any

import numpy as np
import pytest
from hotcoco import COCO, COCOeval

from container_doors.core.measurements import ErrorKind, Photograph
from container_doors.evaluation.coco_ap import ground_truth, results
from container_doors.evaluation.error_kinds import error_kinds
from container_doors.evaluation.matched import match_photographs
from container_doors.evaluation.matching import BoxXyxy

DOOR, OTHER = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)
NEAR = (0.0, 0.0, 10.0, 30.0)  # a third of it is DOOR
CLOSE = (0.0, 0.0, 10.0, 11.0)
FAR = (80.0, 80.0, 90.0, 90.0)

Found = list[tuple[BoxXyxy, float]]


def photograph(number: int, doors: list[BoxXyxy], found: Found) -> Photograph:
    return Photograph(
        image=f"images/test/{number}.jpg",
        width_px=100,
        height_px=100,
        doors_xyxy=doors,
        scored_xyxy=[box for box, _ in found],
        scored_confidences=[confidence for _, confidence in found],
        used_xyxy=[],
        used_confidences=[],
    )


def of(*photographs: tuple[list[BoxXyxy], Found]) -> dict[str, ErrorKind]:
    records = [photograph(number, *one) for number, one in enumerate(photographs)]
    matched = match_photographs(records, range(len(records)), conf_threshold=0.25)
    return {one.kind: one for one in error_kinds(matched)}


def gains(kinds: dict[str, ErrorKind]) -> dict[str, Any]:
    return {name: (one.count, one.ap50_gain) for name, one in kinds.items() if one.count}


def test_a_missed_door_costs_the_missing_recall():
    """One of two doors: precision 1 at recalls 0 to 0.5, 51 of 101; at all without the other."""
    assert gains(of(([DOOR, OTHER], [(DOOR, 0.9)]))) == {"missed": (1, pytest.approx(1 - 51 / 101))}


def test_a_false_alarm_costs_the_precision_of_doors_with_a_lower_confidence():
    """More confident than the only door: precision 1/2 at every recall."""
    assert gains(of(([DOOR], [(FAR, 0.9), (DOOR, 0.8)]))) == {
        "false alarm": (1, pytest.approx(0.5))
    }


def test_the_door_of_a_badly_placed_box_does_not_count_as_missed():
    """No door is found, AP50 is 0; with the box on the door it is 1."""
    assert gains(of(([DOOR], [(NEAR, 0.9)]))) == {"badly placed": (1, pytest.approx(1.0))}


def test_of_two_badly_placed_boxes_the_more_confident_is_moved_and_the_other_is_removed():
    """With both, one would be a duplicate: the next door would have precision 2/3."""
    kinds = of(([DOOR, OTHER], [(NEAR, 0.9), (NEAR, 0.8), (OTHER, 0.7)]))
    base = 51 / 101 / 3
    assert gains(kinds) == {"badly placed": (2, pytest.approx(1 - base))}


def test_a_badly_placed_box_on_a_found_door_is_removed():
    assert gains(of(([DOOR, OTHER], [(DOOR, 0.9), (NEAR, 0.8), (OTHER, 0.7)]))) == {
        "badly placed": (1, pytest.approx(50 / 101 / 3))
    }


def test_a_second_box_on_a_door_is_a_duplicate():
    """The other door comes third: precision 2/3 at 50 of 101 recalls."""
    assert gains(of(([DOOR, OTHER], [(DOOR, 0.9), (CLOSE, 0.8), (OTHER, 0.7)]))) == {
        "duplicate": (1, pytest.approx(50 / 101 / 3))
    }


def test_without_a_door_there_are_no_error_kinds():
    assert of(([], [(FAR, 0.9)])) == {}


def test_if_every_door_is_missed_the_gain_is_undefined():
    assert gains(of(([DOOR], [(FAR, 0.9)]))) == {"missed": (1, None), "false alarm": (1, 0.0)}


def test_an_error_in_one_scene_has_no_interval_but_one_in_many_scenes_has():
    """Two of three doors are found; the cost of the others has an interval."""
    few = of(([DOOR], []), *[([DOOR], [(DOOR, 0.9)])] * 9)["missed"]
    many = of(*[([DOOR], []), *[([DOOR], [(DOOR, 0.9)])] * 2] * 10)["missed"]

    assert (few.low, few.high) == (None, None)
    assert many.low is not None
    assert many.high is not None
    assert many.ap50_gain is not None
    assert 0 < many.low < many.ap50_gain < many.high < 0.6
    assert str(few) == "+0.099 (too few scenes for an interval, n = 10 photographs)"


def a_split(generator: np.random.Generator) -> list[tuple[list[BoxXyxy], Found]]:
    """Draw boxes without ties, since the order of equal overlaps is not defined."""

    def boxes(most: int) -> list[BoxXyxy]:
        corners = generator.uniform(0, 40, (generator.integers(0, most + 1), 2))
        sides = generator.uniform(20, 50, corners.shape)
        return [(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sides, strict=True)]

    return [
        (boxes(3), [(box, float(generator.uniform(0.01, 1))) for box in boxes(6)]) for _ in range(6)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_error_kinds_equal_hotcoco(seed: int):
    photographs = a_split(np.random.default_rng(seed))
    truth = COCO(ground_truth([doors for doors, _ in photographs]))
    detections = results([[b for b, _ in found] for _, found in photographs],
                         [[c for _, c in found] for _, found in photographs])  # fmt: skip
    evaluation = COCOeval(truth, truth.load_res(detections), "bbox")
    evaluation.evaluate()
    expected = evaluation.tide_errors()

    ours = of(*photographs)

    assert {name: ours[name].count for name in HOTCOCO_NAMES} == {
        name: expected["counts"][theirs] for name, theirs in HOTCOCO_NAMES.items()
    }
    assert [ours[name].ap50_gain for name in HOTCOCO_NAMES] == pytest.approx(
        [expected["delta_ap"][theirs] for theirs in HOTCOCO_NAMES.values()], abs=1e-9
    )


HOTCOCO_NAMES = {
    "missed": "Miss",
    "badly placed": "Loc",
    "duplicate": "Dupe",
    "false alarm": "Bkg",
}


def test_false_alarms_without_a_measured_cost_have_no_interval():
    kinds = of(*[([DOOR], [(DOOR, 0.9), (FAR, 0.1)])] * 8)

    assert (kinds["false alarm"].count, kinds["false alarm"].ap50_gain) == (8, 0)
    assert kinds["false alarm"].high is None
