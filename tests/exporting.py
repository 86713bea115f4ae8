"""A world to export in: what is built are files that say how their network behaves."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from container_doors.core.errors import MissingToolError, WeightsError
from container_doors.core.ports import FoundBoxes
from container_doors.prediction.exporting import Built, Examples
from container_doors.prediction.opening import NetworkFile, OpenedNetwork, Runtime, Runtimes
from container_doors.publishing.hashing import file_sha256
from container_doors.steps.export import Exporting

DATA = Path("data")
PYTORCH_MS = 50.0
WIDTH, HEIGHT = 160, 120


@dataclass
class Clock:
    """Goes on only when a network computes."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Network:
    """Finds the door in the middle, so many pixels off, or none; takes so long."""

    clock: Clock
    ms: float
    off_px: float | None = 0.0
    backend: str = "fake"
    device: str = "a processor"

    def find(self, picture: NDArray[np.uint8], **settings: float) -> FoundBoxes:
        self.clock.now_s += self.ms / 1e3
        height, width = picture.shape[:2]
        middle = [width / 4, height / 4, width * 3 / 4, height * 3 / 4]
        boxes = [] if self.off_px is None else [[side + self.off_px for side in middle]]
        return FoundBoxes(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.75, np.float32),
            np.zeros(len(boxes), np.int64),
            1, 2, 3,
        )  # fmt: skip


@dataclass
class World:
    """Makes and opens files that say how their network behaves."""

    clock: Clock = field(default_factory=Clock)
    does: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """By format: milliseconds, and how many pixels off; the usual is 10 ms and none."""
    missing: tuple[str, ...] = ()
    meanwhile: Callable[[], object] = lambda: None
    built: list[str] = field(default_factory=list)
    examples: list[Examples] = field(default_factory=list)

    @property
    def outside(self) -> Exporting:
        runtimes = Runtimes(
            {
                "pytorch": Runtime(".pt", ("torch",), self.open),
                "onnx": Runtime(".onnx", ("onnxruntime",), self.open),
                "openvino": Runtime(".xml", ("openvino",), self.open),
            },
            is_installed=lambda module: module not in self.missing,
            has_gpu=lambda: False,
        )
        return Exporting(self.build, self.quantize, runtimes, "a processor", self.clock)

    def build(self, weights: Path, name: str, folder: Path, *, image_size_px: int) -> Built:
        assert (image_size_px, weights.name) == (480, "best.pt")
        if name in self.missing:
            raise MissingToolError(f"{name} is not installed", hint=f"pip install {name}")
        self.built.append(name)
        self.meanwhile()
        suffixes = {"onnx": ["onnx"], "openvino": ["xml", "bin"]}.get(name, ["x"])
        files = {f"model.{one}": folder / f"model.{one}" for one in suffixes}
        for path in files.values():
            path.write_text(json.dumps(self.does.get(name, {}) | {"format": name}))
        network = Network(self.clock, 10) if suffixes == ["x"] else None
        return Built(files, "dynamic", f"{name} 1.0", network=network)

    def quantize(self, source: Path, folder: Path, examples: Examples) -> Built:
        assert source.name == "model.xml"
        self.examples.append(examples)
        built = self.build(Path("best.pt"), "openvino-int8", folder, image_size_px=480)
        for suffix in ("xml", "bin"):
            (folder / f"model.{suffix}").write_text(built.files["model.x"].read_text())
        return Built(
            {f"model.{one}": folder / f"model.{one}" for one in ("xml", "bin")},
            "dynamic", "openvino 1.0",
        )  # fmt: skip

    def open(self, asked: NetworkFile) -> OpenedNetwork:
        assert asked.device == "cpu"
        if asked.path.suffix == ".pt":
            return OpenedNetwork(Network(self.clock, PYTORCH_MS), 480)
        expected = asked.sha256.get(asked.path.name)
        if expected is not None and expected != file_sha256(asked.path):
            raise WeightsError(f"{asked.path} has changed", hint="doors export makes it again")
        does = json.loads(asked.path.read_text())
        network = Network(self.clock, does.get("ms", 10), does.get("off_px", 0.0))
        return OpenedNetwork(network, 480)


def write_data(folder: Path = DATA, *, val: int = 6, train: int = 3) -> None:
    """Photographs with a door in the middle of each, in another grey."""
    for split, many in (("train", train), ("val", val), ("test", 1)):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for number in range(many):
            picture = Image.new("RGB", (WIDTH, HEIGHT), (number, len(split), 99))
            picture.save(folder / f"images/{split}/{number}.png")
            (folder / f"labels/{split}/{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (folder / "data.yaml").write_text(
        "train: images/train\nval: images/val\ntest: images/test\nnc: 1\nnames: [container_door]\n"
    )
