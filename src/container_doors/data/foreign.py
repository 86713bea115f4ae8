"""Recognise archives and labels in other formats than YOLO's, and name the import."""

import os
import shlex
import tarfile
import zipfile
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from container_doors.core.parsing import MOST_JSON_BYTES, ParsingError, read_bounded
from container_doors.data.disk import Disk

EXPORT = (
    'or export them as YOLO from the labelling tool (CVAT: "Ultralytics YOLO Detection", '
    'Label Studio: "YOLO with Images", Roboflow: "YOLOv11"); see docs/data.md'
)
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".7z", ".rar")
_SIGNS = {
    ".json": (
        ("COCO annotations", (b'"annotations"', b'"images"', b'"categories"')),
        ("labels of LabelMe", (b'"shapes"', b'"imagePath"')),
        ("labels of Label Studio", (b'"rectanglelabels"',)),
        ("labels of VIA", (b'"shape_attributes"',)),
        ("labels of CreateML", (b'"coordinates"', b'"annotations"')),
    ),
    ".xml": (
        ("Pascal VOC annotations", (b"<annotation", b"<bndbox")),
        ("annotations of CVAT", (b"<annotations", b"<image ")),
    ),
    ".csv": (("a table of boxes", (b"xmin", b"ymax")),),
    ".ndjson": (("labels of Ultralytics' platform", (b"{",)),),
    ".tfrecord": (("a TFRecord", ()),),
    ".parquet": (("a Parquet table", ()),),
}
"""By suffix: kinds of files, and the byte strings that a file of that kind has."""

_IN_FOLDERS = {"Pascal VOC annotations": "voc", "labels of LabelMe": "labelme"}
"""Kinds with a file per photograph: their folder is imported, in which others may lie."""

_IMPORTED = (
    "COCO annotations", "labels of Label Studio", "annotations of CVAT", "a table of boxes",
    *_IN_FOLDERS,
)  # fmt: skip
_MOST_FILES = 3000
_MOST_BESIDE = 20
_MOST_MEMBERS = 20_000


@dataclass(frozen=True, slots=True)
class Form:
    """A file with photographs or labels in another format than YOLO's."""

    path: Path
    what: str
    remedy: str
    is_imported: bool = False
    """Whether the remedy is an import, which writes ``data.yaml`` too."""

    def __str__(self) -> str:
        return f"{self.path.name}, {self.what}"


def find_form(dataset: Path, disk: Disk) -> Form | None:
    """Find labels in another format in a data set's folder and beside it, or else archives.

    Archives beside the folder are considered only if it has no photograph.
    """
    inside = list(islice(_files(dataset), _MOST_FILES))
    beside = [path for path in sorted(dataset.parent.glob("*.*")) if _is_foreign(path.name)]
    beside = beside[:_MOST_BESIDE]
    for path in (*inside, *beside):
        if form := label_form(path, disk):
            return form
    archives = inside if disk.keys() else [*inside, *beside]
    return next((form for path in archives if (form := archive_form(path, dataset))), None)


def forms_named(names: Set[str], disk: Disk) -> list[Form]:
    """Find label files in another format that belong to some photographs of a data set.

    Args:
        names: The names of the photographs, without their suffix.
        disk: The data set. The remedy adds the labels to it.
    """
    named = (path for path in _files(disk.root) if {path.stem, Path(path.stem).stem} & names)
    forms = (label_form(path, disk, is_added=True) for path in islice(named, _MOST_FILES))
    return [form for form in forms if form and form.what in _IN_FOLDERS]


def label_form(path: Path, disk: Disk, *, is_added: bool = False) -> Form | None:
    """Recognise the format of a file's labels; None if it is not known.

    Args:
        path: The file.
        disk: The data set.
        is_added: Whether the remedy adds the labels to the data set; otherwise it makes another.
    """
    signs = _SIGNS.get(path.suffix.lower())
    if signs is None:
        return None
    try:
        data = read_bounded(path, MOST_JSON_BYTES) if any(needed for _, needed in signs) else b""
    except (OSError, ParsingError):
        return None
    what = next((what for what, needed in signs if all(sign in data for sign in needed)), None)
    if what is None:
        return None
    out = disk.root if is_added else None
    return Form(path, what, _conversion(path, what, disk, out), what in _IMPORTED)


def archive_form(path: Path, dataset: Path) -> Form | None:
    """Recognise an archive that may contain the data set, and name the command to import it.

    One with attributes.csv is unpacked instead: an import does not read it.
    """
    if not path.name.lower().endswith(_ARCHIVES) or Path(f"{path}.dvc").exists():
        return None
    archive, folder = shlex.quote(str(path)), shlex.quote(str(dataset))
    if zipfile.is_zipfile(path):
        if not _has_attributes(path):
            command = f"doors data import {archive} --out {folder}"
            return Form(path, "an archive", f"import it: {command}", is_imported=True)
        command = f"python3 -m zipfile -e {archive} {folder}"
    elif path.suffix.lower() in {".7z", ".rar", ".zip"}:
        command = f"7z x {archive} -o{folder}"
    else:
        command = f"mkdir -p {folder} && tar -xf {archive} -C {folder}"
    inside = _folder_inside(path)
    where = shlex.quote(str(dataset / inside)) if inside else folder
    return Form(
        path, "an archive", f"unpack it: {command}; then: doors data validate --path {where}"
    )


def _conversion(path: Path, what: str, disk: Disk, out: Path | None) -> str:
    if what not in _IMPORTED:
        return f"labels must be YOLO's text files: {EXPORT.removeprefix('or ')}"
    source = _folder_of(path, disk) if what in _IN_FOLDERS else path
    out = out or disk.root.with_name(f"{disk.root.resolve().name}-imported")
    words = ["doors", "data", "import", str(source), "--images", str(disk.root), "--out", str(out)]
    words += ["--format", _IN_FOLDERS[what]] if what in _IN_FOLDERS else []
    return f"import them: {shlex.join(words)}; {EXPORT}"


def _folder_of(path: Path, disk: Disk) -> Path:
    """Return the folder that has all label files with a suffix: they may lie in several."""
    if not path.is_relative_to(disk.root):
        return path.parent
    same = islice((one for one in _files(disk.root) if one.suffix == path.suffix), _MOST_FILES)
    return Path(os.path.commonpath([one.parent for one in (path, *same)]))


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if _is_foreign(name))


def _is_foreign(name: str) -> bool:
    return name.lower().endswith((*_SIGNS, *_ARCHIVES))


def _has_attributes(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_MOST_MEMBERS]
    except (OSError, zipfile.BadZipFile, EOFError, ValueError):
        return False
    return any(PurePosixPath(name).name == "attributes.csv" for name in names)


def _folder_inside(path: Path) -> str:
    """Return the folder in an archive that has ``data.yaml``; empty if there is none."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()[:_MOST_MEMBERS]
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                names = [member.name for member in islice(tar, _MOST_MEMBERS)]
        else:
            return ""
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError):
        return ""
    found = [PurePosixPath(name) for name in names if PurePosixPath(name).name == "data.yaml"]
    if not found:
        return ""
    folder = min(found, key=lambda one: len(one.parts)).parent
    return "" if ".." in folder.parts or folder.is_absolute() else str(folder).strip(".")
