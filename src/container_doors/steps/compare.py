"""Compares two runs on the same photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.measurements import FOLDS, Detected, Estimate, UseCounts
from container_doors.core.ports import Progress
from container_doors.core.run import Run
from container_doors.data.labelled import require_layout
from container_doors.data.layout import Layout
from container_doors.evaluation.matched import MatchedPhotograph, match_photographs
from container_doors.evaluation.paired import (
    FALSE_ALARMS,
    count_alarms,
    differences,
    sentence,
)
from container_doors.evaluation.scores import all_scores
from container_doors.steps.detections import (
    OpenDetector,
    count_test_use,
    detect,
    known_attributes,
    photographs_sha256,
    scenes_of,
    trained,
)
from container_doors.steps.out_of_fold import read_cross_validation


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models, at its operating point."""

    name: str
    conf_threshold: float
    scores: dict[str, Estimate]
    """By the names in ``docs/metrics.md``; an undefined score is absent."""
    doors_found: int
    false_alarms: int
    """On all photographs, also those with a door."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The scores of two models on the same photographs, and their differences."""

    split: str
    photographs: int
    doors: int
    sides: tuple[Side, Side]
    by: dict[str, Estimate]
    """The second minus the first; of false alarms, per photograph. Without those in ``same``."""
    same: list[str]
    """The scores in which both cannot differ, because they have the same weights and settings."""
    verdict: str
    looks: UseCounts | None


def compare_runs(
    first: Run, second: Run, split: str, *, open_detector: OpenDetector, progress: Progress
) -> Comparison:
    """Estimate in which scores the second run is better or worse, photograph by photograph.

    On the folds, two cross-validations are compared: in each photograph the two models that were
    not trained on it.

    Raises:
        RunError: If they were not measured on the same photographs with the same labels, or if
            doors are in fewer than four scenes.
    """
    runs = (first, second)
    seen, thresholds = [], []
    for run in runs:
        detected, layout, threshold = (
            _out_of_fold(run)
            if split == FOLDS
            else _detected(run, split, open_detector=open_detector, progress=progress)
        )
        by_name = sorted(detected.photographs, key=lambda one: one.image)
        detected = detected.model_copy(update={"photographs": by_name})
        scenes = scenes_of(detected, known_attributes(layout, progress))
        thresholds.append(threshold)
        seen.append(
            (detected, match_photographs(detected.photographs, scenes, conf_threshold=threshold))
        )
    (one, its), (other, others) = seen
    if photographs_sha256(one) != photographs_sha256(other):
        raise RunError(
            f"{first.label} and {second.label} have different photographs or labels in {split}",
            hint="models can only be compared on the same ones: train both on one data set",
        )
    if [of.scene for of in its] != [of.scene for of in others]:
        raise RunError(
            f"{first.label} and {second.label} have different scenes in {split}: the "
            "attributes.csv of their data sets differ",
            hint="copy the right one beside the other data.yaml",
        )
    same = _scores_that_are_the_same(one, other, thresholds)
    by = {name: of for name, of in differences(its, others).items() if name not in same}
    names = first.label, second.label
    if FALSE_ALARMS in same:
        verdict = f"{names[0]} and {names[1]} have the same weights: there is no difference"
    elif not by:
        raise RunError(
            f"{split} has doors in fewer than four scenes: nothing can be compared",
            hint="choose the other split, or add photographs",
        )
    else:
        verdict = sentence(names, by, (count_alarms(its), count_alarms(others)))
        verdict += _different_thresholds(names, (one, other), thresholds)
    uses = [
        None if split != "test" else count_test_use(run, found, None, progress=progress)
        for run, (found, _) in zip(runs, seen, strict=True)
    ]
    return Comparison(
        split,
        photographs=len(its),
        doors=sum(len(of.found) for of in its),
        sides=(_side(first, thresholds[0], its), _side(second, thresholds[1], others)),
        by=by,
        same=same,
        verdict=verdict,
        looks=uses[-1] if split == "test" else None,
    )


def _detected(
    run: Run, split: str, *, open_detector: OpenDetector, progress: Progress
) -> tuple[Detected, Layout, float]:
    record, layout = trained(run)
    detected = detect(run, split, open_detector=open_detector, progress=progress)
    return detected, layout, record.known_params.validation.conf_threshold


def _out_of_fold(run: Run) -> tuple[Detected, Layout, float]:
    found, detected = read_cross_validation(run)
    return detected, require_layout(Path(found.dataset_path)), found.pooled.conf_threshold


def _scores_that_are_the_same(
    one: Detected, other: Detected, thresholds: Sequence[float]
) -> list[str]:
    """Name the scores in which the same weights cannot differ, whatever the photographs are.

    Such a difference has no interval.
    """
    weights = {(found.weights_sha256, found.image_size_px) for found in (one, other)}
    if len(weights) > 1:
        return []
    is_used_alike = len({*thresholds}) == 1 and one.iou_threshold == other.iou_threshold
    return ["AP50", "AP50-95", *(["precision", "recall", FALSE_ALARMS] if is_used_alike else [])]


def _different_thresholds(
    names: tuple[str, str], detected: tuple[Detected, Detected], thresholds: Sequence[float]
) -> str:
    """Return a sentence with the thresholds in use, if the runs have different ones."""
    of_both = {
        "confidence": thresholds,
        "NMS IoU": [one.iou_threshold for one in detected],
    }
    each = [
        f"{what} {first:g} of {names[0]} and {second:g} of {names[1]}"
        for what, (first, second) in of_both.items()
        if first != second
    ]
    if not each:
        return ""
    return (
        ". Precision, recall and false alarms are at different thresholds, so part of the "
        f"difference may be theirs: {', '.join(each)}"
    )


def _side(run: Run, conf_threshold: float, seen: Sequence[MatchedPhotograph]) -> Side:
    scores, _ = all_scores(seen)
    return Side(
        run.label,
        conf_threshold,
        scores,
        doors_found=sum(one.hits for one in seen),
        false_alarms=count_alarms(seen),
    )
