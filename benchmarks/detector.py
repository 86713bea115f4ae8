"""Measures one photograph through `Detector`, in each format that `doors export` has kept.

    uv run python benchmarks/detector.py --weights weights/detection [--photographs FOLDER]

Photographs of 4:3 alone, wide and high ones: the shape decides how much a network looks at. The
time is from decoded pixels to doors, with the quality of each, one photograph at a time. The bar is
50 ms for the fastest format.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from container_doors import Detector
from container_doors.data.photograph_suffixes import is_picture

_BAR_MS = 50.0
_WARM_UPS = 5


def main() -> int:
    """Print the times and the ratios; exit 1 if the fastest format misses the bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, default=Path("weights/detection"))
    parser.add_argument("--photographs", type=Path, metavar="FOLDER")
    parser.add_argument("--number", type=int, choices=range(1, 10001), default=50, metavar="N")
    arguments = parser.parse_args()
    folder = arguments.photographs
    if folder is None and "CONTAINER_DOORS_REAL_DATA" in os.environ:
        folder = Path(os.environ["CONTAINER_DOORS_REAL_DATA"]) / "images"
    if folder is None:
        parser.error("name a folder: --photographs FOLDER, or set CONTAINER_DOORS_REAL_DATA")
    if not folder.is_dir():
        parser.error(f"expected a folder of photographs, found none at {folder}")
    if not arguments.weights.exists():
        parser.error(f"no model at {arguments.weights}: doors train, then doors export")
    pictures = _four_by_three(folder, arguments.number)
    if not pictures:
        parser.error(f"expected photographs of 4:3 in {folder}, found none")
    exports = arguments.weights / "exports"
    kept = sorted(one.name for one in exports.iterdir() if one.is_dir()) if exports.exists() else []
    print(f"{len(pictures)} photographs of 4:3; {len(os.sched_getaffinity(0))} cores, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    medians: dict[str, float] = {}
    for backend in ("pytorch", *kept):
        times = _times_ms(Detector(arguments.weights, backend=backend), pictures)
        medians[backend] = statistics.median(times)
        highest = sorted(times)[int(0.95 * len(times))]
        print(f"{backend:14} median {medians[backend]:6.1f} ms, 95th percentile {highest:6.1f} ms, "
              f"{medians['pytorch'] / medians[backend]:.2f} times as fast")  # fmt: skip
    return 0 if min(medians.values()) <= _BAR_MS else 1


def _four_by_three(folder: Path, most: int) -> list[Image.Image]:
    found: list[Image.Image] = []
    for path in sorted(filter(lambda one: is_picture(one.name), folder.iterdir())):
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("RGB")
        if abs(max(picture.size) / min(picture.size) - 4 / 3) < 0.01 and len(found) < most:
            found.append(picture)
    return found


def _times_ms(detector: Detector, pictures: list[Image.Image]) -> list[float]:
    pixels = [np.asarray(one) for one in pictures]
    for one in pixels[:_WARM_UPS]:
        detector(one, channels="RGB")
    times = []
    for one in pixels:
        began = time.perf_counter()
        detector(one, channels="RGB")
        times.append((time.perf_counter() - began) * 1000)
    return times


if __name__ == "__main__":
    sys.exit(main())
