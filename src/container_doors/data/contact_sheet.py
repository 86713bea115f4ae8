"""Contact sheets: many photographs on one picture, to look at."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from container_doors.core.errors import DatasetError
from container_doors.core.files import make_folder, put_in_place
from container_doors.data.decoding import DECODER_ERRORS

SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}

_CELL_PX = 240
_GAP_PX = 8
_LINE_PX = 15
_LONGEST = 38
"""Characters of a line that fit under a cell."""

_PAPER, _INK, _MISSING = "#ffffff", "#202020", "#dddddd"


@dataclass(frozen=True, slots=True)
class Cell:
    """One photograph on a sheet."""

    path: Path
    caption: str
    """Shortened at its start, where it does not fit."""


def check_sheet_name(path: Path) -> None:
    """Check that a sheet can be written under this name, before the work that it shows.

    Raises:
        DatasetError: If it is no JPEG or PNG by its suffix.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(
            f"{path}: expected the name of a JPEG or PNG, found {path.suffix or 'no suffix'}",
            hint=f"--sheet {path.with_suffix('.jpg')}",
        )
    if path.is_dir():
        raise DatasetError(
            f"{path}: expected a file, found a folder", hint=f"--sheet {path / 'sheet.jpg'}"
        )


def write_sheet(rows: Sequence[tuple[str, Sequence[Cell]]], path: Path, *, columns: int) -> None:
    """Write rows of photographs as one picture.

    Args:
        rows: Each a title and its photographs; more than ``columns`` of them wrap.
        path: The file; its suffix is its format.
        columns: Photographs side by side.
    """
    lines = [
        (title if start == 0 else "", cells[start : start + columns])
        for title, cells in rows
        for start in range(0, max(len(cells), 1), columns)
    ]
    height = _CELL_PX + 2 * _LINE_PX + 2 * _GAP_PX
    width = columns * (_CELL_PX + _GAP_PX) + _GAP_PX
    sheet = Image.new("RGB", (width, height * max(len(lines), 1)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for number, (title, cells) in enumerate(lines):
        top = number * height + _GAP_PX // 2
        draw.text((_GAP_PX, top), _drawable(title), fill=_INK, font=font)
        for column, cell in enumerate(cells):
            left = _GAP_PX + column * (_CELL_PX + _GAP_PX)
            _paste(sheet, cell.path, (left, top + _LINE_PX))
            caption = _drawable(cell.caption)
            caption = caption if len(caption) <= _LONGEST else f"...{caption[3 - _LONGEST :]}"
            draw.text((left, top + _LINE_PX + _CELL_PX), caption, fill=_INK, font=font)
    _write(sheet, path)


def _paste(sheet: Image.Image, path: Path, at: tuple[int, int]) -> None:
    """Paste a photograph, upright, into its cell; grey where it cannot be read."""
    picture = Image.new("RGB", (_CELL_PX, _CELL_PX), _MISSING)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            opened.draft("RGB", (2 * _CELL_PX, 2 * _CELL_PX))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
            picture.thumbnail((_CELL_PX, _CELL_PX))
    except DECODER_ERRORS:  # the gate has a finding for it
        pass
    left = at[0] + (_CELL_PX - picture.width) // 2
    sheet.paste(picture, (left, at[1] + (_CELL_PX - picture.height) // 2))


def _drawable(text: str) -> str:
    """Replace letters that the font of Pillow does not have."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _write(sheet: Image.Image, path: Path) -> None:
    encoded = io.BytesIO()
    sheet.save(encoded, SUFFIXES[path.suffix.lower()], quality=85)
    make_folder(path.parent)
    staged = path.with_name(f".{path.name}.part")
    try:
        staged.write_bytes(encoded.getvalue())
        put_in_place(staged, path)
    finally:
        staged.unlink(missing_ok=True)
