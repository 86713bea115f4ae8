"""Painted letters."""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from container_doors.dataset.sample.surface import Surface

_DRAWN_PX = 40
"""Letters are drawn once at this size and scaled, which is much faster than a font each."""


@cache
def _font() -> Any:  # noqa: ANN401 - Pillow has two kinds and says so in no base class
    return ImageFont.load_default(_DRAWN_PX)


@cache
def stencil(text: str) -> NDArray[np.uint8]:
    """Draw a line of text, cut to its capitals' height: uint8, 255 where there is paint."""
    left, top, right, bottom = _font().getbbox(text)
    sheet = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    pen = ImageDraw.Draw(sheet)
    pen.text((1 - left, 1 - top), text, font=_font(), fill=255, stroke_width=1, stroke_fill=255)
    return np.asarray(sheet)


def write(
    surface: Surface,
    text: str,
    at_m: tuple[float, float],
    height_m: float,
    colour: NDArray[Any],
    *,
    width_m: float | None = None,
) -> float:
    """Paint a line of text on a surface.

    Args:
        surface: What is painted on. What does not fit on it is left out.
        text: One line.
        at_m: Its top left.
        height_m: Its height.
        colour: Blue, green, red.
        width_m: Its width; by the font's proportions, made narrow as on containers, if absent.

    Returns:
        The width in metres.
    """
    drawn = stencil(text)
    width = width_m or height_m * drawn.shape[1] / drawn.shape[0] * 0.82
    rows, columns = surface.at(*at_m, at_m[0] + width, at_m[1] + height_m)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    mask = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    target = surface.height[rows, columns].shape
    share = mask[: target[0], : target[1]].astype(np.float32) / 255
    surface.stain((rows, columns), share * 0.92, colour)
    return width
