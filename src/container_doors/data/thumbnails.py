"""Small grey copies of photographs: all that is compared to find near-duplicates."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 96
"""Pictures are squeezed into a square of this side, whatever their shape: a mirrored or a cropped
copy then differs by a flip, or by a stretch. 20,000 thumbnails take 184 MB."""

Thumbnail = NDArray[np.uint8]
"""(SIDE_PX, SIDE_PX), grey, upright."""


def thumbnail_of(pixels: NDArray[np.uint8]) -> Thumbnail:
    """Make the thumbnail of a decoded picture, grey or in BGR(A)."""
    if pixels.ndim == 3 and pixels.shape[2] > 1:
        code = cv2.COLOR_BGRA2GRAY if pixels.shape[2] == 4 else cv2.COLOR_BGR2GRAY
        pixels = cv2.cvtColor(pixels, code).astype(np.uint8, copy=False)
    is_smaller = min(pixels.shape[:2]) < SIDE_PX
    kind = cv2.INTER_LINEAR if is_smaller else cv2.INTER_AREA
    resized = cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=kind)
    return resized.astype(np.uint8, copy=False)
