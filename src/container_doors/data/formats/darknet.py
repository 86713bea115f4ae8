"""Darknet's YOLO, as CVAT exports it: a ``.data`` file, lists of pictures, labels beside them.

https://github.com/AlexeyAB/darknet#how-to-train-to-detect-your-custom-objects
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from container_doors.core.parsing import MOST_YAML_BYTES
from container_doors.data.formats.record import LabelledPhotograph, MalformedError
from container_doors.data.formats.yolo_files import (
    darknet_files,
    labelled,
    listed_pictures,
    names_of,
    poses_of,
)
from container_doors.data.formats.yolo_rows import RowRules
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.sources import PictureIndex, Source

TOOL = "Darknet"
_SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}


def recognise(source: Source) -> bool:
    """Return whether the source has a ``.data`` file."""
    return bool(darknet_files(source))


def read(source: Source) -> Iterator[LabelledPhotograph]:
    """Read the photographs that the lists name.

    Raises:
        MalformedError: If a list or the names are missing.
    """
    for member in darknet_files(source):
        text = source.read(member, MOST_YAML_BYTES).decode("utf-8-sig", "replace")
        values: dict[str, str] = {}
        for line in text.splitlines():
            key, equals, value = line.partition("=")
            if equals and not key.strip().startswith("#"):
                values[key.strip()] = value.strip()
        yield from _read_lists(source, member, values)


def _read_lists(
    source: Source, member: str, values: dict[str, str]
) -> Iterator[LabelledPhotograph]:
    where, folder = source.where(member), PurePosixPath(member).parent.as_posix()
    folder = "" if folder == "." else folder
    texts = PictureIndex([one for one in source.members if not is_picture(one)])
    pictures = PictureIndex([one for one in source.members if is_picture(one)])
    names = texts.find(values.get("names", ""), folder)
    if len(names) != 1:
        raise MalformedError(where, "names: a file of the source", repr(values.get("names")))
    lists = {key: split for key, split in _SPLITS.items() if key in values}
    found = {key: texts.find(values[key], folder) for key in lists}
    if not any(found.values()):
        raise MalformedError(where, "train, valid or test: a list of the source", str(values))
    is_divided = sum(map(bool, found.values())) > 1
    listed = [
        (split if is_divided else None, picture)
        for key, split in lists.items()
        for one in found[key][:1]
        for picture in listed_pictures(source, one, pictures)
    ]
    poses = poses_of(source, (picture for _, picture in listed), beside=True)
    rules = RowRules(names_of(source, PurePosixPath(names[0]).name), poses=poses)
    for place, picture in listed:
        yield labelled(source, picture, rules, split=place, beside=True)
