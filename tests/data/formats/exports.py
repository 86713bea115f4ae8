"""Exports of labelling tools, built by hand, and what an import makes of them."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from container_doors.core.ports import Progress
from container_doors.core.records import Epoch
from container_doors.data.classes import ClassChoice
from container_doors.data.labels import read_boxes
from container_doors.steps.data.import_ import ImportOptions, ImportReport, import_data
from tests.data.trees import jpeg

WIDTH, HEIGHT = 64, 48
Edges = tuple[float, float, float, float]


class Quiet(Progress):
    """A progress display that shows nothing."""

    def say(self, text: str) -> None: ...

    def step(self, what: str, done: int, total: int) -> None: ...

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None: ...


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def zipped(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files into a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def pictures(*names: str, first_seed: int = 0) -> dict[str, str | bytes]:
    """Make a different photograph of 64 x 48 for each name."""
    return {name: jpeg(seed) for seed, name in enumerate(names, start=first_seed)}


def coco(
    boxes: Mapping[str, Sequence[Sequence[float]]],
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    category: str = "container_door",
    **extra: Any,
) -> str:
    """Write COCO's document; boxes are x, y, width, height by file name."""
    annotations: list[dict[str, Any]] = []
    for image_id, ones in enumerate(boxes.values()):
        for box in ones:
            annotations.append({
                "id": len(annotations), "image_id": image_id, "category_id": 3, "bbox": [*box],
                **extra,
            })  # fmt: skip
    return json.dumps({
        "images": [
            {"id": number, "file_name": name, "width": size[0], "height": size[1]}
            for number, name in enumerate(boxes)
        ],
        "categories": [{"id": 3, "name": category}],
        "annotations": annotations,
    })  # fmt: skip


def imported(*sources: Path, out: Path, **options: Any) -> ImportReport:
    """Import sources."""
    if isinstance(options.get("classes"), dict):
        options["classes"] = ClassChoice(**options["classes"])
    return import_data(sources, out, ImportOptions(**options), progress=Quiet())


def boxes_of(out: Path, size_wh: tuple[int, int] = (WIDTH, HEIGHT)) -> dict[str, list[Edges]]:
    """Read the boxes of a data set in pixels, by the photographs' places; rounded to 0.001 px."""
    width, height = size_wh
    found: dict[str, list[Edges]] = {}
    for image in sorted((out / "images").rglob("*.*")):
        place = image.relative_to(out / "images")
        edges = [box.edges for box in read_boxes((out / "labels" / place).with_suffix(".txt"))]
        found[place.as_posix()] = [
            (
                round(left * width, 3),
                round(top * height, 3),
                round(right * width, 3),
                round(bottom * height, 3),
            )
            for left, top, right, bottom in edges
        ]
    return found
