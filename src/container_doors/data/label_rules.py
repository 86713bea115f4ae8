"""Rules for one line of a label file, one per function.

Ultralytics drops the whole photograph for one line that it cannot read (``dropped``), according to
``verify_image_label`` of 8.4.190.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from container_doors.data.boxes import Box
from container_doors.data.faults import Fault
from container_doors.data.poses import Poses, pose_points

EDGE_TOLERANCE = 1e-5
"""A box may end this far outside of the picture: the rounding error of five digits."""

CORNERS_OVERSHOOT = 0.04
"""Corners read as centre and size end further outside than this; loosely drawn boxes do not."""

TINY_PX = 4
"""At 640 pixels, a door of four pixels is smaller than one cell of the finest grid."""

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule needs besides the line itself."""

    class_names: Sequence[str]
    size_px: tuple[int, int] | None = None
    """Width and height of the upright picture, if known."""
    has_polygons: bool = False
    poses: Poses | None = None
    """Which rows of the data set are poses; None: each row is judged by itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line that is not blank."""

    line: int
    fields: tuple[str, ...]

    @property
    def text(self) -> str:
        """The line, shortened for a message."""
        return short(" ".join(self.fields))


def first_fault(
    rules: Sequence[Callable[[Subject, Context], Fault | None]], subject: Subject, context: Context
) -> Fault | None:
    """Return the fault of the first rule that applies; None if none does."""
    return next((fault for rule in rules if (fault := rule(subject, context))), None)


def _comment(row: Row, _: Context) -> Fault | None:
    if not any(field.startswith("#") for field in row.fields):
        return None
    return Fault(
        "label-comment",
        "a label: class x_center y_center width height",
        f"a comment, {row.text!r}",
        "remove it: the format has no comments",
        dropped=True,
    )


def _comma(row: Row, _: Context) -> Fault | None:
    text = " ".join(row.fields)
    if "," not in text:
        return None
    if all(number(field.replace(",", ".", 1)) is not None for field in row.fields):
        corrected = " ".join(field.replace(",", ".", 1) for field in row.fields)
    elif all(number(field) is not None for field in text.replace(",", " ").split()):
        corrected = " ".join(text.replace(",", " ").split())
    else:
        return None
    return Fault(
        "label-comma",
        "decimal points, and fields separated by spaces",
        repr(row.text),
        f"write {short(corrected)!r}",
        dropped=True,
    )


def _class_name(row: Row, context: Context) -> Fault | None:
    first, *others = row.fields
    if len(others) < 4 or number(first) is not None or any(number(x) is None for x in others):
        return None
    known = list(context.class_names)
    class_id = known.index(first) if first in known else 0
    return Fault(
        "label-class-name",
        _class_range(context),
        repr(short(first)),
        f"write {class_id} instead",
        dropped=True,
    )


def _not_a_number(row: Row, _: Context) -> Fault | None:
    wrong = [field for field in row.fields if number(field) is None]
    if not wrong:
        return None
    return Fault(
        "label-not-a-number",
        "a label: class x_center y_center width height",
        f"{short(wrong[0])!r} in {row.text!r}",
        "correct the line",
        dropped=True,
    )


def _confidence(row: Row, _: Context) -> Fault | None:
    if len(row.fields) != 6:
        return None
    return Fault(
        "label-confidence",
        "5 columns: class x_center y_center width height",
        "6, the last perhaps a confidence",
        f"remove the last: {short(' '.join(row.fields[:5]))!r}",
        dropped=True,
    )


def _pose_row(row: Row, context: Context) -> Fault | None:
    """Find a pose that cannot be read as a polygon, because its number of columns is even."""
    values = [float(field) for field in row.fields[1:]]
    if len(values) % 2 == 0 or not (points := _pose_points(values, context)):
        return None
    return _pose_fault(row.fields, points, dropped=True)


def _columns(row: Row, context: Context) -> Fault | None:
    count = len(row.fields)
    if count == 5 or (count > 6 and count % 2):
        return None
    return Fault(
        "label-columns",
        "5 columns: class x_center y_center width height",
        f"{count} in {row.text!r}",
        "complete the points of the polygon" if count > 6 else "complete the line, or remove it",
        # In a file with polygons, Ultralytics reads one point as a polygon without area.
        dropped=not (context.has_polygons and count == 3),
    )


ROW_RULES: tuple[Callable[[Row, Context], Fault | None], ...] = (
    _comment,
    _comma,
    _class_name,
    _not_a_number,
    _confidence,
    _pose_row,
    _columns,
)
"""Rules for unreadable lines; the first that applies is reported."""


def _class_not_whole(box: Box, context: Context) -> Fault | None:
    if math.isfinite(box.class_id) and box.class_id == int(box.class_id):
        return None
    found = f"class {_digits(box.class_id)}"
    remedy = "write the number of the class"
    return Fault("label-class-fraction", _class_range(context), found, remedy, dropped=True)


def _class_unknown(box: Box, context: Context) -> Fault | None:
    if 0 <= box.class_id < len(context.class_names):
        return None
    found = f"class {_digits(box.class_id)}"
    remedy = (
        f"write 0 if it is a {context.class_names[0] or 'door'}, else remove the line; "
        "docs/data.md does it for all lines"
        if len(context.class_names) == 1
        else "correct the class, or remove the line"
    )
    return Fault("label-class-unknown", _class_range(context), found, remedy, dropped=True)


CLASS_RULES: tuple[Callable[[Box, Context], Fault | None], ...] = (_class_not_whole, _class_unknown)


def _not_finite(box: Box, _: Context) -> Fault | None:
    numbers = box.values if box.points is None else box.points
    wrong = [value for value in numbers if not math.isfinite(value)]
    if not wrong:
        return None
    return Fault(
        "label-not-finite",
        "fractions from 0 to 1",
        _digits(wrong[0]),
        "correct the line, or remove it",
        dropped=True,
    )


def _pose(box: Box, context: Context) -> Fault | None:
    """Find a pose that Ultralytics would read as a polygon, with a meaningless box around it."""
    if box.points is None or not (points := _pose_points(box.points, context)):
        return None
    fields = [_digits(value) for value in (box.class_id, *box.points)]
    return _pose_fault(fields, points, dropped=box.is_refused)


def _pose_points(values: Sequence[float], context: Context) -> int:
    """Count the points of a pose: by the verdict on the data set, else by the values."""
    return pose_points(values) if context.poses is None else context.poses.get(len(values), 0)


def _pose_fault(fields: Sequence[str], points: int, *, dropped: bool) -> Fault:
    return Fault(
        "label-pose",
        "5 columns: class x_center y_center width height",
        f"{len(fields)}, a pose: a box and {points} point(s), which would be read as a polygon",
        f"keep the first five: {short(' '.join(fields[:5]))!r}; docs/data.md does it for all lines",
        dropped=dropped,
    )


def _pixels(box: Box, context: Context) -> Fault | None:
    if sum(value > 2 for value in box.values) < 2:
        return None
    size = "x".join(map(str, context.size_px)) if context.size_px else "picture's size in"
    return Fault(
        "label-pixels",
        "fractions from 0 to 1",
        f"{_listed(box.values)}, which look like pixels",
        f"divide by the {size} pixels",
        dropped=True,
    )


def _no_area(box: Box, _: Context) -> Fault | None:
    if box.width > 0 and box.height > 0:
        return None
    return Fault(
        "label-no-area",
        "a width and a height above 0",
        f"{_digits(box.width)} x {_digits(box.height)}",
        "draw the box again, or remove the line",
        dropped=box.is_refused,
    )


def _corners(box: Box, _: Context) -> Fault | None:
    """Find left, top, right and bottom written instead of centre and size.

    Only if the columns cannot be a centre and a size: some corners are also a possible box.
    """
    left, top, right, bottom = box.values
    could_be = box.points is None and 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    if not could_be or box.overshoot <= CORNERS_OVERSHOOT:
        return None
    corrected = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return Fault(
        "label-corners",
        "x_center y_center width height inside of the picture",
        f"{_listed(box.values)}, which would end {box.overshoot:.6f} outside of it "
        "but are a valid box as left top right bottom",
        f"if they are corners write {_listed(corrected)!r}, else draw the box again",
        dropped=box.is_refused,
    )


def _out_of_range(box: Box, _: Context) -> Fault | None:
    wrong = [value for value in box.values if not 0 <= value <= 1]
    if not wrong or (box.points is not None and not box.is_refused):
        return None
    return Fault(
        "label-out-of-range",
        "fractions from 0 to 1",
        _digits(wrong[0]),
        "draw the box again inside of the picture",
        dropped=box.is_refused,
    )


def _past_edge(box: Box, _: Context) -> Fault | None:
    if box.overshoot <= EDGE_TOLERANCE:
        return None
    left, top, right, bottom = box.edges
    far = {"left": -left, "top": -top, "right": right - 1, "bottom": bottom - 1}
    over = [
        f"{amount:.6f} past the {side} edge"
        for side, amount in far.items()
        if amount > EDGE_TOLERANCE
    ]
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in box.edges)
    clipped = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return Fault(
        "label-past-edge",
        "a box inside of the picture",
        f"one that ends {', '.join(over)}",
        f"clip it: {_listed(clipped)!r}",
    )


def _tiny(box: Box, context: Context) -> Fault | None:
    if context.size_px is None:
        return None
    width_px, height_px = box.width * context.size_px[0], box.height * context.size_px[1]
    if min(width_px, height_px) >= TINY_PX:
        return None
    return Fault(
        "label-tiny",
        f"a door of {TINY_PX} pixels or more each way",
        f"{width_px:.1f} x {height_px:.1f} pixels",
        "check whether it was drawn by accident",
        severity="warning",
    )


BOX_RULES: tuple[Callable[[Box, Context], Fault | None], ...] = (
    _not_finite,
    _pose,
    _pixels,
    _no_area,
    _corners,
    _out_of_range,
    _past_edge,
    _tiny,
)
"""Rules for wrong boxes; the first that applies is reported."""


def number(text: str) -> float | None:
    """Parse a number as Python and NumPy do; None if it is not one."""
    try:
        return float(text)
    except ValueError:
        return None


def _class_range(context: Context) -> str:
    last = len(context.class_names) - 1
    named = f" ({context.class_names[0]})" if context.class_names[0] else ""
    return f"class 0{named}" if last == 0 else f"a class from 0 to {last}"


def _digits(value: float) -> str:
    return f"{value:.6g}"


def _listed(values: Sequence[float]) -> str:
    return " ".join(map(_digits, values))


def short(text: str) -> str:
    """Shorten a text for use in a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."
