"""Measures a complete validation of a data set: seconds, and the ratio to a simple check.

    uv run python benchmarks/validation.py --pictures 5000

Ours is ``check()``: it reads, hashes and decodes every picture, parses every label, checks every
rule. The simple check finds less: Ultralytics' own label scan, which reads headers only, and then a
loop of ``cv2.imread`` over every file, which does not report what is wrong. All files are read once
before the timing, so that neither reads from the disk.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.data.checks import Report, check
from container_doors.data.layout import label_of

WIDTH_PX, HEIGHT_PX = 1280, 960
_SPLITS = ("train", "train", "train", "train", "val", "test")
_DIFFERENT = 40

Result = TypeVar("Result")


def main() -> int:
    """Draw pictures, check them in both ways, print seconds and ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--workers", type=int, help="processes; by default one per processor")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = _draw(Path(folder), arguments.pictures)
        size_mb = sum(len(image.read_bytes()) for image in images) / 1e6
        scan_s, _ = _timed(lambda: _ultralytics_scan(images))
        decode_s, _ = _timed(lambda: _decode(images))
        ours_s, report = _timed(lambda: _check(Path(folder), arguments.workers))
    if report.findings:
        raise AssertionError(f"a picture of the benchmark has a fault: {report.findings[0]}")
    print(f"{len(images)} JPEGs of {WIDTH_PX} x {HEIGHT_PX}, {size_mb:.0f} MB, {_cores()} cores")
    print(f"check()                 {ours_s:7.1f} s  {len(images) / ours_s:6.0f}/s")
    print(f"Ultralytics' label scan {scan_s:7.1f} s")
    print(f"loop of cv2.imread      {decode_s:7.1f} s  {len(images) / decode_s:6.0f}/s")
    print(f"ratio                   {ours_s / (scan_s + decode_s):7.2f}")
    return 0


def _draw(root: Path, count: int) -> list[Path]:
    """Write a data set; pictures repeat, with a comment that makes each file different."""
    encoded = [_picture(seed) for seed in range(min(count, _DIFFERENT))]
    images = []
    for number in range(count):
        image = root / "images" / _SPLITS[number % len(_SPLITS)] / f"{number:06}.jpg"
        label = label_of(image)
        image.parent.mkdir(parents=True, exist_ok=True)
        label.parent.mkdir(parents=True, exist_ok=True)
        data = encoded[number % len(encoded)]
        image.write_bytes(data[:2] + b"\xff\xfe\x00\x08%06d" % number + data[2:])
        label.write_text("0 0.5 0.5 0.25 0.5\n0 0.2 0.3 0.1 0.2\n", encoding="utf-8")
        images.append(image)
    lines = [f"{split}: images/{split}" for split in ("train", "val", "test")]
    text = "\n".join([*lines, "nc: 1", "names: [container_door]\n"])
    (root / "data.yaml").write_text(text, encoding="utf-8")
    return images


def _picture(seed: int) -> bytes:
    """Draw coarse shapes under fine grain: 300 kB, like a phone's picture of this size."""
    random = np.random.default_rng(seed)
    shapes = random.integers(0, 256, (12, 16, 3), np.uint8)
    smooth = cv2.resize(shapes, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    grain = random.normal(0, 6, smooth.shape)
    pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _check(root: Path, workers: int | None) -> Report:
    return check(root, min_train_images=1, min_val_images=1, workers=workers)


def _ultralytics_scan(images: list[Path]) -> None:
    """Do what ``YOLODataset.cache_labels`` does, with as many threads; store nothing."""
    from ultralytics.data.utils import verify_image_label  # noqa: PLC0415 - settings come first
    from ultralytics.utils import NUM_THREADS  # noqa: PLC0415

    pairs = [(str(i), str(label_of(i)), "", False, 1, 0, 0, False) for i in images]
    with ThreadPool(NUM_THREADS) as pool:
        dropped = sum(read[0] is None for read in pool.imap(verify_image_label, pairs))
    if dropped:
        raise AssertionError(f"{dropped} pictures of the benchmark have a fault")


def _decode(images: list[Path]) -> None:
    for image in images:
        cv2.imread(str(image))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    import_ultralytics()
    from ultralytics.data import utils  # noqa: F401 - its two seconds must not be timed

    raise SystemExit(main())
