"""Measures the overhead of the whole pipeline over plain Ultralytics: the ratio of wall times.

    uv run python benchmarks/overhead.py --epochs 30 --image-size 320

Ours is ``bash scripts/run_training.sh NAME`` from the first line to the last: set-up check, data
pulled and validated, training, two evaluations, prediction pictures, publication, DVC, report.
The alternative is only ``yolo train`` and ``yolo val``, with the same arguments (from our
``args.yaml``) and on the same photographs.

Both run in a fresh clone of this repository; its environment is installed before the timing. The
data set is the real photographs in $CONTAINER_DOORS_REAL_DATA, or drawn ones if it is not set;
weights are $CONTAINER_DOORS_WEIGHTS/yolo11s-standin.pt, or random.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
NAME = "overhead"
_NOT_COPIED = {"project", "name", "exist_ok", "save_dir", "mode", "task", "model", "data"}
"""Arguments for paths and names; the command line of the alternative sets its own."""


def main() -> int:
    """Run both and print seconds and ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--image-size", type=int, default=320)
    parser.add_argument("--keep", type=Path, help="leave the clone in this new folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clone = (arguments.keep or Path(temporary) / "clone").resolve()
        weights = _prepare(clone, arguments.epochs, arguments.image_size)
        ours_s = _timed(["bash", "scripts/run_training.sh", NAME], clone)
        theirs_s = sum(_timed(command, clone) for command in _alternative(clone, weights))
    print(f"run_training.sh         {ours_s:8.1f} s")
    print(f"yolo train + yolo val   {theirs_s:8.1f} s")
    print(f"ratio                   {ours_s / theirs_s:8.3f}")
    return 0


def _prepare(clone: Path, epochs: int, image_size_px: int) -> str | None:
    """Clone, install, get data and a remote; return the weights to start from."""
    _run(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
    _run(["bash", "scripts/setup_kaggle.sh"], clone)
    data = clone / "data/processed/detection"
    if "CONTAINER_DOORS_REAL_DATA" in os.environ:
        _run(["python", str(ROOT / "benchmarks/real_photographs.py"), "--out", str(data)], clone)
    else:
        _run(["doors", "data", "sample", "--out", str(data)], clone)
    _run(["dvc", "remote", "add", "--default", "storage", str(clone / "remote-storage")], clone)
    _run(["dvc", "add", "--quiet", "data/processed/detection"], clone)
    _run(["dvc", "push", "--quiet"], clone)
    folder = os.environ.get("CONTAINER_DOORS_WEIGHTS")
    weights = f"{folder}/yolo11s-standin.pt" if folder else None
    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    params["detection"]["training"] |= {"epochs": epochs, "image_size_px": image_size_px}
    params["detection"]["training"] |= {"patience": 0, "nominal_batch_size": 16}
    params["detection"]["model"] |= {"weights": weights, "pretrained": weights is not None}
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return weights


def _alternative(clone: Path, weights: str | None) -> list[list[str]]:
    """Return the same training and one evaluation as commands of Ultralytics."""
    ours = yaml.safe_load((clone / "runs" / NAME / "trainer/args.yaml").read_text("utf-8"))
    same = [
        f"{key}={value}"
        for key, value in ours.items()
        if key not in _NOT_COPIED and value is not None
    ]
    data = f"data={clone / 'runs' / NAME / 'data/data.yaml'}"
    out = clone / "alternative"
    return [
        ["yolo", "detect", "train", f"model={weights or 'yolo11s.yaml'}", data, *same,
         f"project={out}", "name=train", "exist_ok=True"],
        ["yolo", "detect", "val", f"model={out}/train/weights/best.pt", data, "split=test",
         f"imgsz={ours['imgsz']}", f"device={ours['device']}", f"project={out}", "name=val"],
    ]  # fmt: skip


def _timed(command: Sequence[str], directory: Path) -> float:
    began = time.perf_counter()
    _run(command, directory)
    return time.perf_counter() - began


def _run(command: Sequence[str], directory: Path) -> None:
    path = f"{directory / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    offline = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    subprocess.run(command, cwd=directory, check=True, env=os.environ | {"PATH": path} | offline)


if __name__ == "__main__":
    sys.exit(main())
