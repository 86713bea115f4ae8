"""Tables of boxes: OpenImages' CSV, and plain ones such as TensorFlow's and Roboflow's.

https://storage.googleapis.com/openimages/web/download_v7.html: edges are fractions. Plain tables
have a column for the picture, ``xmin``, ``ymin``, ``xmax``, ``ymax`` in pixels, and the class; or
the left top corner and the size, ``x``, ``y``, ``w``, ``h``, as COCO's boxes. Where columns are
not separated by commas, a comma in a number is its decimal point.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from container_doors.data.disk import split_in
from container_doors.data.formats.record import (
    Boxes,
    LabelledBox,
    LabelledPhotograph,
    MalformedError,
    Reason,
)
from container_doors.data.formats.xml_elements import as_number
from container_doors.data.prelabelled import ORDER_CSV
from container_doors.data.sources import MOST_LABEL_BYTES, Source
from container_doors.data.spreadsheet import Row, Table, read_table

TOOL = "a table of boxes"
_PICTURES = ("filename", "image", "image_path", "imageid", "path", "file", "file_name", "img")
_CLASSES = ("class", "label", "labelname", "class_name", "category", "name")
_EDGES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
_CORNERS_AND_SIZES = (
    ("x", "y", "w", "h"),
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    ("x", "y", "width", "height"),
)
_HEADLESS = "filename,x1,y1,x2,y2,class\n"
"""The columns of RetinaNet's tables, which have no first line."""

OUR_OWN = {"sources.csv", "attributes.csv", "folds.csv", ORDER_CSV}
COLUMNS = f"filename, {', '.join(_EDGES[0])} (or x, y, w, h), class (in pixels)"
"""Of a plain table, as a hint says them."""


def recognise(source: Source) -> bool:
    """Return whether the source has a table of boxes."""
    return bool(_files(source))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read every photograph of every table.

    Raises:
        MalformedError: If a row is not what it must be.
    """
    names = _descriptions(source)
    for member in _files(source) or source.labels(".csv"):
        yield from _read_file(source, member, names)


def _files(source: Source) -> list[str]:
    return [
        member
        for member in source.labels(".csv")
        if PurePosixPath(member).name not in OUR_OWN and _head(source, member) is not None
    ]


def _head(source: Source, member: str) -> str | None:
    """Return the line of names that a table lacks; empty if it has one, None if it is no table."""
    start = source.start(member, 4096).decode("utf-8-sig", "replace").partition("\n")[0]
    cells = _cells(start)
    if set(cells) & set(_PICTURES) and _box_columns(set(cells)) is not None:
        return ""
    numbers = [cell.replace(".", "", 1).isdigit() for cell in cells]
    is_headless = len(cells) == 6 and numbers == [False, True, True, True, True, False]
    return _HEADLESS if is_headless else None


def _box_columns(columns: Set[str]) -> tuple[str, ...] | None:
    """Return the columns that have the boxes: edges, or corners and sizes; None if none have."""
    return next((one for one in (*_EDGES, *_CORNERS_AND_SIZES) if set(one) <= columns), None)


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"').casefold() for cell in re.split(r"[,;\t]", line)]


def _read_file(
    source: Source, member: str, names: Mapping[str, str]
) -> Iterator[LabelledPhotograph]:
    where = source.where(member)
    head = _head(source, member)
    if head is None:
        expected = f"columns for the picture, the class and {', '.join(_EDGES[0])}"
        raise MalformedError(f"{where}:1", expected, "others")
    data = source.read(member, MOST_LABEL_BYTES).removeprefix(b"\xef\xbb\xbf")
    first = head or data.partition(b"\n")[0].decode("utf-8", "replace")
    picture = next(one for one in _PICTURES if one in _cells(first))
    table, faults = read_table(head.encode() + data, required=picture)
    errors = [(line, fault) for line, fault in faults if fault.severity == "error"]
    if errors or table is None:
        line, fault = errors[0]
        offset = bool(head)
        raise MalformedError(f"{where}:{(line or 1) - offset}", fault.expected, fault.found)
    columns = _columns(where, table, picture, names, offset=bool(head))
    by_picture: dict[str, list[Row]] = {}
    for row in table.rows:
        name = row.cells.get(picture)
        if name is None:
            raise MalformedError(columns.place(row), "the name of a picture", "nothing")
        by_picture.setdefault(name, []).append(row)
    path = PurePosixPath(member)
    split = split_in(path.parent) or split_in(PurePosixPath(path.stem), within_names=True)
    folder = "" if path.parent == PurePosixPath() else path.parent.as_posix()
    for name, rows in by_picture.items():
        photograph = _photograph(name, rows, columns)
        yield replace(photograph, folder=folder, split=split or photograph.split)


@dataclass(frozen=True, slots=True)
class _Columns:
    """How the rows of a table are to be read."""

    where: str
    box: Sequence[str]
    """Left, top, right and bottom; or left, top, width and height."""
    label: str
    names: Mapping[str, str]
    """The names of classes, where the table has only their numbers."""
    is_fraction: bool
    table: Table
    lines_before: int
    """Lines that were put before the first one of the file."""

    def place(self, row: Row) -> str:
        """Return a row's file and line."""
        return f"{self.where}:{row.line - self.lines_before}"

    def number(self, row: Row, name: str) -> float:
        """Return the number in a cell.

        Raises:
            MalformedError: If it is none.
        """
        return as_number(self.table.with_point(row.cells.get(name, "")), self.place(row), name)


def _columns(
    where: str, table: Table, picture: str, names: Mapping[str, str], *, offset: bool
) -> _Columns:
    columns = set(table.columns)
    label = next((one for one in _CLASSES if one in columns), None)
    if label is None:
        raise MalformedError(f"{where}:1", f"a column {' or '.join(_CLASSES)}", "none")
    return _Columns(
        where=where,
        box=_box_columns(columns) or _EDGES[0],
        label=label,
        names=names,
        is_fraction=picture == "imageid",
        table=table,
        lines_before=int(offset),
    )


def _photograph(name: str, rows: Sequence[Row], columns: _Columns) -> LabelledPhotograph:
    boxes = Boxes()
    for row in rows:
        boxes.add(partial(_box, row, columns))
    where = columns.place(rows[0])
    size = ("width", "height")
    states_size = all(rows[0].cells.get(name) for name in size) and not set(size) & {*columns.box}
    frame_wh = None
    if states_size and not columns.is_fraction:
        width, height = (columns.number(rows[0], name) for name in size)
        frame_wh = (width, height)
    return LabelledPhotograph(
        picture=name,
        where=where,
        boxes=tuple(boxes.found),
        frame_wh=frame_wh,
        is_fraction=columns.is_fraction,
        split=split_in(PurePosixPath(name.replace("\\", "/")).parent),
        problems=tuple(boxes.problems),
    )


def _box(row: Row, columns: _Columns) -> LabelledBox | None:
    where = columns.place(row)
    if not any(row.cells.get(name) for name in columns.box):
        return None  # a picture without a box
    left, top, right, bottom = (columns.number(row, name) for name in columns.box)
    if columns.box in _CORNERS_AND_SIZES:
        right, bottom = left + right, top + bottom
    class_name = row.cells.get(columns.label)
    if class_name is None:
        raise MalformedError(where, f"{columns.label}: the name of a class", "nothing")
    return LabelledBox(
        (left, top, right, bottom),
        columns.names.get(class_name, class_name),
        where,
        left_out=_left_out(row),
        is_truncated=row.cells.get("istruncated") == "1",
    )


def _left_out(row: Row) -> Reason | None:
    if row.cells.get("isgroupof") == "1":
        return "crowd"
    return "depiction" if row.cells.get("isdepiction") == "1" else None


def _descriptions(source: Source) -> dict[str, str]:
    """Read OpenImages' names of classes, such as /m/0f6nr, from class-descriptions*.csv."""
    found: dict[str, str] = {}
    for member in source.members:
        if PurePosixPath(member).name.startswith("class-descriptions"):
            text = source.read(member, MOST_LABEL_BYTES).decode("utf-8-sig", "replace")
            rows = csv.reader(io.StringIO(text, newline=""))
            found |= {row[0]: row[1] for row in rows if len(row) == 2}
    return found
