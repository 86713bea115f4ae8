"""A model's scores under corruptions, by severity, and their summary."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from container_doors.core.measurements import (
    CorruptionScores,
    Detected,
    Estimate,
    Photograph,
    SeverityScores,
)
from container_doors.evaluation.corruptions import SEVERITIES, severity_unit
from container_doors.evaluation.matched import match_photographs, recall
from container_doors.evaluation.ranking import rank
from container_doors.evaluation.resampling import coco_ap_of
from container_doors.evaluation.spread import AP50, average_precision

_METHOD = 3
"""Increased when corruptions or scores change, so that cached results are not used."""


def planned_steps(common: Iterable[str], *, is_quick: bool) -> list[tuple[str, float]]:
    """List every corruption with every severity; with three of them if it should be quick."""
    all_severities = {**SEVERITIES, **dict.fromkeys(common, (1.0, 2.0, 3.0, 4.0, 5.0))}
    steps = []
    for corruption, severities in all_severities.items():
        chosen = (
            (severities[0], severities[len(severities) // 2], severities[-1])
            if is_quick
            else severities
        )
        steps += [(corruption, severity) for severity in chosen]
    return steps


def spread_evenly(photographs: Sequence[Photograph], most: int) -> list[Photograph]:
    """Choose at most ``most`` of the photographs with a door, evenly in their order."""
    doors = [one for one in photographs if one.doors_xyxy]
    if len(doors) <= most:
        return doors
    return [doors[round(index * (len(doors) - 1) / (most - 1))] for index in range(most)]


def cache_key(
    detected: Detected,
    photographs: Sequence[Photograph],
    scenes: Sequence[int],
    step: tuple[str, float],
    conf: float,
) -> str:
    """Return the cache key of a step's result: a hash of all that it depends on."""
    inputs = [
        _METHOD, detected.weights_sha256, detected.image_size_px, detected.iou_threshold, conf,
        detected.files_sha256, *step, [(one.image, one.doors_xyxy) for one in photographs],
        list(scenes),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def severity_scores(
    photographs: Sequence[Photograph],
    scenes: Sequence[int],
    *,
    severity: float,
    conf: float,
    icc: float,
) -> SeverityScores:
    """Score the detections: AP50 over all confidences, and recall at a threshold.

    Args:
        photographs: The corrupted ones.
        scenes: One per photograph.
        severity: Of the corruption.
        conf: The confidence threshold.
        icc: The doors' intraclass correlation.
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


def corruption_result(
    name: str,
    steps: Sequence[SeverityScores],
    *,
    clean: SeverityScores,
    target: float,
    is_trained_on: bool,
) -> CorruptionScores:
    """Return a corruption's scores, and the first severity with a recall below the target.

    None if the clean recall is below it already.
    """
    is_below = clean.recall is None or clean.recall.value < target
    falls = [one.severity for one in steps if one.recall is not None and one.recall.value < target]
    return CorruptionScores(
        name=name,
        unit=severity_unit(name),
        steps=list(steps),
        falls_at=None if is_below or not falls else falls[0],
        is_trained_on=is_trained_on,
    )


def mean_ap50(corruptions: Sequence[CorruptionScores]) -> float | None:
    """Average over each corruption first, so that the number of severities does not matter."""
    means = [
        sum(ap50.value for ap50 in found) / len(found)
        for one in corruptions
        if (found := _ap50s(one))
    ]
    return sum(means) / len(means) if means else None


def retention(clean: SeverityScores, corruptions: Sequence[CorruptionScores]) -> float | None:
    """Return the mean AP50 as a fraction of the clean one; None if that is undefined or 0."""
    mean = mean_ap50(corruptions)
    if mean is None or clean.ap50 is None or not clean.ap50.value:
        return None
    return mean / clean.ap50.value


def unseen_retention(
    clean: SeverityScores, corruptions: Sequence[CorruptionScores]
) -> float | None:
    """Return the retention over what was not trained on; None if nothing was trained on."""
    unseen = [one for one in corruptions if not one.is_trained_on]
    return retention(clean, unseen) if len(unseen) < len(corruptions) else None


def _ap50s(corruption: CorruptionScores) -> list[Estimate]:
    return [one.ap50 for one in corruption.steps if one.ap50 is not None]
