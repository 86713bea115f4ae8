"""How uncertain a model is of a photograph, from the confidences of its boxes."""

from collections.abc import Iterable

LEAST_CONFIDENCE = 0.01
"""Detections below this say nothing: every photograph has some."""


def uncertainty(confidences: Iterable[float], conf_threshold: float) -> float:
    """Return how near the most doubtful box is to the threshold.

    Args:
        confidences: Of all boxes, also those below the threshold.
        conf_threshold: From this confidence on, a box is taken for a door.

    Returns:
        1 for a box at the threshold, 0 if all boxes have a confidence of 1 or near 0, or if there
        is none.

    >>> uncertainty([0.25, 1.0], 0.25), uncertainty([0.0], 0.25), uncertainty([], 0.25)
    (1.0, 0.0, 0.0)
    >>> round(uncertainty([0.9], 0.2), 3), round(uncertainty([0.1, 0.9], 0.2), 3)
    (0.125, 0.5)
    """
    return max((_nearness(one, conf_threshold) for one in confidences), default=0.0)


def _nearness(confidence: float, threshold: float) -> float:
    if confidence < threshold:
        return confidence / threshold
    return (1 - confidence) / (1 - threshold) if threshold < 1 else 1.0
