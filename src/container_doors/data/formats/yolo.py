"""YOLO's format as Ultralytics and Roboflow write it: ``data.yaml``, images and labels.

https://docs.ultralytics.com/datasets/detect/
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from container_doors.core.parsing import MOST_YAML_BYTES, ParsingError, parse_yaml
from container_doors.core.records import SPLITS
from container_doors.data.data_yaml import class_names
from container_doors.data.formats.record import (
    ExportedPhotograph,
    LabelledPhotograph,
    MalformedError,
)
from container_doors.data.formats.yolo_rows import RowRules, read_rows
from container_doors.data.nearby import split_in
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.sources import MOST_LABEL_BYTES, PictureIndex, Source

TOOL = "YOLO"
_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_NO_LABELS = {"classes.txt", "notes.txt", "requirements.txt", "readme.txt", "license.txt"}


def recognise(source: Source) -> bool:
    """Return whether the source has a ``data.yaml``, or photographs with text files of rows."""
    return bool(_yamls(source)) or bool(_pairs(source))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read every photograph of every split.

    Raises:
        MalformedError: If ``data.yaml`` is not what it must be.
    """
    yamls = _yamls(source)
    if yamls:
        for member, document in yamls:
            yield from _read_yaml(source, member, document)
    else:
        yield from _read_loose(source)


def _yamls(source: Source) -> list[tuple[str, dict[Any, Any]]]:
    found = []
    for member in source.labels(".yaml", ".yml"):
        try:
            document = parse_yaml(source.read(member, MOST_YAML_BYTES))
        except ParsingError as error:
            if PurePosixPath(member).name == "data.yaml":
                line = f":{error.line}" if error.line else ""
                where = f"{source.where(member)}{line}"
                raise MalformedError(where, error.expected, error.found) from None
            continue
        if isinstance(document, dict) and "names" in document:
            keys = {key for keys in _KEYS.values() for key in keys}
            if keys & set(map(str, document)):
                found.append((member, document))
    return found


def _read_yaml(
    source: Source, member: str, document: dict[Any, Any]
) -> Iterator[LabelledPhotograph]:
    where = source.where(member)
    names = class_names(document.get("names"))
    if names is None:
        expected = "names: a list, or a mapping from 0, of class names"
        raise MalformedError(where, expected, repr(document.get("names")))
    rules = RowRules(names, keypoint_values=_keypoint_values(document.get("kpt_shape")))
    places = _Places(source, PurePosixPath(member).parent, document.get("path"))
    found = False
    for split, keys in _KEYS.items():
        value = next((document[key] for key in keys if document.get(key)), None)
        for picture in places.pictures(value):
            found = True
            yield labelled(source, picture, rules, split=split)
    if not found:
        splits = ", ".join(
            f"{key}: {document[key]}" for key in document if key in {*SPLITS, "path"}
        )
        expected = "train, val or test: a folder or a list of pictures in the source"
        raise MalformedError(where, expected, splits)


def _keypoint_values(value: object) -> int:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(one, int) for one in value):
        points, dimensions = value
        return max(0, points * dimensions) if points < 10_000 and dimensions < 10 else 0
    return 0


class _Places:
    """Finds the folders and lists that ``data.yaml`` names, wherever it was written."""

    def __init__(self, source: Source, folder: PurePosixPath, path: object) -> None:
        self._source, self._folder = source, folder
        self._path = path if isinstance(path, str) else ""
        self._index = PictureIndex(source.members)
        self._by_folder: dict[str, list[str]] = {}
        for member in source.members:
            if is_picture(member):
                for parent in PurePosixPath(member).parents:
                    self._by_folder.setdefault(parent.as_posix(), []).append(member)

    def pictures(self, value: object) -> Iterator[str]:
        """Yield the pictures of a split: of a folder, a list, or several of these."""
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and one:
                yield from self._list(one) if one.endswith(".txt") else self._of_folder(one)

    def _of_folder(self, value: str) -> list[str]:
        for place in self._meanings(value):
            if place in self._by_folder:
                return self._by_folder[place]
        return []

    def _meanings(self, value: str) -> Iterator[str]:
        """Yield the folders that a value can mean: as written, as repaired, by its end."""
        value = value.replace("\\", "/")
        bare = value
        while bare.startswith(("../", "./")):
            bare = bare.partition("/")[2]
        for below in (self._path, ""):
            for one in (value, bare):
                joined = os.path.normpath(str(self._folder / below / one))
                if not joined.startswith(("..", "/")):
                    yield joined
        parts = PurePosixPath(bare).parts
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            matches = [one for one in self._by_folder if one == end or one.endswith(f"/{end}")]
            if len(matches) == 1:
                yield matches[0]

    def _list(self, value: str) -> Iterator[str]:
        members = self._meanings_of_list(value)
        for member in members[:1]:
            yield from listed_pictures(self._source, member, self._index)

    def _meanings_of_list(self, value: str) -> list[str]:
        return self._index.find(value, str(self._folder / self._path)) or self._index.find(value)


def listed_pictures(source: Source, member: str, index: PictureIndex) -> Iterator[str]:
    """Yield the pictures that a text file lists, one a line.

    Raises:
        MalformedError: If one of them is not in the source, or can be several.
    """
    folder = PurePosixPath(member).parent.as_posix()
    text = source.read(member, MOST_LABEL_BYTES).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.strip()
        if not written:
            continue
        found = index.find(written, "" if folder == "." else folder)
        if len(found) != 1:
            what = "which is not in the source" if not found else f"which can be {found}"
            where = f"{source.where(member)}:{number}"
            raise MalformedError(where, "a picture of the source", f"{written!r}, {what}")
        yield found[0]


def labelled(
    source: Source, picture: str, rules: RowRules, *, split: str | None, beside: bool = False
) -> LabelledPhotograph:
    """Read the label file of a picture; without one it has no door, as Ultralytics means it.

    Args:
        source: The source.
        picture: The picture's file.
        rules: How rows are read.
        split: The split that it is in.
        beside: Whether label files may also be beside their pictures, as Darknet has them.
    """
    label = _label_of(source, picture, beside=beside)
    where = source.where(label or picture)
    if label is None:
        return LabelledPhotograph(picture, where, is_fraction=True, split=split)
    boxes = read_rows(source.read(label, MOST_LABEL_BYTES), where, rules)
    return LabelledPhotograph(
        picture,
        where,
        boxes=tuple(boxes.found),
        is_fraction=True,
        split=split,
        problems=tuple(boxes.problems),
    )


def _label_of(source: Source, picture: str, *, beside: bool) -> str | None:
    members = _member_set(source)
    parts = list(PurePosixPath(picture).with_suffix(".txt").parts)
    folders = [number for number, part in enumerate(parts[:-1]) if part == "images"]
    if folders:
        label = "/".join("labels" if number == folders[-1] else p for number, p in enumerate(parts))
        if label in members:
            return label
    label = "/".join(parts)
    return label if (beside or not folders) and label in members else None


def _member_set(source: Source) -> frozenset[str]:
    known = source.__dict__.get("_member_set")
    if known is None:
        known = source.__dict__["_member_set"] = frozenset(source.members)
    found: frozenset[str] = known
    return found


def _pairs(source: Source) -> list[str]:
    """List the pictures that have a text file of numbers; a picked file is none of them."""
    if source.picked is not None:
        return []
    return [
        picture
        for picture in source.members
        if is_picture(picture) and (label := _label_of(source, picture, beside=True))
        and PurePosixPath(label).name not in _NO_LABELS
    ]  # fmt: skip


def _read_loose(source: Source) -> Iterator[LabelledPhotograph]:
    """Read photographs and labels without a ``data.yaml``, as labelImg leaves them."""
    names = names_of(source, "classes.txt")
    rules = RowRules(names, are_named=bool(names))
    for picture in source.members:
        if is_picture(picture):
            split = split_in(PurePosixPath(picture).parent)
            one = labelled(source, picture, rules, split=split, beside=True)
            has_label = _label_of(source, picture, beside=True) is not None
            yield (
                one
                if has_label
                else LabelledPhotograph(
                    picture, source.where(picture), is_fraction=True, is_labelled=False, split=split
                )
            )


def names_of(source: Source, *names: str) -> list[str]:
    """Read the class names of a text file with one of these names, one a line; none if absent."""
    for member in source.members:
        if PurePosixPath(member).name in names:
            text = source.read(member, MOST_YAML_BYTES).decode("utf-8-sig", "replace")
            return [line.strip() for line in text.splitlines() if line.strip()]
    return []


def write(photographs: Sequence[ExportedPhotograph], folder: Path) -> Mapping[str, str]:
    """Write ``data.yaml`` and label files; pictures go where the returned mapping says."""
    places = {}
    classes = sorted({one.class_name for one in photographs})
    for one in photographs:
        places[one.name] = f"{one.split}/images/{one.name}"
        label = folder / one.split / "labels" / f"{one.name.rpartition('.')[0]}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        (folder / one.split / "images").mkdir(parents=True, exist_ok=True)
        number = classes.index(one.class_name)
        fractions = [_fractions(edges, one.size_wh) for edges in one.boxes]
        label.write_text("".join(f"{number} {row}\n" for row in map(row_text, fractions)), "utf-8")
    document: dict[str, Any] = {
        split: f"{split}/images" for split in dict.fromkeys(one.split for one in photographs)
    }
    document |= {"nc": len(classes), "names": classes}
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return places


def _fractions(
    edges: tuple[float, float, float, float], size_wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    width, height = size_wh
    left, top, right, bottom = edges
    return left / width, top / height, right / width, bottom / height


def row_text(edges: tuple[float, float, float, float]) -> str:
    """Write edges in fractions as a row's centre and size; ten digits are far below a pixel.

    >>> row_text((0.25, 0.1, 0.75, 0.3))
    '0.5 0.2 0.5 0.2'
    """
    left, top, right, bottom = edges
    values = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return " ".join(f"{value:.10f}".rstrip("0").rstrip(".") for value in values)
