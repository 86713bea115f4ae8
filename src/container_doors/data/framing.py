"""Relates boxes to the upright picture, which is what training uses.

A phone stores a photograph as its sensor lies, with an EXIF mark that says how to turn it. Most
labelling tools show it upright, some as stored: the size that the labels state tells which. Where
it does not tell, boxes are taken as drawn upright.
"""

import math
from dataclasses import dataclass

from container_doors.data.convert_pictures import TURNS, Prepared
from container_doors.data.formats.record import (
    Edges,
    LabelledBox,
    LabelledPhotograph,
    MalformedError,
    box_around,
)

_SAME_SIZE_PX = 0.5
_FEWEST_INSIDE = 0.5
"""A box of which less than this is inside of the picture is no box that slipped over its edge."""


@dataclass(frozen=True, slots=True)
class Framed:
    """The boxes in fractions of the upright picture."""

    boxes: tuple[tuple[Edges, LabelledBox], ...]
    problems: tuple[MalformedError, ...]
    clipped: int
    """How many boxes ended outside, and were clipped."""
    is_turned: bool
    """Whether they were drawn on the picture as stored, and turned with it."""
    is_assumed: bool
    """Whether the labels do not tell on which of both they were drawn."""


def frame(photograph: LabelledPhotograph, picture: Prepared) -> Framed:
    """Relate a photograph's boxes to its picture; a box that cannot be is a problem."""
    frame_wh = photograph.frame_wh or picture.upright_wh
    is_upright = _is_same(frame_wh, picture.upright_wh)
    if not is_upright and not _is_same(frame_wh, picture.stored_wh):
        wide, high = picture.upright_wh
        problem = MalformedError(
            photograph.where,
            f"{frame_wh[0]:g} x {frame_wh[1]:g} pixels, as the labels say",
            f"a picture of {wide} x {high}",
        )
        return Framed((), (problem,), 0, is_turned=False, is_assumed=False)
    turn = TURNS[1 if is_upright else picture.orientation]
    boxes, problems, clipped = [], [], 0
    for box in photograph.boxes:
        scale = (1.0, 1.0) if photograph.is_fraction else frame_wh
        left, top, right, bottom = box.edges
        corners = [turn(x / scale[0], y / scale[1]) for x, y in ((left, top), (right, bottom))]
        whole = box_around(corners, box.where)
        inside = _clipped(whole)
        problem_found = _problem(whole, inside, box, picture)
        if problem_found is not None:
            problems.append(problem_found)
            continue
        clipped += inside != whole
        boxes.append((inside, box))
    has_stated = photograph.frame_wh is not None
    tells = has_stated and picture.upright_wh != picture.stored_wh
    return Framed(
        tuple(boxes),
        tuple(problems),
        clipped,
        is_turned=not is_upright,
        is_assumed=picture.orientation != 1 and not tells and bool(photograph.boxes),
    )


def _is_same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= _SAME_SIZE_PX for a, b in zip(one, other, strict=True))


def _clipped(edges: Edges) -> Edges:
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in edges)
    return left, top, right, bottom


def _problem(
    whole: Edges, inside: Edges, box: LabelledBox, picture: Prepared
) -> MalformedError | None:
    if not all(map(math.isfinite, whole)):
        return MalformedError(box.where, "finite numbers", str(box.edges))
    area = (box.edges[2] - box.edges[0]) * (box.edges[3] - box.edges[1])
    if box.edges[2] <= box.edges[0] or box.edges[3] <= box.edges[1] or area <= 0:
        size = f"{box.edges[2] - box.edges[0]:g} x {box.edges[3] - box.edges[1]:g}"
        return MalformedError(box.where, "a box with a width and a height above 0", size)
    if _area(inside) < _FEWEST_INSIDE * _area(whole):
        wide, high = picture.upright_wh
        found = "left {:g}, top {:g}, right {:g}, bottom {:g}".format(*box.edges)
        return MalformedError(box.where, f"a box inside of the picture of {wide} x {high}", found)
    return None


def _area(edges: Edges) -> float:
    return max(0.0, edges[2] - edges[0]) * max(0.0, edges[3] - edges[1])
