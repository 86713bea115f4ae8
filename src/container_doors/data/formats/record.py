"""A labelled photograph as every format gives it, before it is checked against its picture."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from container_doors.core.printable import shortened

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom; 0 is the left or top edge of the picture."""

Shape = Literal["box", "polygon", "rotated box", "keypoints", "pose"]
Reason = Literal["crowd", "difficult", "depiction"]

LEFT_OUT: dict[Reason, str] = {
    "crowd": "a region of many (iscrowd, IsGroupOf), which is no box of one door",
    "difficult": "marked difficult, which Pascal VOC neither learns nor counts",
    "depiction": "a depiction of one (IsDepiction)",
}
"""Why a box is not learned, as its tool means it."""

WhyUnlabelled = Literal["no label file", "not submitted", "not checked"]

REASONS_UNLABELLED: dict[WhyUnlabelled, tuple[str, str]] = {
    "no label file": (
        "they have no label file",
        "if they have no door, put an empty one (NAME.txt) there for each",
    ),
    "not submitted": (
        "no annotation of them was submitted",
        "submit them in the labelling tool, and export again",
    ),
    "not checked": (
        "a model found no door in them, and nothing shows that a person has looked",
        "once a person has looked at each: --checked takes them as photographs without a door",
    ),
}
"""Why a photograph is not labelled, and what to do."""


class MalformedError(ValueError):
    """A part of a label file is not what it must be."""

    def __init__(self, where: str, expected: str, found: str) -> None:
        """Make the error.

        Args:
            where: The file, and the line or the JSON path.
            expected: What was expected.
            found: What was found instead.
        """
        self.where, self.expected, self.found = where, expected, shortened(found, 80)
        super().__init__(f"{where}: expected {expected}, found {self.found}")


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """One box; of any other shape, the box around it."""

    edges: Edges
    class_name: str
    where: str = ""
    """The file, and the line or the JSON path."""
    shape: Shape = "box"
    left_out: Reason | None = None
    is_truncated: bool = False
    is_scored: bool = False
    """Whether it has a score, as boxes have that a model drew."""
    is_from_zero: bool = False
    """Whether it was taken as counted from 0 where the format counts pixels from 1."""


@dataclass(frozen=True, slots=True)
class LabelledPhotograph:
    """A photograph and its boxes, as a label file states them."""

    picture: str
    """The name of the picture, as it is written in the label file."""
    where: str
    also: tuple[str, ...] = ()
    """Other names that it can have, such as that before an upload."""
    folder: str = ""
    """The folder of the label file, below the source."""
    boxes: tuple[LabelledBox, ...] = ()
    frame_wh: tuple[float, float] | None = None
    """The picture's width and height as stated; None if the format does not state it."""
    is_fraction: bool = False
    """Whether edges are fractions of the upright picture; else pixels of the stated frame."""
    is_labelled: bool = True
    """False if nobody has looked at it yet: without a box it is no photograph without a door."""
    why_unlabelled: WhyUnlabelled = "no label file"
    is_checked: bool | None = None
    """Of one without a box: whether a person has looked at it, after a model found none or drew in
    others of its file; None if nothing tells of a model."""
    split: str | None = None
    annotator: str = ""
    embedded: Callable[[], bytes] | None = None
    """Reads the picture, where it is no file of its own: in the label file, or in a video."""
    video: str = ""
    """The video, and the number of the frame in it, from 0."""
    frame: int | None = None
    problems: tuple[MalformedError, ...] = ()


def names_before_upload(name: str) -> tuple[str, ...]:
    """Return the name of a picture before Label Studio put a number in front of it.

    >>> names_before_upload("upload/0123abcd-a.jpg"), names_before_upload("a.jpg")
    (('upload/a.jpg',), ())
    """
    path = PurePosixPath(name)
    bare = _UPLOAD_PREFIX.sub("", path.name)
    return (str(path.with_name(bare)),) if bare != path.name else ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """Which model drew the boxes of a photograph, and how confident it was."""

    model: str
    scores: tuple[float, ...]
    """The confidence of each box, in [0, 1]."""
    certainty: float
    """Of the photograph as a whole, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class ExportedPhotograph:
    """A photograph of a data set, to be written in another format."""

    name: str
    """The file's name, unique in the data set."""
    split: str
    size_wh: tuple[int, int]
    """Width and height of the upright picture, in pixels."""
    boxes: tuple[Edges, ...]
    """In pixels of the upright picture."""
    class_name: str
    prediction: Prediction | None = None
    """None: the boxes are a person's labels."""

    @property
    def scores(self) -> Sequence[float | None]:
        """The confidence of each box; None for a person's."""
        return self.prediction.scores if self.prediction else [None] * len(self.boxes)


@dataclass(slots=True)
class Boxes:
    """Collects the boxes of a photograph, and what is wrong with the others."""

    found: list[LabelledBox] = field(default_factory=list)
    problems: list[MalformedError] = field(default_factory=list)

    def add(self, parse: Callable[[], LabelledBox | None]) -> None:
        """Add a box, or its problem; None is no box."""
        try:
            box = parse()
        except MalformedError as error:
            self.problems.append(error)
            return
        if box is not None:
            self.found.append(box)


def box_around(points: Iterable[Sequence[float]], where: str) -> Edges:
    """Return the box around points.

    Raises:
        MalformedError: If there is none.

    >>> box_around([(3, 1), (1, 5)], "")
    (1, 1, 3, 5)
    """
    pairs = list(points)
    if not pairs:
        raise MalformedError(where, "points", "none")
    xs, ys = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return min(xs), min(ys), max(xs), max(ys)


def turned(edges: Edges, degrees: float, about: tuple[float, float]) -> Edges:
    """Return the box around a box that is turned clockwise about a point.

    >>> [round(edge, 6) for edge in turned((0, 0, 4, 2), 90, about=(0, 0))]
    [-2.0, 0.0, 0.0, 4.0]
    """
    if degrees % 360 == 0:
        return edges
    left, top, right, bottom = edges
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    x, y = about
    return box_around(
        [
            (x + (a - x) * cosine - (b - y) * sine, y + (a - x) * sine + (b - y) * cosine)
            for a, b in corners
        ],
        "",
    )
