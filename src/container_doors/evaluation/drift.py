"""Whether photographs of now differ from those of the test, by what a model found in them.

Each measure is compared by a permutation test, which is exact for any distribution: the groups
(a photograph; all frames of a video) are dealt anew, and the p-value is the proportion of deals
with a distance at least as large. Several measures are corrected by Holm's method
(https://www.jstor.org/stable/4615733).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from container_doors.core.monitoring import Drift

LEAST_DISTANCE = 0.05
"""A smaller distance changes nothing, however many photographs prove it."""

_PERMUTATIONS = 999
_SEED = 20261128


@dataclass(frozen=True, slots=True)
class Sample:
    """One measure of some photographs."""

    values: NDArray[np.float64]
    """Shape (n,), finite."""
    groups: NDArray[np.int64]
    """Shape (n,): equal numbers are of one group, whose photographs depend on one another."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A measure on the photographs of the test, and on those of now."""

    measure: str
    tested: Sample
    now: Sample
    is_proportion: bool = False
    """Whether the values are 0 or 1."""


def find_drifts(compared: Sequence[Compared], *, alpha: float) -> list[Drift]:
    """Test every measure.

    Args:
        compared: The measures, each with a value on both sides.
        alpha: The probability that any measure is said to have changed where none has.

    Returns:
        One for each measure, in the same order.
    """
    distances = [_distance(one.tested.values, one.now.values) for one in compared]
    raw = [_p_value(one, found) for one, found in zip(compared, distances, strict=True)]
    return [
        Drift(
            measure=one.measure,
            tested=_centre(one, one.tested),
            now=_centre(one, one.now),
            tested_n=len(one.tested.values),
            now_n=len(one.now.values),
            distance=found,
            p_value=p_value,
            has_changed=p_value <= alpha and found >= LEAST_DISTANCE,
        )
        for one, found, p_value in zip(compared, distances, holm(raw), strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that each can be compared with the level of all tests together.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted


def _centre(compared: Compared, sample: Sample) -> float:
    return float(np.mean(sample.values) if compared.is_proportion else np.median(sample.values))


def _distance(tested: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    """Return the Kolmogorov-Smirnov distance; of zeros and ones, the difference of the means."""
    values = np.concatenate([tested, now])
    is_now = np.repeat([0.0, 1.0], [len(tested), len(now)])
    return float(_distances(values, is_now[np.newaxis])[0])


def _p_value(compared: Compared, found: float) -> float:
    values = np.concatenate([compared.tested.values, compared.now.values])
    shifted = compared.now.groups + compared.tested.groups.max(initial=0) + 1
    groups = np.concatenate([compared.tested.groups, shifted])
    _, members = np.unique(groups, return_inverse=True)
    is_now = np.zeros(members.max() + 1)
    is_now[members[len(compared.tested.values) :]] = 1
    dealer = np.random.default_rng(_SEED)
    as_extreme = 0
    for start in range(0, _PERMUTATIONS, _AT_A_TIME):
        rows = min(_AT_A_TIME, _PERMUTATIONS - start)
        deals = dealer.permuted(np.tile(is_now, (rows, 1)), axis=1)[:, members]
        as_extreme += int(np.sum(_distances(values, deals) >= found - _ROUNDING))
    return (1 + as_extreme) / (1 + _PERMUTATIONS)


_AT_A_TIME = 64
_ROUNDING = 1e-12


def _distances(values: NDArray[np.float64], is_now: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance for each deal.

    Args:
        values: Shape (n,).
        is_now: Shape (deals, n): 1 for the values that are of now.
    """
    order = np.argsort(values, kind="stable")
    in_order = is_now[:, order]
    now = np.cumsum(in_order, axis=1)
    tested = np.arange(1, len(values) + 1) - now
    gaps = now / np.maximum(now[:, -1:], 1) - tested / np.maximum(tested[:, -1:], 1)
    last_of_equals = np.append(np.diff(values[order]) > 0, True)
    distances: NDArray[np.float64] = np.abs(gaps[:, last_of_equals]).max(axis=1)
    return distances
