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
from container_doors.data.data_yaml import class_names, keypoint_shape
from container_doors.data.disk import split_in
from container_doors.data.formats.record import (
    ExportedPhotograph,
    LabelledPhotograph,
    MalformedError,
    names_before_upload,
)
from container_doors.data.formats.yolo_files import (
    darknet_files,
    label_of_picture,
    labelled,
    listed_pictures,
    names_of,
    poses_of,
)
from container_doors.data.formats.yolo_rows import RowRules, read_rows
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.poses import find_poses
from container_doors.data.sources import MOST_LABEL_BYTES, PictureIndex, Source

TOOL = "YOLO"
_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_NO_LABELS = {"classes.txt", "notes.txt", "requirements.txt", "readme.txt", "license.txt"}


def recognise(source: Source) -> bool:
    """Return whether the source has a ``data.yaml``, or photographs with text files of rows."""
    if _yamls(source):
        return True
    return bool(_pairs(source) or _lone_labels(source)) and not darknet_files(source)


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
    shape = keypoint_shape(document.get("kpt_shape"))
    places = _Places(source, PurePosixPath(member).parent, document.get("path"))
    found = []
    for split, keys in _KEYS.items():
        value = next((document[key] for key in keys if document.get(key)), None)
        found += [(split, picture) for picture in places.pictures(value)]
    poses = poses_of(source, (picture for _, picture in found), shape, beside=False)
    rules = RowRules(names, poses=poses)
    for split, picture in found:
        yield labelled(source, picture, rules, split=split)
    lone = [] if found else _lone_labels(source)
    if lone:
        yield from _read_lone(source, lone, names, shape)
    if not found and not lone:
        splits = ", ".join(
            f"{key}: {document[key]}" for key in document if key in {*SPLITS, "path"}
        )
        expected = "train, val or test: a folder or a list of pictures in the source"
        raise MalformedError(where, expected, splits)


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


def _pairs(source: Source) -> list[str]:
    """List the pictures that have a text file of numbers; a picked file is none of them."""
    if source.picked is not None:
        return []
    return [
        picture
        for picture in source.members
        if is_picture(picture) and (label := label_of_picture(source, picture, beside=True))
        and PurePosixPath(label).name not in _NO_LABELS
    ]  # fmt: skip


def _read_loose(source: Source) -> Iterator[LabelledPhotograph]:
    """Read photographs and labels without a ``data.yaml``, as labelImg leaves them."""
    names = names_of(source, "classes.txt")
    pictures = [member for member in source.members if is_picture(member)]
    if not pictures:
        yield from _read_lone(source, _lone_labels(source), names, None)
        return
    poses = poses_of(source, pictures, beside=True)
    rules = RowRules(names, are_named=bool(names), poses=poses)
    for picture in pictures:
        split = split_in(PurePosixPath(picture).parent)
        one = labelled(source, picture, rules, split=split, beside=True)
        has_label = label_of_picture(source, picture, beside=True) is not None
        yield (
            one
            if has_label
            else LabelledPhotograph(
                picture, source.where(picture), is_fraction=True, is_labelled=False, split=split
            )
        )


def _lone_labels(source: Source) -> list[str]:
    """List the label files of a source without pictures: in a folder ``labels``, with the classes.

    Labelling tools export them so if they do not have the pictures, or are told to leave them out.
    """
    if source.picked is not None or any(map(is_picture, source.members)):
        return []
    has_classes = bool(names_of(source, "classes.txt")) or bool(_yamls(source))
    return [
        member
        for member in source.members
        if has_classes and member.endswith(".txt") and "labels" in PurePosixPath(member).parts[:-1]
    ]


def _read_lone(
    source: Source,
    labels: Sequence[str],
    names: Sequence[str],
    pose_shape: tuple[int, int] | None,
) -> Iterator[LabelledPhotograph]:
    """Read label files whose pictures are elsewhere, under the same name without its suffix."""
    poses = find_poses((source.read(label, MOST_LABEL_BYTES) for label in labels), pose_shape)
    rules = RowRules(names, are_named=bool(names), poses=poses)
    for label in labels:
        path, where = PurePosixPath(label), source.where(label)
        boxes = read_rows(source.read(label, MOST_LABEL_BYTES), where, rules)
        yield LabelledPhotograph(
            path.stem,
            where,
            also=names_before_upload(path.stem),
            boxes=tuple(boxes.found),
            is_fraction=True,
            split=split_in(path.parent),
            problems=tuple(boxes.problems),
        )


def write(photographs: Sequence[ExportedPhotograph], folder: Path) -> Mapping[str, str]:
    """Write label files and ``data.yaml``; pictures go where the returned mapping says.

    Photographs that are in no split get ``classes.txt`` instead, as labelling tools export them.
    """
    places = {}
    classes = sorted({one.class_name for one in photographs})
    splits = [split for split in SPLITS if any(one.split == split for one in photographs)]
    for one in photographs:
        base = f"{one.split}/" if one.split in SPLITS else ""
        places[one.name] = f"{base}images/{one.name}"
        label = folder / f"{base}labels" / f"{one.name.rpartition('.')[0]}.txt"
        for place in (label.parent, folder / f"{base}images"):
            place.mkdir(parents=True, exist_ok=True)
        number = classes.index(one.class_name)
        fractions = [_fractions(edges, one.size_wh) for edges in one.boxes]
        label.write_text("".join(f"{number} {row}\n" for row in map(row_text, fractions)), "utf-8")
    if splits:
        document: dict[str, Any] = {split: f"{split}/images" for split in splits}
        document |= {"nc": len(classes), "names": classes}
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (folder / "data.yaml").write_text(text, encoding="utf-8")
    else:
        text = "".join(f"{name}\n" for name in classes)
        (folder / "classes.txt").write_text(text, encoding="utf-8")
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
