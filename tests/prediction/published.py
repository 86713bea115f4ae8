"""A published model's folder, and networks that find what a test says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container_doors.core.measurements import Parity
from container_doors.core.ports import FoundBoxes
from container_doors.core.predictions import ModelFile, Threshold
from container_doors.core.records import Artifact, Latency
from container_doors.prediction.exports import EXPORTS, EXPORTS_JSON, Export, Exports
from container_doors.prediction.opening import NetworkFile, OpenedNetwork, Runtime, Runtimes
from container_doors.publishing.hashing import artifact, file_sha256

VERSION = "detection_v1.0_20261128_exp1"


@dataclass
class FakeNetwork:
    """Implements :class:`ports.Network`: finds one door, in the middle of each picture."""

    backend: str = "fake"
    device: str = "a processor"
    seen: list[tuple[NDArray[np.uint8], dict[str, float]]] = field(default_factory=list)

    def find(self, picture: NDArray[np.uint8], **settings: float) -> FoundBoxes:
        self.seen.append((picture, settings))
        height, width = picture.shape[:2]
        box = [width / 4, height / 4, width * 3 / 4, height * 3 / 4]
        return FoundBoxes(
            np.array([box], np.float32), np.array([0.75], np.float32), np.array([0]), 1, 2, 3
        )


@dataclass
class FakeRuntimes:
    """Opens nothing, and notes what it was asked to open."""

    missing: tuple[str, ...] = ()
    """Modules that are not installed."""
    has_gpu: bool = False
    asked: list[NetworkFile] = field(default_factory=list)
    network: FakeNetwork = field(default_factory=FakeNetwork)

    @property
    def runtimes(self) -> Runtimes:
        return Runtimes(
            {
                "pytorch": Runtime(".pt", ("torch",), self._open),
                "onnx": Runtime(".onnx", ("onnxruntime",), self._open),
                "openvino": Runtime(".xml", ("openvino",), self._open),
            },
            is_installed=lambda module: module not in self.missing,
            has_gpu=lambda: self.has_gpu,
        )

    def _open(self, asked: NetworkFile) -> OpenedNetwork:
        self.asked.append(asked)
        self.network.backend = asked.backend
        return OpenedNetwork(self.network, asked.image_size_px or 320)


def publish(folder: Path, *, version: str | None = VERSION) -> ModelFile:
    """Write weights, which are none, and their ``model.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {}
    for name in ("best.pt", "last.pt"):
        (folder / name).write_text(f"{name} of {version}")
        weights[name] = file_sha256(folder / name)
    model = ModelFile(
        version=version,
        architecture="yolov11s",
        weights=weights,
        image_size_px=480,
        classes=["container_door"],
        conf_threshold=Threshold(value=0.4, source="params"),
        iou_threshold=0.6,
        dataset_sha256="0" * 64,
        tested=[],
    )
    model.write(folder / "model.json")
    return model


def export(
    folder: Path,
    times_ms: Mapping[str, float | None],
    *,
    pytorch_ms: float | None = None,
    change: Callable[[Export], Export] = lambda one: one,
    accepted: bool = True,
    write: bool = True,
) -> Exports:
    """Write exports with the times that were measured; their files are none, or those there."""
    formats = {}
    for name, median_ms in times_ms.items():
        suffixes = {"onnx": ["onnx"], "openvino": ["xml", "bin"]}.get(name.partition("-")[0], ["x"])
        files: dict[str, Artifact] = {}
        for suffix in suffixes:
            path = folder / EXPORTS / name / f"model.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if write:
                path.write_text(f"{name} {suffix}")
            files[f"{name}/model.{suffix}"] = artifact(path)
        formats[name] = change(
            Export(
                files=files,
                weights_sha256=file_sha256(folder / "best.pt"),
                input_shape="dynamic",
                runtime=f"{name} 1.0",
                parity=PARITY,
                latency=latency(median_ms),
                accepted=accepted,
                why="the same boxes as PyTorch",
            )
        )
    exports = Exports(formats=formats, pytorch=latency(pytorch_ms))
    exports.write(folder / EXPORTS / EXPORTS_JSON)
    return exports


PARITY = Parity(
    photographs=9, boxes=9, without_a_match=0, most_box_px=0.1, most_confidence=0.001,
    box_tolerance_px=1, confidence_tolerance=0.01, holds=True,
)  # fmt: skip


def latency(median_ms: float | None) -> Latency | None:
    if median_ms is None:
        return None
    return Latency(median_ms=median_ms, p95_ms=median_ms, images=9, method="as it was")
