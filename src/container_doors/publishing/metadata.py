"""Build ``metadata.json``: the specification's fields, from a run's record and evaluation."""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from container_doors.core.errors import RunError
from container_doors.core.records import (
    ChosenThreshold,
    DatasetFacts,
    Evaluation,
    Metadata,
    RunRecord,
    SplitScores,
    Version,
)
from container_doors.publishing.names import git_tag, version_name


def build_metadata(
    record: RunRecord,
    evaluation: Evaluation,
    version: Version,
    *,
    records: Mapping[str, str] = MappingProxyType({}),
    files: Mapping[str, str] = MappingProxyType({}),
    operating_target: ChosenThreshold | None = None,
) -> Metadata:
    """Build a model's metadata from the run that made it and the evaluation of its ``best.pt``.

    Raises:
        RunError: If the run has not been trained to the end, or if the evaluation is of
            another run or of other weights than its ``best.pt``.
    """
    best = record.artifacts.get("best.pt")
    if (
        best is None
        or record.finished_at is None
        or record.duration_s is None
        or record.epochs_finished is None
        or record.best_epoch is None
    ):
        raise RunError(
            f"{record.experiment} has not been trained to the end (status: {record.status})",
            hint=f"doors train --experiment {record.experiment}",
        )
    if evaluation.weights_sha256 != best.sha256 or evaluation.run_id != record.run_id:
        raise RunError(
            f"the evaluation of {record.experiment} is of other weights: expected best.pt "
            f"{best.sha256[:12]} of run {record.run_id}, found {evaluation.weights_sha256[:12]} "
            f"of run {evaluation.run_id}",
            hint=f"train it again: doors train --experiment {record.experiment} --replace",
        )
    return Metadata(
        experiment_name=record.experiment,
        model_architecture=record.architecture,
        trained_on=record.finished_at,
        training_duration_hours=record.duration_s / 3600,
        hyperparameters=record.params,
        metrics=metrics_of(evaluation),
        dataset_info=_dataset_info(record),
        version=version_name(version),
        git_tag=git_tag(version),
        run_id=record.run_id,
        code=record.code,
        dataset_sha256=record.dataset.sha256,
        params_sha256=record.params_sha256,
        starting_weights=record.starting_weights,
        artifacts=record.artifacts,
        hardware=record.hardware,
        environment=record.environment,
        seed=record.seed,
        epochs_finished=record.epochs_finished,
        best_epoch=record.best_epoch,
        evaluation=evaluation,
        records=dict(records),
        files=dict(files),
        operating_target=operating_target,
    )


def record_of(metadata: Metadata) -> RunRecord:
    """Return a run record made from a model's metadata: enough to ask a server for the run.

    Its start time is not known, so the end time is used instead.
    """
    info = metadata.dataset_info
    return RunRecord(
        run_id=metadata.run_id,
        experiment=metadata.experiment_name,
        status="finished",
        started_at=metadata.trained_on,
        finished_at=metadata.trained_on,
        params=metadata.hyperparameters,
        params_sha256=metadata.params_sha256,
        code=metadata.code,
        dataset=DatasetFacts(path=info["path"], sha256=metadata.dataset_sha256, splits={}),
        starting_weights=metadata.starting_weights,
        hardware=metadata.hardware,
        environment=metadata.environment,
        seed=metadata.seed,
        epochs_finished=metadata.epochs_finished,
        best_epoch=metadata.best_epoch,
        artifacts=metadata.artifacts,
    )


def metrics_of(evaluation: Evaluation) -> dict[str, float]:
    """Return an evaluation's figures, named as in ``docs/metrics.md``, without undefined ones."""
    return dict(_metrics(evaluation))


def _metrics(evaluation: Evaluation) -> Iterator[tuple[str, float]]:
    for split, scores in evaluation.splits.items():
        for name, value in _named(scores):
            if math.isfinite(value):
                yield f"{split}_{name}", value


def _named(scores: SplitScores) -> Iterator[tuple[str, float]]:
    for name, value in scores.ultralytics.items():
        yield name.replace("-", "_"), value
    for name, value in scores.coco.items():
        yield f"coco_{name}", value


def _dataset_info(record: RunRecord) -> dict[str, Any]:
    counts: dict[str, Any] = {"path": record.dataset.path, "sha256": record.dataset.sha256}
    for split, facts in record.dataset.splits.items():
        counts[f"{split}_images"] = facts.images
        counts[f"{split}_doors"] = facts.doors
        counts[f"{split}_background_images"] = facts.background_images
    return counts
