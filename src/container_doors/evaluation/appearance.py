"""Attributes of photographs and doors that are measured, not annotated."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from container_doors.evaluation.matching import BoxXyxy

_LONGEST_SIDE_PX = 320
_DARK, _BRIGHT = 70.0, 180.0
"""Mean of the grey values, 0 to 255."""

_BLURRED = 100.0
"""Variance of the Laplacian at 320 px; sharp synthetic pictures have 500 and more."""

_SIZES = ((0.02, "below 2 % of the picture"), (0.10, "2 to 10 %"), (0.40, "10 to 40 %"))
_SHAPES = ((0.75, "narrow: aside, or half"), (1.25, "about square: from behind"))
_EDGE = 0.005
"""A box this near to the picture's edge, as a fraction of its side, counts as cut by it."""


def photograph_attributes(image: Path) -> dict[str, str]:
    """Measure the brightness and the sharpness of a photograph."""
    with Image.open(image) as file:
        file.draft("L", (_LONGEST_SIDE_PX, _LONGEST_SIDE_PX))
        small = ImageOps.exif_transpose(file).convert("L")
    small.thumbnail((_LONGEST_SIDE_PX, _LONGEST_SIDE_PX))
    grey = np.asarray(small, dtype=np.float64)
    return {"light (measured)": _light(grey), "focus (measured)": _focus(grey)}


def door_attributes(door: BoxXyxy, width_px: int, height_px: int) -> dict[str, str]:
    """Measure a door's size and shape, and whether the picture's edge cuts it."""
    left, top, right, bottom = door
    area = (right - left) * (bottom - top) / (width_px * height_px)
    at_edge = (
        min(left / width_px, top / height_px, 1 - right / width_px, 1 - bottom / height_px) < _EDGE
    )
    return {
        "size of the door": _bin_of(area, _SIZES, "above 40 %"),
        "shape of the door": _bin_of((right - left) / max(bottom - top, 1e-9), _SHAPES, "wide"),
        "edge of the picture": "cuts the door" if at_edge else "does not cut the door",
    }


def _light(grey: np.ndarray) -> str:
    mean = float(grey.mean())
    return "dark" if mean < _DARK else "bright" if mean > _BRIGHT else "normal"


def _focus(grey: np.ndarray) -> str:
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return "blurred" if float((around - 4 * inner).var()) < _BLURRED else "sharp"


def _bin_of(value: float, steps: tuple[tuple[float, str], ...], otherwise: str) -> str:
    return next((name for limit, name in steps if value < limit), otherwise)
