"""Draws boxes and their tags into photographs, in colours and lines that all people can tell."""

from PIL import ImageDraw, ImageFont

LABEL, FOUND, MISTAKE = "#00E5A8", "#FF7A1A", "#FF2FA0"
"""The colours of ``reporting/page.css``. For colour-blind people the lines differ too: a label is
solid, a detection dashed, and a mistake thick, behind either."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Box = tuple[float, float, float, float]


def draw_tag(pen: ImageDraw.ImageDraw, box: Box, text: str, colour: str, font: Font) -> None:
    """Write above the box, or inside it at the picture's top edge; never beside the picture."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = max(0.0, min(box[0], pen.im.size[0] - width))
    y = box[1] - height if box[1] >= height else max(0.0, box[1])
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + 3 - left, y + 3 - top), text, fill="black", font=font)


def draw_dashed(pen: ImageDraw.ImageDraw, box: Box, line_px: int) -> None:
    """Draw a detection's box: dashed, inside its edges."""
    left, top, right, bottom = box
    dash = 4 * line_px
    inside = line_px - 1
    for start in range(round(left), round(right), 2 * dash):
        end = min(start + dash, right)
        pen.rectangle((start, top, end, top + inside), fill=FOUND)
        pen.rectangle((start, bottom - inside, end, bottom), fill=FOUND)
    for start in range(round(top), round(bottom), 2 * dash):
        end = min(start + dash, bottom)
        pen.rectangle((left, start, left + inside, end), fill=FOUND)
        pen.rectangle((right - inside, start, right, end), fill=FOUND)
