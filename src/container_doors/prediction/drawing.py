"""Draws the doors that were found into a photograph, for people."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from container_doors.core.predictions import Door, Reason
from container_doors.data.drawing import FOUND, MISTAKE, Box, draw_dashed, draw_tag

LONGEST_SIDE_PX = 1920
"""A larger photograph is drawn smaller: the lines are for a screen, and crops have every pixel."""

IN_WORDS: dict[Reason, str] = {
    "area_too_small": "too small",
    "area_too_large": "too large",
    "touches_edges": "cut off",
    "too_dark_or_bright": "too dark or bright",
    "low_contrast": "low contrast",
    "not_sharp": "not sharp",
    "not_natural": "not natural",
}


def draw(picture_bgr: NDArray[np.uint8], doors: list[Door]) -> Image.Image:
    """Draw a box for each door, with its confidence and the reasons to refuse it.

    Args:
        picture_bgr: Shape (height, width, 3).
        doors: In pixels of that picture.
    """
    height, width = picture_bgr.shape[:2]
    factor = min(1.0, LONGEST_SIDE_PX / max(height, width))
    if factor < 1:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        picture_bgr = cv2.resize(picture_bgr, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    picture = Image.fromarray(cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2RGB))
    pen = ImageDraw.Draw(picture)
    line_px = max(2, round(min(picture.size) / 200))
    font = ImageFont.load_default(size=max(12, min(picture.size) // 30))
    boxes = [_scale(door.box_xyxy, factor) for door in doors]
    for box in boxes:
        pen.rectangle(box, outline="black", width=line_px)  # between the dashes
        draw_dashed(pen, box, line_px)
    for box, door in zip(boxes, doors, strict=True):
        words = [f"{door.confidence:.2f}", *(IN_WORDS[reason] for reason in door.refused_for)]
        draw_tag(pen, box, "\n".join(words), MISTAKE if door.refused_for else FOUND, font)
    if not doors:
        draw_tag(pen, (0, 0, *picture.size), "no door found", FOUND, font)
    return picture


def _scale(box: Box, factor: float) -> Box:
    return (box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor)
