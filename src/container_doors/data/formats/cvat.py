"""CVAT's XML 1.1, for images and for videos.

https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import quoteattr

from container_doors.data.disk import split_in
from container_doors.data.formats.record import (
    Boxes,
    Edges,
    ExportedPhotograph,
    LabelledBox,
    LabelledPhotograph,
    MalformedError,
    Shape,
    box_around,
    turned,
)
from container_doors.data.formats.xml_elements import Element, as_number, read_xml, root_tag
from container_doors.data.photograph_suffixes import is_picture, is_video
from container_doors.data.prelabelled import PRELABELLED
from container_doors.data.sources import PictureIndex, Source
from container_doors.data.video_frames import VideoFrames

TOOL = "CVAT"
_MOST_FRAMES = 2_000_000
_BY_MODEL = "auto"
_SCORE = "score"
"""The attribute of a box for a model's confidence; CVAT skips attributes that a label lacks."""


def recognise(source: Source) -> bool:
    """Return whether the source has a CVAT file."""
    return any(root_tag(source, member) == "annotations" for member in source.labels(".xml"))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read every photograph; of a video, its frames.

    Raises:
        MalformedError: If a file is not CVAT's.
    """
    for member in source.labels(".xml"):
        root = read_xml(source, member)
        if root.tag == "annotations":
            folder = PurePosixPath(member).parent.as_posix()
            folder = "" if folder == "." else folder
            is_drawn = _is_drawn_by_a_model(root)
            for image in root.each("image"):
                yield _image(image, folder, is_drawn=is_drawn)
            tracks = [*root.each("track")]
            if tracks or not root.find("image"):
                yield from _frames(source, root, tracks, folder)


def _is_drawn_by_a_model(root: Element) -> bool:
    """Return whether it is a project with a model's boxes, or an export of one."""
    shapes = (one for image in root.each("image") for one in image.children)
    return root.content("meta/source") == PRELABELLED or any(
        one.attributes.get("source") == _BY_MODEL or _is_scored(one) for one in shapes
    )


def _is_scored(shape: Element) -> bool:
    return any(part.attributes.get("name") == _SCORE for part in shape.each("attribute"))


def _image(image: Element, folder: str, *, is_drawn: bool) -> LabelledPhotograph:
    boxes = Boxes()
    for one in image.children:
        if one.tag in _SHAPES:
            boxes.add(partial(_box, one, one.attributes.get("label", "")))
    tags = [one for one in image.children if one.tag == "tag"]
    is_tagged = any(one.attributes.get("source") != _BY_MODEL for one in tags)
    subset = image.attributes.get("subset", "")
    name = image.attributes.get("name", "")
    return LabelledPhotograph(
        picture=name,
        where=image.where,
        folder=folder,
        boxes=tuple(boxes.found),
        frame_wh=(image.attribute("width"), image.attribute("height")),
        split=split_in(PurePosixPath(subset or PurePosixPath(name).parent)),
        problems=tuple(boxes.problems),
        is_checked=True if is_tagged else False if is_drawn else None,
    )


def _box(one: Element, label: str) -> LabelledBox:
    if not label:
        raise MalformedError(one.where, "a label", "none")
    edges, shape = _SHAPES[one.tag](one), _KINDS.get(one.tag, "polygon")
    degrees = float(one.attributes.get("rotation") or 0)
    if degrees:
        middle = ((edges[0] + edges[2]) / 2, (edges[1] + edges[3]) / 2)
        edges, shape = turned(edges, degrees, middle), "rotated box"
    return LabelledBox(edges, label, one.where, shape, is_scored=_is_scored(one))


def _corners(one: Element) -> Edges:
    left, top, right, bottom = map(one.attribute, ("xtl", "ytl", "xbr", "ybr"))
    return left, top, right, bottom


def _points(one: Element) -> Edges:
    points = []
    for pair in one.attributes.get("points", "").split(";"):
        numbers = [as_number(text, one.where, "points") for text in pair.split(",")]
        if len(numbers) != 2:
            raise MalformedError(one.where, "points: x,y;x,y;...", repr(pair))
        points.append(numbers)
    return box_around(points, one.where)


def _ellipse(one: Element) -> Edges:
    x, y, wide, high = map(one.attribute, ("cx", "cy", "rx", "ry"))
    return x - wide, y - high, x + wide, y + high


def _mask(one: Element) -> Edges:
    left, top, width, height = map(one.attribute, ("left", "top", "width", "height"))
    return left, top, left + width, top + height


def _cuboid(one: Element) -> Edges:
    names = [name for name in one.attributes if re.fullmatch(r"[xy][tb][lr][12]", name)]
    ends = {name[1:] for name in names}
    return box_around(
        [(one.attribute(f"x{end}"), one.attribute(f"y{end}")) for end in sorted(ends)], one.where
    )


def _skeleton(one: Element) -> Edges:
    corners = [_points(point) for point in one.each("points")]
    return box_around([pair for edges in corners for pair in (edges[:2], edges[2:])], one.where)


_SHAPES: dict[str, Callable[[Element], Edges]] = {
    "box": _corners,
    "polygon": _points,
    "polyline": _points,
    "points": _points,
    "ellipse": _ellipse,
    "mask": _mask,
    "cuboid": _cuboid,
    "skeleton": _skeleton,
}
_KINDS: dict[str, Shape] = {"box": "box", "points": "keypoints", "skeleton": "keypoints"}


def _frames(
    source: Source, root: Element, tracks: Sequence[Element], folder: str
) -> Iterator[LabelledPhotograph]:
    """Yield the frames that the source has as pictures; if it has none, those of its video."""
    task = next((found for name in ("task", "job") if (found := root.find(f"meta/{name}"))), root)
    frames = _numbers(task, tracks)
    size = next((one for one in (task.find("original_size"), root.find("meta/original_size"))
                 if one), None)  # fmt: skip
    frame_wh = (size.number("width"), size.number("height")) if size else None
    boxes = _by_frame(tracks, frames)
    index = PictureIndex([one for one in source.members if is_picture(one)])
    name = root.content("meta/source") or task.content("source") or "video"
    present = [number for number in frames if index.find(_name(number), folder)]
    video = None if present else _video(source, name, root)
    for number in present or frames:
        labelled = boxes.get(number) or Boxes()
        yield LabelledPhotograph(
            picture=_name(number),
            where=root.where,
            folder=folder,
            boxes=tuple(labelled.found),
            frame_wh=frame_wh,
            problems=tuple(labelled.problems),
            embedded=partial(video.read, number) if video else None,
            video=PurePosixPath(name).name,
            frame=number,
        )


def _name(number: int) -> str:
    return f"frame_{number:06d}"


def _numbers(task: Element, tracks: Sequence[Element]) -> range:
    """Return the numbers of the task's frames in the video."""
    boxes = [one for track in tracks for one in track.children if one.tag in _SHAPES]
    last = max((int(one.attribute("frame")) for one in boxes), default=-1)
    start = _number(task, "start_frame") or 0
    written = re.search(r"step\s*=\s*(\d+)", task.content("frame_filter"))
    step = max(1, int(written[1])) if written else 1
    stop = _number(task, "stop_frame")
    if stop is None:
        stop = start + ((_number(task, "size") or 0) - 1) * step
    stop = max(stop, last)
    if not 0 <= start <= _MOST_FRAMES or stop > _MOST_FRAMES:
        raise MalformedError(task.where, f"frames from 0 to {_MOST_FRAMES}", f"{start} to {stop}")
    return range(start, stop + 1, step)


def _number(task: Element, name: str) -> int | None:
    text = task.content(name)
    return int(as_number(text, task.where, name)) if text else None


def _by_frame(tracks: Sequence[Element], frames: range) -> dict[int, Boxes]:
    """Return the boxes of every frame: those between two that are stated lie between them.

    A box stays until the next one, or until the end if there is none; from one with ``outside`` on
    the object is not in view.
    """
    found: dict[int, Boxes] = {}
    for track in tracks:
        label = track.attributes.get("label", "")
        stated = sorted(
            ((int(one.attribute("frame")), one) for one in track.children if one.tag in _SHAPES),
            key=lambda pair: pair[0],
        )
        for (number, one), following in zip(stated, [*stated[1:], None], strict=True):
            if one.attributes.get("outside") == "1":
                continue
            end = following[0] if following else frames.stop
            for frame in range(number, end):
                if frame in frames:
                    part = (frame - number) / (end - number)
                    boxes = found.setdefault(frame, Boxes())
                    boxes.add(partial(_between, one, following[1] if following else None, part,
                                      label))  # fmt: skip
    return found


def _between(one: Element, following: Element | None, part: float, label: str) -> LabelledBox:
    box = _box(one, label)
    if not part or following is None or following.attributes.get("outside") == "1":
        return box
    other = _box(following, label)
    left, top, right, bottom = (
        a + (b - a) * part for a, b in zip(box.edges, other.edges, strict=True)
    )
    return LabelledBox((left, top, right, bottom), label, box.where, box.shape)


def _video(source: Source, name: str, root: Element) -> VideoFrames:
    index = PictureIndex([one for one in source.members if is_video(one)])
    found = index.find(name)
    if len(found) != 1:
        raise MalformedError(
            root.where,
            "its frames as pictures (frame_000000.jpg, ...) or its video in the source",
            f"neither them nor {name!r}",
        )
    return VideoFrames(source, found[0])


def write(photographs: Sequence[ExportedPhotograph], folder: Path) -> Mapping[str, str]:
    """Write ``annotations.xml``; pictures go where the returned mapping says."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    if any(one.prediction for one in photographs):
        lines.append(f"  <meta><source>{PRELABELLED}</source></meta>")
    places = {}
    for number, one in enumerate(photographs):
        places[one.name] = f"images/{one.name}"
        width, height = one.size_wh
        lines.append(
            f"  <image id={quoteattr(str(number))} name={quoteattr(one.name)} "
            f'subset={quoteattr(one.split)} width="{width}" height="{height}">'
        )
        source = _BY_MODEL if one.prediction else "manual"
        lines += [
            f'    <box label={quoteattr(one.class_name)} source="{source}" occluded="0" '
            f'xtl="{left:.4f}" ytl="{top:.4f}" xbr="{right:.4f}" ybr="{bottom:.4f}" z_order="0">'
            f"{_attribute(score)}</box>"
            for (left, top, right, bottom), score in zip(one.boxes, one.scores, strict=True)
        ]
        lines.append("  </image>")
    (folder / "annotations.xml").write_text("\n".join([*lines, "</annotations>", ""]), "utf-8")
    return places


def _attribute(score: float | None) -> str:
    return "" if score is None else f'<attribute name="{_SCORE}">{score:.4f}</attribute>'
