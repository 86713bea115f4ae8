"""Precision, recall, F1 and false alarms, each the mean of several trainings.

All trainings were measured on the same photographs. Their counts together, of each scene, give the
interval over scenes; the variance between trainings widens it (:mod:`trainings`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate
from container_doors.evaluation.matched import MatchCounts, f1_score, precision, recall, renumber
from container_doors.evaluation.ranking import Floats
from container_doors.evaluation.resampling import half_samples
from container_doors.evaluation.trainings import training_variance, widen


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A score that is a function of found doors over a total."""

    estimate: Callable[..., Estimate | None]
    total: Callable[[MatchCounts], int]
    of: Callable[[Floats], Floats] = lambda ratio: ratio


@dataclass(frozen=True, slots=True)
class OverScenes:
    """A ratio with its interval over scenes."""

    together: Estimate | None
    """Of the counts of all trainings."""
    alone: Sequence[Estimate | None]
    """Of each training. The interval of the mean is as wide as these on average, or wider: the
    trainings looked at the same photographs, so there are no more of them. Empty: not compared."""


_RATIOS: Mapping[str, _Ratio] = {
    "precision": _Ratio(precision, lambda one: one.hits + len(one.alarms)),
    "recall": _Ratio(recall, lambda one: len(one.found)),
    "F1": _Ratio(
        f1_score,
        lambda one: len(one.found) + len(one.alarms),
        lambda ratio: 2 * ratio / (1 + ratio),
    ),
}


def mean_ratios(
    trainings: Sequence[Sequence[MatchCounts]], *, level: float = CONFIDENCE_LEVEL
) -> dict[str, Estimate | None]:
    """Estimate ``precision``, ``recall`` and ``F1``; None: undefined for one of the trainings.

    Args:
        trainings: The photographs, matched for each training, in the same order.
        level: The confidence level of the intervals.
    """
    together = [one for matched in trainings for one in matched]
    scenes = renumber([one.scene for one in trainings[0]])
    return {
        name: mean_ratio(
            OverScenes(
                ratio.estimate(together, level=level),
                []
                if name == "recall"  # its ICC comes from all doors; the coverage was simulated
                else [ratio.estimate(matched, level=level) for matched in trainings],
            ),
            [[one.hits for one in matched] for matched in trainings],
            [[ratio.total(one) for one in matched] for matched in trainings],
            scenes,
            of=ratio.of,
        )
        for name, ratio in _RATIOS.items()
    }


def mean_ratio(
    over_scenes: OverScenes,
    counts: Sequence[Sequence[int]],
    totals: Sequence[Sequence[int]],
    scenes: Sequence[int],
    *,
    of: Callable[[Floats], Floats] = lambda ratio: ratio,
    most: float = 1.0,
) -> Estimate | None:
    """Estimate the mean of several trainings' ratios.

    Args:
        over_scenes: The ratio of all counts, and of those of each training.
        counts: (N, I) Of each training, in each photograph.
        totals: (N, I) What they are divided by.
        scenes: One per photograph, numbered from 0.
        of: The score as a function of the ratio.
        most: The highest score that there is.

    Returns:
        None if it is undefined for one of the trainings.
    """
    many, together = len(counts), over_scenes.together
    if together is None or many == 1:
        return together
    count, total = np.asarray(counts, np.float64), np.asarray(totals, np.float64)
    if not total.sum(axis=1).all():
        return None
    scores, halves = map(of, ratios(count, total, scenes))
    mean = float(scores.mean())
    moved = mean - together.value
    found = widen(
        together.model_copy(
            update={
                "value": mean,
                "low": min(mean, max(0.0, together.low + moved)),
                "high": max(mean, min(most, together.high + moved)),
                "n": round(together.n / many),
            }
        ),
        [training_variance(scores.tolist(), halves, scenes)],
        groups=len(np.unique(np.asarray(scenes)[total.sum(axis=0) > 0])),
        least=0.0,
        most=most,
    )
    alone = [one for one in over_scenes.alone if one is not None]
    if not alone:
        return found
    low, high = (
        mean + fmean(end - one.value for one, end in zip(alone, ends, strict=True))
        for ends in ([one.low for one in alone], [one.high for one in alone])
    )
    return found.model_copy(
        update={"low": min(found.low, max(0.0, low)), "high": max(found.high, min(most, high))}
    )


def ratios(counts: Floats, totals: Floats, groups: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the ratios of N trainings, (N,), and those of B halves of the groups, (N, B).

    Args:
        counts: (N, I) Of each training, in each photograph or scene.
        totals: (N, I) What they are divided by.
        groups: One per photograph or scene, numbered from 0.
    """
    weights = half_samples(groups)
    with np.errstate(invalid="ignore"):  # a half without any is nan
        halves = (counts @ weights.T) / (totals @ weights.T)
    return counts.sum(axis=1) / totals.sum(axis=1), halves
