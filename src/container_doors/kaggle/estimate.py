"""Estimates how long a training takes on the Kaggle GPU, before it runs; a rough guess."""

from container_doors.core.config import Params
from container_doors.core.records import DatasetFacts

_MEASURED_EPOCH_S, _MEASURED_IMAGES = 7.4, 352
"""YOLO11s at 640 px on one T4, the photographs in memory; from a published run of this task."""

_GFLOPS = {"n": 6.5, "s": 21.5, "m": 68.0, "l": 86.9, "x": 194.9}
"""At 640 px: https://docs.ultralytics.com/models/yolo11/#performance-metrics"""

_SETUP_S = 300.0
"""For mounting, installing and evaluating."""

_SECOND_GPU = 0.6
"""The time with two GPUs, relative to one; they wait for each other and for the same loaders."""


def epoch_s(params: Params, facts: DatasetFacts, *, gpus: int) -> float:
    """Estimate the seconds of one epoch."""
    images = sum(facts.splits[name].images for name in ("train", "val") if name in facts.splits)
    size = (params.training.image_size_px / 640) ** 2
    work = _GFLOPS[params.model.architecture[-1]] / _GFLOPS["s"]
    scaling = _SECOND_GPU if gpus > 1 else 1.0
    return _MEASURED_EPOCH_S * images / _MEASURED_IMAGES * size * max(work, 0.5) * scaling


def hours(params: Params, facts: DatasetFacts, *, gpus: int, epochs_done: int = 0) -> float:
    """Estimate the hours of the remaining epochs, with setup and evaluation.

    Early stopping may end the training sooner.
    """
    left = max(params.training.epochs - epochs_done, 0)
    return (left * epoch_s(params, facts, gpus=gpus) + _SETUP_S) / 3600
