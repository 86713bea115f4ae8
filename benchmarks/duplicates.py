"""Measures the search for near-duplicates: what is found, what is found wrongly, time and memory.

    CONTAINER_DOORS_REAL_DATA=DIR uv run python benchmarks/duplicates.py

Copies of real photographs (``DIR/images``) are planted, one kind of change after the other; without
``DIR`` only time and memory are measured. A false pair is one of two photographs that neither are
copies of one another nor were near-duplicates before. The pictures of 12 megapixels are drawn. The
time is that of ``check()``, which reads and checks them as well; memory is the highest that the
process had, with 20,000 thumbnails.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import cv2
import numpy as np
from numpy.typing import NDArray
from tests.data.planted import CHANGES, resized

from container_doors.data.checks import check
from container_doors.data.duplicates import find_pairs
from container_doors.data.layout import label_of
from container_doors.data.thumbnails import SIDE_PX, Thumbnail, thumbnail_of

_LONGEST_PX = 1000
_TWELVE_MEGAPIXELS = (4000, 3000)
_SPLITS = ("train", "train", "train", "val", "test")


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=300, help="of 12 megapixels, for the time")
    parser.add_argument("--thumbnails", type=int, default=20_000, help="for the memory")
    arguments = parser.parse_args()
    _print_memory(arguments.thumbnails)  # first: it is the most that the process ever had
    if folder := os.environ.get("CONTAINER_DOORS_REAL_DATA"):
        _print_found(Path(folder, "images"))
    _print_time(arguments.pictures)
    return 0


def _print_found(folder: Path) -> None:
    whole = [np.asarray(cv2.imread(str(path)), np.uint8) for path in sorted(folder.iterdir())]
    pictures = [resized(each, min(1.0, _LONGEST_PX / max(each.shape))) for each in whole]
    count = len(pictures)
    originals = [thumbnail_of(each) for each in pictures]
    known = {frozenset((pair.one, pair.other)) for pair in find_pairs(originals)}
    print(f"{count} photographs, of which {len(known)} pair(s) are near-duplicates already")
    print(f"{'copies':24}{'found':>8}{'as copy':>9}{'false pairs':>13}")
    for change, make in CHANGES.items():
        copies = [thumbnail_of(make(each, n)) for n, each in enumerate(pictures)]
        pairs = find_pairs([*originals, *copies])
        relations = {(pair.one, pair.other): pair.relation for pair in pairs}
        found = [relations.get((n, n + count)) for n in range(count)]
        different = {frozenset((one % count, other % count)) for one, other in relations} - known
        false = sum(len(pair) == 2 for pair in different)
        print(
            f"{change:24}{sum(map(bool, found)) / count:8.1%}{found.count('copy') / count:9.1%}"
            f"{false:13}"
        )


def _print_time(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _draw(root, count)
        began = time.perf_counter()
        report = check(root, min_train_images=1, min_val_images=1, workers=_cores())
        elapsed_s = time.perf_counter() - began
    print(f"{count} JPEGs of 12 megapixels, {_cores()} cores: {elapsed_s:.1f} s, ", end="")
    print(f"{1000 * elapsed_s / count:.1f} s for 1,000; {len(report.findings)} finding(s)")


def _print_memory(count: int) -> None:
    random = np.random.default_rng(0)
    thumbnails: list[Thumbnail | None] = [
        thumbnail_of(_shapes(random, (SIDE_PX, SIDE_PX))) for _ in range(count)
    ]
    began = time.perf_counter()
    pairs = find_pairs(thumbnails, workers=_cores())
    elapsed_s = time.perf_counter() - began
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} thumbnails: {elapsed_s:.0f} s, {memory_mib:.0f} MiB, {len(pairs)} pair(s)")


def _draw(root: Path, count: int) -> None:
    """Write a data set of different pictures with the grain and the size of a phone's."""
    random = np.random.default_rng(1)
    width, height = _TWELVE_MEGAPIXELS
    grain = random.normal(0, 5, (height, width, 1)).astype(np.float32)
    for number in range(count):
        image = root / "images" / _SPLITS[number % len(_SPLITS)] / f"{number:06}.jpg"
        for path in (image, label_of(image)):
            path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.clip(_shapes(random, _TWELVE_MEGAPIXELS) + grain, 0, 255).astype(np.uint8)
        cv2.imwrite(str(image), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
        label_of(image).write_text("0 0.5 0.5 0.25 0.5\n", encoding="utf-8")
    lines = [f"{split}: images/{split}" for split in ("train", "val", "test")]
    (root / "data.yaml").write_text("\n".join([*lines, "nc: 1", "names: [container_door]\n"]))


def _shapes(random: np.random.Generator, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw coarse shapes under finer ones."""
    layers = [random.normal(0, 1, (rows, rows, 3)).astype(np.float32) for rows in (4, 9, 20, 45)]
    small = sum(cv2.resize(each, (96, 96), interpolation=cv2.INTER_CUBIC) for each in layers)
    levels = np.clip(128 + 30 * np.asarray(small), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(levels, size_wh), np.uint8)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    raise SystemExit(main())
