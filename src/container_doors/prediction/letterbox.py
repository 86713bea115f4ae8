"""Prepare a picture for the network as Ultralytics does, and map boxes back.

The numbers are those of ``ultralytics.data.augment.LetterBox`` and ``ultralytics.utils.ops``
(8.4.190), bit for bit: a resize that rounds in another way moves boxes.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MULTIPLE_OF_PX = 32
"""The largest stride of the network: both sides of its input are multiples of it."""

_PADDING = (114, 114, 114)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a picture is placed on the network's input, in pixels."""

    resized_wh: tuple[int, int]
    left: int
    top: int
    right: int
    bottom: int


def input_shape(picture_hw: tuple[int, int], image_size_px: int) -> tuple[int, int]:
    """Return height and width of the network's input for a picture.

    >>> input_shape((3000, 4000), 640), input_shape((1080, 1920), 640)
    ((480, 640), (384, 640))
    """
    fit = _fit(picture_hw, (image_size_px, image_size_px), is_fixed=False)
    width, height = fit.resized_wh
    return height + fit.top + fit.bottom, width + fit.left + fit.right


def letterbox(
    bgr: NDArray[np.uint8], image_size_px: int, *, fixed_hw: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Resize a picture, pad it, and make the network's input of it.

    Args:
        bgr: Shape (height, width, 3), blue first.
        image_size_px: The longer side becomes this long.
        fixed_hw: The input's height and width, of a network that takes no other; else the
            picture is padded to the next multiples of :data:`MULTIPLE_OF_PX`.

    Returns:
        Shape (1, 3, height, width), red first, in [0, 1].
    """
    height, width = bgr.shape[:2]
    target_hw = fixed_hw or (image_size_px, image_size_px)
    fit = _fit((height, width), target_hw, is_fixed=fixed_hw is not None)
    if (width, height) != fit.resized_wh:
        bgr = cv2.resize(bgr, fit.resized_wh, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    padded = cv2.copyMakeBorder(
        bgr, fit.top, fit.bottom, fit.left, fit.right, cv2.BORDER_CONSTANT, value=_PADDING
    )
    red_first = np.empty((1, 3, *padded.shape[:2]), np.float32)
    for channel, values in zip(red_first[0], cv2.split(padded)[::-1], strict=True):
        np.divide(values, np.float32(255), out=channel)
    return red_first


def boxes_in_picture(
    boxes_xyxy: NDArray[np.float32], input_hw: tuple[int, int], picture_hw: tuple[int, int]
) -> NDArray[np.float32]:
    """Map boxes from the network's input to the picture, and clip them to it.

    Args:
        boxes_xyxy: Shape (n, 4), in pixels of the network's input.
        input_hw: Its height and width.
        picture_hw: The picture's.
    """
    gain = min(input_hw[0] / picture_hw[0], input_hw[1] / picture_hw[1])
    resized_hw = [max(round(side * gain), 1) for side in picture_hw]
    gain_y, gain_x = (new / old for new, old in zip(resized_hw, picture_hw, strict=True))
    pad_y, pad_x = (
        round((whole - new) / 2 - 0.1) for whole, new in zip(input_hw, resized_hw, strict=True)
    )
    boxes = boxes_xyxy.astype(np.float32)
    boxes -= np.array([pad_x, pad_y] * 2, np.float32)
    boxes /= np.array([gain_x, gain_y] * 2, np.float32)
    height, width = picture_hw
    return np.clip(boxes, 0, np.array([width, height] * 2, np.float32))


def _fit(picture_hw: tuple[int, int], target_hw: tuple[int, int], *, is_fixed: bool) -> _Fit:
    ratio = min(target_hw[0] / picture_hw[0], target_hw[1] / picture_hw[1])
    height, width = (max(round(side * ratio), 1) for side in picture_hw)
    across, down = target_hw[1] - width, target_hw[0] - height
    if not is_fixed:
        across, down = across % MULTIPLE_OF_PX, down % MULTIPLE_OF_PX
    return _Fit(
        (width, height),
        left=round(across / 2 - 0.1),
        top=round(down / 2 - 0.1),
        right=round(across / 2 + 0.1),
        bottom=round(down / 2 + 0.1),
    )
