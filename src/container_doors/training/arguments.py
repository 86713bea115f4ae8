"""Translate our parameter names into Ultralytics' names; nothing else does that."""

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
"""Our name to Ultralytics' name; a key that is absent here has the same name on both sides."""

_NOT_ARGUMENTS = {"average_last", "device", "cache", "save_period", "lr_scheduler"}
"""Keys of ``training`` that are not passed on as they are."""

_OURS = {"preset", "conditions"}
"""Keys of ``augmentation`` that Ultralytics does not have."""

_MAY_CHANGE = {"data", "device", "workers", "project", "name", "batch"}
"""Arguments that name places and machines. They may differ when a training is resumed."""


def vendor_architecture(architecture: str) -> str:
    """Return Ultralytics' name of the architecture.

    >>> vendor_architecture("yolov11s")
    'yolo11s'
    """
    return architecture.replace("yolov", "yolo", 1)


def trainer_arguments(
    params: Params, run: Run, *, data_yaml: Path, device: str
) -> dict[str, Argument]:
    """Return ``params`` as arguments of ``YOLO.train``.

    ``validation`` is left out on purpose: its thresholds are an operating point. The trainer would
    apply them to every mAP and lower it. ``save_period`` is turned off, because we write our own
    checkpoints (:attr:`Run.resumable`); Ultralytics would keep every one, 95 MB each.

    Args:
        params: The parameters of the run.
        run: The run; Ultralytics writes into its folder.
        data_yaml: The data set.
        device: PyTorch's name of the device; several are joined by commas.
    """
    training = params.training.model_dump(exclude=_NOT_ARGUMENTS)
    ours = training | params.augmentation.model_dump(exclude=_OURS)
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
    arguments: Mapping[str, Argument], saved: Mapping[str, object]
) -> dict[str, tuple[object, Argument]]:
    """Return the arguments that differ from those of a checkpoint, as (old, new).

    ``batch`` may differ: it is halved when the GPU runs out of memory.
    """
    return {
        key: (saved.get(key), value)
        for key, value in arguments.items()
        if key not in _MAY_CHANGE and saved.get(key) != value
    }
