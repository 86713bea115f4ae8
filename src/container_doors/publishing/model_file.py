"""``model.json`` beside the published weights: what a program needs to use them as tested.

It follows from ``metadata.json`` alone, which is hashed, signed, and kept for each version; so it
can be written again wherever the metadata is.
"""

import math
from pathlib import Path

from container_doors.core.errors import ConfigError, RunError
from container_doors.core.measurements import Evaluated
from container_doors.core.predictions import ModelFile, Tested, Threshold
from container_doors.core.records import (
    Check,
    ChosenThreshold,
    Evaluation,
    Metadata,
    Mismatch,
    SplitScores,
)
from container_doors.core.run import Run
from container_doors.data.data_yaml import CLASS_NAME
from container_doors.publishing.comparison import differing_fields, format_value

MODEL_FILE = "model.json"
_METADATA = "metadata.json"

_SPLITS = ("val", "test")


def model_file_of(metadata: Metadata) -> ModelFile:
    """Derive the file from a model's metadata, of this release or an earlier one.

    Raises:
        ConfigError: If this release cannot use a value of the model's params.
    """
    used_at = metadata.known_params.validation
    target = metadata.operating_target
    return ModelFile(
        version=metadata.version,
        architecture=metadata.model_architecture,
        weights={name: weights.sha256 for name, weights in metadata.artifacts.items()},
        image_size_px=metadata.evaluation.image_size_px,
        classes=[CLASS_NAME],
        conf_threshold=Threshold(value=used_at.conf_threshold, source="params")
        if target is None
        else Threshold(
            value=target.conf_threshold,
            source="operating target",
            target=target.target,
            verdict=f"{target.verdict} on {target.checked_on}",
        ),
        iou_threshold=used_at.iou_threshold,
        dataset_sha256=metadata.dataset_sha256,
        tested=[
            _tested(split, metadata.evaluation.splits[split])
            for split in _SPLITS
            if split in metadata.evaluation.splits
        ],
    )


def write_model_file(folder: Path, metadata: Metadata) -> None:
    """Write ``model.json`` into the folder of a model."""
    model_file_of(metadata).write(folder / MODEL_FILE)


def read_model_file(folder: Path) -> ModelFile:
    """Read how a model is used: from ``model.json``, or from the metadata of an earlier release.

    Raises:
        RunError: If neither is there, or one is damaged, or they do not agree.
    """
    described, path = folder / _METADATA, folder / MODEL_FILE
    if not described.exists():
        return ModelFile.read(path)
    derived = model_file_of(Metadata.read(described))
    if path.exists():
        found = ModelFile.read(path)
        if found != derived:
            name, expected, value = _differences(derived, found)[0]
            raise RunError(
                f"{path} is not of the model beside it: {name}: expected {format_value(expected)}, "
                f"as {_METADATA} says, found {format_value(value)}",
                hint="doors metadata writes it again",
            )
    return derived


def model_file_check(metadata: Metadata, folder: Path) -> Check:
    """Check that ``model.json`` says what the metadata says."""
    path, hint = folder / MODEL_FILE, "doors metadata"
    name, holds = "model file", f"{MODEL_FILE} agrees with {_METADATA}"
    if not path.exists():
        why = f"there is no {MODEL_FILE}, as in earlier releases; doors metadata writes it"
        return Check(name, holds, not_checked=why)
    try:
        found = ModelFile.read(path)
    except RunError as error:
        return Check(name, holds, (Mismatch(str(path), "a model file", error.problem, hint),))
    try:
        expected = model_file_of(metadata)
    except ConfigError as error:
        return Check(name, holds, not_checked=error.problem)
    return Check(
        name,
        holds,
        tuple(
            Mismatch(f"{path}: {key}", format_value(old), format_value(new), hint)
            for key, old, new in _differences(expected, found)
        ),
    )


def chosen_threshold(run: Run, evaluation: Evaluation) -> ChosenThreshold | None:
    """Read the threshold that ``doors evaluate --target`` chose last for a run's weights.

    Returns:
        None if there was no operating target, or if it was measured on other weights.

    Raises:
        RunError: If the run's ``evaluation.json`` is damaged.
    """
    if not run.evaluation.exists():
        return None
    measured = Evaluated.read(run.evaluation)
    is_own = (measured.run_id, measured.weights_sha256) == (
        evaluation.run_id,
        evaluation.weights_sha256,
    )
    check = measured.splits["test"].promise if is_own and "test" in measured.splits else None
    if check is None:
        return None
    return ChosenThreshold(
        target=check.promise,
        conf_threshold=check.conf_threshold,
        checked_on="test",
        verdict=check.verdict,
    )


def describe_threshold(threshold: Threshold) -> str:
    """Write a threshold and its source for people.

    >>> describe_threshold(Threshold(value=0.25, source="params"))
    '0.25 (of its params)'
    """
    if threshold.source == "params":
        return f"{threshold.value:.4g} (of its params)"
    return f"{threshold.value:.4g} (for {threshold.target}: {threshold.verdict})"


def _tested(split: str, scores: SplitScores) -> Tested:
    point = scores.operating_point
    values = {
        **{name.replace("-", "_"): scores.ultralytics.get(name) for name in ("mAP50", "mAP50-95")},
        "precision": point.precision,
        "recall": point.recall,
    }
    return Tested(
        split=split,
        photographs=scores.images,
        doors=scores.doors,
        scores={
            name: value
            for name, value in values.items()
            if value is not None and math.isfinite(value)
        },
        conf_threshold=point.conf_threshold,
    )


def _differences(expected: ModelFile, found: ModelFile) -> list[tuple[str, object, object]]:
    was, now = expected.model_dump(mode="json"), found.model_dump(mode="json")
    return list(differing_fields(was, now))
