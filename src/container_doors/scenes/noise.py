"""Smooth random fields for natural irregularity, cut from tiles that are made once."""

from functools import cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Grain = Literal["fine", "rough", "soft"]

_SIZE = 512
_FALLOFF: dict[Grain, float] = {"fine": 0.5, "rough": 1.1, "soft": 1.9}
"""Amplitude falls with frequency to this power: 0 would be white noise, 2 is like clouds."""


@cache
def tile(grain: Grain) -> NDArray[np.float32]:
    """Return a field of shape (512, 512) that tiles without a seam, in [0, 1], mean 0.5."""
    rng = np.random.default_rng(6346)
    frequency = np.hypot(np.fft.fftfreq(_SIZE)[:, None], np.fft.rfftfreq(_SIZE)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((_SIZE, _SIZE)))
    field = np.fft.irfft2(spectrum / frequency ** _FALLOFF[grain])
    field = field / (5 * field.std()) + 0.5
    return np.asarray(np.clip(field, 0, 1), np.float32)


@cache
def _doubled(grain: Grain) -> NDArray[np.float32]:
    return np.tile(tile(grain), (2, 2))


def patch(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    grain: Grain = "soft",
    zoom: tuple[float, float] = (1.0, 1.0),
) -> NDArray[Any]:
    """Return a random piece of a tile.

    Args:
        rng: Chooses the position.
        shape: Rows and columns of the result.
        grain: How the field varies.
        zoom: Enlargement along rows and columns; (8, 1) makes vertical streaks.

    Returns:
        float32 in [0, 1].
    """
    rows, columns = (min(max(int(n / z), 2), _SIZE) for n, z in zip(shape, zoom, strict=True))
    top, left = rng.integers(0, _SIZE, 2)
    piece = _doubled(grain)[top : top + rows, left : left + columns]
    if piece.shape == shape:
        return piece.copy()
    return cv2.resize(piece, shape[::-1], interpolation=cv2.INTER_LINEAR)
