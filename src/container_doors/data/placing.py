"""Puts imported photographs into a data set: all of them in one step, or none.

The next state of the data set is made beside it (:func:`~container_doors.core.files.staged_for`),
of links to the files that stay, and exchanged with it. A kill, a full disk or Ctrl-C leaves the
data set as it was, and the same command begins again.
"""

import csv
import errno
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import yaml

from container_doors.core.disk import is_full, size_text
from container_doors.core.errors import DatasetError
from container_doors.core.files import (
    force_file_system_to_disk,
    heal,
    link_file,
    open_lock,
    replace_folder,
    staged_for,
    try_lock,
)
from container_doors.core.parsing import ParsingError, parse_yaml, read_bounded
from container_doors.core.records import SPLITS
from container_doors.data.attributes import ATTRIBUTES_CSV
from container_doors.data.data_yaml import DATA_YAML, class_names
from container_doors.data.layout import UNLABELLED, UNSPLIT
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.source_table import SOURCES_CSV, Origin, read_origins, table_text
from container_doors.data.spreadsheet import MOST_BYTES, read_table

_IMAGES, _LABELS = "images", "labels"
_COLUMNS = ("image", "group")
_CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Placed:
    """A photograph that is in the data set already."""

    place: str
    """Its path below ``images/``."""
    label: str | None
    """The text of its label file; None if it has none."""
    origin: Origin | None
    """Its row in ``sources.csv``."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data set before the import."""

    folder: Path
    by_sha256: Mapping[str, Placed]
    """By the hash of the file that was imported."""
    names: frozenset[str]
    origins: Mapping[str, Origin]


def read_dataset(folder: Path, class_name: str) -> Dataset:
    """Read what is in a data set; an absent or empty folder is an empty one.

    Raises:
        DatasetError: If it has another layout or another class.
    """
    if Path.cwd().is_relative_to(os.path.realpath(folder)):
        raise DatasetError(
            f"{folder}: expected a folder for the data set alone, found the one of this workspace",
            hint=f"--out {folder / 'data/processed/detection'}",
        )
    require_replaceable(folder)
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is a file; expected a folder", hint="--out DIR")
    _check_yaml(folder, class_name)
    origins = read_origins(folder)
    by_sha256, names, here = {}, set(), {}
    for place in _pictures(folder / _IMAGES):
        name = PurePosixPath(place).name
        names.add(name)
        origin = origins.get(name)
        if origin is not None:  # it may have moved to another split since
            origin = here[name] = replace(origin, photograph=place)
        digest = origin.sha256 if origin else _sha256(folder / _IMAGES / place)
        label = folder / _LABELS / PurePosixPath(place).with_suffix(".txt")
        text = label.read_text("utf-8", "replace") if label.is_file() else None
        by_sha256[digest] = Placed(place, text, origin)
    return Dataset(folder, by_sha256, frozenset(names), here)


def require_replaceable(folder: Path) -> None:
    """Check, before anything is done, that a folder can be exchanged with another one.

    Raises:
        DatasetError: If it is a mount point, such as a volume of Docker or a second disk.
        OSError: If that is read-only.
    """
    if not os.path.ismount(os.path.realpath(folder)):
        return
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
    raise DatasetError(
        f"{folder} is a mount point, which cannot be exchanged with a folder",
        hint=f"name a folder below it, such as {folder / 'detection'}",
    )


def _check_yaml(folder: Path, class_name: str) -> None:
    path = folder / DATA_YAML
    if not path.exists():
        return
    try:
        document = parse_yaml(read_bounded(path, MOST_BYTES))
    except ParsingError as error:
        raise DatasetError(f"{path}: {error}", hint="correct it, or import into a new folder: "
                           "--out DIR") from None  # fmt: skip
    names = class_names(document.get("names")) if isinstance(document, dict) else None
    if names != [class_name]:
        raise DatasetError(
            f"{path}: expected names: ['{class_name}'], found {names}",
            hint="import into a new folder: --out DIR",
        )
    for split in SPLITS:
        value = document.get(split, f"images/{split}")
        if PurePosixPath(str(value)) != PurePosixPath(_IMAGES, split):
            raise DatasetError(
                f"{path}: expected {split}: images/{split}, found {value!r}",
                hint=f"import this data set too, into a new folder: doors data import {folder} "
                "--out DIR",
            )


def _pictures(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(parent).relative_to(folder)
        yield from ((below / name).as_posix() for name in sorted(files) if is_picture(name))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Staging:
    """The next state of a data set, beside it."""

    def __init__(self, dataset: Dataset) -> None:
        """Store the data set; :func:`staging` makes the folder."""
        self._dataset = dataset
        self.folder = staged_for(Path(os.path.realpath(dataset.folder)))
        self._incoming = self.folder
        self._written_bytes = 0
        self.read_part = 0.0
        """How much of the import was read, from 0 to 1; tells how much space it needs."""

    def begin(self, real: Path) -> None:
        """Make the folder, with links to what is there already."""
        self.folder.mkdir()
        if real.is_dir():
            _link_tree(real, self.folder)
        self._incoming = Path(tempfile.mkdtemp(dir=self.folder, prefix=".incoming-"))

    def add_picture(self, name: str, data: bytes) -> None:
        """Write a new picture; its place follows."""
        (self._incoming / name).write_bytes(data)
        self._written_bytes += len(data)

    def full(self, error: OSError) -> OSError:
        """Say of a full disk how much was written, and how much is needed."""
        sizes = f"after {size_text(self._written_bytes)} of photographs"
        if self.read_part and self._written_bytes:
            need = round(self._written_bytes / self.read_part)
            sizes += f"; all of them need about {size_text(need)}"
        place = str(self._dataset.folder)
        return OSError(error.errno, f"{error.strerror} {sizes}", place)

    def place(self, name: str, place: str, label: str | None) -> None:
        """Move a new picture to its place, with its label file; None: without one."""
        target = self.folder / _IMAGES / place
        target.parent.mkdir(parents=True, exist_ok=True)
        (self._incoming / name).rename(target)
        self._write_label(place, label)

    def relabel(self, place: str, label: str | None, new_place: str) -> None:
        """Replace the label file of a photograph that is there already, and perhaps its place."""
        if new_place != place:
            target = self.folder / _IMAGES / new_place
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.folder / _IMAGES / place).rename(target)
        self._write_label(new_place, label)

    def _write_label(self, place: str, label: str | None) -> None:
        if label is not None:
            self.write_label(Path(_LABELS, PurePosixPath(place).with_suffix(".txt")), label)

    def write_label(self, path: Path, label: str) -> None:
        """Write a label file, by its path below the data set."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # it may be a link to the file that stays as it is
        path.write_text(label, encoding="utf-8", newline="")

    def write_tables(
        self, origins: Mapping[str, Origin], groups: Mapping[str, str], class_name: str
    ) -> str | None:
        """Write ``sources.csv``, ``attributes.csv`` and ``data.yaml``.

        Args:
            origins: Every photograph's origin, by name.
            groups: The scenes of new photographs, where the source knows them, by name.
            class_name: The class of the data set.

        Returns:
            What is to be said about ``attributes.csv``; None: nothing.
        """
        self._write(SOURCES_CSV, table_text(origins.values()))
        if not (self.folder / DATA_YAML).exists():
            self._write(str(DATA_YAML), _yaml(class_name))
            if not (self.folder / ATTRIBUTES_CSV).exists():
                self._write(ATTRIBUTES_CSV, _rows(_COLUMNS, {}, ","))  # to be filled by a person
        if any((self.folder / _IMAGES / split).is_dir() for split in SPLITS):
            for split in SPLITS:
                (self.folder / _IMAGES / split).mkdir(exist_ok=True)
                (self.folder / _LABELS / split).mkdir(parents=True, exist_ok=True)
        return self._add_groups(groups) if groups else None

    def _add_groups(self, groups: Mapping[str, str]) -> str | None:
        path = self.folder / ATTRIBUTES_CSV
        if not path.exists():
            self._write(ATTRIBUTES_CSV, _rows(_COLUMNS, groups, ","))
            return None
        data = path.read_bytes()
        table, faults = read_table(data, required="image")
        columns = list(table.columns) if table else []
        is_plain = not faults and data[:2] not in {b"\xff\xfe", b"\xfe\xff"}
        if not is_plain or "group" not in columns:
            return (
                f"{ATTRIBUTES_CSV} has no column group that could be filled: the frames of a video "
                "are one scene, and belong into one split"
            )
        text = data.decode("utf-8-sig")
        header = text.splitlines()[table.header_line - 1] if table else ""
        delimiter = max(",;\t|", key=header.count)
        end = "" if text.endswith("\n") else "\n"
        self._write(ATTRIBUTES_CSV, text + end + _rows(columns, groups, delimiter, header=False))
        return None

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8", newline="")

    def finish(self) -> None:
        """Exchange the data set with its next state, as one step."""
        shutil.rmtree(self._incoming)
        force_file_system_to_disk(self.folder)  # no names without content after a power cut
        replace_folder(Path(os.path.realpath(self._dataset.folder)))


def _rows(
    columns: Sequence[str], groups: Mapping[str, str], delimiter: str, *, header: bool = True
) -> str:
    output = io.StringIO()
    writer = csv.writer(output, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for name, group in groups.items():
        values = {"image": name, "group": group}
        writer.writerow([values.get(column, "") for column in columns])
    return output.getvalue()


def _yaml(class_name: str) -> str:
    document = {split: f"images/{split}" for split in SPLITS} | {"nc": 1, "names": [class_name]}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


@contextmanager
def staging(dataset: Dataset) -> Iterator[Staging]:
    """Make the next state of a data set; whatever is left of it afterwards is removed.

    Raises:
        DatasetError: If another import into the same data set runs.
    """
    real = Path(os.path.realpath(dataset.folder))
    real.parent.mkdir(parents=True, exist_ok=True)
    lock_path = real.with_name(f".{real.name}.import.lock")
    with open_lock(lock_path) as lock:
        if not try_lock(lock):
            raise DatasetError(
                f"another import into {dataset.folder} is running",
                hint="wait until it has ended, then run the same command again",
            )
        staged = Staging(dataset)
        try:
            heal(real)  # of an earlier import that was killed
            staged.begin(real)
            yield staged
        except OSError as error:
            if is_full(error):
                raise staged.full(error) from None
            raise
        finally:
            heal(real)
            lock_path.unlink(missing_ok=True)


def _link_tree(source: Path, target: Path) -> None:
    """Make links to every file that stays; a data set of 20,000 takes a second."""
    for entry in os.scandir(source):
        if entry.is_dir(follow_symlinks=False):
            (target / entry.name).mkdir()
            shutil.copystat(entry.path, target / entry.name)
            _link_tree(Path(entry.path), target / entry.name)
        else:
            link_file(Path(entry.path), target / entry.name)


def place_of(split: str | None, name: str, *, is_labelled: bool) -> str:
    """Return where a new photograph is put, below ``images/``.

    >>> place_of(None, "a.jpg", is_labelled=True), place_of("val", "a.jpg", is_labelled=True)
    ('unsplit/a.jpg', 'val/a.jpg')
    """
    return f"{(split or UNSPLIT) if is_labelled else UNLABELLED}/{name}"
