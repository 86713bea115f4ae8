"""Label files, lists and class names beside photographs, as YOLO and Darknet have them."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from container_doors.core.parsing import MOST_YAML_BYTES
from container_doors.data.formats.record import LabelledPhotograph, MalformedError
from container_doors.data.formats.yolo_rows import RowRules, read_rows
from container_doors.data.poses import Poses, find_poses
from container_doors.data.sources import MOST_LABEL_BYTES, PictureIndex, Source


def darknet_files(source: Source) -> list[str]:
    """List Darknet's ``.data`` files, which name its lists of pictures and its classes."""
    found = []
    for member in source.labels(".data"):
        start = source.start(member, MOST_YAML_BYTES)
        if b"names" in start and (b"train" in start or b"valid" in start):
            found.append(member)
    return found


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
    label = label_of_picture(source, picture, beside=beside)
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


def poses_of(
    source: Source, pictures: Iterable[str], shape: tuple[int, int] | None = None, *, beside: bool
) -> Poses:
    """Return which rows are poses, by all label files of these pictures.

    Args:
        source: The source.
        pictures: The files of the pictures.
        shape: ``kpt_shape``, if ``data.yaml`` states it.
        beside: Whether label files may also be beside their pictures.
    """
    found = (label_of_picture(source, picture, beside=beside) for picture in pictures)
    labels = dict.fromkeys(label for label in found if label is not None)
    return find_poses((source.read(label, MOST_LABEL_BYTES) for label in labels), shape)


def label_of_picture(source: Source, picture: str, *, beside: bool) -> str | None:
    """Return a picture's label file: the last folder ``images`` becomes ``labels``; None if absent.

    Args:
        source: The source.
        picture: The picture's file.
        beside: Whether it may also be beside the picture.
    """
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


def names_of(source: Source, *names: str) -> list[str]:
    """Read the class names of a text file with one of these names, one a line; none if absent."""
    for member in source.members:
        if PurePosixPath(member).name in names:
            text = source.read(member, MOST_YAML_BYTES).decode("utf-8-sig", "replace")
            return [line.strip() for line in text.splitlines() if line.strip()]
    return []
