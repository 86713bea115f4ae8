"""Says whether a model meets its targets, intervals included."""

from container_doors.core.errors import RunError
from container_doors.core.measurements import Detected
from container_doors.core.ports import Progress
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.hashing import artifact
from container_doors.publishing.lineage import run_of
from container_doors.publishing.publication import read_published
from container_doors.reporting.gate import TargetResult, held
from container_doors.steps.detections import OpenDetector, known_attributes, look, trained
from container_doors.steps.evaluate import _present, evaluate_split
from container_doors.steps.version import nothing_published, refuse_another


def gate_run(
    run: Run, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[TargetResult]:
    """Hold a run against the targets of section 10.3; what is not measured yet is measured."""
    record, layout = trained(run)
    attributes = known_attributes(layout, progress)
    assessments = {}
    for split in ("val", "test"):
        there = _present(run, split, record, layout, attributes)
        if there is None:
            there = evaluate_split(run, split, open_detector=open_detector, progress=progress)
        else:
            look(run, Detected.read(run.detections_json(split)), None, progress=progress)
        assessments[split] = there
    return held(record, assessments, at_the_point=at_the_point)


def gate_published(
    run: Run | None, *, at_the_point: bool, open_detector: OpenDetector, progress: Progress
) -> list[TargetResult]:
    """Hold what is published against the targets, by the run that made it.

    Args:
        run: What should be published; None if it may be any.
        at_the_point: Whether as measured, and not at the worse end of each interval.
        open_detector: Opens the weights.
        progress: Told what takes long.

    Raises:
        RunError: If it is of another run, or if the run has other weights by now.
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
            hint=f"bring its weights back: cp {PUBLISHED}/best.pt {run.best_weights}",
        )
    return gate_run(run, at_the_point=at_the_point, open_detector=open_detector, progress=progress)
