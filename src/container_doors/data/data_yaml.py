"""Read and check ``data.yaml``: by Ultralytics' rules, and by those for container doors."""

import errno
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from container_doors.core.parsing import (
    MOST_YAML_BYTES,
    ParsingError,
    listed,
    parse_yaml,
    read_bounded,
)
from container_doors.core.records import SPLITS, Finding
from container_doors.data.disk import Disk
from container_doors.data.faults import NOWHERE, Fault, fetch_hint
from container_doors.data.foreign import find_form

DATA_YAML = Path("data.yaml")
CLASS_NAME = "container_door"

RENUMBER = (
    "find . -path '*labels/*.txt' ! -name classes.txt "
    "-exec perl -i -ne 's/^{}(\\.0*)?\\s+/0 / and print' {{}} +"
)
"""A command that keeps the boxes of one class, as class 0."""

_KEYS = ("path", *SPLITS, "nc", "names")


def read_yaml(path: Path, disk: Disk) -> tuple[dict[Any, Any], Finding | None]:
    """Read the keys, or return a finding that says why they cannot be read.

    Args:
        path: The file.
        disk: The contents of its folder, for the remedy.
    """
    try:
        document = parse_yaml(_bytes(path))
    except FileNotFoundError:
        return {}, _missing(path.parent, disk)
    except OSError as error:
        found = error.strerror or type(error).__name__
        remedy = "make it a regular file with read permission"
        return {}, _whole("data-yaml-unreadable", "a readable file", found, remedy)
    except ParsingError as error:
        remedy = "correct the line" if error.line else "save it as UTF-8 text, or fetch it again"
        fault = Fault("data-yaml-invalid", error.expected, error.found, remedy)
        return {}, fault.at(DATA_YAML, error.line)
    if not isinstance(document, dict):
        found = "an empty file" if document is None else f"a {type(document).__name__}"
        expected = "the keys train, val, test and names"
        remedy = f"write {disk.keys() or 'the keys'}"
        return {}, _whole("data-yaml-invalid", expected, found, remedy)
    return document, None


def _missing(folder: Path, disk: Disk) -> Finding:
    """Return a finding that names a file that could be it, or the keys to write."""

    def whole(remedy: str, found: str = "none") -> Finding:
        return _whole("data-yaml-missing", "the file", found, remedy)

    beside = [path for path in sorted(folder.glob("*.y*ml")) if _is_of_a_data_set(path)]
    if beside:
        return whole(f"rename {beside[0].name} to data.yaml")
    below = [path for path in sorted(folder.glob("*/data.yaml")) if _is_of_a_data_set(path)]
    if below:
        return whole(f"name its folder: --path {shlex.quote(str(below[0].parent))}")
    if (folder / "images" / "unsplit").is_dir():
        command = f"doors data split --path {shlex.quote(str(folder))}"
        return whole(f"place the photographs by scene, which writes it: {command}")
    keys = disk.keys()
    form = None if disk.has_labels else find_form(folder, disk)
    if form:
        then = f"; then write data.yaml with {keys}" if keys and not form.is_imported else ""
        return whole(form.remedy + then, f"none, but {form}")
    return whole(fetch_hint(folder) or (f"write one with {keys}" if keys else NOWHERE))


def _is_of_a_data_set(path: Path) -> bool:
    try:
        document = parse_yaml(_bytes(path))
    except (OSError, ParsingError):
        return False
    return isinstance(document, dict) and not {"names", *SPLITS}.isdisjoint(document)


def _bytes(path: Path) -> bytes:
    """Read the file; refuse a pipe, which would block."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file")
    return read_bounded(path, MOST_YAML_BYTES)


def class_names(value: object) -> list[str] | None:
    """Read ``names`` in either of its two forms; None if it has neither.

    >>> class_names({0: "container_door"}), class_names([]), class_names({1: "container_door"})
    (['container_door'], None, None)
    """
    if isinstance(value, dict):
        numbered = {str(key): name for key, name in value.items()}
        value = [numbered.get(str(number)) for number in range(len(value))]
    if not isinstance(value, list) or not value:
        return None
    return value if all(isinstance(name, str) and name.strip() for name in value) else None


def keypoint_shape(value: object) -> tuple[int, int] | None:
    """Read ``kpt_shape``: the points of a pose, and the numbers of each; None if it is no such.

    Source: https://docs.ultralytics.com/datasets/pose/

    >>> keypoint_shape([4, 2]), keypoint_shape([0, 3]), keypoint_shape("4, 2")
    ((4, 2), None, None)
    """
    if not isinstance(value, list) or len(value) != 2:
        return None
    points, numbers = value
    are_whole = type(points) is int and type(numbers) is int
    return (points, numbers) if are_whole and 0 < points < 10_000 and numbers in (2, 3) else None


def _whole(rule: str, expected: str, found: str, remedy: str) -> Finding:
    return Fault(rule, expected, found, remedy).at(DATA_YAML)


def _unknown_keys(document: Mapping[Any, Any]) -> Iterator[Fault]:
    for key in document:
        if key not in _KEYS:
            yield Fault(
                "data-yaml-unknown-key",
                f"the keys {', '.join(_KEYS)}",
                repr(key),
                "points are not trained on: remove it once each label is a box, of five columns"
                if key in {"kpt_shape", "flip_idx"}
                else "remove it: it is ignored",
                severity="warning",
            )


def _bad_names(document: Mapping[Any, Any]) -> Iterator[Fault]:
    if class_names(document.get("names")) is None:
        yield Fault(
            "data-yaml-names",
            "names: a list, or a mapping from 0, of class names",
            repr(document["names"]) if "names" in document else "no such key",
            f"write names: ['{CLASS_NAME}']",
        )


def _other_classes(document: Mapping[Any, Any]) -> Iterator[Fault]:
    names = class_names(document.get("names")) or []
    if len(names) > 1:
        yield Fault(
            "data-yaml-classes",
            f"one class, {CLASS_NAME}",
            f"{len(names)}: {listed(names)}",
            _one_class(names),
        )
    elif names and names[0] != CLASS_NAME:
        yield Fault(
            "data-yaml-class-name",
            f"the class {CLASS_NAME}",
            repr(names[0]),
            f"rename it, or check that class 0 does mean {CLASS_NAME}",
            severity="warning",
        )


def _one_class(names: Sequence[str]) -> str:
    """Return the command that keeps the boxes of one class, as class 0."""
    plain = [re.sub(r"[^a-z]", "", name.lower()) for name in names]
    wanted = [plain.index(name) for name in ("containerdoor", "containerdoors") if name in plain]
    number = str(wanted[0]) if wanted else "K"
    which = "" if wanted else f", with the number of {CLASS_NAME} (from 0) in place of K"
    return (
        f"keep one, as class 0: in the data set's folder{which}: {RENUMBER.format(number)} ; "
        f"then write nc: 1 and names: ['{CLASS_NAME}'] here; if several are doors: docs/data.md"
    )


def _class_count(document: Mapping[Any, Any]) -> Iterator[Fault]:
    names = class_names(document.get("names"))
    if names is None or "nc" not in document:
        return
    if str(document["nc"]).removesuffix(".0") != str(len(names)):
        yield Fault(
            "data-yaml-class-count",
            f"nc: {len(names)}, the number of names",
            repr(document["nc"]),
            "correct nc, or remove it: it is optional",
        )


YAML_RULES: tuple[Callable[[Mapping[Any, Any]], Iterator[Fault]], ...] = (
    _unknown_keys,
    _bad_names,
    _other_classes,
    _class_count,
)
