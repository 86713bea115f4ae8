"""Checks whether a model meets its targets, with confidence intervals."""

from container_doors.core.errors import RunError
from container_doors.core.measurements import Detected
from container_doors.core.ports import Progress
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.hashing import artifact
from container_doors.publishing.lineage import run_of
from container_doors.publishing.publication import read_published
from container_doors.reporting.gate import TargetResult, check_targets
from container_doors.steps.detections import (
    OpenDetector,
    count_test_use,
    evaluated_splits,
    known_attributes,
    trained,
)
from container_doors.steps.evaluate import cached_assessment, evaluate_split
from container_doors.steps.out_of_fold import of_folds
from container_doors.steps.version import nothing_published, refuse_another


def gate_run(
    run: Run, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[TargetResult]:
    """Check a run against the targets of section 10.3; measure what is not measured yet.

    The last model of a cross-validation has no val; its folds are in val's place.
    """
    record, layout = trained(run)
    attributes = known_attributes(layout, progress)
    assessments = {}
    for split in evaluated_splits(record.known_params):
        assessment = cached_assessment(run, split, record, layout, attributes)
        if assessment is None:
            assessment = evaluate_split(run, split, open_detector=open_detector, progress=progress)
        else:
            count_test_use(run, Detected.read(run.detections_json(split)), None, progress=progress)
        assessments[split] = assessment
    assessments |= of_folds(run, record)
    return check_targets(record, assessments, at_the_point=at_the_point)


def gate_published(
    run: Run | None, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[TargetResult]:
    """Check the published model against the targets, by the run that made it.

    Args:
        run: The run that should be published; None if it may be any.
        at_the_point: Whether to use the measured values, not the worse end of each interval.
        open_detector: Opens the weights.
        progress: Receives progress messages.

    Raises:
        RunError: If another run is published, or if the run has other weights now.
    """
    published = read_published()
    if published is None:
        raise nothing_published(run.label if run else None)
    if run is not None:
        refuse_another(published, run)
    run = run_of(published.run_id, published.experiment_name)
    best = published.artifacts["best.pt"].sha256
    if not run.best_weights.is_file() or artifact(run.best_weights).sha256 != best:
        raise RunError(
            f"{PUBLISHED} holds {published.version}, which is not what {run.best_weights} is",
            hint=f"restore its weights: cp {PUBLISHED}/best.pt {run.best_weights}",
        )
    return gate_run(run, at_the_point=at_the_point, open_detector=open_detector, progress=progress)
