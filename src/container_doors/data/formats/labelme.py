"""LabelMe's JSON: a file per photograph, which may contain the picture itself.

https://github.com/wkentaro/labelme
"""

import base64
import binascii
from collections.abc import Iterator
from functools import partial
from math import hypot
from pathlib import PurePosixPath

from container_doors.core.errors import SourceError
from container_doors.data.disk import split_in
from container_doors.data.formats.json_kinds import files_of
from container_doors.data.formats.json_values import Value, size_of
from container_doors.data.formats.record import (
    Boxes,
    Edges,
    LabelledBox,
    LabelledPhotograph,
    MalformedError,
    Shape,
    box_around,
)
from container_doors.data.sources import Source

TOOL = "LabelMe"
_SHAPES: dict[str, Shape] = {
    "rectangle": "box", "circle": "polygon", "polygon": "polygon", "linestrip": "polygon",
    "line": "polygon", "points": "keypoints", "mask": "polygon",
    "oriented_rectangle": "rotated box",
}  # fmt: skip


def recognise(source: Source) -> bool:
    """Return whether the source has one of its files."""
    return bool(files_of(source, "labelme"))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read every photograph.

    Raises:
        MalformedError: If a file is not LabelMe's.
    """
    for member in files_of(source, "labelme") or source.labels(".json"):
        root = Value(source.json(member), f"{source.where(member)}: $")
        yield _photograph(source, member, root)


def _photograph(source: Source, member: str, root: Value) -> LabelledPhotograph:
    boxes = Boxes()
    for shape in root.need("shapes").each():
        boxes.add(partial(_box, shape))
    folder = PurePosixPath(member).parent
    name = root.need("imagePath").text().replace("\\", "/")
    return LabelledPhotograph(
        picture=name,
        where=root.where,
        folder="" if folder == PurePosixPath() else folder.as_posix(),
        boxes=tuple(boxes.found),
        frame_wh=size_of(root, "imageWidth", "imageHeight"),
        split=split_in(folder),
        embedded=partial(_embedded, source, member) if root.get("imageData") else None,
        problems=tuple(boxes.problems),
    )


def _embedded(source: Source, member: str) -> bytes:
    """Read the picture again when it is needed: a thousand of them do not fit into memory."""
    root = Value(source.json(member), f"{source.where(member)}: $")
    data = root.need("imageData")
    try:
        return base64.b64decode(data.text(), validate=True)
    except (binascii.Error, ValueError) as error:
        where = f"{data.where}: expected a picture in base64, found {error}"
        raise SourceError(where, hint="save the label file again") from None


def _box(shape: Value) -> LabelledBox:
    kind = shape.get("shape_type")
    name = kind.text() if kind else "polygon"
    if name not in _SHAPES:
        raise MalformedError(shape.where, f"one of {', '.join(_SHAPES)}", repr(name))
    points = [one.numbers() for one in shape.need("points").each()]
    if any(len(pair) != 2 for pair in points):
        raise MalformedError(f"{shape.where}.points", "pairs of x and y", "others")
    label = shape.need("label").text()
    return LabelledBox(_edges(name, points, shape.where), label, shape.where, _SHAPES[name])


def _edges(kind: str, points: list[list[float]], where: str) -> Edges:
    if kind != "circle":
        return box_around(points, where)
    if len(points) != 2:
        raise MalformedError(f"{where}.points", "a centre and a point of the circle", str(points))
    (x, y), (x_on, y_on) = points
    radius = hypot(x_on - x, y_on - y)
    return x - radius, y - radius, x + radius, y + radius
