"""What a step of a ladder does to a model, and what all of them say together."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from container_doors.core.measurements import Detected, Estimate, Ladder, Photograph, SeverityScores
from container_doors.evaluation.corruptions import LADDERS, unit_of
from container_doors.evaluation.matched import match_photographs, recall
from container_doors.evaluation.ranking import rank
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.spread import AP50, average_precision

_METHOD = 3
"""Raised when a step is drawn or scored in another way, so that what was kept is not believed."""


def planned(common: Iterable[str], *, is_quick: bool) -> list[tuple[str, float]]:
    """List every step, ladder by ladder; three of each where it should be quick."""
    ladders = {**LADDERS, **dict.fromkeys(common, (1.0, 2.0, 3.0, 4.0, 5.0))}
    steps = []
    for ladder, severities in ladders.items():
        chosen = (
            (severities[0], severities[len(severities) // 2], severities[-1])
            if is_quick
            else severities
        )
        steps += [(ladder, severity) for severity in chosen]
    return steps


def spread_evenly(photographs: Sequence[Photograph], most: int) -> list[Photograph]:
    """Choose so many of the photographs with a door, evenly in their order."""
    doors = [one for one in photographs if one.doors_xyxy]
    if len(doors) <= most:
        return doors
    return [doors[round(index * (len(doors) - 1) / (most - 1))] for index in range(most)]


def key_of(
    detected: Detected,
    photographs: Sequence[Photograph],
    scenes: Sequence[int],
    step: tuple[str, float],
    conf: float,
) -> str:
    """Name a step's result by everything that it depends on."""
    what = [
        _METHOD, detected.weights_sha256, detected.image_size_px, detected.iou_threshold, conf,
        detected.files_sha256, *step, [(one.image, one.doors_xyxy) for one in photographs],
        list(scenes),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def scored(
    photographs: Sequence[Photograph],
    scenes: Sequence[int],
    *,
    severity: float,
    conf: float,
    icc: float,
) -> SeverityScores:
    """Score what was found, by AP50 over all confidences and by the recall at a threshold.

    Args:
        photographs: As they are now.
        scenes: Of each.
        severity: How hard they were made.
        conf: The threshold.
        icc: How alike the doors of a scene are.
    """
    ranking = rank(
        [one.doors_xyxy for one in photographs],
        [one.used_xyxy for one in photographs],
        [one.used_confidences for one in photographs],
    )
    return SeverityScores(
        severity=severity,
        ap50=average_precision(ranking, scenes, coco_ap_of, iou_thresholds=AP50, icc=icc),
        recall=recall(match_photographs(photographs, scenes, conf_threshold=conf), icc=icc),
    )


def laddered(
    name: str, steps: Sequence[SeverityScores], *, clean: SeverityScores, target: float
) -> Ladder:
    """Say at which step the measured recall falls below the target, if it is not below before."""
    if clean.recall is None or clean.recall.value < target:
        return Ladder(name=name, unit=unit_of(name), steps=list(steps), falls_at=None)
    falls = [one.severity for one in steps if one.recall is not None and one.recall.value < target]
    return Ladder(
        name=name, unit=unit_of(name), steps=list(steps), falls_at=falls[0] if falls else None
    )


def mean_ap50(ladders: Sequence[Ladder]) -> float | None:
    """Average over each ladder first, so that one with more steps weighs no more."""
    means = [
        sum(one.value for one in found) / len(found)
        for ladder in ladders
        if (found := _ap50s(ladder))
    ]
    return sum(means) / len(means) if means else None


def retention(clean: SeverityScores, ladders: Sequence[Ladder]) -> float | None:
    """Tell which share of the clean AP50 is kept; None where that is undefined or 0."""
    mean = mean_ap50(ladders)
    if mean is None or clean.ap50 is None or not clean.ap50.value:
        return None
    return mean / clean.ap50.value


def _ap50s(ladder: Ladder) -> list[Estimate]:
    return [one.ap50 for one in ladder.steps if one.ap50 is not None]
