"""Label Studio's JSON and JSON-MIN: percent of the picture, several annotations per task.

https://labelstud.io/guide/task_format and https://labelstud.io/guide/export
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from container_doors.data.disk import split_in
from container_doors.data.formats.json_kinds import files_of
from container_doors.data.formats.json_values import Value, size_of, truth
from container_doors.data.formats.record import (
    Boxes,
    Edges,
    ExportedPhotograph,
    LabelledBox,
    LabelledPhotograph,
    MalformedError,
    Shape,
    box_around,
    names_before_upload,
    turned,
)
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.sources import Source

TOOL = "Label Studio"
_GEOMETRIES = ("rectangle", "polygon", "ellipse", "keypoint", "brush")
_LABELLED = {f"{one}labels" for one in _GEOMETRIES} | {"labels"}


def recognise(source: Source) -> bool:
    """Return whether the source has one of its files."""
    return bool(files_of(source, "labelstudio"))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read every annotation that was not cancelled; only the ground truth if there is one.

    Raises:
        MalformedError: If a file is not Label Studio's.
    """
    for member in files_of(source, "labelstudio") or source.labels(".json"):
        for task in Value(source.json(member), f"{source.where(member)}: $").each():
            yield from _minimal(task) if task.get("data") is None else _full(task)


def _full(task: Value) -> Iterator[LabelledPhotograph]:
    written = _picture(task.need("data"))
    annotations = task.get("annotations")
    every = [*annotations.each()] if annotations else []
    valid = [one for one in every if not truth(one.get("was_cancelled"))]
    chosen = [one for one in valid if truth(one.get("ground_truth"))] or valid
    if not chosen:
        unlabelled = _photograph(written, task, [], is_labelled=False)
        yield replace(unlabelled, why_unlabelled="not submitted")
    for one in chosen:
        results = one.get("result")
        yield _photograph(
            written, one, [*results.each()] if results else [], annotator=_annotator(one)
        )


def _annotator(annotation: Value) -> str:
    by = annotation.get("completed_by")
    if by is None:
        return ""
    if isinstance(by.raw, dict):
        return str(by.raw.get("email") or by.raw.get("id") or "")
    return str(by.raw)


def _minimal(task: Value) -> Iterator[LabelledPhotograph]:
    written = _picture(task)
    regions = [
        region
        for key, value in task.raw.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
        for region in Value(value, f"{task.where}.{key}").each()
        if "original_width" in region.raw or _LABELLED & set(region.raw)
    ]
    annotator = task.get("annotator")
    boxes = Boxes()
    for region in regions:
        boxes.add(partial(_region, region, region, _type_of(region.raw)))
    yield _record(written, task, boxes, regions, str(annotator.raw) if annotator else "")


def _type_of(region: Mapping[str, Any]) -> str:
    return next((key for key in region if key in _LABELLED), "labels")


def _picture(data: Value) -> str:
    """Find the picture's address: under ``image``, or the first value that names a picture."""
    if not isinstance(data.raw, dict):
        raise data.fault("an object")
    texts = {key: value for key, value in data.raw.items() if isinstance(value, str)}
    found = [texts["image"]] if "image" in texts else []
    found += [text for text in texts.values() if is_picture(_name_in(text))]
    if not found:
        raise data.fault("the address of a picture")
    return found[0]


def _name_in(address: str) -> str:
    r"""Return the path in an address of Label Studio.

    >>> _name_in("/data/local-files/?d=quay/a%20b.jpg"), _name_in("s3://bucket/dir/a.jpg")
    ('quay/a b.jpg', 'dir/a.jpg')
    """
    parts = urlsplit(address.replace("\\", "/"))
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path).lstrip("/")


def _photograph(
    written: str,
    annotation: Value,
    results: Sequence[Value],
    *,
    is_labelled: bool = True,
    annotator: str = "",
) -> LabelledPhotograph:
    boxes = Boxes()
    named = Counter(str(one.raw.get("id")) for one in results if one.raw.get("type") in _LABELLED)
    for one in results:
        kind = one.need("type").text()
        if kind in _LABELLED:
            boxes.add(partial(_region, one, one.need("value"), kind))
        elif kind in _GEOMETRIES and not named[str(one.raw.get("id"))]:
            boxes.problems.append(MalformedError(one.where, "a region with a label", "none"))
    return _record(written, annotation, boxes, results, annotator, is_labelled=is_labelled)


def _record(
    written: str,
    annotation: Value,
    boxes: Boxes,
    regions: Sequence[Value],
    annotator: str,
    *,
    is_labelled: bool = True,
) -> LabelledPhotograph:
    sizes = {size for one in regions if (size := size_of(one, "original_width", "original_height"))}
    name = _name_in(written)
    if len(sizes) > 1:
        found = ", ".join(f"{width:g} x {height:g}" for width, height in sorted(sizes))
        boxes.problems.append(MalformedError(annotation.where, "one size of the picture", found))
    path = PurePosixPath(name)
    return LabelledPhotograph(
        picture=name,
        also=names_before_upload(name),
        where=annotation.where,
        boxes=tuple(boxes.found),
        frame_wh=next(iter(sizes), None),
        is_labelled=is_labelled,
        split=split_in(path.parent),
        annotator=annotator,
        problems=tuple(boxes.problems),
        is_checked=True if is_labelled else None,
    )


def _region(region: Value, value: Value, kind: str) -> LabelledBox:
    rotation = region.get("image_rotation")
    if rotation is not None and rotation.number() % 360:
        raise rotation.fault(
            "0: the boxes of a picture that was turned while labelling are unclear"
        )
    names = value.get(kind) or value.get("labels")
    labels = [one.text() for one in names.each()] if names else []
    if len(labels) != 1:
        raise MalformedError(value.where, "one label", repr(labels))
    size = size_of(region, "original_width", "original_height")
    if size is None:
        raise MalformedError(region.where, "original_width and original_height", "none")
    edges, shape = _geometry(value, size)
    return LabelledBox(edges, labels[0], region.where, shape)


def _geometry(value: Value, size_wh: tuple[float, float]) -> tuple[Edges, Shape]:
    """Return the edges in pixels; a rotated box turns about its first corner, clockwise."""
    wide, high = size_wh[0] / 100, size_wh[1] / 100

    def percent(key: str, unit: float) -> float:
        return value.need(key).number() * unit

    points = value.get("points")
    if points is not None:
        pairs = [one.numbers() for one in points.each()]
        if any(len(pair) != 2 for pair in pairs):
            raise points.fault("pairs of x and y")
        return box_around([(x * wide, y * high) for x, y in pairs], points.where), "polygon"
    if value.get("rle") is not None:
        raise MalformedError(value.where, "a box, a polygon or an ellipse", "a brush's mask")
    x, y = percent("x", wide), percent("y", high)
    degrees = value.get("rotation")
    angle = degrees.number() if degrees else 0.0
    shape: Shape = "rotated box" if angle % 360 else "box"
    if value.get("radiusX") is not None:
        across, down = percent("radiusX", wide), percent("radiusY", high)
        return turned((x - across, y - down, x + across, y + down), angle, (x, y)), shape
    edges = (x, y, x + percent("width", wide), y + percent("height", high))
    return turned(edges, angle, (x, y)), shape


def write(photographs: Sequence[ExportedPhotograph], folder: Path) -> Mapping[str, str]:
    """Write ``tasks.json``; pictures go where the returned mapping says.

    Label Studio finds them as local files of the folder that is exported to:
    https://labelstud.io/guide/storage#Local-storage
    """
    places = {one.name: f"images/{one.split}/{one.name}" for one in photographs}
    tasks = [
        _task(number, one, places[one.name]) for number, one in enumerate(photographs, start=1)
    ]
    (folder / "tasks.json").write_text(json.dumps(tasks, indent=1) + "\n", encoding="utf-8")
    return places


def _task(number: int, one: ExportedPhotograph, place: str) -> dict[str, Any]:
    width, height = one.size_wh
    regions = [
        {
            "id": f"{number}-{index}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "x": left / width * 100,
                "y": top / height * 100,
                "width": (right - left) / width * 100,
                "height": (bottom - top) / height * 100,
                "rotation": 0,
                "rectanglelabels": [one.class_name],
            },
            **({} if score is None else {"score": round(score, 4)}),
        }
        for index, ((left, top, right, bottom), score) in enumerate(
            zip(one.boxes, one.scores, strict=True)
        )
    ]
    task: dict[str, Any] = {
        "id": number,
        "data": {"image": f"/data/local-files/?d={quote(place)}"},
    }
    if one.prediction is None:
        return task | {
            "annotations": [{"id": number, "result": regions, "was_cancelled": False}],
        }
    prediction = {
        "model_version": one.prediction.model,
        "score": round(one.prediction.certainty, 4),
        "result": regions,
    }
    return task | {"predictions": [prediction]}
