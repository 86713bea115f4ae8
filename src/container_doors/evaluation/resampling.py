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


def _coco(curve: _Curve) -> Floats:
    """Return the mean precision at 101 recalls: at each, that of the first door that reaches it."""
    reached = np.stack([row.searchsorted(_RECALLS) for row in curve.recall])
    total: Floats = _highest_from(curve.precision, reached).sum(axis=1) / _RECALLS.size
    return total


def _ultralytics(curve: _Curve) -> Floats:
    """Return the area under straight lines between the points, from (0, 1) down to 0 at the end.

    ``np.interp`` of 101 recalls over all points, of which only those beside each recall are used.
    """
    many, doors = curve.own.shape
    if not doors:
        return np.zeros(many)
    precision, before = curve.precision, curve.precision_before
    recall = np.concatenate([np.zeros((many, 1)), curve.recall], axis=1)
    left = np.stack([row.searchsorted(_RECALLS, side="right") for row in curve.recall])
    after = _highest_from(np.maximum(before, precision), np.minimum(left + 1, doors))
    at = np.minimum(left, doors - 1)
    of_each = np.arange(many)[:, None]
    right_height = np.maximum(precision[of_each, at], after)
    height = np.maximum(before[of_each, at], right_height)
    start = recall[of_each, at]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (right_height - height) / (recall[of_each, at + 1] - start)
        line = slope * (_RECALLS - start) + height
    is_within = (left < doors) & (_RECALLS < 1)
    areas: Floats = np.trapezoid(np.where(is_within, line, 0.0), _RECALLS, axis=1)
    return areas


def _highest_from(values: Floats, starts: Integers) -> Floats:
    """Return the highest value of each row from each of its starts on; 0 from its end on.

    Args:
        values: (B, K), not negative.
        starts: (B, T) From 0 to K, in ascending order.
    """
    many, size = values.shape
    padded = np.zeros((many, size + 1))
    padded[:, :-1] = values
    # The first part of each row begins with it, so that the last one before ends there.
    firsts = np.concatenate([np.zeros((many, 1), dtype=np.int64), starts], axis=1)
    firsts += np.arange(many)[:, None] * (size + 1)
    highest = np.maximum.reduceat(padded.ravel(), firsts.ravel()).reshape(firsts.shape)
    return np.maximum.accumulate(highest[:, :0:-1], axis=1)[:, ::-1]
