"""Confidence intervals of proportions and rates, with correlation within scenes.

Doors in one photograph, and photographs of one scene, are found or missed together. So a hundred of
them prove less than a hundred independent samples: their effective sample size is smaller. If some
are missed, the variance between scenes gives it (a ratio's linearised variance; Korn and Graubard,
Survey Methodology 24, 1998). If all are found, that variance is 0, so the model's confidences give
it, which always vary (:func:`intraclass_correlation`). The smaller of the two is used.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from container_doors.core.measurements import (
    CONFIDENCE_LEVEL,
    Estimate,
    normal_quantile,
    score_interval,
)

_Values = npt.NDArray[np.float64]

Counts = Sequence[int] | npt.NDArray[np.int64]
"""One per photograph."""


def intraclass_correlation(values: Sequence[float], scenes: Sequence[int]) -> float:
    """Return the intraclass correlation: 0 for independent samples, 1 for equal ones in a scene.

    It is that of a one-way layout with unequal groups, estimated from its mean squares (Donner and
    Koval, Biometrics 36, 1980), and 0 if that is negative.

    Args:
        values: One per sample, such as the confidence with which a door is found.
        scenes: One per sample.

    Returns:
        1 if it cannot be estimated: one scene only, or values that do not vary.
    """
    if len(values) == len(set(scenes)):
        return 0.0
    value = np.asarray(values, dtype=np.float64)
    _, scene, sizes = np.unique(scenes, return_inverse=True, return_counts=True)
    many, groups = value.size, sizes.size
    means = np.bincount(scene, weights=value) / sizes
    between = float((sizes * (means - value.mean()) ** 2).sum())
    within = float(((value - means[scene]) ** 2).sum())
    if groups == 1 or not between + within:
        return 1.0
    mean_between, mean_within = between / (groups - 1), within / (many - groups)
    usual_size = (many - float((sizes**2).sum()) / many) / (groups - 1)
    icc = (mean_between - mean_within) / (mean_between + (usual_size - 1) * mean_within)
    return min(1.0, max(0.0, icc))


def proportion(
    hits: Counts,
    totals: Counts,
    scenes: Counts,
    *,
    of: str,
    icc: float,
    level: float = CONFIDENCE_LEVEL,
) -> Estimate | None:
    """Estimate a proportion from counts per photograph.

    The bounds are Wilson's at the effective sample size, with Student's quantile for its variance,
    which is estimated between scenes. They are never closer to 0 or 1 than Clopper and Pearson's.

    Args:
        hits: One per photograph, such as its doors that were found.
        totals: One per photograph, such as its doors.
        scenes: One per photograph.
        of: What ``totals`` counts.
        icc: The intraclass correlation within scenes (:func:`intraclass_correlation`).
        level: The confidence level of the interval.

    Returns:
        None if the total is 0.
    """
    total = _by_scene(totals, scenes)
    hit, total = _by_scene(hits, scenes)[total > 0], total[total > 0]
    if not total.size:
        return None
    many, value = float(total.sum()), float(hit.sum() / total.sum())
    effective_n = float(_effective_n(total, icc).sum())
    between = float(((hit - value * total) ** 2).sum())
    effective = (
        min(effective_n, many**2 * value * (1 - value) / between) if between else effective_n
    )
    z = _quantile(min(effective, total.size), many, level)
    low, high = score_interval(value, effective, z)
    # Clopper and Pearson's bound for independent samples that are all found; nothing proves more.
    perfect = _tail(_quantile(min(effective_n, total.size), many, level)) ** (1 / effective_n)
    return Estimate(
        value=value,
        low=min(low, value, perfect),
        high=max(high, value, 1 - perfect),
        n=int(many),
        of=of,
        level=level,
    )


def f1(jaccard: Estimate | None) -> Estimate | None:
    """Convert the Jaccard index into F1: found doors over all doors and false alarms.

    F1 = 2J / (1 + J) increases with J, so the bounds are converted in the same way.
    """
    if jaccard is None:
        return None
    value, low, high = (2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high))
    return jaccard.model_copy(update={"value": value, "low": low, "high": high})


def rate(
    counts: Counts,
    scenes: Counts,
    *,
    of: str,
    icc: float,
    level: float = CONFIDENCE_LEVEL,
) -> Estimate | None:
    """Estimate a count per photograph, by the score interval of a Poisson rate.

    Overdispersed counts, within photographs or scenes, prove less: the exposure is divided by
    their variance over their mean.

    Args:
        counts: One per photograph.
        scenes: One per photograph.
        of: What the photographs are.
        icc: The intraclass correlation within scenes (:func:`intraclass_correlation`).
        level: The confidence level of the interval.

    Returns:
        None if there is no photograph.
    """
    if not len(counts):
        return None
    count, sizes = _by_scene(counts, scenes), _by_scene([1] * len(counts), scenes)
    count, sizes = count[sizes > 0], sizes[sizes > 0]
    photographs = float(sizes.sum())
    value, effective = float(count.sum()) / photographs, float(_effective_n(sizes, icc).sum())
    exposure = effective / _overdispersion(counts)
    between = float(((count - value * sizes) ** 2).sum())
    if between:
        exposure = min(exposure, photographs**2 * value / between)
    z = _quantile(min(effective, sizes.size), photographs, level)
    centre, half = value * exposure + z**2 / 2, z * math.sqrt(value * exposure + z**2 / 4)
    high = (centre + half) / exposure
    if value == 0:
        high = max(high, -math.log(_tail(z)) / exposure)
    return Estimate(
        value=value,
        low=max(0.0, (centre - half) / exposure),
        high=high,
        n=int(photographs),
        of=of,
        level=level,
    )


def student_quantile(degrees: float, level: float) -> float:
    """Return Student's quantile, of at least one degree of freedom.

    >>> round(student_quantile(3, 0.95), 2)
    3.18
    """
    # It takes 0.9 s to import, three times as long as numpy.
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(max(1.0, degrees), (1 + level) / 2))


def _by_scene(counts: Counts, scenes: Counts) -> _Values:
    of = np.asarray(scenes, dtype=np.int64)
    return np.bincount(of, weights=np.asarray(counts, dtype=np.float64)).astype(np.float64)


def _effective_n(sizes: _Values, icc: float) -> _Values:
    """Return the effective sample size of each scene."""
    return np.asarray(sizes / (1 + (sizes - 1) * icc), dtype=np.float64)


def _tail(z: float) -> float:
    """Return the upper tail of the normal distribution beyond ``z``; always above 0."""
    return max(math.erfc(z / math.sqrt(2)) / 2, sys.float_info.min)


def _quantile(independent: float, many: float, level: float) -> float:
    """Return the normal quantile, widened for a variance estimated from few scenes.

    Args:
        independent: The scenes, or the effective sample size if that is smaller. Scenes alone give
            the degrees of freedom, however many samples they have (Korn and Graubard).
        many: The samples.
        level: The confidence level of the interval.
    """
    wider = student_quantile(independent - 1, level) / student_quantile(many - 1, level)
    return normal_quantile(level) * wider


def _overdispersion(counts: Counts) -> float:
    """Return the variance over the mean; at least 1."""
    value = np.asarray(counts, dtype=np.float64)
    if value.size == 1 or not value.any():
        return 1.0
    return max(1.0, float(value.var(ddof=1) / value.mean()))
