"""Measures an import: seconds, and the ratio to copying the photographs and hashing them.

    uv run python benchmarks/data_import.py --pictures 2000

Ours reads the labels, hashes every photograph, reads its size and EXIF, removes its place, names
it, and exchanges the data set with its next state, on the disk. The other copies every file with
``shutil.copyfile``, hashes it, and forces the copies to the disk as well. All files are read once
before the timing.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from container_doors.core.ports import Progress
from container_doors.core.records import Epoch
from container_doors.steps.data.import_ import ImportOptions, import_data

WIDTH_PX, HEIGHT_PX = 2048, 1536
_DIFFERENT = 20
_BAR = 1.5


class _Silent(Progress):
    def say(self, text: str) -> None:
        """Show nothing."""

    def step(self, what: str, done: int, total: int) -> None:
        """Show nothing."""

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        """Show nothing."""


def main() -> int:
    """Draw pictures, import them and copy them, alternately; print seconds and the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = _draw(folder / "export", arguments.pictures)
        size_mb = sum(path.stat().st_size for path in source.iterdir()) / 1e6
        ours, others = [], []
        for number in range(arguments.repeats):
            others.append(_timed(lambda: _copy_and_hash(source, folder / "copy")))
            ours.append(_timed(partial(_import, source, folder / f"set{number}")))
            shutil.rmtree(folder / "copy")
            shutil.rmtree(folder / f"set{number}")
    print(f"{arguments.pictures} JPEGs of {WIDTH_PX} x {HEIGHT_PX}, {size_mb:.0f} MB")
    print(f"doors data import {min(ours):7.2f} s")
    print(f"copy and hash     {min(others):7.2f} s")
    print(f"ratio             {min(ours) / min(others):7.2f}   (bar: {_BAR})")
    return 0


def _draw(folder: Path, count: int) -> Path:
    """Write an export; pictures repeat, with a comment that makes each file different."""
    folder.mkdir()
    drawn = [_picture(seed) for seed in range(min(count, _DIFFERENT))]
    images = []
    for number in range(count):
        data, comment = drawn[number % len(drawn)], f"{number:08d}".encode()
        name = f"IMG_{number:05d}.jpg"
        (folder / name).write_bytes(data[:2] + b"\xff\xfe\x00\x0a" + comment + data[2:])
        images.append({"id": number, "file_name": name, "width": WIDTH_PX, "height": HEIGHT_PX})
    document = {
        "images": images,
        "categories": [{"id": 1, "name": "container_door"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [10, 20, 300, 400]}
            for n in range(count)
        ],
    }
    (folder / "labels.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def _picture(seed: int) -> bytes:
    """Return a JPEG of about 700 kB with the place of a phone."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (HEIGHT_PX // 8, WIDTH_PX // 8, 3), np.uint8)
    picture = Image.fromarray(small).resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[272] = "Phone 7"
    exif.get_ifd(0x8825).update({1: "N", 2: (53.0, 32.0, 42.5)})
    with tempfile.TemporaryFile() as file:
        picture.save(file, "JPEG", quality=90, exif=exif)
        file.seek(0)
        return file.read()


def _copy_and_hash(source: Path, target: Path) -> None:
    target.mkdir()
    for path in sorted(source.iterdir()):
        shutil.copyfile(path, target / path.name)
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    os.sync()


def _import(source: Path, out: Path) -> None:
    report = import_data([source], out, ImportOptions(), progress=_Silent())
    if report.counts["new"] != len(list(source.glob("*.jpg"))):
        raise AssertionError(f"not everything was imported: {report.counts}")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(main())
