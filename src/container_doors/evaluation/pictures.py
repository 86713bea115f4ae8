"""Photographs with what was found drawn in, for people to look at."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from container_doors.evaluation.matching import BoxXyxy, Matches
from container_doors.ports import Detections

DOOR, FALSE_ALARM, MISSED = "#00E5A8", "#FF7A1A", "#FF2FA0"
"""Told apart by colour-blind people too, and the outline says it again: missed is dashed."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_LONGEST_SIDE_PX = 1280


def draw(detections: Detections, doors: Sequence[BoxXyxy], matches: Matches) -> Image.Image:
    """Draw one photograph: found doors, false alarms with a '?', and missed doors dashed.

    Args:
        detections: Boxes in pixels of the photograph after EXIF orientation.
        doors: The labelled boxes, in the same pixels.
        matches: What :func:`matching.match` says of the two.
    """
    with Image.open(detections.image) as file:
        picture = ImageOps.exif_transpose(file).convert("RGB")
    factor = min(1.0, _LONGEST_SIDE_PX / max(picture.size))
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)))
    pen = ImageDraw.Draw(picture)
    line_px = max(2, round(min(picture.size) / 160))
    font = ImageFont.load_default(size=max(11, min(picture.size) // 24))
    for box, found in zip(doors, matches.door_is_found, strict=True):
        if not found:
            _dashed(pen, _scaled(box, factor), line_px)
            _tag(pen, _scaled(box, factor), "missed", MISSED, font)
    for box, confidence, is_door in zip(
        detections.boxes_xyxy, detections.confidences, matches.detection_is_door, strict=True
    ):
        colour = DOOR if is_door else FALSE_ALARM
        pen.rectangle(_scaled(box, factor), outline=colour, width=line_px)
        _tag(pen, _scaled(box, factor), f"{confidence:.2f}" + "?" * (not is_door), colour, font)
    return picture


def save(picture: Image.Image, path: Path) -> None:
    """Write a JPEG; the path is a photograph's, whose suffix is not kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path.with_suffix(".jpg"), quality=88)


def _scaled(box: BoxXyxy, factor: float) -> BoxXyxy:
    return (box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor)


def _tag(pen: ImageDraw.ImageDraw, box: BoxXyxy, text: str, colour: str, font: Font) -> None:
    """Write above the box, or inside it where the picture ends."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = max(0.0, box[0])
    y = box[1] - height if box[1] >= height else max(0.0, box[1])
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + 3 - left, y + 3 - top), text, fill="black", font=font)


def _dashed(pen: ImageDraw.ImageDraw, box: BoxXyxy, line_px: int) -> None:
    left, top, right, bottom = box
    dash = 5 * line_px
    for start in range(round(left), round(right), 2 * dash):
        for y in (top, bottom):
            pen.line((start, y, min(start + dash, right), y), fill=MISSED, width=line_px)
    for start in range(round(top), round(bottom), 2 * dash):
        for x in (left, right):
            pen.line((x, start, x, min(start + dash, bottom)), fill=MISSED, width=line_px)
