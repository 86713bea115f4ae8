"""Measures what the preset ``robust`` costs: of an epoch, and of loading a photograph.

    uv run python benchmarks/conditions.py --image-size 320 --epochs 4

Drawn photographs; YOLO11s from random weights, trained for a few epochs without conditions, which
gives the time of an epoch without its validation (the first is left out). Loading and augmenting
all photographs is timed in one process with and without the preset, in turn. The difference is
what the preset adds to an epoch whose photographs are loaded by no process beside it, so it is an
upper bound: two trainings, one after the other, differ by more than that on a machine with other
work. The bar is 1.10 for an epoch.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.core.conditions import Conditions
from container_doors.core.config import Augmentation
from container_doors.scenes import draw_sample
from container_doors.training.draws import Draws

import_ultralytics()

from ultralytics.cfg import get_cfg  # noqa: E402
from ultralytics.data.dataset import YOLODataset  # noqa: E402

from container_doors.adapters.yolo.engine import DrawnDataset  # noqa: E402

_BAR = 1.1
_ROBUST = Augmentation.model_validate({"preset": "robust"}).conditions


def main() -> int:
    """Print the times and the ratios; exit 1 above the bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--photographs", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_sample(
            folder / "data", counts={"train": arguments.photographs, "val": 4, "test": 1}, seed=0
        )
        shutil.copytree(folder / "data", folder / "loaded")  # Ultralytics writes into it
        loading = _loading_ms(folder / "loaded", arguments.image_size)
        epoch_s = _epoch_s(folder, arguments.image_size, arguments.epochs)
    size, cores = arguments.image_size, len(os.sched_getaffinity(0))
    print(f"{arguments.photographs} photographs at {size} px; {cores} cores, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    more_s = (loading["robust"] - loading["plain"]) / 1000 * arguments.photographs
    ratio = 1 + more_s / epoch_s
    print(f"loading a photograph  {loading['plain']:6.2f} ms, robust {loading['robust']:6.2f} ms")
    print(f"an epoch              {epoch_s:6.2f} s,  robust {epoch_s + more_s:6.2f} s at most, "
          f"ratio {ratio:.3f} (bar: {_BAR:.2f})")  # fmt: skip
    return 0 if ratio <= _BAR else 1


def _loading_ms(data: Path, image_size_px: int) -> dict[str, float]:
    """Return the mean time of loading and augmenting a photograph that is in memory."""
    dataset = _dataset(data, image_size_px)
    times: dict[str, list[float]] = {name: [] for name in ("plain", "robust")}
    for epoch in range(1, 6):
        for name, conditions in (("plain", Conditions()), ("robust", _ROBUST)):
            draws = Draws(len(dataset), 8, seed=0, conditions=conditions)
            began = time.perf_counter()
            for batch in draws.batches(epoch):
                for draw in batch:
                    dataset[draw]
            times[name].append((time.perf_counter() - began) / len(dataset) * 1000)
    return {name: statistics.median(each) for name, each in times.items()}


def _dataset(data: Path, image_size_px: int) -> Any:  # noqa: ANN401 - Ultralytics'
    cv2.setNumThreads(0)  # as in a loader process
    settings = Augmentation().model_dump(exclude={"preset", "conditions"})
    found = YOLODataset(
        str(data / "images/train"),
        imgsz=image_size_px,
        cache="ram",
        augment=True,
        hyp=get_cfg(overrides=settings),
        data={"names": {0: "container_door"}, "channels": 3},
    )
    found.__class__ = DrawnDataset  # as in Engine.build_dataset
    return found


def _epoch_s(folder: Path, image_size_px: int, epochs: int) -> float:
    """Train, and return the median time of an epoch."""
    overrides = [
        "model.pretrained=false", "data.min_train_images=1", "data.min_val_images=1",
        f"data.path={folder / 'data'}", f"training.image_size_px={image_size_px}",
        f"training.epochs={epochs}", "training.warmup_epochs=0", "training.patience=0",
        "training.batch_size=8", "augmentation.close_mosaic=0", "wandb.mode=disabled",
        "publishing.when=never",
    ]  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "container_doors", "train", "--experiment", "plain", "--alone",
         *(part for one in overrides for part in ("--set", one))],
        cwd=_workspace(folder), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    lines = (folder / "runs/plain/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rates = [json.loads(line)["perf/images_per_s"] for line in lines[1:]]
    photographs = len(list((folder / "data/images/train").iterdir()))
    return float(photographs / statistics.median(rates))


def _workspace(folder: Path) -> Path:
    params = Path(__file__).resolve().parents[1] / "params.yaml"
    (folder / "params.yaml").write_bytes(params.read_bytes())
    return folder


if __name__ == "__main__":
    sys.exit(main())
