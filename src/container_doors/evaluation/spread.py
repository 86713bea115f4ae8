"""How surely an average precision is known, and the difference of two.

The percentile bootstrap fails here: average precision is read off an envelope, which lies too high
in small samples, and higher still where photographs are drawn twice; of its 95 % intervals for 75
photographs, 89 % hold the truth. So half of the photographs are drawn, without replacement (Shao
and Wu, Annals of Statistics 17, 1989): their spread is that of the whole, and their mean shows
how far the whole is off too. The interval is normal in the logit, which stays within [0, 1].
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate
from container_doors.evaluation.intervals import proportion, student_quantile
from container_doors.evaluation.matched import door_icc, match_ranking
from container_doors.evaluation.ranking import Floats, Ranking
from container_doors.evaluation.resampling import half_samples

Score = Callable[[Ranking, Floats], Floats]
"""(B, I) weights to (B, 10) average precisions."""

AP50, AP50_95 = slice(0, 1), slice(None)
"""The IoU thresholds that each average precision is the mean over."""

_FEWEST_GROUPS = 4
"""With doors in fewer, the halves are too few to have a spread."""

_BIAS_OF_HALF, _WIDENED = 0.42, 1.1
"""How much further a half is off than the whole, as a share of the whole's bias, and by how much
the halves understate the spread. Both were measured on synthetic data of known truth, which
tests/evaluation/test_coverage.py repeats: 93 to 97 % of the intervals hold it."""


def average_precision(
    ranking: Ranking,
    groups: Sequence[int],
    score: Score,
    *,
    iou_thresholds: slice,
    level: float = CONFIDENCE_LEVEL,
    icc: float | None = None,
) -> Estimate | None:
    """Estimate an average precision over all confidences.

    No more can be proven of it than of the share of doors that is found at any confidence, which
    bounds it at each overlap: where all halves agree, they prove nothing by it.

    Args:
        ranking: The detections of a split.
        groups: Of each photograph: those of one scene share a number.
        score: COCO's or Ultralytics'.
        iou_thresholds: Which of them it is the mean over.
        level: How often the interval should hold the true value.
        icc: How alike the doors of a scene are; None: as those that are given.

    Returns:
        None if there is no door. From 0 to 1 if fewer than four groups have one.
    """
    if not ranking.doors.sum():
        return None
    whole, halves = _scored(ranking, groups, score, iou_thresholds)
    centre, deviation = _centre_and_deviation(whole, halves, groups)
    seen = _with_doors(ranking, groups)
    half = deviation * student_quantile(seen - 1, level)
    low, high = _in_logit(min(max(centre, 0.0), 1.0), half)
    if seen < _FEWEST_GROUPS:
        low, high = 0.0, 1.0
    else:
        found = _found(ranking, groups, iou_thresholds, level=level, icc=icc)
        low = min(low, whole, float(np.mean([one.low for one in found])))
        # Where none is found every half agrees on 0; and a centre of 0 has no width in the logit.
        unseen = float(np.mean([0.0 if one.value else one.high for one in found]))
        at_most = float(np.mean([one.high for one in found]))
        high = min(1.0, max(high if centre > 0 else at_most, whole + unseen))
    doors = int(ranking.doors.sum())
    return Estimate(value=whole, low=low, high=high, n=doors, of="doors", level=level)


def difference(
    first: Ranking,
    second: Ranking,
    groups: Sequence[int],
    score: Score,
    *,
    iou_thresholds: slice,
    least_deviation: float = 0.0,
) -> Estimate | None:
    """Estimate by how much the second of two models is better on the same photographs.

    Args:
        first: The detections of one.
        second: Of the other.
        groups: Of each photograph.
        score: COCO's or Ultralytics'.
        iou_thresholds: Which of them it is the mean over.
        least_deviation: Of the difference, where all halves agree.

    Returns:
        None if fewer than four groups have a door.
    """
    if _with_doors(first, groups) < _FEWEST_GROUPS:
        return None
    one, its_halves = _scored(first, groups, score, iou_thresholds)
    other, other_halves = _scored(second, groups, score, iou_thresholds)
    centre, deviation = _centre_and_deviation(other - one, other_halves - its_halves, groups)
    quantile = student_quantile(_with_doors(first, groups) - 1, CONFIDENCE_LEVEL)
    half = max(deviation, least_deviation) * quantile
    return Estimate(
        value=other - one,
        low=max(-1.0, min(centre - half, other - one)),
        high=min(1.0, max(centre + half, other - one)),
        n=len(groups),
        of="photographs",
    )


def _scored(
    ranking: Ranking, groups: Sequence[int], score: Score, iou_thresholds: slice
) -> tuple[float, Floats]:
    weights = np.concatenate([np.ones((1, len(groups))), half_samples(groups)])
    only = Ranking(
        ranking.photograph, ranking.confidence, ranking.is_door[iou_thresholds], ranking.doors
    )
    whole, *halves = score(only, weights).mean(axis=1)
    return float(whole), np.array(halves)


def _centre_and_deviation(
    whole: float, halves: Floats, groups: Sequence[int]
) -> tuple[float, float]:
    """Correct the bias, and scale the spread of the halves to that of the whole."""
    defined = halves[np.isfinite(halves)]
    many = len(set(groups))
    if not defined.size or many < _FEWEST_GROUPS:
        return whole, math.inf
    drawn = many // 2
    scale = drawn / (many - drawn) * many / (many - 1)
    deviation = _WIDENED * math.sqrt(float(((defined - whole) ** 2).mean()) * scale)
    return whole - float(defined.mean() - whole) / _BIAS_OF_HALF, deviation


def _with_doors(ranking: Ranking, groups: Sequence[int]) -> int:
    """Count the groups that a door is in: of one, each half has all of the doors or none."""
    return len(set(np.asarray(groups)[ranking.doors > 0].tolist()))


def _found(
    ranking: Ranking,
    groups: Sequence[int],
    iou_thresholds: slice,
    *,
    level: float,
    icc: float | None,
) -> list[Estimate]:
    """Estimate the share of doors that are found at any confidence, at each overlap."""
    totals = ranking.doors.tolist()
    if icc is None:
        icc = door_icc(match_ranking(ranking, groups, conf_threshold=0.0))
    hits = [
        np.bincount(ranking.photograph[row], minlength=ranking.doors.size).tolist()
        for row in ranking.is_door[iou_thresholds]
    ]
    proportions = [
        proportion(one, totals, groups, of="doors", icc=icc, level=level) for one in hits
    ]
    return [one for one in proportions if one is not None]


def _in_logit(centre: float, half: float) -> tuple[float, float]:
    """Bound a value in (0, 1) so that the bounds are within it too."""
    if centre in {0.0, 1.0} or half == 0:
        return centre, centre
    if not math.isfinite(half):
        return 0.0, 1.0
    shift = half / (centre * (1 - centre))
    odds = math.log(centre / (1 - centre))
    return _expit(odds - shift), _expit(odds + shift)


def _expit(odds: float) -> float:
    return 0.5 * (1 + math.tanh(odds / 2))
