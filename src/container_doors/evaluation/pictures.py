"""Photographs with labels, detections and mistakes drawn in."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from container_doors.core.ports import Detections
from container_doors.data.drawing import FOUND, LABEL, MISTAKE, Font, draw_dashed, draw_tag
from container_doors.evaluation.matching import BoxXyxy, Matches

_LONGEST_SIDE_PX = 1280
_LEGEND = {
    "label": "a labelled door",
    "found": "a detection, with its confidence",
    "missed": "the mistake: missed",
    "false alarm": "the mistake: a false alarm (?)",
}
_LABELLED, _MISTAKES = ("label", "missed"), ("missed", "false alarm")


def draw(detections: Detections, doors: Sequence[BoxXyxy], matches: Matches) -> Image.Image:
    """Draw one photograph: labels, detections and mistakes, with a legend below.

    Args:
        detections: Boxes in pixels of the photograph after EXIF orientation.
        doors: The labelled boxes, in the same pixels.
        matches: The result of :func:`matching.match` for both.
    """
    with Image.open(detections.image) as file:
        picture = ImageOps.exif_transpose(file).convert("RGB")
    factor = min(1.0, _LONGEST_SIDE_PX / max(picture.size))
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)))
    pen = ImageDraw.Draw(picture)
    line_px = max(2, round(min(picture.size) / 160))
    font = ImageFont.load_default(size=max(11, min(picture.size) // 24))
    labels = [_scale(box, factor) for box in doors]
    found = [_scale(box, factor) for box in detections.boxes_xyxy]
    missed = [
        box for box, is_found in zip(labels, matches.door_is_found, strict=True) if not is_found
    ]
    alarms = [
        box for box, is_door in zip(found, matches.detection_is_door, strict=True) if not is_door
    ]
    for box in (*missed, *alarms):
        _draw_thick(pen, box, line_px)
    for box in labels:
        pen.rectangle(box, outline=LABEL, width=line_px)
    for box in found:
        draw_dashed(pen, box, line_px)
    for box in missed:
        draw_tag(pen, box, "missed", MISTAKE, font)
    for box, confidence, is_door in zip(
        found, detections.confidences, matches.detection_is_door, strict=True
    ):
        colour = FOUND if is_door else MISTAKE
        draw_tag(pen, box, f"{confidence:.2f}" + "?" * (not is_door), colour, font)
    drawn = {"label": labels, "found": found, "missed": missed, "false alarm": alarms}
    return _add_legend(picture, [kind for kind, boxes in drawn.items() if boxes], line_px, font)


def save(picture: Image.Image, path: Path) -> None:
    """Write a JPEG; the path's suffix is replaced by ``.jpg``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path.with_suffix(".jpg"), quality=88)


def _scale(box: BoxXyxy, factor: float) -> BoxXyxy:
    return (box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor)


def _draw_thick(pen: ImageDraw.ImageDraw, box: BoxXyxy, line_px: int) -> None:
    """Draw a line three times as wide as the one drawn over it, on both sides equally."""
    left, top, right, bottom = box
    outer = (left - line_px, top - line_px, right + line_px, bottom + line_px)
    pen.rectangle(outer, outline=MISTAKE, width=3 * line_px)


def _add_legend(
    picture: Image.Image, kinds: Sequence[str], line_px: int, font: Font
) -> Image.Image:
    """Add a legend below the picture, in as many rows as its width requires."""
    if not kinds:
        return picture
    pen = ImageDraw.Draw(picture)
    gap_px, sample_px = 4 * line_px, 16 * line_px
    row_px = round(pen.textbbox((0, 0), "Ag", font=font)[3]) + 2 * gap_px
    widths = {
        kind: sample_px + 3 * gap_px + round(pen.textlength(_LEGEND[kind], font=font))
        for kind in kinds
    }
    places: list[tuple[str, int, int]] = []
    x, y = 0, picture.height
    for kind, width_px in widths.items():
        if x and x + width_px > picture.width:
            x, y = 0, y + row_px
        places.append((kind, x + gap_px, y))
        x += width_px
    size = (max(picture.width, *widths.values()), y + row_px)
    whole = Image.new("RGB", size, "white")
    whole.paste(picture)
    pen = ImageDraw.Draw(whole)
    for kind, x, y in places:
        sample = (x, y + gap_px, x + sample_px, y + row_px - gap_px)
        if kind in _MISTAKES:
            _draw_thick(pen, sample, line_px)
        if kind in _LABELLED:
            pen.rectangle(sample, outline=LABEL, width=line_px)
        else:
            draw_dashed(pen, sample, line_px)
        place = (x + sample_px + gap_px, y + row_px // 2)
        pen.text(place, _LEGEND[kind], fill="black", font=font, anchor="lm")
    return whole
