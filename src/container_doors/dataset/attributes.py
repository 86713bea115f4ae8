"""What people know of each photograph: ``attributes.csv`` beside ``data.yaml``, if there is one.

Its column ``image`` names a photograph relative to the data set's folder. ``group`` names its
scene; every other column is an attribute to look at apart, such as ``lighting``. A column of many
numbers is cut into three parts of the same size.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from container_doors.dataset.layout import Layout
from container_doors.errors import DatasetError

ATTRIBUTES_CSV = "attributes.csv"
_FILE, _GROUP = "image", "group"
_NO_ATTRIBUTE = {_FILE, _GROUP, "split", None}

_MOST_LEVELS = 6
"""Of more numbers than that, each by itself would be too few photographs to tell."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """By photograph, named as the run's view has it: ``images/test/img_001.jpg``."""

    scenes: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_attributes(layout: Layout) -> Attributes:
    """Read what there is; nothing where there is no such file. An empty cell says nothing.

    Raises:
        DatasetError: If it is not UTF-8, or names no files, one twice, or one that is not there,
            or if a line has more cells than columns.
    """
    path = layout.root / ATTRIBUTES_CSV
    if not path.exists():
        return Attributes()
    names = {
        image.relative_to(layout.root).as_posix(): f"images/{split}/{image.name}"
        for split, files in layout.splits.items()
        for image in files.images
    }
    scenes: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    with StringIO(_text(path), newline="") as file:
        reader = csv.DictReader(file)
        if _FILE not in (reader.fieldnames or []):
            raise DatasetError(
                f"{path}:1: expected a column {_FILE!r}, found {reader.fieldnames or 'nothing'}",
                hint="its first line names the columns: image,group,lighting",
            )
        if len(set(reader.fieldnames or [])) < len(reader.fieldnames or []):
            raise DatasetError(
                f"{path}:1: expected each column once, found {', '.join(reader.fieldnames or [])}",
                hint="rename or delete one of the two",
            )
        for row in reader:
            if None in row:
                raise DatasetError(
                    f"{path}:{reader.line_num}: expected {len(reader.fieldnames or [])} cells, "
                    f"found {len(row) - 1 + len(row[None])}",
                    hint="put a cell that holds a comma into quotes",
                )
            name = _named(row, names, values, f"{path}:{reader.line_num}")
            values[name] = {
                column: cell.strip()
                for column, cell in row.items()
                if column not in _NO_ATTRIBUTE and cell and cell.strip()
            }
            if row.get(_GROUP):
                scenes[name] = row[_GROUP].strip()
    return Attributes(scenes, _cut(values))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: expected UTF-8, found another encoding at byte {error.start}",
            hint="save it as UTF-8; in a spreadsheet: CSV UTF-8",
        ) from None


def _cut(values: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Replace numbers by the third that they lie in, column by column."""
    columns = {column for row in values.values() for column in row}
    cuts = {column: _thirds([row[column] for row in values.values() if column in row])
            for column in columns}  # fmt: skip
    return {
        name: {column: _part(cell, cuts[column]) for column, cell in row.items()}
        for name, row in values.items()
    }


def _thirds(cells: Sequence[str]) -> tuple[float, float] | None:
    try:
        numbers = sorted(float(cell) for cell in cells)
    except ValueError:
        return None
    if len(set(numbers)) <= _MOST_LEVELS:
        return None
    return numbers[len(numbers) // 3], numbers[2 * len(numbers) // 3]


def _part(cell: str, thirds: tuple[float, float] | None) -> str:
    if thirds is None:
        return cell
    low, high = thirds
    if float(cell) < low:
        return f"below {low:g}"
    if float(cell) > high:
        return f"above {high:g}"
    return f"{low:g} to {high:g}" if f"{low:g}" != f"{high:g}" else f"{high:g}"


def _named(
    row: Mapping[str, str], names: Mapping[str, str], seen: Mapping[str, object], where: str
) -> str:
    name = names.get(row[_FILE] or "")
    if name is None:
        raise DatasetError(
            f"{where}: expected a photograph of the data set, found {row[_FILE]!r}",
            hint="write its path as it is under the data set's folder: images/test/img_001.jpg",
        )
    if name in seen:
        raise DatasetError(
            f"{where}: expected each photograph once, found {row[_FILE]!r} again",
            hint="delete one of the two lines",
        )
    return name
