"""The luck of a training is in the interval of a mean, and of a difference of two."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from statistics import NormalDist

import numpy as np
import pytest

from container_doors.core.measurements import Estimate, FalseAlarms, Photograph
from container_doors.evaluation import mean_ratios as ratios_of
from container_doors.evaluation import spread
from container_doors.evaluation.alarms import mean_false_alarms
from container_doors.evaluation.matched import MatchCounts, recall
from container_doors.evaluation.mean_ratios import mean_ratios
from container_doors.evaluation.paired import differences, mean_differences
from container_doors.evaluation.ranking import IOU_THRESHOLDS, Ranking
from container_doors.evaluation.resampling import coco_ap_of, half_samples
from container_doors.evaluation.spread import AP50_95
from container_doors.evaluation.trainings import TrainingVariance, training_variance, widen
from tests.evaluation.test_paired import with_alarms

SCENES, NORMAL = 40, NormalDist()


def found_by(trainings: np.ndarray, doors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw which doors are found, (N, I): easy doors by more trainings, good trainings more."""
    luck = rng.normal(size=(trainings.size, doors.size))
    return np.asarray(1.2 + doors + trainings[:, None] + luck)


def as_counts(margins: np.ndarray) -> list[list[MatchCounts]]:
    """A photograph and a scene for each door; found if its margin is above 0."""
    confidences = 1 / (1 + np.exp(-2 * margins))
    return [
        [
            MatchCounts(scene, (bool(margin > 0),), (float(confidence),), ())
            for scene, (margin, confidence) in enumerate(zip(of_one, its, strict=True))
        ]
        for of_one, its in zip(margins, confidences, strict=True)
    ]


def coverage_of_recall(*, seeds: int, doors: float, trainings: float, draws: int) -> list[float]:
    """Return how many intervals contain the recall of all trainings: with and without their luck.

    A margin is normal, so the true recall is that of a normal variable.
    """
    rng = np.random.default_rng(7)
    truth = NORMAL.cdf(1.2 / math.sqrt(1 + doors**2 + trainings**2))
    covered = np.zeros(2)
    for _ in range(draws):
        skills = trainings * rng.normal(size=seeds)
        counts = as_counts(found_by(skills, doors * rng.normal(size=SCENES), rng))
        estimates = (
            mean_ratios(counts)["recall"],
            recall([one for each in counts for one in each]),
        )
        covered += [one is not None and one.low <= truth <= one.high for one in estimates]
    return [float(one) for one in covered / draws]


def test_an_interval_over_scenes_alone_misses_the_recall_that_trainings_differ_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ratios_of, "half_samples", partial(half_samples, replicates=200))

    whole, over_scenes = coverage_of_recall(seeds=3, doors=0.3, trainings=0.4, draws=150)

    assert 0.91 <= whole <= 0.99
    assert over_scenes < 0.85


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "doors", "trainings"),
    [*product((3, 5), (0.3, 1.0), (0.0, 0.2, 0.4)), (2, 0.3, 0.2), (2, 1.0, 0.2)],
)
def test_the_mean_recall_of_all_trainings_lies_in_its_interval(
    seeds: int, doors: float, trainings: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recall of a training deviates by 0, 0.04 and 0.08 from that of another."""
    monkeypatch.setattr(ratios_of, "half_samples", partial(half_samples, replicates=200))

    whole, _ = coverage_of_recall(seeds=seeds, doors=doors, trainings=trainings, draws=500)

    assert 0.925 <= whole <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "trainings"), [(2, 0.3), (3, 0.0), (3, 0.5), (5, 0.5)])
def test_differences_of_two_equal_ways_of_training_contain_zero(
    seeds: int, trainings: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways have the same doors, which are hard for both, and trainings of their own."""
    for module in (ratios_of, spread):
        monkeypatch.setattr(module, "half_samples", partial(half_samples, replicates=200))
    rng, draws = np.random.default_rng(3), 250
    covered = {"AP50-95": 0, "models": 0}
    for _ in range(draws):
        doors = 0.7 * rng.normal(size=SCENES)
        first, second = (
            [
                as_ranking(margins)
                for margins in found_by(trainings * rng.normal(size=seeds), doors, rng)
            ]
            for _ in range(2)
        )
        for name, ways in (
            ("AP50-95", (first, second)),
            ("models", (first[:1], second[:1])),
        ):
            one = spread.difference(*map(resampled, ways), iou_thresholds=AP50_95)
            assert one is not None
            covered[name] += one.low <= 0 <= one.high

    assert covered["AP50-95"] / draws >= 0.925
    if trainings >= 0.5:
        assert covered["models"] / draws < 0.85


def as_ranking(margins: np.ndarray) -> Ranking:
    """Every door has a box, as good and as confident as its margin; none is a false alarm."""
    order = np.argsort(-margins, kind="mergesort")
    overlap = 1 / (1 + np.exp(-1 - margins))
    return Ranking(
        np.arange(margins.size)[order],
        margins[order],
        overlap[order] >= IOU_THRESHOLDS[:, None],
        np.ones(margins.size, dtype=np.int64),
    )


def resampled(rankings: Sequence[Ranking]) -> list[spread.Resampled]:
    return [spread.resample(one, range(SCENES), coco_ap_of) for one in rankings]


def test_the_variance_between_trainings_has_no_part_that_scenes_have_already() -> None:
    """By hand, of four scenes of which two are drawn: 2/2 * 4/3 = 4/3 of the halves' variance.

    Scores 0.5 and 0.9: their variance is 0.08, that of the mean 0.04. The halves of the first are
    off by +-0.1, those of the second not: on average 4/3 * 0.005, and those of the mean are off by
    +-0.05, 4/3 * 0.0025. Their difference, 0.00333, is in both, and taken off once.
    """
    halves = np.array([[0.6, 0.4], [0.9, 0.9]])

    found = training_variance([0.5, 0.9], halves, range(4))

    assert found is not None
    assert found.of_mean == pytest.approx(0.04)
    assert found.beyond_scenes == pytest.approx(0.04 - 4 / 3 * 0.0025)
    assert found.degrees == 1
    assert training_variance([0.5], halves[:1], range(4)) is None
    alike = training_variance([0.5, 0.5], np.array([[0.8, 0.2], [0.2, 0.8]]), range(4))
    assert alike == TrainingVariance(0.0, 0.0, 1)


def test_a_second_training_adds_no_photograph_without_a_door() -> None:
    """No false alarm in eleven photographs proves as little after two trainings as after one."""

    def seen(confidence: float) -> list[Photograph]:
        return [
            Photograph(
                image=f"images/test/{number}.jpg",
                width_px=9,
                height_px=9,
                doors_xyxy=[],
                scored_xyxy=[],
                scored_confidences=[],
                used_xyxy=[(0, 0, 9, 9)],
                used_confidences=[confidence + number / 1e6],
            )
            for number in range(11)
        ]

    def at_the_point(*trainings: list[Photograph]) -> FalseAlarms:
        found = mean_false_alarms(trainings, list(range(11)), conf_threshold=0.25)
        (one,) = [one for one in found if one.conf_threshold == 0.25]
        return one

    alone, both = at_the_point(seen(0.012)), at_the_point(seen(0.012), seen(0.004))

    assert both.per_photograph.value == 0
    assert both.per_photograph.high >= alone.per_photograph.high
    assert both.photographs_with_one.high >= alone.photographs_with_one.high


def test_each_side_of_an_interval_is_widened_by_itself() -> None:
    """By hand: Student's 97.5 % quantile of 39 degrees is 2.023, so 0.0809 is a deviation of 0.04,
    and with 0.03 of the trainings 0.05. Satterthwaite's degrees are 0.05^4 / (0.04^4 / 39 +
    0.03^4 / 4) = 23.2, whose quantile is 2.068: 0.1034. On the other side 0 and 0.03 of 4 degrees:
    2.776 * 0.03 = 0.0833, at most 1."""
    one = Estimate(value=0.95, low=0.95 - 0.0809, high=0.95, n=60, of="doors")
    luck = TrainingVariance(0.0009, 0.0009, 4)

    found = widen(one, [luck], groups=40, least=0.0, most=1.0)

    assert found.low == pytest.approx(0.95 - 0.1034, abs=2e-4)
    assert found.high == 1.0
    unbounded = widen(one, [luck], groups=40, least=0.0, most=math.inf)
    assert unbounded.high == pytest.approx(0.95 + 0.0833, abs=2e-4)
    assert widen(one, [None], groups=40, least=0.0, most=1.0) == one


def test_a_training_without_a_detection_leaves_the_mean_precision_undefined() -> None:
    counts = as_counts(np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]))

    found = mean_ratios(counts)

    assert found["precision"] is None
    assert found["recall"] is not None
    assert (found["recall"].value, found["recall"].n) == (0.5, 3)


def test_luck_makes_a_difference_of_two_ways_of_training_less_certain() -> None:
    """One way finds 36 of 40 doors by each seed, or 40 and 32: the mean is the same."""
    seconds = [with_alarms(*[1] * 2, *[0] * 38, found=40)] * 2
    steady = [with_alarms(*[0] * 40, found=36)] * 2
    lucky = [with_alarms(*[0] * 40, found=many) for many in (40, 32)]

    by = mean_differences(steady, seconds), mean_differences(lucky, seconds)

    assert [one["recall"].value for one in by] == pytest.approx([0.1, 0.1])
    assert by[0]["recall"].low > by[1]["recall"].low
    assert by[0]["false alarms"].value == by[1]["false alarms"].value == 0.05
    assert by[0]["recall"] == differences(steady[0], seconds[0])["recall"]


def test_the_same_trainings_at_two_thresholds_differ_by_no_luck() -> None:
    """Each training finds six doors fewer at the second threshold, whatever its luck."""
    first = [with_alarms(*[0] * 40, found=many) for many in (40, 30)]
    second = [with_alarms(*[0] * 40, found=many) for many in (34, 24)]

    of_same = mean_differences(first, second, are_same_trainings=True)["recall"]
    of_others = mean_differences(first, second)["recall"]

    assert of_same.value == of_others.value == pytest.approx(-0.15)
    assert of_same.high < 0 < of_others.high


def test_luck_makes_a_difference_of_average_precisions_less_certain() -> None:
    """Of two trainings one has worse boxes: their mean is as good as two of a middle quality."""
    rng = np.random.default_rng(0)
    margins = rng.normal(size=SCENES)
    lucky, steady = ([as_ranking(margins + one) for one in each] for each in ((1, -1), (0, 0)))
    base = [as_ranking(margins - 1)] * 2

    def width(ways: list[Ranking]) -> float:
        one = spread.difference(resampled(base), resampled(ways), iou_thresholds=AP50_95)
        assert one is not None
        return one.high - one.low

    assert width(lucky) > 2 * width(steady)
    mean = spread.precision_of(resampled(lucky), iou_thresholds=AP50_95)
    each = [
        spread.average_precision(one, range(SCENES), coco_ap_of, iou_thresholds=AP50_95)
        for one in lucky
    ]
    assert mean is not None
    values = [one.value for one in each if one is not None]
    assert mean.value == pytest.approx(sum(values) / 2)
    assert mean.low < min(values)
