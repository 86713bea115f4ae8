"""Confidence intervals of average precision, and of the difference of two.

The percentile bootstrap fails here. Average precision uses an envelope, which is too high in small
samples, and higher still if photographs are drawn twice: of its 95 % intervals for 75 photographs
only 89 % contain the truth. So half of the photographs are drawn, without replacement (Shao and Wu,
Annals of Statistics 17, 1989): the halves' variance gives that of the whole, and their mean gives
its bias. The interval is normal in the logit, so it stays within [0, 1].
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate
from container_doors.evaluation.intervals import proportion, student_quantile
from container_doors.evaluation.matched import door_icc, match_ranking
from container_doors.evaluation.ranking import Floats, Ranking
from container_doors.evaluation.resampling import Weights, half_samples
from container_doors.evaluation.trainings import training_variance, widen

Score = Callable[[Ranking, Weights], Floats]
"""(B, I) weights to (B, 10) average precisions."""

AP50, AP50_95 = slice(0, 1), slice(None)
"""Each average precision is the mean over these IoU thresholds."""

_FEWEST_GROUPS = 4
"""Groups with a door; fewer give too few different halves for a variance."""

_BIAS_OF_HALF, _WIDENED = 0.42, 1.1
"""The additional bias of a half, as a fraction of the whole's bias; and a factor that corrects the
halves' too small deviation. Both are measured on synthetic data with a known truth, which
tests/evaluation/test_coverage.py repeats: 93 to 97 % of the intervals contain it."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """Average precisions of a split and of halves of it, at each IoU threshold."""

    ranking: Ranking
    groups: Sequence[int]
    scores: Floats
    """(1 + halves, thresholds): of the whole first."""

    def mean_over(self, iou_thresholds: slice) -> tuple[float, Floats]:
        """Return the mean over some of the thresholds: of the whole, and of each half."""
        whole, *halves = self.scores[:, iou_thresholds].mean(axis=1)
        return float(whole), np.array(halves)


def resample(ranking: Ranking, groups: Sequence[int], score: Score) -> Resampled:
    """Score a split and halves of it, once for all that is estimated from them.

    Args:
        ranking: The detections of a split.
        groups: One per photograph; photographs of one scene have the same number.
        score: COCO's or Ultralytics' definition.
    """
    whole = np.ones((1, len(groups)), dtype=bool)
    weights = np.concatenate([whole, half_samples(groups)])
    return Resampled(ranking, groups, score(ranking, weights))


def average_precision(
    ranking: Ranking,
    groups: Sequence[int],
    score: Score,
    *,
    iou_thresholds: slice,
    level: float = CONFIDENCE_LEVEL,
    icc: float | None = None,
) -> Estimate | None:
    """Resample a split, and estimate one average precision (:func:`precision_of`)."""
    resampled = resample(ranking.at(iou_thresholds), groups, score)
    return precision_of([resampled], iou_thresholds=AP50_95, level=level, icc=icc)


def precision_of(
    trainings: Sequence[Resampled],
    *,
    iou_thresholds: slice,
    level: float = CONFIDENCE_LEVEL,
    icc: float | None = None,
) -> Estimate | None:
    """Estimate an average precision over all confidences; of several trainings, their mean.

    The interval of a mean contains the variance between trainings too. The recall at any confidence
    bounds it at each IoU threshold, so its lower bound is never above that of the recall. Halves
    that all agree prove nothing.

    Args:
        trainings: The split and its halves, of each training.
        iou_thresholds: Which of them to average over.
        level: The confidence level of the interval.
        icc: The doors' intraclass correlation; None: estimate it from the ranking.

    Returns:
        None without a door. The interval is 0 to 1 if fewer than four groups have one.
    """
    ranking, groups = trainings[0].ranking, trainings[0].groups
    if not ranking.doors.sum():
        return None
    wholes, each = _means_over(trainings, iou_thresholds)
    whole, halves = float(wholes.mean()), each.mean(axis=0)
    centre, deviation = _centre_and_deviation(whole, halves, groups)
    groups_with_doors = _count_groups_with_doors(ranking, groups)
    half = deviation * student_quantile(groups_with_doors - 1, level)
    low, high = _logit_interval(min(max(centre, 0.0), 1.0), half)
    if groups_with_doors < _FEWEST_GROUPS:
        low, high = 0.0, 1.0
    else:
        recalls = _recalls(
            [one.ranking for one in trainings], groups, iou_thresholds, level=level, icc=icc
        )
        low = min(low, whole, float(np.mean([one.low for one in recalls])))
        # If no door is found, every half has 0; and a centre of 0 has no width in the logit.
        unseen = float(np.mean([0.0 if one.value else one.high for one in recalls]))
        at_most = float(np.mean([one.high for one in recalls]))
        high = min(1.0, max(high if centre > 0 else at_most, whole + unseen))
    doors = int(ranking.doors.sum())
    return widen(
        Estimate(value=whole, low=low, high=high, n=doors, of="doors", level=level),
        [training_variance(wholes.tolist(), each, groups)],
        groups=groups_with_doors,
        least=0.0,
        most=1.0,
    )


def difference(
    first: Sequence[Resampled],
    second: Sequence[Resampled],
    *,
    iou_thresholds: slice,
    least_deviation: float = 0.0,
) -> Estimate | None:
    """Estimate the difference of two models on the same photographs: the second minus the first.

    Of several trainings of each it is that of their means, and the interval contains the variance
    between trainings too. A training of one is no partner of a training of the other, whatever
    their seeds.

    Args:
        first: The split and its halves, of each training of one model.
        second: The same of the other.
        iou_thresholds: Which of them to average over.
        least_deviation: The smallest standard deviation, for halves that all agree.

    Returns:
        None if fewer than four groups have a door.
    """
    groups = first[0].groups
    groups_with_doors = _count_groups_with_doors(first[0].ranking, groups)
    if groups_with_doors < _FEWEST_GROUPS:
        return None
    its, its_halves = _means_over(first, iou_thresholds)
    others, other_halves = _means_over(second, iou_thresholds)
    value = float(others.mean() - its.mean())
    halves = other_halves.mean(axis=0) - its_halves.mean(axis=0)
    centre, deviation = _centre_and_deviation(value, halves, groups)
    quantile = student_quantile(groups_with_doors - 1, CONFIDENCE_LEVEL)
    half = max(deviation, least_deviation) * quantile
    return widen(
        Estimate(
            value=value,
            low=max(-1.0, min(centre - half, value)),
            high=min(1.0, max(centre + half, value)),
            n=len(groups),
            of="photographs",
        ),
        [
            training_variance(its.tolist(), its_halves, groups),
            training_variance(others.tolist(), other_halves, groups),
        ],
        groups=groups_with_doors,
        least=-1.0,
        most=1.0,
    )


def _means_over(trainings: Sequence[Resampled], iou_thresholds: slice) -> tuple[Floats, Floats]:
    """Return the mean over some thresholds of N trainings, (N,), and of B halves, (N, B)."""
    means = [one.mean_over(iou_thresholds) for one in trainings]
    return np.array([whole for whole, _ in means]), np.stack([halves for _, halves in means])


def _centre_and_deviation(
    whole: float, halves: Floats, groups: Sequence[int]
) -> tuple[float, float]:
    """Correct the bias, and scale the halves' standard deviation to that of the whole."""
    defined = halves[np.isfinite(halves)]
    many = len(set(groups))
    if not defined.size or many < _FEWEST_GROUPS:
        return whole, math.inf
    drawn = many // 2
    scale = drawn / (many - drawn) * many / (many - 1)
    deviation = _WIDENED * math.sqrt(float(((defined - whole) ** 2).mean()) * scale)
    return whole - float(defined.mean() - whole) / _BIAS_OF_HALF, deviation


def _count_groups_with_doors(ranking: Ranking, groups: Sequence[int]) -> int:
    """Count the groups with a door; if it is one, each half has all doors or none."""
    return len(set(np.asarray(groups)[ranking.doors > 0].tolist()))


def _recalls(
    rankings: Sequence[Ranking],
    groups: Sequence[int],
    iou_thresholds: slice,
    *,
    level: float,
    icc: float | None,
) -> list[Estimate]:
    """Estimate the recall at any confidence, at each IoU threshold, of all trainings together."""
    totals = [many for one in rankings for many in one.doors.tolist()]
    if icc is None:
        matched = (match_ranking(one, groups, conf_threshold=0.0) for one in rankings)
        icc = door_icc([photograph for each in matched for photograph in each])
    hits = [
        [
            many
            for one in rankings
            for many in np.bincount(
                one.photograph[one.is_door[iou]], minlength=one.doors.size
            ).tolist()
        ]
        for iou in range(*iou_thresholds.indices(len(rankings[0].is_door)))
    ]
    scenes = [*groups] * len(rankings)
    proportions = [
        proportion(one, totals, scenes, of="doors", icc=icc, level=level) for one in hits
    ]
    return [one for one in proportions if one is not None]


def _logit_interval(centre: float, half: float) -> tuple[float, float]:
    """Return an interval around a value in (0, 1) that is within (0, 1) too."""
    if centre in {0.0, 1.0} or half == 0:
        return centre, centre
    if not math.isfinite(half):
        return 0.0, 1.0
    shift = half / (centre * (1 - centre))
    odds = math.log(centre / (1 - centre))
    return _expit(odds - shift), _expit(odds + shift)


def _expit(odds: float) -> float:
    return 0.5 * (1 + math.tanh(odds / 2))
