"""Average precision of many resampled data sets at once, by weights instead of copies.

A resampled data set gives each photograph a weight. The detections are sorted once; precision and
recall of each data set are running sums of the weights in that order, so the time grows with the
detections (a matrix of photographs by detections would be quadratic): benchmarks/intervals.py. Some
data sets are worked through at a time, so the memory grows with the photographs alone.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from container_doors.evaluation.ranking import Booleans, Floats, Integers, Ranking

REPLICATES = 1000

_RECALLS = np.linspace(0.0, 1.0, 101)

_AT_ONCE = 1 << 17
"""Values of one array, 1 MB: few enough for the processor's cache."""

Weights = Floats | Booleans


def half_samples(groups: Sequence[int], *, replicates: int = REPLICATES, seed: int = 0) -> Booleans:
    """Draw half of the groups, without replacement; photographs of drawn groups are in it.

    Args:
        groups: One per photograph, numbered from 0; photographs of one scene have the same number.
        replicates: How many data sets to draw.
        seed: Of the random numbers.

    Returns:
        Weights of 0 and 1, (replicates, photographs).
    """
    numbers = np.asarray(groups, dtype=np.int64)
    drawn = _drawn(int(numbers.max()) + 1, replicates, seed)
    return drawn.take(numbers, axis=1)


@lru_cache(maxsize=4)
def _drawn(many: int, replicates: int, seed: int) -> Booleans:
    """Draw half of so many groups; (replicates, many). All scores of a split use the same draws."""
    generator = np.random.default_rng(seed)
    drawn = np.empty((replicates, many), dtype=bool)
    for row in drawn:
        row[:] = np.argsort(generator.random(many)) < many // 2
    drawn.flags.writeable = False
    return drawn


def coco_ap_of(ranking: Ranking, weights: Weights) -> Floats:
    """Return average precision by COCO's definition.

    Args:
        ranking: The detections to resample.
        weights: (B, I) Of each photograph, in each data set.

    Returns:
        (B, 10) By IoU threshold; nan for a data set without a door.
    """
    return _by_threshold(ranking, weights, _coco)


def ultralytics_ap_of(ranking: Ranking, weights: Weights) -> Floats:
    """Return average precision by Ultralytics (``compute_ap``, 8.4.190); (B, 10), nan as above."""
    return _by_threshold(ranking, weights, _ultralytics)


def precision_recall(ranking: Ranking) -> list[tuple[float, float]]:
    """Return the precision-recall curve at an IoU of 0.5: one point for each found door."""
    if not ranking.doors.sum():
        return []
    whole = np.ones((1, ranking.doors.size))
    curve = next(_curves(ranking, whole, [np.flatnonzero(ranking.is_door[0])]))
    return list(zip(curve.recall[0].tolist(), curve.precision[0].tolist(), strict=True))


class _Curve(NamedTuple):
    """Of some data sets at one IoU threshold, at the K found doors: (B, K) each."""

    own: Floats
    """The weight of each."""
    found: Floats
    """The sum of weights of the found doors up to each, inclusive."""
    detected: Floats
    """The same of the detections."""
    labelled: Floats
    """(B,) Of the doors."""

    @property
    def recall(self) -> Floats:
        """At each found door."""
        return _fraction(self.found, self.labelled[:, None])

    @property
    def precision(self) -> Floats:
        """At each found door."""
        return _fraction(self.found, self.detected)

    @property
    def precision_before(self) -> Floats:
        """Just before each found door."""
        return _fraction(self.found - self.own, self.detected - self.own)


def _fraction(part: Floats, whole: Floats) -> Floats:
    """Divide; 0 of 0 is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _by_threshold(ranking: Ranking, weights: Weights, area: Callable[[_Curve], Floats]) -> Floats:
    """Return an area of each data set at each IoU threshold; nan for data sets without a door."""
    at = [np.flatnonzero(row) for row in ranking.is_door]
    many = max(1, _AT_ONCE // _last(at))
    scores = np.empty((weights.shape[0], len(at)))
    for start in range(0, weights.shape[0], many):
        rows = slice(start, start + many)
        for column, curve in enumerate(_curves(ranking, weights[rows], at)):
            scores[rows, column] = area(curve)
    scores[weights @ ranking.doors == 0] = np.nan
    return scores


def _curves(ranking: Ranking, weights: Weights, at: Sequence[Integers]) -> Iterator[_Curve]:
    """Yield the curve at each of several sets of found doors: positions in the ranking."""
    of_detections = weights.take(ranking.photograph[: _last(at)], axis=1)
    detected = of_detections.cumsum(axis=1, dtype=np.float64)
    labelled = np.asarray(weights @ ranking.doors, dtype=np.float64)
    for positions in at:
        own = of_detections.take(positions, axis=1).astype(np.float64)
        yield _Curve(own, own.cumsum(axis=1), detected.take(positions, axis=1), labelled)


def _last(at: Sequence[Integers]) -> int:
    """Return how many detections count: those after the last found door change nothing."""
    return max((int(positions[-1]) + 1 for positions in at if positions.size), default=1)


def _envelope(precision: Floats) -> Floats:
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def _coco(curve: _Curve) -> Floats:
    """Return the mean precision at 101 recalls: at each, that of the first door that reaches it."""
    if not curve.own.shape[1]:
        return np.zeros(curve.own.shape[0])
    reached = np.searchsorted(_RECALLS, curve.recall, side="right").astype(np.float64)
    steps = np.diff(reached, axis=1, prepend=0.0)
    total: Floats = (steps * _envelope(curve.precision)).sum(axis=1) / _RECALLS.size
    return total


def _ultralytics(curve: _Curve) -> Floats:
    """Return the area under straight lines between the points, from (0, 1) down to 0 at the end."""
    recall, precision, before = curve.recall, curve.precision, curve.precision_before
    many, doors = recall.shape
    if not doors:
        return np.zeros(many)
    ends = np.ones((many, 1))
    start = np.concatenate([0 * ends, recall[:, :-1]], axis=1)
    between = np.stack([start, recall], axis=2).reshape(many, 2 * doors)
    heights = np.stack([before, precision], axis=2).reshape(many, 2 * doors)
    xs = np.concatenate([0 * ends, between, recall[:, -1:], ends], axis=1)
    ys = _envelope(np.concatenate([ends, heights, 0 * ends, 0 * ends], axis=1))
    areas = [np.trapezoid(np.interp(_RECALLS, x, y), _RECALLS) for x, y in zip(xs, ys, strict=True)]
    return np.array(areas)
