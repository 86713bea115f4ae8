"""Pascal VOC's format: an XML file per photograph.

Pixels count from 1, and the last one belongs to the box: edges are ``xmin - 1`` and ``xmax``. Where
one of a source's boxes begins at 0, its tool counts from 0: edges are ``xmin`` and ``xmax``.
Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf, section 8.3
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import escape

from container_doors.core.records import SPLITS
from container_doors.data.disk import split_in
from container_doors.data.formats.record import (
    Boxes,
    Edges,
    ExportedPhotograph,
    LabelledBox,
    LabelledPhotograph,
    box_around,
    turned,
)
from container_doors.data.formats.xml_elements import Element, read_xml, root_tag
from container_doors.data.sources import MOST_LABEL_BYTES, Source

TOOL = "Pascal VOC"
_ROOT = "annotation"


def recognise(source: Source) -> bool:
    """Return whether the source has a VOC file."""
    return any(root_tag(source, member) == _ROOT for member in source.labels(".xml"))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read every photograph.

    Raises:
        MalformedError: If a file is no XML.
    """
    listed = _splits(source)
    roots = ((member, read_xml(source, member)) for member in source.labels(".xml"))
    found = [_photograph(root, member, listed) for member, root in roots if root.tag == _ROOT]
    is_from_zero = any(_is_at_zero(box) for one in found for box in one.boxes)
    yield from map(_from_zero, found) if is_from_zero else found


def _is_at_zero(box: LabelledBox) -> bool:
    return box.shape == "box" and any(-1 <= edge < 0 for edge in box.edges[:2])


def _from_zero(one: LabelledPhotograph) -> LabelledPhotograph:
    return replace(one, boxes=tuple(map(_moved, one.boxes)))


def _moved(box: LabelledBox) -> LabelledBox:
    if box.shape != "box":
        return box
    left, top, right, bottom = box.edges
    return replace(box, edges=(left + 1, top + 1, right, bottom), is_from_zero=True)


def _splits(source: Source) -> dict[str, str]:
    """Read ImageSets/Main: which photographs are in which split, by their names."""
    found: dict[str, str] = {}
    stems = {PurePosixPath(member).stem for member in source.labels(".xml")}
    for member in source.members:
        path = PurePosixPath(member)
        if path.parent.name == "Main" and path.stem in SPLITS and path.suffix == ".txt":
            text = source.read(member, MOST_LABEL_BYTES).decode("utf-8", "replace")
            for name in filter(None, map(str.strip, text.splitlines())):
                # After the name there may be a flag (-1, 0, 1); the name may have spaces.
                found.setdefault(name if name in stems else name.split()[0], path.stem)
    return found


def _photograph(root: Element, member: str, listed: Mapping[str, str]) -> LabelledPhotograph:
    path = PurePosixPath(member)
    boxes = Boxes()
    for one in root.each("object"):
        boxes.add(partial(_box, one))
    name = root.content("filename") or root.content("path") or path.stem
    size = root.find("size")
    width, height = (size.number("width"), size.number("height")) if size else (0.0, 0.0)
    return LabelledPhotograph(
        picture=name,
        where=root.where,
        folder="" if path.parent == PurePosixPath() else path.parent.as_posix(),
        boxes=tuple(boxes.found),
        frame_wh=(width, height) if min(width, height) > 0 else None,
        split=listed.get(path.stem) or split_in(path.parent),
        problems=tuple(boxes.problems),
    )


def _box(one: Element) -> LabelledBox:
    rotated = one.find("robndbox")
    edges = _turned(rotated) if rotated else _edges(one.need("bndbox"))
    return LabelledBox(
        edges,
        one.need("name").text.strip(),
        one.where,
        "rotated box" if rotated else "box",
        left_out="difficult" if one.content("difficult") in {"1", "true", "True"} else None,
        is_truncated=one.content("truncated") in {"1", "true", "True"},
    )


def _edges(box: Element) -> Edges:
    left, top, right, bottom = map(box.number, ("xmin", "ymin", "xmax", "ymax"))
    return left - 1, top - 1, right, bottom


def _turned(box: Element) -> Edges:
    """Return the box around roLabelImg's turned one: a centre, a size, and an angle in radians."""
    x, y, width, height = map(box.number, ("cx", "cy", "w", "h"))
    edges = box_around(
        [(x - width / 2, y - height / 2), (x + width / 2, y + height / 2)], box.where
    )
    return turned(edges, math.degrees(box.number("angle")), (x, y))


def write(photographs: Sequence[ExportedPhotograph], folder: Path) -> Mapping[str, str]:
    """Write an XML file per photograph; pictures go where the returned mapping says."""
    lists = folder / "ImageSets" / "Main"
    for place in (folder / "Annotations", lists):
        place.mkdir(parents=True, exist_ok=True)
    by_split: dict[str, list[str]] = {}
    for one in photographs:
        stem = one.name.rpartition(".")[0]
        by_split.setdefault(one.split, []).append(stem)
        (folder / "Annotations" / f"{stem}.xml").write_text(_document(one), encoding="utf-8")
    for split, stems in by_split.items():
        (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), "utf-8")
    return {one.name: f"JPEGImages/{one.name}" for one in photographs}


def _document(one: ExportedPhotograph) -> str:
    width, height = one.size_wh
    objects = "".join(
        f"  <object>\n    <name>{escape(one.class_name)}</name>\n    <pose>Unspecified</pose>\n"
        "    <truncated>0</truncated>\n    <difficult>0</difficult>\n    <bndbox>\n"
        f"      <xmin>{left + 1:.4f}</xmin>\n      <ymin>{top + 1:.4f}</ymin>\n"
        f"      <xmax>{right:.4f}</xmax>\n      <ymax>{bottom:.4f}</ymax>\n"
        "    </bndbox>\n  </object>\n"
        for left, top, right, bottom in one.boxes
    )
    return (
        "<annotation>\n  <folder>JPEGImages</folder>\n"
        f"  <filename>{escape(one.name)}</filename>\n"
        f"  <size>\n    <width>{width}</width>\n    <height>{height}</height>\n"
        f"    <depth>3</depth>\n  </size>\n  <segmented>0</segmented>\n{objects}</annotation>\n"
    )
