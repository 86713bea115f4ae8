"""False alarms on photographs without a door, at every threshold that one might choose."""

from collections.abc import Sequence

from container_doors.evaluation.intervals import rate, share
from container_doors.evaluation.outcome import renumbered
from container_doors.measurements import CONFIDENCE_LEVEL, Estimate, FalseAlarms, Photograph

THRESHOLDS = tuple(step / 20 for step in range(1, 20))


def false_alarms(
    photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
) -> list[FalseAlarms]:
    """Count at 0.05, 0.10, ..., 0.95 and at the operating point; nothing without a photograph."""
    counted = []
    for threshold in sorted({*THRESHOLDS, conf_threshold}):
        per_photograph = alarm_rate(photographs, scenes, conf_threshold=threshold)
        with_one = _share_with_one(photographs, scenes, threshold)
        if per_photograph is not None and with_one is not None:
            counted.append(
                FalseAlarms(
                    conf_threshold=threshold,
                    per_photograph=per_photograph,
                    photographs_with_one=with_one,
                )
            )
    return counted


def alarm_rate(
    photographs: Sequence[Photograph],
    scenes: Sequence[int],
    *,
    conf_threshold: float,
    level: float = CONFIDENCE_LEVEL,
) -> Estimate | None:
    """Estimate the false alarms of a photograph without a door; None if there is none."""
    counts, groups = _counts(photographs, scenes, conf_threshold)
    return rate(counts, groups, of="photographs without a door", level=level)


def _share_with_one(
    photographs: Sequence[Photograph], scenes: Sequence[int], threshold: float
) -> Estimate | None:
    counts, groups = _counts(photographs, scenes, threshold)
    hits = [min(count, 1) for count in counts]
    return share(hits, [1] * len(hits), groups, of="photographs without a door") if hits else None


def _counts(
    photographs: Sequence[Photograph], scenes: Sequence[int], threshold: float
) -> tuple[list[int], list[int]]:
    empty = [
        (sum(confidence >= threshold for confidence in one.used_confidences), scene)
        for one, scene in zip(photographs, scenes, strict=True)
        if not one.doors_xyxy
    ]
    return [count for count, _ in empty], renumbered([scene for _, scene in empty])
