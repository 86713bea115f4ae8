"""Cuts doors out of photographs at full resolution, for the step that looks for their corners."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PADDING = 0.10
"""What the next step expects on each side, as a fraction of the door's width and height."""


def cut(
    picture_bgr: NDArray[np.uint8], box: Sequence[float], padding: float = PADDING
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Cut out a box with some of its surroundings, in whole pixels, inside the picture.

    Args:
        picture_bgr: Shape (height, width, 3).
        box: Left, top, right, bottom in pixels.
        padding: On each side, as a fraction of the box's width and height.

    Returns:
        A view of the picture's own pixels (it is not a copy), and the (x, y) of its left upper
        corner: a point (x, y) of the crop is (x + offset_x, y + offset_y) of the picture, exactly.
        A box without an area inside the picture gives a crop without pixels.
    """
    height, width = picture_bgr.shape[:2]
    left, top, right, bottom = box
    aside, above = padding * (right - left), padding * (bottom - top)
    x1, y1, x2, y2 = whole_pixels((left - aside, top - above, right + aside, bottom + above))
    x1, x2 = (min(max(x, 0), width) for x in (x1, x2))
    y1, y2 = (min(max(y, 0), height) for y in (y1, y2))
    return picture_bgr[y1:y2, x1:x2], (x1, y1)


def whole_pixels(box: Sequence[float]) -> tuple[int, int, int, int]:
    """Return the smallest box in whole pixels that contains a box.

    >>> whole_pixels((10.2, 20.0, 30.0, 40.7))
    (10, 20, 30, 41)
    """
    left, top, right, bottom = box
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
