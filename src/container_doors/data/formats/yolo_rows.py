"""Rows of a YOLO label file in double precision, with boxes, polygons, turned boxes and poses.

The trainer's own reading, in single precision, is in ``data/labels.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from container_doors.data.formats.record import (
    Boxes,
    LabelledBox,
    MalformedError,
    Shape,
    box_around,
)
from container_doors.data.label_rules import (
    ROW_RULES,
    Context,
    Row,
    first_fault,
    number,
)
from container_doors.data.poses import Poses

_MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class RowRules:
    """How the rows of a data set are to be read."""

    class_names: Sequence[str]
    """By number; a number that is not named is its own name if ``are_named`` is false."""
    are_named: bool = True
    poses: Poses = field(default_factory=dict)
    """Which rows are poses."""


def read_rows(data: bytes, where: str, rules: RowRules) -> Boxes:
    """Read the boxes of a photograph in fractions, and what is wrong with the other rows."""
    boxes = Boxes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        boxes.problems.append(MalformedError(f"{where}:{line}", "text in UTF-8", found))
        return boxes
    lines = text.splitlines()
    if len(lines) > _MOST_ROWS:
        boxes.problems.append(MalformedError(where, f"at most {_MOST_ROWS} rows", str(len(lines))))
        return boxes
    for at, row in enumerate(lines, start=1):
        if row.strip():
            boxes.add(partial(_box, Row(at, tuple(row.split())), f"{where}:{at}", rules))
    return boxes


def _box(row: Row, where: str, rules: RowRules) -> LabelledBox:
    is_pose = len(row.fields) - 1 in rules.poses
    row = Row(row.line, row.fields[:5]) if is_pose else row
    if number(row.fields[0]) is None:
        raise MalformedError(where, "the number of a class, from 0", repr(row.fields[0]))
    fault = first_fault(ROW_RULES, row, Context(("", ""), poses=rules.poses))
    if fault is not None:
        raise MalformedError(where, fault.expected, fault.found)
    class_id, *values = map(float, row.fields)
    name = _class_name(class_id, where, rules)
    if len(values) == 4:
        x, y, wide, high = values
        edges = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        return LabelledBox(edges, name, where, "pose" if is_pose else "box")
    shape: Shape = "rotated box" if len(values) == 8 else "polygon"
    points = list(zip(values[::2], values[1::2], strict=True))
    return LabelledBox(box_around(points, where), name, where, shape)


def _class_name(class_id: float, where: str, rules: RowRules) -> str:
    whole = int(class_id) if abs(class_id) < 1e6 else -1  # NaN is not below either
    if whole != class_id or whole < 0:
        raise MalformedError(where, "the number of a class, from 0", f"{class_id:g}")
    if whole < len(rules.class_names):
        return rules.class_names[whole]
    if not rules.are_named:
        return str(whole)
    last = len(rules.class_names) - 1
    expected = f"a class from 0 to {last}" if last else "class 0"
    raise MalformedError(where, expected, f"class {whole}")
