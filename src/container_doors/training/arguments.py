"""Our words for the trainer's: the one place where the two vocabularies meet."""

from collections.abc import Mapping
from pathlib import Path

from container_doors.core.config import Params
from container_doors.core.run import Run

Argument = str | int | float | bool

_THEIR_NAME = {
    "batch_size": "batch",
    "nominal_batch_size": "nbs",
    "learning_rate": "lr0",
    "image_size_px": "imgsz",
}
"""Ours to Ultralytics'; a key that is absent here is spelled alike on both sides."""

_NOT_ARGUMENTS = {"device", "cache", "save_period", "lr_scheduler"}
"""Keys of ``training`` that we turn into something else."""

_MAY_CHANGE = {"data", "device", "workers", "project", "name", "batch"}
"""Arguments that tell of places and machines, not of the training."""


def vendor_architecture(architecture: str) -> str:
    """Name the architecture as Ultralytics does.

    >>> vendor_architecture("yolov11s")
    'yolo11s'
    """
    return architecture.replace("yolov", "yolo", 1)


def trainer_arguments(
    params: Params, run: Run, *, data_yaml: Path, device: str
) -> dict[str, Argument]:
    """Spell ``params`` the way that ``YOLO.train`` wants them.

    ``validation`` is left out on purpose: its thresholds are an operating point, and passed to
    the trainer they would lower every mAP. ``save_period`` is ours (:attr:`Run.resumable`):
    Ultralytics would keep every checkpoint, 95 MB each.

    Args:
        params: What is asked for.
        run: Where Ultralytics puts what it makes.
        data_yaml: The data set.
        device: As PyTorch names it; several are joined by commas.
    """
    ours = params.training.model_dump(exclude=_NOT_ARGUMENTS) | params.augmentation.model_dump()
    return {_THEIR_NAME.get(key, key): value for key, value in ours.items()} | {
        "data": str(data_yaml),
        "pretrained": params.model.pretrained,
        "cos_lr": params.training.lr_scheduler == "cosine",
        "device": device.replace("cuda:", ""),
        # Absolute, or Ultralytics puts the run below its own runs_dir.
        "project": str(run.trainer_dir.parent.resolve()),
        "name": run.trainer_dir.name,
        "exist_ok": True,
        "save": True,
        "save_period": -1,
        "plots": True,
        "verbose": False,
        "deterministic": True,
    }


def changed_since(
    arguments: Mapping[str, Argument], kept: Mapping[str, object]
) -> dict[str, tuple[object, Argument]]:
    """Name what a checkpoint was made with, and what is asked for instead.

    ``batch`` may differ: it is halved where the GPU's memory does not suffice.
    """
    return {
        key: (kept.get(key), asked)
        for key, asked in arguments.items()
        if key not in _MAY_CHANGE and kept.get(key) != asked
    }
