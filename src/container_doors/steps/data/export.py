"""Export a data set in the format of a labelling tool."""

import os
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.disk import is_full, size_text
from container_doors.core.errors import DatasetError
from container_doors.core.ports import Progress
from container_doors.core.records import SPLITS
from container_doors.data.convert_pictures import UnreadablePictureError, upright_size
from container_doors.data.formats.known import FORMATS, Write
from container_doors.data.formats.record import Edges, ExportedPhotograph
from container_doors.data.labels import read_boxes
from container_doors.data.layout import UNSPLIT, label_of, read_layout
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.placing import require_replaceable
from container_doors.data.safe_names import Names


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported: photographs by split, and the number of doors."""

    photographs: Mapping[str, int]
    doors: int


def export_data(
    dataset: Path, out: Path, format_name: str, *, has_pictures: bool, progress: Progress
) -> ExportReport:
    """Write a data set to a new folder or zip, in one step.

    Args:
        dataset: The folder of ``data.yaml``.
        out: A folder that is absent or empty, or a file with the suffix ``.zip``.
        format_name: One of the formats that can be written.
        has_pictures: Whether the photographs are copied too.
        progress: Receives the progress.

    Raises:
        DatasetError: If the data set cannot be read, or ``out`` is in the way.
    """
    require_free(out)
    found = list(_photographs(dataset, progress))
    if not found:
        raise DatasetError(f"{dataset}: expected photographs, found none",
                           hint=f"doors data validate --path {dataset}")  # fmt: skip
    exported = [one for _, one in found]
    _require_writable(exported, format_name, dataset)
    write_project(found if has_pictures else [], exported, out, format_name, progress=progress)
    return ExportReport(
        Counter(one.split for one in exported), sum(len(one.boxes) for one in exported)
    )


def write_project(
    copied: Sequence[tuple[Path, ExportedPhotograph]],
    exported: Sequence[ExportedPhotograph],
    out: Path,
    format_name: str,
    *,
    beside: Mapping[str, str] | None = None,
    progress: Progress,
) -> None:
    """Write labels, and pictures, to a new folder or zip, in one step.

    Args:
        copied: The pictures to copy, and what they are exported as.
        exported: All photographs, in order.
        out: A folder that is absent or empty, or a file with the suffix ``.zip``.
        format_name: One of the formats that can be written.
        beside: The text of other files, by name.
        progress: Receives the progress.
    """
    write = FORMATS[format_name].write
    if write is None:
        raise AssertionError(f"{format_name} cannot be written")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_project(copied, exported, out, write, beside or {}, progress)
    except OSError as error:
        if not is_full(error):
            raise
        need = size_text(sum(path.stat().st_size for path, _ in copied))
        what = f"{error.strerror}; the photographs need {need}, of a zip twice"
        raise OSError(error.errno, what, str(out)) from None


def _write_project(
    copied: Sequence[tuple[Path, ExportedPhotograph]],
    exported: Sequence[ExportedPhotograph],
    out: Path,
    write: Write,
    beside: Mapping[str, str],
    progress: Progress,
) -> None:
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch) / "export"
        folder.mkdir()
        places = write(exported, folder)
        _copy(copied, folder, places, progress)
        for name, text in beside.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        if out.suffix == ".zip":
            folder = _zipped(folder, Path(scratch) / "export.zip")
        folder.replace(out)


def require_free(out: Path) -> None:
    """Check that a project can be written there.

    Raises:
        DatasetError: If something is in the way.
    """
    require_replaceable(out)
    if out.exists() and not (out.is_dir() and out.suffix != ".zip" and not any(out.iterdir())):
        raise DatasetError(
            f"{out}: expected a new or empty folder, or a new zip, found something",
            hint="name another one: --out DIR, or --out FILE.zip",
        )


def _require_writable(
    exported: Sequence[ExportedPhotograph], format_name: str, dataset: Path
) -> None:
    splits = {one.split for one in exported}
    if format_name == "yolo" and UNSPLIT in splits and splits & set(SPLITS):
        count = sum(one.split == UNSPLIT for one in exported)
        raise DatasetError(
            f"{dataset}: expected every photograph in a split, found {count} in none: data.yaml "
            "has no place for them",
            hint=f"doors data split --path {dataset}",
        )


def _photographs(dataset: Path, progress: Progress) -> Iterator[tuple[Path, ExportedPhotograph]]:
    layout, findings = read_layout(dataset)
    if layout is None:
        raise DatasetError(str(findings[0]), hint=f"doors data validate --path {dataset}")
    pool = layout.root / "images" / UNSPLIT
    images = [(name, image) for name, files in layout.splits.items() for image in files.images]
    images += [(UNSPLIT, image) for image in sorted(pool.rglob("*")) if is_picture(image.name)]
    names = Names([])
    for done, (split, image) in enumerate(images, start=1):
        suffix = image.suffix.removeprefix(".").lower()
        name = names.new(image.name, suffix, image.parent.name)
        yield image, _photograph(name, split, image, layout.class_names)
        progress.step("reading", done, len(images))


def _photograph(
    name: str, split: str, image: Path, class_names: Sequence[str]
) -> ExportedPhotograph:
    check = "see every such file: doors data validate --path DIR"
    try:
        width, height = upright_size(image)
    except UnreadablePictureError as error:
        raise DatasetError(
            f"{image}: expected {error.expected}, found {error}", hint=check
        ) from None
    label = label_of(image)
    boxes = read_boxes(label)
    classes = {int(box.class_id) for box in boxes}
    if unknown := [one for one in classes if not 0 <= one < len(class_names)]:
        raise DatasetError(f"{label}: expected the class 0, found {unknown[0]}", hint=check)
    edges: list[Edges] = []
    for box in boxes:
        left, top, right, bottom = box.edges
        edges.append((left * width, top * height, right * width, bottom * height))
    class_name = class_names[classes.pop() if classes else 0]
    return ExportedPhotograph(name, split, (width, height), tuple(edges), class_name)


def _copy(
    found: Sequence[tuple[Path, ExportedPhotograph]],
    folder: Path,
    places: Mapping[str, str],
    progress: Progress,
) -> None:
    for done, (image, one) in enumerate(found, start=1):
        target = folder / places[one.name]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, target)
        progress.step("copying", done, len(found))


def _zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for parent, _, files in os.walk(folder):
            for name in sorted(files):
                file = Path(parent, name)
                # Photographs do not become smaller, and would take most of the time.
                kind = zipfile.ZIP_STORED if is_picture(name) else zipfile.ZIP_DEFLATED
                archive.write(file, file.relative_to(folder), kind)
    return path
