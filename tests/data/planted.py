"""Copies of a photograph, as people and programs make them."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def _encoded(pixels: NDArray[np.uint8], quality: int = 85) -> Pixels:
    """Encode as JPEG, and decode again."""
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def resized(pixels: Pixels, factor: float) -> Pixels:
    scaled = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)


def cropped(pixels: Pixels, left: float, top: float, right: float, bottom: float) -> Pixels:
    """Cut fractions of the width and the height off."""
    height, width = pixels.shape[:2]
    return pixels[
        round(top * height) : height - round(bottom * height),
        round(left * width) : width - round(right * width),
    ]


def brightened(pixels: Pixels, factor: float, levels: float = 0) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=factor, beta=levels), np.uint8)


def next_frame(pixels: Pixels, seed: int) -> Pixels:
    """A frame of a burst: the hand has moved and turned a little, and the noise is another."""
    random = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    middle = (width / 2, height / 2)
    warp = cv2.getRotationMatrix2D(middle, random.uniform(-2, 2), random.uniform(1.06, 1.12))
    warp = warp + np.array([[0, 0, random.uniform(-0.02, 0.02) * each] for each in (width, height)])
    moved = cv2.warpAffine(pixels, warp, (width, height), borderMode=cv2.BORDER_REFLECT)
    noise = random.normal(0, 5, moved.shape)
    return np.asarray(np.clip(moved + noise, 0, 255), np.uint8)


CHANGES: dict[str, Callable[[Pixels, int], Pixels]] = {
    "re-encoded": lambda pixels, _: _encoded(pixels, 30),
    "half the size": lambda pixels, _: _encoded(resized(pixels, 0.5)),
    "a quarter of the size": lambda pixels, _: _encoded(resized(pixels, 0.25)),
    "cropped at a side": lambda pixels, seed: _encoded(
        cropped(pixels, *np.roll([0.1, 0, 0, 0], seed))
    ),
    "cropped at a corner": lambda pixels, seed: _encoded(
        cropped(pixels, *np.roll([0.1, 0.1, 0, 0], seed))
    ),
    "cropped all around": lambda pixels, _: _encoded(cropped(pixels, 0.05, 0.05, 0.05, 0.05)),
    "brightened": lambda pixels, _: _encoded(brightened(pixels, 1.3, 15)),
    "darkened": lambda pixels, _: _encoded(brightened(pixels, 0.6)),
    "mirrored": lambda pixels, _: _encoded(pixels[:, ::-1]),
    "several changes": lambda pixels, _: _encoded(
        brightened(resized(cropped(pixels[:, ::-1], 0.04, 0.03, 0.02, 0.05), 0.6), 1.15), 50
    ),
    "the next frame": lambda pixels, seed: _encoded(next_frame(pixels, seed)),
}
"""By what was done; the number chooses among variants."""
