"""Compares two runs on the same photographs."""

from collections.abc import Sequence
from dataclasses import dataclass

from container_doors.core.errors import RunError
from container_doors.core.measurements import Estimate, UseCounts
from container_doors.core.ports import Progress
from container_doors.core.run import Run
from container_doors.evaluation.matched import MatchedPhotograph, match_photographs
from container_doors.evaluation.paired import count_alarms, differences, sentence
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
    """The second minus the first; of false alarms, per photograph."""
    verdict: str
    looks: UseCounts | None


def compare_runs(
    first: Run, second: Run, split: str, *, open_detector: OpenDetector, progress: Progress
) -> Comparison:
    """Estimate in which scores the second run is better or worse, photograph by photograph.

    Raises:
        RunError: If they were not measured on the same photographs with the same labels, or if
            doors are in fewer than four scenes.
    """
    runs = (first, second)
    seen, thresholds = [], []
    for run in runs:
        record, layout = trained(run)
        detected = detect(run, split, open_detector=open_detector, progress=progress)
        threshold = record.known_params.validation.conf_threshold
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
            f"{first.name} and {second.name} have different photographs or labels in {split}",
            hint="models can only be compared on the same ones: train both on one data set",
        )
    if [of.scene for of in its] != [of.scene for of in others]:
        raise RunError(
            f"{first.name} and {second.name} have different scenes in {split}: the attributes.csv "
            "of their data sets differ",
            hint="copy the right one beside the other data.yaml",
        )
    by = differences(its, others)
    if one.weights_sha256 == other.weights_sha256:
        verdict = f"{first.name} and {second.name} have the same weights: there is no difference"
    elif not by:
        raise RunError(
            f"{split} has doors in fewer than four scenes: nothing can be compared",
            hint="choose the other split, or add photographs",
        )
    else:
        alarms = count_alarms(its), count_alarms(others)
        verdict = sentence((first.name, second.name), by, alarms)
    uses = [
        count_test_use(run, found, None, progress=progress)
        for run, (found, _) in zip(runs, seen, strict=True)
    ]
    return Comparison(
        split,
        photographs=len(its),
        doors=sum(len(of.found) for of in its),
        sides=(_side(first, thresholds[0], its), _side(second, thresholds[1], others)),
        by=by,
        verdict=verdict,
        looks=uses[-1] if split == "test" else None,
    )


def _side(run: Run, conf_threshold: float, seen: Sequence[MatchedPhotograph]) -> Side:
    scores, _ = all_scores(seen)
    return Side(
        run.name,
        conf_threshold,
        scores,
        doors_found=sum(one.hits for one in seen),
        false_alarms=count_alarms(seen),
    )
