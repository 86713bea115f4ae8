"""The quality of a door's region, as the next step measures it before it reads the number.

All measures are of the region at full resolution, in grey: a smaller copy would be another
sharpness. Naturalness, 1 - BRISQUE / 100, is not measured: no maintained library computes BRISQUE
without PyTorch and a download (see docs/predictions.md).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.core.predictions import QualityMeasures

_GOOD_MEDIAN, _MEDIAN_SPREAD = 100.0, 65.0
_MIDDLE_RANGE, _RANGE_SLOPE = 50.0, 0.1
_SHARP_VARIANCE = 100.0

_STRIP_ROWS = 64
"""A strip stays in the processor's cache: 12 megapixels take 25 ms instead of 80, same values."""

_FEW_STRIPS = 6
"""Fewer are done before another thread has begun."""


def measure(region_bgr: NDArray[np.uint8]) -> QualityMeasures:
    """Measure a door's region.

    Args:
        region_bgr: Shape (height, width, 3), at least one pixel.
    """
    histogram, variance = _statistics(region_bgr)
    p5, median, p95 = (percentile(histogram, percent) for percent in (5, 50, 95))
    return QualityMeasures(
        brightness=_brightness(median),
        contrast=_contrast(p95 - p5),
        sharpness=min(variance / _SHARP_VARIANCE, 1.0),
    )


def _brightness(median: float) -> float:
    """Return 1 for the best median of the grey levels, less for a darker or a lighter one."""
    return float(np.exp(-((median - _GOOD_MEDIAN) ** 2) / (2 * _MEDIAN_SPREAD**2)))


def _contrast(grey_range: float) -> float:
    return float(1 / (1 + np.exp(-_RANGE_SLOPE * (grey_range - _MIDDLE_RANGE))))


class _Sums(NamedTuple):
    """Of some strips; whole numbers below 2**53, so that the order of adding changes nothing."""

    histogram: NDArray[np.int64]
    total: float
    squares: float


def _statistics(region_bgr: NDArray[np.uint8]) -> tuple[NDArray[np.int64], float]:
    """Return the histogram of the grey levels, shape (256,), and the Laplacian's variance."""
    height, width = region_bgr.shape[:2]
    strips = list(pairwise([*range(0, height, _STRIP_ROWS), height]))
    if len(strips) < _FEW_STRIPS:
        parts = [_sums(region_bgr, strips)]
    else:  # OpenCV lets another thread work meanwhile
        other = _second_thread().submit(_sums, region_bgr, strips[1::2])
        parts = [_sums(region_bgr, strips[::2]), other.result()]
    count = height * width
    total, squares = (sum(part[which] for part in parts) for which in (1, 2))
    histogram = np.sum([part.histogram for part in parts], axis=0)
    return histogram, max(0.0, squares / count - (total / count) ** 2)


@cache
def _second_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="quality")


def _sums(region_bgr: NDArray[np.uint8], strips: Sequence[tuple[int, int]]) -> _Sums:
    height = len(region_bgr)
    histogram = np.zeros(256, np.int64)
    total = squares = 0.0
    for top, bottom in strips:
        first, end = max(top - 1, 0), min(bottom + 1, height)  # the Laplacian sees one row more
        grey = cv2.cvtColor(region_bgr[first:end], cv2.COLOR_BGR2GRAY)
        inner = slice(top - first, bottom - first)
        histogram += (
            cv2.calcHist([grey[inner]], [0], None, [256], [0, 256]).ravel().astype(np.int64)
        )
        laplacian = cv2.Laplacian(grey, cv2.CV_16S)[inner]  # exact: from -1020 to 1020
        total += cv2.sumElems(laplacian)[0]
        squares += cv2.norm(laplacian, cv2.NORM_L2SQR)
    return _Sums(histogram, total, squares)


def percentile(histogram: NDArray[np.int64], percent: float) -> float:
    """Return a percentile of the levels that a histogram counts, as ``numpy.percentile`` does.

    >>> percentile(np.array([1, 0, 3]), 50), percentile(np.array([2, 0, 2]), 50)
    (2.0, 1.0)
    """
    cumulative = np.cumsum(histogram)
    place = percent / 100 * (int(cumulative[-1]) - 1)
    below = int(place)
    level, above = (
        int(np.searchsorted(cumulative, min(one, int(cumulative[-1]) - 1), side="right"))
        for one in (below, below + 1)
    )
    return float(level + (above - level) * (place - below))
