"""COCO's detection format: one JSON file with images, annotations and categories.

https://cocodataset.org/#format-data
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from container_doors.data.disk import split_in
from container_doors.data.formats.json_kinds import files_of
from container_doors.data.formats.json_values import Value, size_of, truth
from container_doors.data.formats.record import (
    Boxes,
    ExportedPhotograph,
    LabelledBox,
    LabelledPhotograph,
    MalformedError,
    Shape,
    box_around,
)
from container_doors.data.prelabelled import PRELABELLED
from container_doors.data.sources import Source

TOOL = "COCO"


def recognise(source: Source) -> bool:
    """Return whether the source has a COCO file."""
    return bool(files_of(source, "coco"))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read every photograph of every COCO file.

    Raises:
        MalformedError: If a file is not COCO's.
    """
    for member in files_of(source, "coco") or source.labels(".json"):
        yield from _read_file(source, member)


def _read_file(source: Source, member: str) -> Iterator[LabelledPhotograph]:
    root = Value(source.json(member), f"{source.where(member)}: $")
    classes = {
        _key(one.need("id")): one.need("name").text() for one in root.need("categories").each()
    }
    by_image: dict[object, list[Value]] = defaultdict(list)
    for annotation in root.need("annotations").each():
        by_image[_key(annotation.need("image_id"))].append(annotation)
    path = PurePosixPath(member)
    split = split_in(path.parent) or split_in(PurePosixPath(path.stem), within_names=True)
    is_drawn = _is_drawn_by_a_model(root)
    seen: set[object] = set()
    for image in root.need("images").each():
        key = _key(image.need("id"))
        if key in seen:
            raise MalformedError(f"{image.where}.id", "an id of its own", repr(key))
        seen.add(key)
        boxes = Boxes()
        for annotation in by_image.pop(key, ()):
            boxes.add(partial(_box, annotation, classes))
        name = image.need("file_name").text()
        yield LabelledPhotograph(
            picture=name,
            where=image.where,
            folder="" if path.parent == PurePosixPath() else path.parent.as_posix(),
            boxes=tuple(boxes.found),
            frame_wh=size_of(image, "width", "height"),
            split=split or split_in(PurePosixPath(name).parent),
            problems=tuple(boxes.problems),
            is_checked=False if is_drawn else None,
        )
    for key, annotations in by_image.items():
        raise MalformedError(f"{annotations[0].where}.image_id", "the id of an image", repr(key))


def _is_drawn_by_a_model(root: Value) -> bool:
    info = root.raw.get("info")
    is_ours = isinstance(info, dict) and info.get("description") == PRELABELLED
    boxes = root.raw["annotations"]
    return is_ours or any(one.get("score") is not None for one in boxes if isinstance(one, dict))


def _key(value: Value) -> object:
    if isinstance(value.raw, bool) or not isinstance(value.raw, int | str):
        raise value.fault("an id")
    return value.raw


def _box(annotation: Value, classes: Mapping[object, str]) -> LabelledBox | None:
    category = annotation.need("category_id")
    if _key(category) not in classes:
        raise category.fault("the id of a category")
    edges, shape = _edges(annotation)
    is_crowd = truth(annotation.get("iscrowd"))
    return LabelledBox(
        edges,
        classes[category.raw],
        annotation.where,
        shape,
        left_out="crowd" if is_crowd else None,
        is_scored=annotation.get("score") is not None,
    )


def _edges(annotation: Value) -> tuple[tuple[float, float, float, float], Shape]:
    box = annotation.get("bbox")
    if box is not None and box.raw != []:
        numbers = box.numbers()
        if len(numbers) != 4:
            raise box.fault("x, y, width and height")
        x, y, width, height = numbers
        return (x, y, x + width, y + height), "box"
    polygons = annotation.need("segmentation")
    points = [
        pair
        for polygon in polygons.each()
        for pair in zip(polygon.numbers()[::2], polygon.numbers()[1::2], strict=False)
    ]
    return box_around(points, polygons.where), "polygon"


def write(photographs: Sequence[ExportedPhotograph], folder: Path) -> Mapping[str, str]:
    """Write a JSON file per split; pictures go where the returned mapping says, by their name."""
    places = {}
    by_split: dict[str, list[ExportedPhotograph]] = defaultdict(list)
    for one in photographs:
        by_split[one.split].append(one)
        places[one.name] = f"images/{one.split}/{one.name}"
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for split, ones in by_split.items():
        path = folder / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(_document(ones), indent=1) + "\n", encoding="utf-8")
    return places


def _document(photographs: Sequence[ExportedPhotograph]) -> dict[str, Any]:
    names = sorted({one.class_name for one in photographs})
    annotations: list[dict[str, Any]] = []
    for number, one in enumerate(photographs, start=1):
        for (left, top, right, bottom), score in zip(one.boxes, one.scores, strict=True):
            annotations.append({
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": names.index(one.class_name) + 1,
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
                "segmentation": [],
                **({} if score is None else {"score": round(score, 4)}),
            })  # fmt: skip
    is_drawn = any(one.prediction for one in photographs)
    return {
        **({"info": {"description": PRELABELLED}} if is_drawn else {}),
        "images": [
            {"id": number, "file_name": one.name, "width": one.size_wh[0], "height": one.size_wh[1]}
            for number, one in enumerate(photographs, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
