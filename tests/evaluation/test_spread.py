"""Check resampled scores against real copies of the data, hotcoco and Ultralytics."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.evaluation.best_f1 import at_best_f1
from container_doors.evaluation.coco_ap import coco_ap
from container_doors.evaluation.intervals import proportion
from container_doors.evaluation.matched import match_ranking, recall
from container_doors.evaluation.ranking import rank
from container_doors.evaluation.resampling import (
    coco_ap_of,
    half_samples,
    precision_recall,
    ultralytics_ap_of,
)
from container_doors.evaluation.spread import average_precision, difference, resample
from tests.evaluation.synthetic import synthetic_ranking
from tests.evaluation.test_coco_ap import DOOR, photograph

AP50 = slice(0, 1)


def parts(photographs: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    return (
        [truth for truth, _ in photographs],
        [[box for box, _ in found] for _, found in photographs],
        [[score for _, score in found] for _, found in photographs],
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(photograph, min_size=1, max_size=6), st.data())
def test_weights_give_the_score_of_the_remaining_photographs(photographs, data):
    """hotcoco, and so pycocotools, gives the same for a part of the photographs, to 1e-9."""
    chosen = data.draw(
        st.lists(st.booleans(), min_size=len(photographs), max_size=len(photographs))
    )
    ranking = rank(*parts(photographs))

    scores = coco_ap_of(ranking, np.array([chosen, [True] * len(chosen)], dtype=float))

    for row, some in zip(
        scores,
        ([p for p, c in zip(photographs, chosen, strict=True) if c], photographs),
        strict=True,
    ):
        expected = coco_ap(*parts(some))
        if expected:
            assert row.mean() == pytest.approx(expected["AP"], abs=1e-9)
            assert row[0] == pytest.approx(expected["AP50"], abs=1e-9)
        else:
            assert np.isnan(row).all()


def test_only_the_100_most_confident_boxes_count_as_in_pycocotools():
    boxes = [[(float(x), 0.0, x + 5.0, 5.0) for x in range(150)] + [DOOR]]
    scores = [[0.9] * 150 + [0.1]]

    ranking = rank([[DOOR]], boxes, scores)

    assert ranking.photograph.size == 100
    assert coco_ap_of(ranking, np.ones((1, 1))).max() == coco_ap([[DOOR]], boxes, scores)["AP"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_equals_ultralytics_own(seed: int):
    import_ultralytics()
    from ultralytics.utils.metrics import compute_ap

    ranking = synthetic_ranking(60, np.random.default_rng(seed))
    ours = ultralytics_ap_of(ranking, np.ones((1, 60)))[0]

    for row, value in zip(ranking.is_door, ours, strict=True):
        found = row.cumsum()
        recall, precision = found / ranking.doors.sum(), found / np.arange(1, found.size + 1)
        assert value == pytest.approx(compute_ap(recall, precision)[0], abs=1e-9)


@pytest.mark.parametrize("photographs", [1, 8, 60])
@pytest.mark.parametrize("seed", range(3))
def test_precision_recall_and_f1_at_the_best_f1_equal_ultralytics_own(photographs: int, seed: int):
    import_ultralytics()
    from ultralytics.utils.metrics import ap_per_class

    ranking = synthetic_ranking(photographs, np.random.default_rng(seed))
    doors, things = int(ranking.doors.sum()), ranking.confidence.size
    theirs = ap_per_class(
        ranking.is_door.T, ranking.confidence, np.zeros(things), np.zeros(doors)
    )  # fmt: skip
    ours = at_best_f1([ranking], range(photographs))

    for name, value in zip(("mP", "mR", "mF1"), theirs[2:5], strict=True):
        assert ours[name].value == pytest.approx(value.item(), abs=1e-9)
        assert ours[name].low <= ours[name].value <= ours[name].high
    assert ours["mR"].n == doors


def test_half_of_the_scenes_are_drawn_and_no_scene_is_split():
    weights = half_samples([0, 0, 1, 1, 2, 3], replicates=50, seed=4)

    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 4, 5]].sum(axis=1) == 2).all()


def test_the_same_data_give_the_same_interval():
    ranking = synthetic_ranking(30, np.random.default_rng(0))
    first, second = (
        average_precision(ranking, range(30), coco_ap_of, iou_thresholds=AP50) for _ in range(2)
    )
    assert first == second


def test_a_perfect_detector_on_19_doors_has_the_lower_bound_of_its_recall():
    """19 of 19: at least 0.025 ** (1 / 19) = 0.824; resampling alone would give 1 to 1."""
    ranking = rank([[DOOR]] * 19, [[DOOR]] * 19, [[0.9]] * 19)

    estimate = average_precision(ranking, range(19), coco_ap_of, iou_thresholds=AP50)

    assert estimate is not None
    assert (estimate.value, estimate.high) == pytest.approx((1.0, 1.0))
    assert estimate.low == pytest.approx(0.8235, abs=1e-3)


def test_without_a_door_average_precision_is_absent():
    ranking = rank([[], []], [[DOOR], []], [[0.9], []])

    assert average_precision(ranking, range(2), coco_ap_of, iou_thresholds=AP50) is None


def test_photographs_of_three_scenes_have_an_interval_of_zero_to_one():
    ranking = synthetic_ranking(30, np.random.default_rng(0))
    groups = [number % 3 for number in range(30)]

    estimate = average_precision(ranking, groups, coco_ap_of, iou_thresholds=AP50)

    assert estimate is not None
    assert (estimate.low, estimate.high) == (0, 1)
    resampled = resample(ranking, groups, coco_ap_of)
    assert difference([resampled], [resampled], iou_thresholds=AP50) is None


def test_a_model_does_not_differ_from_itself():
    ranking = synthetic_ranking(30, np.random.default_rng(0))

    resampled = resample(ranking, range(30), coco_ap_of)
    estimate = difference([resampled], [resampled], iou_thresholds=AP50)

    assert estimate is not None
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("photographs", [5, 12])
def test_the_lower_bound_is_not_above_that_of_the_recall(seed: int, photographs: int):
    ranking = synthetic_ranking(photographs, np.random.default_rng(seed))

    estimate = average_precision(ranking, range(photographs), coco_ap_of, iou_thresholds=AP50)
    found = recall(match_ranking(ranking, range(photographs), conf_threshold=0.0))

    assert estimate is not None
    assert found is not None
    assert estimate.low <= min(estimate.value, found.low)
    assert estimate.value <= estimate.high


def test_doors_in_a_single_scene_prove_nothing():
    """Each half has all doors or none, so the halves are equal and have no variance."""
    near = (12.0, 20.0, 110.0, 220.0)
    ranking = rank([[DOOR]] * 6 + [[]] * 6, [[near]] * 6 + [[DOOR]] * 6, [[0.9]] * 6 + [[0.1]] * 6)

    estimate = average_precision(
        ranking, [0] * 6 + list(range(1, 7)), coco_ap_of, iou_thresholds=slice(None)
    )

    assert estimate is not None
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    resampled = resample(ranking, [0] * 6 + list(range(1, 7)), coco_ap_of)
    assert difference([resampled], [resampled], iou_thresholds=AP50) is None


def test_a_score_near_zero_has_an_upper_bound_above_it():
    """One of twelve doors is found, below false alarms: with the bias correction AP is below 0."""
    far = (50.0, 50.0, 60.0, 60.0)
    ranking = rank(
        [[DOOR]] * 12, [[far, DOOR]] + [[far]] * 11, [[0.9, 0.1]] + [[0.9]] * 11
    )  # fmt: skip

    found = average_precision(ranking, range(12), coco_ap_of, iou_thresholds=slice(0, 1))

    assert found is not None
    assert 0 < found.value < 0.01
    recall_estimate = proportion([1] + [0] * 11, [1] * 12, range(12), of="doors", icc=0.0)
    assert recall_estimate is not None
    assert found.high == pytest.approx(recall_estimate.high)


def test_the_precision_recall_curve_equals_one_by_hand():
    """Three doors; the 1st and 3rd of three detections find one, the 2nd is a false alarm."""
    far = (50.0, 50.0, 60.0, 60.0)
    ranking = rank([[DOOR]] * 3, [[DOOR], [far], [DOOR]], [[0.9], [0.8], [0.7]])

    assert precision_recall(ranking) == [
        pytest.approx((1 / 3, 1.0)),
        pytest.approx((2 / 3, 2 / 3)),
    ]
    assert precision_recall(rank([[]], [[DOOR]], [[0.9]])) == []
