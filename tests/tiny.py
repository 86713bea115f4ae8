"""The smallest real training: eight drawn pictures, YOLO11n from random weights, two steps."""

import sys
from pathlib import Path
from typing import Any

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.core.config import Augmentation, Model, Params, Training
from container_doors.core.records import Epoch
from container_doors.scenes import draw_sample


def tiny_params(*, epochs: int, **training: object) -> Params:
    asked = {
        "batch_size": 4, "optimizer": "SGD", "learning_rate": 0.01, "warmup_epochs": 0.0,
        "patience": 0, "image_size_px": 32, "device": "cpu", "cache": "ram", "workers": 0,
    }  # fmt: skip
    return Params(
        model=Model(architecture="yolov11n", pretrained=False),
        training=Training.model_validate({**asked, "epochs": epochs, **training}),
        augmentation=Augmentation(close_mosaic=0),
    )


def tiny_network() -> Any:
    """Build a YOLO11n that detects doors and has learned nothing, as a weight file has it."""
    import_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolo11n.yaml", nc=1, verbose=False).half()  # type: ignore[no-untyped-call]
    network.names = {0: "container_door"}
    return network


def tiny_data(folder: Path, *, train: int = 8) -> Path:
    """Draw the pictures; returns their ``data.yaml``."""
    draw_sample(folder, counts={"train": train, "val": 4}, seed=1, image_size_px=(160, 120))
    data_yaml = folder / "data.yaml"
    data_yaml.write_text(
        f"path: {folder}\ntrain: images/train\nval: images/val\nnames: ['container_door']\n"
    )
    return data_yaml


class Printing:
    """A :class:`ports.Progress` on standard output."""

    def say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")

    def step(self, what: str, done: int, total: int) -> None:
        pass

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        sys.stdout.write(f"told {epoch.number}/{total}{' best' if is_best else ''}\n")
        sys.stdout.flush()
