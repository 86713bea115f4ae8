"""How surely a share, a rate or a score is known, where the doors of one scene are alike.

Doors in one photograph, and photographs of one scene, are found or missed together: a hundred of
them say less than a hundred strangers. The interval of a share is Wilson's over the number of
independent doors that would vary as much (Korn and Graubard, Survey Methodology 24, 1998).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from container_doors.measurements import CONFIDENCE_LEVEL, Estimate, normal_quantile, wilson

_Counts = npt.NDArray[np.float64]


def share(
    hits: Sequence[int],
    totals: Sequence[int],
    groups: Sequence[int],
    *,
    of: str,
    level: float = CONFIDENCE_LEVEL,
) -> Estimate | None:
    """Estimate a share of all things, counted photograph by photograph.

    Args:
        hits: Of each photograph, such as its doors that were found.
        totals: Of each photograph, such as its doors.
        groups: Of each photograph: those of one scene share a number.
        of: What ``totals`` counts.
        level: How often the interval should hold the true share.

    Returns:
        None if there is nothing to take a share of.
    """
    hit, total = _by_group(hits, groups), _by_group(totals, groups)
    hit, total = hit[total > 0], total[total > 0]
    if not total.size:
        return None
    many = float(total.sum())
    value = float(hit.sum()) / many
    effective = _effective(hit, total)
    low, high = wilson(value * effective, effective, level=level)
    return Estimate(value=value, low=low, high=high, n=int(many), of=of, level=level)


def f1(
    found: Sequence[int],
    wrong: Sequence[int],
    groups: Sequence[int],
    *,
    level: float = CONFIDENCE_LEVEL,
) -> Estimate | None:
    """Estimate F1 from the doors that are found, and all that is wrong: missed or a false alarm.

    F1 = 2J / (1 + J), where J = found / (found + wrong) is a share, and F1 grows with J; so the
    ends of the one's interval are those of the other's.
    """
    totals = [one + other for one, other in zip(found, wrong, strict=True)]
    jaccard = share(found, totals, groups, of="doors and false alarms", level=level)
    if jaccard is None:
        return None
    value, low, high = (2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high))
    return jaccard.model_copy(update={"value": value, "low": low, "high": high})


def rate(
    counts: Sequence[int], groups: Sequence[int], *, of: str, level: float = CONFIDENCE_LEVEL
) -> Estimate | None:
    """Estimate how many things a photograph has, by the score interval of a Poisson rate.

    Where they come in crowds, the count is worth less by its variance over its mean.

    Returns:
        None if there is no photograph.
    """
    if not counts:
        return None
    count, sizes = _by_group(counts, groups), _by_group([1] * len(counts), groups)
    photographs = float(sizes.sum())
    value = float(count.sum()) / photographs
    crowding = _dispersion(count, sizes, value)
    seen, exposure = value * photographs / crowding, photographs / crowding
    z = normal_quantile(level)
    centre, half = seen + z**2 / 2, z * math.sqrt(seen + z**2 / 4)
    return Estimate(
        value=value,
        low=max(0.0, (centre - half) / exposure),
        high=(centre + half) / exposure,
        n=int(photographs),
        of=of,
        level=level,
    )


def _by_group(counts: Sequence[int], groups: Sequence[int]) -> _Counts:
    of = np.asarray(groups, dtype=np.int64)
    return np.bincount(of, weights=np.asarray(counts, dtype=np.float64)).astype(np.float64)


def _effective(hit: _Counts, total: _Counts) -> float:
    """Count the independent doors that would vary as much as these do.

    Where all or none were found nothing varies, and nothing says how alike the doors of a scene
    are: then each scene counts once.
    """
    many, scenes = float(total.sum()), total.size
    value = float(hit.sum()) / many
    if value in {0.0, 1.0} or scenes == 1:
        return float(scenes)
    between = float(((hit - value * total) ** 2).sum())
    return many / max(1.0, between / (many * value * (1 - value)))


def _dispersion(count: _Counts, sizes: _Counts, value: float) -> float:
    scenes = count.size
    if value == 0 or scenes == 1:
        return float(sizes.sum()) / scenes
    between = float(((count - value * sizes) ** 2).sum()) * scenes / (scenes - 1)
    return max(1.0, between / (value * float(sizes.sum())))
