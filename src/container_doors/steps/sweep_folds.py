"""Trials of a sweep that are cross-validations: their score is pooled over all folds."""

import math
from collections.abc import Sequence
from statistics import mean

from container_doors.core.config import Params
from container_doors.core.measurements import CrossValidation
from container_doors.core.ports import Progress, Trainings
from container_doors.core.records import FITNESS, Epoch
from container_doors.core.run import Run
from container_doors.steps.crossval import Folds, plan_folds, pool, train_last
from container_doors.steps.detections import OpenDetector
from container_doors.training.history import read_epochs


def pooled_score(
    folds: Folds, metric: str, *, open_detector: OpenDetector, progress: Progress
) -> float | None:
    """Pool the folds of a trial, and return a score over all of their photographs.

    Args:
        folds: The folds; all are trained.
        metric: A score of ``docs/metrics.md``, such as ``AP50-95``.
        open_detector: Opens weights.
        progress: Receives messages.

    Returns:
        None if it is undefined.
    """
    found = pool(folds, open_detector=open_detector, progress=progress).pooled.scores.get(metric)
    return None if found is None else found.value


def histories(folds: Folds) -> list[list[Epoch]]:
    """Read the epochs of each fold."""
    return [read_epochs(run.metrics_jsonl) for run in folds.runs]


def mean_curve(folds: Sequence[Sequence[Epoch]]) -> dict[int, float]:
    """Return the mean of the folds' mAP50-95 on val, by each epoch that all of them have."""
    by_fold = [
        {one.number: one.metrics[FITNESS] for one in history if FITNESS in one.metrics}
        for history in folds
    ]
    common = set.intersection(*({*one} for one in by_fold)) if by_fold else set()
    curve = {epoch: mean(one[epoch] for one in by_fold) for epoch in sorted(common)}
    return {epoch: value for epoch, value in curve.items() if math.isfinite(value)}


def train_last_model(
    params: Params,
    run: Run,
    *,
    trainings: Trainings,
    open_detector: OpenDetector,
    progress: Progress,
) -> None:
    """Train the last model of a trial, on train and val, to compare it on test.

    Raises:
        DoorsError: If it fails.
        ToBeContinued: If it was asked to stop; nothing is lost.
    """
    folds = plan_folds(params, run, folds=None, progress=progress)
    progress.say(f"training the last model of {run.name}, on train and val")
    train_last(folds, CrossValidation.read(run.crossval), trainings=trainings)
    if not run.crossval.exists():  # its folder was renamed, because it had no training
        pool(folds, open_detector=open_detector, progress=progress)
