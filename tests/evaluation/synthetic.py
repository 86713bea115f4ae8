"""Synthetic detections with a known average precision."""

import numpy as np

from container_doors.evaluation.ranking import IOU_THRESHOLDS, Ranking
from container_doors.evaluation.resampling import coco_ap_of


def synthetic_ranking(photographs: int, generator: np.random.Generator) -> Ranking:
    """Draw photographs with 0 to 2 doors, correlated confidences, and Poisson false alarms."""
    doors = generator.choice(3, size=photographs, p=(0.1, 0.7, 0.2))
    where = np.repeat(np.arange(photographs), doors)
    hard = generator.normal(size=photographs)
    noise = 1.2 * generator.normal(size=where.size)
    confidence = 1 / (1 + np.exp(-(2 + 0.7 * hard[where] + noise)))
    overlap = 0.92 - 0.12 * generator.exponential(size=where.size)
    found = generator.random(where.size) < 0.96
    alarms = np.repeat(np.arange(photographs), generator.poisson(0.5, size=photographs))
    of_alarms = 1 / (1 + np.exp(1.5 + 1.2 * generator.normal(size=alarms.size)))
    confidence = np.concatenate([confidence[found], of_alarms])
    overlap = np.concatenate([overlap[found], np.zeros(alarms.size)])
    order = np.argsort(-confidence, kind="mergesort")
    return Ranking(
        np.concatenate([where[found], alarms])[order],
        confidence[order],
        overlap[order] >= IOU_THRESHOLDS[:, None],
        doors,
    )


def true_precisions(photographs: int = 400_000) -> np.ndarray:
    """Return AP by IoU threshold, of so many photographs that its error is below 0.001."""
    ranking = synthetic_ranking(photographs, np.random.default_rng(0))
    # One photograph with all doors has the same curve, and needs no matrix of photographs.
    as_one = Ranking(
        np.zeros_like(ranking.photograph),
        ranking.confidence,
        ranking.is_door,
        np.array([ranking.doors.sum()]),
    )
    precisions: np.ndarray = coco_ap_of(as_one, np.ones((1, 1)))[0]
    return precisions
