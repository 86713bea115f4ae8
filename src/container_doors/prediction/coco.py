"""What was found as two files of COCO's: the photographs, and the results in them."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from container_doors.core.files import make_folder, put_in_place
from container_doors.core.predictions import Door, PhotographResult


def write_coco(folder: Path, results: Iterable[PhotographResult], classes: Sequence[str]) -> None:
    """Write ``coco/images.json`` and ``coco/results.json``: ``COCO(images).loadRes(results)``.

    Categories count from 1, as COCO's do. Photographs that could not be read are left out.
    """
    place = folder / "coco"
    make_folder(place)
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    head = json.dumps({"categories": categories, "annotations": []})[:-1]
    staged = [place / f".{name}.{os.getpid()}" for name in ("images.json", "results.json")]
    try:
        with ExitStack() as stack:
            images, boxes = (
                _List(stack.enter_context(one.open("w", encoding="utf-8"))) for one in staged
            )
            images.file.write(f'{head}, "images": ')
            for number, result in enumerate(_readable(results), start=1):
                images.add(_image(result, number))
                for door in result.detections:
                    boxes.add(_result(door, number))
            images.end("}")
            boxes.end("")
        for one, name in zip(staged, ("images.json", "results.json"), strict=True):
            put_in_place(one, place / name)
    finally:
        for one in staged:
            one.unlink(missing_ok=True)


class _List:
    """A JSON list that is written item by item: a whole one would fill the memory."""

    def __init__(self, file: TextIOWrapper) -> None:
        self.file, self._before = file, "[\n"

    def add(self, item: dict[str, Any]) -> None:
        self.file.write(self._before + json.dumps(item, ensure_ascii=False))
        self._before = ",\n"

    def end(self, after: str) -> None:
        self.file.write(("[" if self._before.startswith("[") else "") + f"\n]{after}\n")


def _readable(results: Iterable[PhotographResult]) -> Iterator[PhotographResult]:
    return (one for one in results if one.original_shape is not None)


def _image(result: PhotographResult, number: int) -> dict[str, Any]:
    height, width = result.original_shape or (0, 0)
    name = result.path if result.frame is None else f"{result.path}@{result.frame.index}"
    return {"id": number, "file_name": name, "width": width, "height": height}


def _result(door: Door, image_id: int) -> dict[str, Any]:
    left, top, right, bottom = door.box_xyxy
    return {
        "image_id": image_id,
        "category_id": door.class_id + 1,
        "bbox": [left, top, right - left, bottom - top],
        "score": door.confidence,
    }
