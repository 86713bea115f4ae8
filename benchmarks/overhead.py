"""What the whole pipeline costs over plain Ultralytics: wall time, in one run, as a ratio.

    uv run python benchmarks/overhead.py --epochs 30 --image-size 320

Ours is ``bash scripts/run_training.sh NAME`` from the first line to the last: set-up check, data
pulled and validated, training, two evaluations, prediction pictures, publication, DVC, report.
The alternative is ``yolo train`` and ``yolo val`` with the very arguments that ours left in
``args.yaml``, on the same photographs, and nothing else.

Both run in a fresh clone of this repository; its environment is installed before the clock starts.
The data set is the real photographs where $CONTAINER_DOORS_REAL_DATA names them, drawn ones
otherwise; weights come from $CONTAINER_DOORS_WEIGHTS/yolo11s-standin.pt, or are random.
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
_OURS_TO_SAY = {"project", "name", "exist_ok", "save_dir", "mode", "task", "model", "data"}
"""Arguments that say where and what, not how; the command line of the alternative sets them."""


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
    """Clone, install, get data and a remote; returns the weights to start from."""
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
    """The same training and one evaluation, spelled for Ultralytics' own command."""
    asked = yaml.safe_load((clone / "runs" / NAME / "trainer/args.yaml").read_text("utf-8"))
    same = [
        f"{key}={value}"
        for key, value in asked.items()
        if key not in _OURS_TO_SAY and value is not None
    ]
    data = f"data={clone / 'runs' / NAME / 'data/data.yaml'}"
    out = clone / "alternative"
    return [
        ["yolo", "detect", "train", f"model={weights or 'yolo11s.yaml'}", data, *same,
         f"project={out}", "name=train", "exist_ok=True"],
        ["yolo", "detect", "val", f"model={out}/train/weights/best.pt", data, "split=test",
         f"imgsz={asked['imgsz']}", f"device={asked['device']}", f"project={out}", "name=val"],
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
