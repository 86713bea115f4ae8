"""Measures ``doors predict`` against ``yolo predict``, and checks that the boxes are equal.

    uv run doors export
    uv run python benchmarks/predict.py --weights weights/detection

All are started as programs, alternately, on the same folder of 12-megapixel JPEGs, which are drawn
photographs made larger, with noise; with the same weights, size, thresholds and device. Ours is
timed in PyTorch, where the boxes must be equal bit for bit, and, if the folder has exports, as
``doors predict`` is used: in the fastest export, whose boxes may differ by what is printed. All
files are read once before the timing. Ours also hashes every file and measures the quality of
every door. The bar is for two processor cores with nothing else to do: the ratio is printed with
the load of the machine.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.scenes import draw_sample

WIDTH_PX, HEIGHT_PX = 4000, 3000
_DIFFERENT = 8
_BAR = 1.3


def main() -> int:
    """Make the photographs, time both, compare; exit 1 if a box differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="weights/detection, or a .pt")
    parser.add_argument("--photographs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    how = _How(arguments.weights.absolute(), arguments.conf, arguments.device)
    backends = ["pytorch", *(["auto"] if (how.weights / "exports/exports.json").exists() else [])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs = _draw(folder, arguments.photographs)
        ours, others = {backend: _Times() for backend in backends}, _Times()
        results: dict[str, list[dict[str, Any]]] = {}
        for _ in range(arguments.repeats):
            for source, count in (("first", 1), ("photographs", len(photographs))):
                for backend in backends:
                    duration_s, results[backend] = _predict(folder / source, how, backend)
                    ours[backend].of[count].append(duration_s)
                others.of[count].append(_yolo(folder / source, how, results["pytorch"][0]["model"]))
        load = os.getloadavg()[0]
        size_mb = sum(path.stat().st_size for path in photographs) / 1e6
        expected = _boxes_of_ultralytics(photographs, how, results["pytorch"][0]["model"])
    count = len(photographs)
    print(f"{count} JPEGs of {WIDTH_PX} x {HEIGHT_PX}, {size_mb:.0f} MB; "
          f"{len(os.sched_getaffinity(0))} cores, load {load:.1f}")  # fmt: skip
    print(f"yolo predict             {others.shown(count)}")
    for backend, times in ours.items():
        used = results[backend][0]["model"]["backend"]
        print(f"doors predict, {used:9} {times.shown(count)}")
        print(f"  ratio {others.best(count) / times.best(count):.2f} (bar: {_BAR}); "
              f"{_compared(results[backend], expected)}")  # fmt: skip
    is_equal = [_boxes(one) for one in results["pytorch"]] == expected
    return 0 if is_equal else 1


class _How(NamedTuple):
    weights: Path
    conf: float
    device: str

    @property
    def pt(self) -> Path:
        """The weights that Ultralytics opens."""
        return self.weights / "best.pt" if self.weights.is_dir() else self.weights


class _Times:
    """Seconds by the number of photographs."""

    def __init__(self) -> None:
        self.of: defaultdict[int, list[float]] = defaultdict(list)

    def best(self, count: int) -> float:
        return min(self.of[count])

    def shown(self, count: int) -> str:
        each = ", ".join(f"{one:.1f}" for one in self.of[count])
        more_s = (self.best(count) - self.best(1)) / max(count - 1, 1)
        return f"{self.best(count):7.2f} s  ({each}); one photograph {self.best(1):.2f} s, " + (
            f"each further one {more_s:.3f} s"
        )


def _draw(folder: Path, count: int) -> list[Path]:
    """Write photographs of about 5 MB; the drawn ones repeat, and the noise differs."""
    sample, photographs = folder / "sample", folder / "photographs"
    draw_sample(sample, counts={"train": _DIFFERENT}, seed=0, image_size_px=(1000, 750))
    drawn = [_read(path) for path in sorted((sample / "images/train").iterdir())]
    photographs.mkdir()
    noise = np.random.default_rng(0).normal(0, 4, (HEIGHT_PX, WIDTH_PX, 1)).astype(np.float32)
    for number in range(count):
        large = cv2.resize(
            drawn[number % len(drawn)], (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC
        )
        noisy = np.clip(large + np.roll(noise, number * 97, axis=1), 0, 255).astype(np.uint8)
        path = photographs / f"IMG_{number:04d}.jpg"
        cv2.imwrite(str(path), noisy, [cv2.IMWRITE_JPEG_QUALITY, 92])
        path.read_bytes()
    (folder / "first").mkdir()
    shutil.copy(photographs / "IMG_0000.jpg", folder / "first")
    return sorted(photographs.iterdir())


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)  # type: ignore[return-value]


def _predict(source: Path, how: _How, backend: str) -> tuple[float, list[dict[str, Any]]]:
    command = [
        sys.executable, "-m", "container_doors", "predict", str(source),
        "--weights", str(how.weights), "--conf", str(how.conf), "--device", how.device,
        "--backend", backend, "--json",
    ]  # fmt: skip
    output = source.with_suffix(".jsonl")
    duration_s = _timed(command, output)
    return duration_s, [json.loads(line) for line in output.read_text().splitlines()]


def _yolo(source: Path, how: _How, used: Mapping[str, Any]) -> float:
    settings = {
        "model": how.pt, "source": source, "imgsz": used["image_size_px"],
        "conf": used["conf_threshold"], "iou": used["iou_threshold"],
        "max_det": used["max_detections"], "device": how.device, "save": False,
    }  # fmt: skip
    program = Path(sys.executable).with_name("yolo")
    words = [f"{name}={value}" for name, value in settings.items()]
    return _timed([str(program), "detect", "predict", *words], source.with_suffix(".txt"))


def _timed(command: Sequence[str], output: Path) -> float:
    with output.open("w") as file:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=file, stderr=subprocess.DEVNULL)
        return time.perf_counter() - started


Box = tuple[float, ...]
"""Left, top, right, bottom in pixels, and the confidence."""


def _boxes_of_ultralytics(
    photographs: Sequence[Path], how: _How, used: Mapping[str, Any]
) -> list[list[Box]]:
    model = import_ultralytics().YOLO(str(how.pt))
    found = [
        model.predict(
            str(photograph),
            imgsz=used["image_size_px"],
            conf=used["conf_threshold"],
            iou=used["iou_threshold"],
            max_det=used["max_detections"],
            device=how.device,
            verbose=False,
        )[0]
        for photograph in photographs
    ]
    return [[tuple(row[:5]) for row in one.boxes.data.tolist()] for one in found]


def _boxes(result: Mapping[str, Any]) -> list[Box]:
    return [(*door["box_xyxy"], door["confidence"]) for door in result["detections"]]


def _compared(results: Sequence[Mapping[str, Any]], expected: Sequence[Sequence[Box]]) -> str:
    """Say how far boxes are from Ultralytics', photograph by photograph."""
    ours = [_boxes(one) for one in results]
    total = sum(map(len, expected))
    if ours == expected:
        return f"{total} boxes equal bit for bit"
    other = sum(len(mine) != len(theirs) for mine, theirs in zip(ours, expected, strict=True))
    off_px = [
        max(abs(a - b) for a, b in zip(one[:4], two[:4], strict=True))
        for mine, theirs in zip(ours, expected, strict=True)
        if len(mine) == len(theirs)
        for one, two in zip(mine, theirs, strict=True)
    ]
    return (
        f"{total} boxes, at most {max(off_px, default=0):.4f} px off; "
        f"{other} photograph(s) with another number of boxes"
    )


if __name__ == "__main__":
    raise SystemExit(main())
