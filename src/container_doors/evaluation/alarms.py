"""False alarms on photographs without a door, over a range of confidence thresholds."""

import math
from collections.abc import Callable, Sequence

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate, FalseAlarms, Photograph
from container_doors.evaluation.intervals import intraclass_correlation, proportion, rate
from container_doors.evaluation.matched import renumber
from container_doors.evaluation.mean_ratios import OverScenes, mean_ratio

WITHOUT_DOOR = "photographs without a door"

THRESHOLDS = tuple(step / 20 for step in range(1, 20))


def false_alarms(
    photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
) -> list[FalseAlarms]:
    """Estimate at 0.05, 0.10, ..., 0.95 and at the operating point; empty without a photograph."""
    return mean_false_alarms([photographs], scenes, conf_threshold=conf_threshold)


def mean_false_alarms(
    trainings: Sequence[Sequence[Photograph]], scenes: Sequence[int], *, conf_threshold: float
) -> list[FalseAlarms]:
    """Estimate the mean of several trainings; the variance between them is in the intervals.

    Args:
        trainings: The photographs, with what each training detects in them, in the same order.
        scenes: One per photograph.
        conf_threshold: The operating point.
    """
    estimates = []
    for threshold in sorted({*THRESHOLDS, conf_threshold}):
        per_photograph = _mean_of(trainings, scenes, threshold, alarm_rate, _count, most=math.inf)
        with_one = _mean_of(trainings, scenes, threshold, _with_one, _has_one, most=1.0)
        if per_photograph is not None and with_one is not None:
            estimates.append(
                FalseAlarms(
                    conf_threshold=threshold,
                    per_photograph=per_photograph,
                    photographs_with_one=with_one,
                )
            )
    return estimates


def alarm_rate(
    photographs: Sequence[Photograph],
    scenes: Sequence[int],
    *,
    conf_threshold: float,
    level: float = CONFIDENCE_LEVEL,
) -> Estimate | None:
    """Estimate the false alarms per photograph without a door; None without such a photograph."""
    empty, groups, icc = without_door(photographs, scenes)
    counts = [_count(one, conf_threshold) for one in empty]
    return rate(counts, groups, of=WITHOUT_DOOR, icc=icc, level=level)


def without_door(
    photographs: Sequence[Photograph], scenes: Sequence[int]
) -> tuple[list[Photograph], list[int], float]:
    """Return the photographs without a door, their scenes, and their intraclass correlation."""
    pairs = [
        (one, scene) for one, scene in zip(photographs, scenes, strict=True) if not one.doors_xyxy
    ]
    empty, groups = [one for one, _ in pairs], renumber([scene for _, scene in pairs])
    highest = [max(one.used_confidences, default=0.0) for one in empty]
    return empty, groups, intraclass_correlation(highest, groups)


def _mean_of(
    trainings: Sequence[Sequence[Photograph]],
    scenes: Sequence[int],
    threshold: float,
    estimate: Callable[..., Estimate | None],
    counted: Callable[[Photograph, float], int],
    *,
    most: float,
) -> Estimate | None:
    together = [one for photographs in trainings for one in photographs]
    empty = [[one for one in photographs if not one.doors_xyxy] for photographs in trainings]
    _, groups, _ = without_door(trainings[0], scenes)
    return mean_ratio(
        OverScenes(
            estimate(together, [*scenes] * len(trainings), conf_threshold=threshold),
            [estimate(photographs, scenes, conf_threshold=threshold) for photographs in trainings],
        ),
        [[counted(one, threshold) for one in photographs] for photographs in empty],
        [[1] * len(photographs) for photographs in empty],
        groups,
        most=most,
    )


def _with_one(
    photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
) -> Estimate | None:
    empty, groups, icc = without_door(photographs, scenes)
    hits = [_has_one(one, conf_threshold) for one in empty]
    return proportion(hits, [1] * len(hits), groups, of=WITHOUT_DOOR, icc=icc)


def _count(photograph: Photograph, threshold: float) -> int:
    return sum(confidence >= threshold for confidence in photograph.used_confidences)


def _has_one(photograph: Photograph, threshold: float) -> int:
    return min(_count(photograph, threshold), 1)
