"""Average precision of many resampled data sets at once: weights, not copies.

To draw photographs is to give each a weight. Precision and recall are needed only where a door is
found, and there both are sums of weights, so that all resampled curves of one IoU threshold are
one matrix product: 1,000 of 500 photographs with 10,000 detections take 0.7 s.
"""

from collections.abc import Sequence

import numpy as np

from container_doors.evaluation.ranking import Booleans, Floats, Integers, Ranking

REPLICATES = 1000

_RECALLS = np.linspace(0.0, 1.0, 101)


def half_samples(groups: Sequence[int], *, replicates: int = REPLICATES, seed: int = 0) -> Floats:
    """Draw half of the groups, without replacement; a photograph weighs 1 if its group was drawn.

    Args:
        groups: Of each photograph, numbered from 0: those of one scene share a number.
        replicates: How many data sets are drawn.
        seed: The same seed draws the same.

    Returns:
        (replicates, photographs)
    """
    numbers = np.asarray(groups, dtype=np.int64)
    many = int(numbers.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = np.argsort(generator.random((replicates, many)), axis=1) < many // 2
    return drawn[:, numbers].astype(np.float64)


def coco_ap_of(ranking: Ranking, weights: Floats) -> Floats:
    """Average precision as COCO has it.

    Args:
        ranking: What is resampled.
        weights: (B, I) Of each photograph, in each data set.

    Returns:
        (B, 10) By IoU threshold; nan where a data set has no door.
    """
    scores = [_coco(*_curve(ranking, weights, row)[:2]) for row in ranking.is_door]
    return _where_defined(np.stack(scores, axis=1), ranking, weights)


def ultralytics_ap_of(ranking: Ranking, weights: Floats) -> Floats:
    """Average precision as Ultralytics has it (``compute_ap``, 8.4.190); (B, 10), nan as above."""
    scores = [_interpolated(ranking, weights, row) for row in ranking.is_door]
    return _where_defined(np.stack(scores, axis=1), ranking, weights)


def precision_recall(ranking: Ranking) -> list[tuple[float, float]]:
    """Follow recall and precision from each door that is found to the next, at an IoU of 0.5."""
    if not ranking.doors.sum():
        return []
    whole = np.ones((1, ranking.doors.size))
    recall, precision, _ = _curve(ranking, whole, ranking.is_door[0])
    return list(zip(recall[0].tolist(), precision[0].tolist(), strict=True))


def _where_defined(scores: Floats, ranking: Ranking, weights: Floats) -> Floats:
    scores[weights @ ranking.doors == 0] = np.nan
    return scores


def _curve(ranking: Ranking, weights: Floats, is_door: Booleans) -> tuple[Floats, Floats, Floats]:
    """Follow recall and precision from each found door to the next.

    Returns:
        (B, K) recall at the K doors that are found; precision there; and precision just before.
    """
    at = np.flatnonzero(is_door)
    images = weights.shape[1]
    found = weights @ _counts_until(ranking.photograph[at], np.arange(at.size), images)
    detected = weights @ _counts_until(ranking.photograph, at, images)
    labelled = weights @ ranking.doors
    own = weights[:, ranking.photograph[at]]
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = np.nan_to_num(found / labelled[:, None])
        precision = np.nan_to_num(found / detected)
        before = np.nan_to_num((found - own) / (detected - own))
    return recall, precision, before


def _counts_until(photograph: Integers, positions: Integers, images: int) -> Floats:
    """Count the detections of each photograph up to and with each position: (I, K)."""
    step = np.searchsorted(positions, np.arange(photograph.size))
    inside = step < positions.size
    counts = np.zeros((images, positions.size))
    np.add.at(counts, (photograph[inside], step[inside]), 1)
    return np.cumsum(counts, axis=1)


def _envelope(precision: Floats) -> Floats:
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def _coco(recall: Floats, precision: Floats) -> Floats:
    """Mean of the precision at 101 recalls: each takes that of the first door that reaches it."""
    if not recall.shape[1]:
        return np.zeros(recall.shape[0])
    reached = np.searchsorted(_RECALLS, recall, side="right").astype(np.float64)
    steps = np.diff(reached, axis=1, prepend=0.0)
    total: Floats = (steps * _envelope(precision)).sum(axis=1) / _RECALLS.size
    return total


def _interpolated(ranking: Ranking, weights: Floats, is_door: Booleans) -> Floats:
    """Area under straight lines between the points, from (0, 1) and down to zero at the end."""
    recall, precision, before = _curve(ranking, weights, is_door)
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
