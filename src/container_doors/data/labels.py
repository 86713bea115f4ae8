"""Read a YOLO label file line by line, and report every fault in it.

    <class> <x_center> <y_center> <width> <height>

The class is a whole number from 0; the other four are fractions of the upright picture's width or
height. A line of a class and three or more points is a polygon, and is read as the box around it.
Source: https://docs.ultralytics.com/datasets/detect/
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from container_doors.core.errors import DatasetError
from container_doors.core.parsing import ParsingError, read_bounded
from container_doors.core.records import Finding
from container_doors.data.boxes import Box, box_of, iou
from container_doors.data.faults import Fault, fold
from container_doors.data.label_rules import (
    BOX_RULES,
    CLASS_RULES,
    ROW_RULES,
    Context,
    Row,
    first_fault,
)

DOUBLE_IOU = 0.9
"""Two boxes with a higher IoU are one door labelled twice."""

MOST_LABEL_BYTES = 4 * 1024**2
"""A hundred polygons of a thousand points have half of that."""

_MOST_ROWS = 10_000
_TOO_LARGE = "label-too-large"
NOT_ITS_LABEL = "check that it is this photograph's label file, and put the right one there"

_MOST_BOXES_COMPARED = 500
"""Comparing all pairs takes a second for 1,000 boxes; a photograph has two or three doors."""


def read_boxes(path: Path) -> list[Box]:
    """Read the labelled boxes of a photograph; none if there is no such file.

    Raises:
        DatasetError: If a line is not a label.
    """
    try:
        data = read_bounded(path, MOST_LABEL_BYTES)
    except FileNotFoundError:
        return []
    except ParsingError as error:
        raise DatasetError(
            f"{path}: {error}", hint="check that it is a label file: doors data validate --path DIR"
        ) from None
    boxes, findings = parse_labels(data, path, Context(("",)))
    for finding in findings:
        if finding.dropped or finding.rule == _TOO_LARGE:
            raise DatasetError(
                str(finding), hint="see every such line: doors data validate --path DIR"
            )
    return boxes


def parse_labels(data: bytes, path: Path, context: Context) -> tuple[list[Box], list[Finding]]:
    """Read a label file.

    Args:
        data: The file's bytes; an empty file is a photograph without a door.
        path: The path for the findings.
        context: The classes, and the picture's size if known.

    Returns:
        The distinct boxes, in the order of their lines, and every fault. A file without a
        ``dropped`` finding gives exactly the boxes that Ultralytics reads from it.
    """
    text, fault = _decode(data)
    if fault is not None:
        return [], [fault.at(path)]
    rows = [
        Row(number, tuple(line.split()))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    if len(rows) > _MOST_ROWS:
        expected = f"at most {_MOST_ROWS} boxes"
        return [], [Fault(_TOO_LARGE, expected, f"{len(rows)}", NOT_ITS_LABEL).at(path)]
    context = replace(context, has_polygons=any(len(row.fields) > 6 for row in rows))
    found: list[tuple[int, Fault]] = []
    boxes = []
    for row in rows:
        fault = first_fault(ROW_RULES, row, context)
        if fault is not None:
            found.append((row.line, fault))
            continue
        box = box_of(row.line, [float(field) for field in row.fields])
        boxes.append(box)
        tables = (first_fault(CLASS_RULES, box, context), first_fault(BOX_RULES, box, context))
        found += [(row.line, fault) for fault in tables if fault is not None]
    distinct, repeated = _without_duplicates(boxes)
    poses = {line for line, fault in found if fault.rule == "label-pose"}
    found += _kinds(rows, poses) + repeated
    found += _doubles([box for box in distinct if box.line not in poses])
    in_order = sorted(found, key=lambda each: each[0])
    return distinct, fold(in_order, path)


def _decode(data: bytes) -> tuple[str, Fault | None]:
    remedy = "save it as UTF-8 text"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "", Fault("label-encoding", "UTF-8 text", "UTF-16", remedy, dropped=True)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x} on line {line}"
        return "", Fault("label-encoding", "UTF-8 text", found, remedy, dropped=True)
    if "\0" in text:
        found = "zero bytes: UTF-16, or a damaged file"
        return "", Fault("label-encoding", "UTF-8 text", found, remedy, dropped=True)
    return text, None


def _kinds(rows: Sequence[Row], poses: set[int]) -> list[tuple[int, Fault]]:
    """Check polygons in the whole file: alone they are read as boxes, beside boxes they fail."""
    polygon = next((row.line for row in rows if len(row.fields) > 6), None)
    if polygon is None:
        return []
    box = next((row.line for row in rows if len(row.fields) == 5), None)
    if box is None:
        polygons = (row.line for row in rows if len(row.fields) > 6 and row.line not in poses)
        polygon = next(polygons, None)
        if polygon is None:
            return []
        return [
            (
                polygon,
                Fault(
                    "label-polygon",
                    "boxes",
                    "polygons, of which training uses the boxes around them",
                    "export the labels as boxes, or check that this is intended",
                    severity="warning",
                ),
            )
        ]
    fault = Fault(
        "label-mixed",
        "boxes, or polygons, in one file",
        f"a {'pose' if polygon in poses else 'polygon'} on line {polygon} and a box on line {box}",
        "keep the first five columns of the pose"
        if polygon in poses
        else "replace the polygon by the box around it",
        dropped=True,
    )
    return [(max(polygon, box), fault)]


def _without_duplicates(boxes: Sequence[Box]) -> tuple[list[Box], list[tuple[int, Fault]]]:
    first: dict[object, Box] = {}
    faults = []
    for box in boxes:
        same = first.setdefault((box.class_id, box.values, box.points), box)
        if same is not box:
            fault = Fault(
                "label-duplicate",
                "every box once",
                f"the box of line {same.line} again",
                "remove the line",
                severity="warning",
            )
            faults.append((box.line, fault))
    return list(first.values()), faults


def _doubles(boxes: Sequence[Box]) -> list[tuple[int, Fault]]:
    faults = []
    valid = [box for box in boxes if box.width > 0 and box.height > 0 and _is_finite(box)]
    for one, other in combinations(valid[:_MOST_BOXES_COMPARED], 2):
        overlap = iou(one, other)
        if one.class_id == other.class_id and overlap > DOUBLE_IOU:
            fault = Fault(
                "label-double",
                f"boxes with an IoU of at most {DOUBLE_IOU:g}",
                f"{overlap:.3f} with the box of line {one.line}",
                "remove one of the two: one door seems to be labelled twice",
            )
            faults.append((other.line, fault))
    return faults


def _is_finite(box: Box) -> bool:
    return all(math.isfinite(value) for value in box.values)
