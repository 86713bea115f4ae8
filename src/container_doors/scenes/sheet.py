"""A flat sheet that is painted in metres: colour, relief and transparency."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""

_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV receives."""


@dataclass(slots=True)
class Texture:
    """The appearance of a face before lighting."""

    bgr: NDArray[np.uint8]
    """(rows, columns, 3), under white light."""
    alpha: NDArray[np.uint8] | None = None
    """(rows, columns), 255 where it is opaque; None if it is opaque everywhere."""
    slope_right: NDArray[Any] | None = None
    """Rise towards the viewer per metre to the right; broadcasts to (rows, columns)."""
    slope_down: NDArray[Any] | None = None
    """The same, downwards."""
    shade: NDArray[Any] | None = None
    """The fraction of light that is not blocked by corners and neighbours; broadcasts likewise."""
    glow: float = 0.0
    """Emitted light, for lamps: 1 shows ``bgr`` unchanged in the dark."""


class Sheet:
    """Paints a texture. Metres run to the right and down from the top left corner."""

    def __init__(
        self,
        size_m: tuple[float, float],
        size_px: tuple[int, int],
        colour: Colour,
        *,
        is_bare: bool = False,
    ) -> None:
        columns, rows = size_px
        self.size_m = size_m
        self.scale = (columns / size_m[0], rows / size_m[1])
        self.bgr: NDArray[np.uint8] = np.full((rows, columns, 3), colour, np.uint8)
        self.alpha: NDArray[np.uint8] | None = (
            np.zeros((rows, columns), np.uint8) if is_bare else None
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bgr.shape[0], self.bgr.shape[1]

    def rectangle(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Paint a filled rectangle, from its top left corner."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Paint a filled polygon."""
        exact = np.array(points) * self.scale - 0.5
        fixed = np.round(exact * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(self.bgr, [fixed], colour, cv2.LINE_AA, _SHIFT)
        if self.alpha is not None:
            cv2.fillPoly(self.alpha, [fixed], 255, cv2.LINE_AA, _SHIFT)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Paint a filled circle."""
        turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        points = zip(x + radius * np.cos(turn), y + radius * np.sin(turn), strict=True)
        self.polygon([(float(a), float(b)) for a, b in points], colour)

    def text(
        self, text: str, at: tuple[float, float], height: float, colour: Colour, width: float
    ) -> None:
        """Paint letters into the rectangle from ``at``, ``height`` metres tall.

        Args:
            text: One line.
            at: The top left corner.
            height: The height of a capital letter.
            colour: The colour of the paint.
            width: The width of the whole line; the letters are stretched to it.
        """
        size = (max(2, round(width * self.scale[0])), max(2, round(height * self.scale[1])))
        stencil = cv2.resize(_letters(text), size, interpolation=cv2.INTER_AREA)
        left, top = round(at[0] * self.scale[0]), round(at[1] * self.scale[1])
        place = self.bgr[max(top, 0) : top + size[1], max(left, 0) : left + size[0]]
        stencil = stencil[max(-top, 0) :, max(-left, 0) :][: place.shape[0], : place.shape[1]]
        fraction = stencil[..., None] * (0.9 / 255)
        place += ((np.array(colour) - place) * fraction).astype(np.int16).astype(np.uint8)

    def mix(self, colour: Colour, fraction: NDArray[Any]) -> None:
        """Blend a colour in; ``fraction`` broadcasts to (rows, columns)."""
        weight = fraction[..., None].astype(np.float32)
        self.bgr = (self.bgr + (np.array(colour, np.float32) - self.bgr) * weight).astype(np.uint8)

    def multiply(self, factor: NDArray[Any]) -> None:
        """Multiply the brightness; ``factor`` broadcasts to (rows, columns)."""
        product = self.bgr * factor[..., None].astype(np.float32)
        self.bgr = np.minimum(product, 255).astype(np.uint8)


def slopes(
    count_px: int, length_m: float, profile: Sequence[tuple[float, float]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the slope and the height of a profile for every pixel along an axis.

    Args:
        count_px: Pixels along the axis.
        length_m: The axis's length.
        profile: Points (position, height) in metres, sorted by position.

    Returns:
        The mean slope over each pixel, so that ribs that are too fine cancel out, and the height
        at its middle, in metres.
    """
    place, height = np.array(profile).T
    at_edges = np.interp(np.linspace(0, length_m, count_px + 1), place, height)
    slope = np.diff(at_edges) / (length_m / count_px)
    return slope.astype(np.float32), ((at_edges[1:] + at_edges[:-1]) / 2).astype(np.float32)


def ribs(
    length_m: float, *, pitch_m: float, depth_m: float, margin_m: float = 0.0
) -> list[tuple[float, float]]:
    """Return the trapezoid profile of corrugated sheet, flat in the margins at both ends."""
    profile = [(0.0, 0.0)]
    count = max(1, round((length_m - 2 * margin_m) / pitch_m))
    pitch = (length_m - 2 * margin_m) / count
    for index in range(count):
        start = margin_m + index * pitch
        profile += [
            (start + 0.16 * pitch, 0.0),
            (start + 0.38 * pitch, -depth_m),
            (start + 0.62 * pitch, -depth_m),
            (start + 0.84 * pitch, 0.0),
        ]
    return [*profile, (length_m, 0.0)]


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(44)


@lru_cache(maxsize=512)
def _letters(text: str) -> NDArray[np.uint8]:
    """Draw a line of text, white on black, cropped to the letters."""
    left, top, right, bottom = (int(edge) for edge in _font().getbbox(text))
    image = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    draw = ImageDraw.Draw(image)
    draw.text((-left, -top), text, fill=255, font=_font(), stroke_width=1, stroke_fill=255)
    return np.asarray(image)
