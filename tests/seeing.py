"""A published model that finds what a test says, for commands that look at any photograph."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from container_doors.cli import data_prelabel
from container_doors.core.ports import Detections
from container_doors.core.records import Hardware
from container_doors.core.run import PUBLISHED
from container_doors.data.convert_pictures import upright_size
from container_doors.evaluation.matching import BoxXyxy
from tests.fakes import FakeTrainer
from tests.trained import train_in

Found = Sequence[tuple[BoxXyxy, float]]
"""Boxes in pixels, and their confidences."""


@dataclass
class SeeingDetector:
    """Finds the boxes of a photograph by its file's name."""

    boxes: Mapping[str, Found] = field(default_factory=dict)
    timing_method: str = "a watch"
    device: str = "a sundial"
    looked_at: list[str] = field(default_factory=list)

    def validate(
        self, *, data_yaml: Path, split: str, plots_dir: Path
    ) -> tuple[dict[str, float], list[Detections]]:
        raise NotImplementedError

    def detect(
        self, images: Sequence[Path], *, conf_threshold: float, iou_threshold: float
    ) -> list[Detections]:
        self.looked_at += [image.name for image in images]
        return [self._look(image, conf_threshold) for image in images]

    def open(
        self, weights: Path, *, image_size_px: int, hardware: Hardware | None = None
    ) -> "SeeingDetector":
        assert weights.is_file()
        return self

    def _look(self, image: Path, conf_threshold: float) -> Detections:
        found = [one for one in self.boxes.get(image.name, ()) if one[1] >= conf_threshold]
        boxes, confidences = [box for box, _ in found], [conf for _, conf in found]
        return Detections(image, *upright_size(image), boxes, confidences)


def opens(detector: SeeingDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands open this detector, whatever the published weights are."""
    here = FakeTrainer().describe_hardware
    monkeypatch.setattr(data_prelabel, "load_door_detector", detector.open)
    monkeypatch.setattr(data_prelabel, "describe_machine", here)


def publish_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a model there, and stay there; there is no data set and no run."""
    shutil.copytree(_published(), folder / PUBLISHED)
    monkeypatch.chdir(folder)


@cache
def _published() -> Path:
    """Train once for all tests: the fakes take two seconds."""
    folder = Path(tempfile.mkdtemp(prefix="published-"))
    with pytest.MonkeyPatch.context() as patch:
        train_in(folder, patch)
    atexit.register(shutil.rmtree, folder)
    return folder / PUBLISHED
