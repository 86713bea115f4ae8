"""Precision, recall and F1 as Ultralytics reports them: at the confidence of the highest F1.

That confidence is chosen on the same photographs, so these scores are a little optimistic.
``precision``, ``recall`` and ``F1`` are at the threshold that was set before.
"""

from collections.abc import Sequence
from statistics import mean

import numpy as np

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate
from container_doors.evaluation.matched import match_ranking
from container_doors.evaluation.mean_ratios import mean_ratios
from container_doors.evaluation.ranking import Floats, Ranking

_CONFIDENCES = np.linspace(0.0, 1.0, 1000)
_SMOOTHED_OVER = 101
"""The width of the smoothing window: a tenth of these confidences, and odd."""

_EPSILON = 1e-16


def at_best_f1(
    rankings: Sequence[Ranking], scenes: Sequence[int], *, level: float = CONFIDENCE_LEVEL
) -> dict[str, Estimate]:
    """Estimate ``mP``, ``mR`` and ``mF1``; empty if there is no door or no detection.

    The values are Ultralytics' (``ap_per_class``, 8.4.190), linearly interpolated between
    detections. The intervals are those of the counts at that confidence.

    Args:
        rankings: The detections of each training; of several, the mean is estimated.
        scenes: One per photograph.
        level: The confidence level of the intervals.
    """
    if not rankings[0].doors.sum() or not all(one.confidence.size for one in rankings):
        return {}
    points = [_best_f1_point(one) for one in rankings]
    matched = [
        match_ranking(one, scenes, conf_threshold=threshold)
        for one, (threshold, _) in zip(rankings, points, strict=True)
    ]
    estimates = mean_ratios(matched, level=level)
    values = [mean(each) for each in zip(*(of_one for _, of_one in points), strict=True)]
    return {
        name: estimate.model_copy(
            update={
                "value": value,
                "low": min(estimate.low, value),
                "high": max(estimate.high, value),
            }
        )
        for name, value, estimate in zip(
            ("mP", "mR", "mF1"), values, estimates.values(), strict=True
        )
        if estimate is not None
    }


def _best_f1_point(ranking: Ranking) -> tuple[float, tuple[float, float, float]]:
    """Return the confidence of the highest smoothed F1, and precision, recall and F1 there."""
    right = ranking.is_door[0].cumsum()
    recalls = right / (ranking.doors.sum() + _EPSILON)
    precisions = right / np.arange(1, right.size + 1)
    recalled = np.interp(-_CONFIDENCES, -ranking.confidence, recalls, left=0)
    precise = np.interp(-_CONFIDENCES, -ranking.confidence, precisions, left=1)
    f1s = 2 * precise * recalled / (precise + recalled + _EPSILON)
    at = int(_smooth(f1s).argmax())
    return float(_CONFIDENCES[at]), (float(precise[at]), float(recalled[at]), float(f1s[at]))


def _smooth(curve: Floats) -> Floats:
    ends = np.ones(_SMOOTHED_OVER // 2)
    padded = np.concatenate([ends * curve[0], curve, ends * curve[-1]])
    return np.convolve(padded, np.ones(_SMOOTHED_OVER) / _SMOOTHED_OVER, mode="valid")
