"""Estimate the recall of a deployed model from labels of a few photographs.

Missed doors are mostly where the model found nothing, or little. So the photographs are divided by
that (strata), and more are drawn where misses are likely; each label then counts for the
photographs that it stands for. The estimate of the missed and of the found doors is unbiased
whatever the strata are (Horvitz and Thompson, doi.org/10.1080/01621459.1952.10483446).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from container_doors.core.measurements import Estimate
from container_doors.core.monitoring import Stratum

STRATA: tuple[Stratum, ...] = ("no door", "less certain", "certain")

_EXPECTED_MISSES: Mapping[Stratum, float] = {
    "no door": 0.5,
    "less certain": 0.02,
    "certain": 0.003,
}
"""The proportion of photographs with a missed door that the drawing expects; of those tried, these
see a loss of ten points most often (benchmarks/monitor.py)."""

_LEAST = 5
"""Photographs drawn from each stratum, if it has so many."""

_DRAWS = 2000

_Counts = tuple[float, float]
"""Found and missed doors of a photograph."""

_AT_BEST: Mapping[Stratum, _Counts] = {
    "no door": (0, 0),
    "less certain": (1, 0),
    "certain": (1, 0),
}
_AT_WORST: Mapping[Stratum, _Counts] = dict.fromkeys(STRATA, (0, 1))


@dataclass(frozen=True, slots=True)
class Labelled:
    """What the labels of one photograph say."""

    stratum: Stratum
    found: int
    """Labelled doors that the model found."""
    missed: int


def stratum_of(confidences: Sequence[float], usual: float) -> Stratum:
    """Return the stratum of a photograph.

    Args:
        confidences: Of its detections.
        usual: The median of the highest confidences on the test.
    """
    if not confidences:
        return "no door"
    return "certain" if max(confidences) >= usual else "less certain"


def allocate(sizes: Mapping[Stratum, int], budget: int) -> dict[Stratum, int]:
    """Divide the budget: in proportion to size and expected spread (Neyman's allocation).

    Args:
        sizes: The photographs of each stratum.
        budget: How many are to be labelled.

    Returns:
        How many to draw from each; together the budget, or all photographs if there are fewer.
    """
    budget = min(budget, sum(sizes.values()))
    wanted = {name: min(size, _LEAST) for name, size in sizes.items()}
    while sum(wanted.values()) > budget:
        most = max(wanted, key=lambda name: wanted[name])
        wanted[most] -= 1
    weights = {
        name: size * float(np.sqrt(_EXPECTED_MISSES[name] * (1 - _EXPECTED_MISSES[name])))
        for name, size in sizes.items()
    }
    for _ in range(budget - sum(wanted.values())):
        open_ones = [name for name in sizes if wanted[name] < sizes[name]]
        neediest = max(open_ones, key=lambda name: weights[name] / (wanted[name] + 1))
        wanted[neediest] += 1
    return wanted


def draw(strata: Sequence[Stratum], budget: int, *, seed: int) -> list[int]:
    """Draw photographs by chance.

    Args:
        strata: The stratum of each photograph.
        budget: How many to draw.
        seed: The same seed draws the same photographs.

    Returns:
        Their indices, ascending.
    """
    sizes = {name: strata.count(name) for name in STRATA}
    dealer = np.random.default_rng(seed)
    drawn: list[int] = []
    for name, number in allocate(sizes, budget).items():
        members = [index for index, one in enumerate(strata) if one == name]
        drawn += dealer.choice(members, number, replace=False).tolist() if number else []
    return sorted(drawn)


def estimate_recall(
    labelled: Sequence[Labelled], sizes: Mapping[Stratum, int], *, level: float
) -> Estimate | None:
    """Estimate the recall of the model on photographs like these.

    Not on these alone: an unchanged model misses more doors in one month than in another, and that
    is no reason for an alarm. The interval is that of the Bayesian bootstrap
    (doi.org/10.1214/aos/1176345338) within each stratum: the proportions of what is labelled, and
    of one photograph more, are drawn again and again. For the lower bound that one has a missed
    door, for the upper bound it has none, as in Clopper and Pearson's interval
    (doi.org/10.1093/biomet/26.4.404): a stratum without a missed door is not taken for one that
    cannot have any.

    Args:
        labelled: The labelled photographs, drawn by chance within each stratum.
        sizes: The photographs of each stratum.
        level: Of the interval.

    Returns:
        None if no labelled photograph has a door, or a stratum has photographs and no label.
    """
    by_stratum = {name: [one for one in labelled if one.stratum == name] for name in STRATA}
    present = [name for name in STRATA if sizes.get(name)]
    if any(not by_stratum[name] for name in present):
        return None
    found = sum(sizes[name] * mean(one.found for one in by_stratum[name]) for name in present)
    missed = sum(sizes[name] * mean(one.missed for one in by_stratum[name]) for name in present)
    if not found + missed:
        return None
    value = found / (found + missed)
    worst, best = (
        _recalls({name: by_stratum[name] for name in present}, sizes, one_more)
        for one_more in (_AT_WORST, _AT_BEST)
    )
    return Estimate(
        value=value,
        low=min(float(np.quantile(worst, (1 - level) / 2)), value),
        high=max(float(np.quantile(best, (1 + level) / 2)), value),
        n=sum(one.found + one.missed for one in labelled),
        of="doors",
        level=level,
    )


def _recalls(
    by_stratum: Mapping[Stratum, Sequence[Labelled]],
    sizes: Mapping[Stratum, int],
    one_more: Mapping[Stratum, _Counts],
) -> NDArray[np.float64]:
    """Draw the recall many times, shape (draws,)."""
    dealer = np.random.default_rng(0)
    totals = np.zeros((_DRAWS, 2))
    for name, labelled in by_stratum.items():
        counts = np.array([(one.found, one.missed) for one in labelled], dtype=float)
        kinds = np.vstack([counts, one_more[name]])
        proportions = dealer.dirichlet(np.ones(len(kinds)), _DRAWS)
        totals += sizes[name] * (proportions @ kinds)
    doors = totals.sum(axis=1)
    return np.where(doors > 0, totals[:, 0] / np.maximum(doors, 1), 1.0)
