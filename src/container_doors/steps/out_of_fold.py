"""What a cross-validation has measured: of every photograph by a model not trained on it."""

import re
from pathlib import Path

from container_doors.core.errors import RunError
from container_doors.core.measurements import FOLDS, Assessment, CrossValidation, Detected
from container_doors.core.ports import Progress
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.data.attributes import Attributes
from container_doors.data.labelled import require_layout
from container_doors.steps.detections import (
    OpenDetector,
    detect,
    evaluated_splits,
    known_attributes,
    scenes_of,
)

_FOLD = re.compile(r"-fold\d+(-seed\d+)?$")


def cross_validation(run: Run, record: RunRecord) -> CrossValidation | None:
    """Read the cross-validation that a run is the last model of; None if there is none."""
    if record.known_params.data.trains_on != "all" or not run.crossval.exists():
        return None
    return CrossValidation.read(run.crossval)


def of_folds(run: Run, record: RunRecord) -> dict[str, Assessment]:
    """Return the pooled scores of a run's cross-validation by their split; empty without one."""
    found = cross_validation(run, record)
    return {} if found is None else {FOLDS: found.pooled}


def read_cross_validation(run: Run) -> tuple[CrossValidation, Detected]:
    """Read a cross-validation and its detections, whether or not there is a last model.

    Raises:
        RunError: If there is none.
    """
    if not run.crossval.exists() or not run.out_of_fold.exists():
        raise RunError(
            f"{run.label} was not cross-validated: there is no {run.crossval}",
            hint=_how_to_cross_validate(run),
        )
    return CrossValidation.read(run.crossval), Detected.read(run.out_of_fold)


def _how_to_cross_validate(run: Run) -> str:
    whole = _FOLD.sub("", run.name)
    if whole != run.name and Run(whole, run.root).crossval.exists():
        return f"it is a fold of {whole}: name that one"
    if run.has_record:  # which a cross-validation of this name would replace
        return (
            f"by the same settings, under another name: doors crossval --experiment {run.name}-cv"
        )
    return f"doors crossval --experiment {run.name}"


def read_seeds(run: Run) -> tuple[CrossValidation, list[Detected]]:
    """Read a cross-validation and the detections of each of its seeds, the first seed first.

    Raises:
        RunError: If there is none, or if the detections of a seed are missing.
    """
    found, first = read_cross_validation(run)
    others = [run.out_of_fold_of(one.seed) for one in found.seeds[1:]]
    lost = [path for path in others if not path.exists()]
    if lost:
        raise RunError(
            f"the detections of a seed of {run.label} are lost: there is no {lost[0]}",
            hint=f"doors crossval --experiment {run.name} --no-final: it detects again, and trains "
            "nothing that is finished",
        )
    return found, [first, *map(Detected.read, others)]


def to_choose_by(
    run: Run,
    record: RunRecord,
    attributes: Attributes,
    *,
    open_detector: OpenDetector,
    progress: Progress,
) -> tuple[Detected, list[int]]:
    """Return the detections that a threshold is chosen by, and their scenes.

    They are those on val; for a model that was trained on val, those of its cross-validation.

    Raises:
        RunError: If it was trained on val and has no cross-validation.
    """
    if "val" in evaluated_splits(record.known_params):
        val = detect(run, "val", open_detector=open_detector, progress=progress)
        return val, scenes_of(val, attributes)
    found, detected = read_cross_validation(run)
    whole = known_attributes(require_layout(Path(found.dataset_path)), progress)
    return detected, scenes_of(detected, whole)
