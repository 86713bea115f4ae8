"""DVC's pointers: the small files that git tracks instead of a model's large files."""

import hashlib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from container_doors.core.errors import VersioningError
from container_doors.core.files import open_file
from container_doors.core.parsing import MOST_YAML_BYTES, parse_yaml, read_bounded

TRACKED = ("best.pt", "last.pt", "metadata.json")
"""The files of a published model that DVC stores."""

_MD5 = re.compile(r"[0-9a-f]{32}")

GIT_IGNORE = ".gitignore"


@dataclass(frozen=True, slots=True)
class Pointer:
    """The contents of a pointer to one file."""

    path: str
    """The file's name, in the pointer's own folder."""
    md5: str
    size_bytes: int
    version: str | None = None
    """The version of the file's model; None before ``doors version``."""

    def to_yaml(self) -> str:
        """Return it as YAML, formatted as DVC does.

        https://doc.dvc.org/user-guide/project-structure/dvc-files
        """
        out = {"md5": self.md5, "size": self.size_bytes, "hash": "md5", "path": self.path}
        meta = {"meta": {"version": self.version}} if self.version else {}
        return yaml.safe_dump({"outs": [out], **meta}, sort_keys=False)


def pointer_name(name: str) -> str:
    """Return the name of a file's pointer.

    >>> pointer_name("best.pt")
    'best.pt.dvc'
    """
    return f"{name}.dvc"


def read_pointer(path: Path) -> Pointer:
    """Read a pointer.

    Raises:
        VersioningError: If it does not exist, or is not a pointer to one file.
    """
    try:
        return parse_pointer(read_bounded(path, MOST_YAML_BYTES))
    except FileNotFoundError:
        raise VersioningError(
            f"no pointer at {path}", hint="doors version makes it, git pull fetches it"
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise VersioningError(
            f"{path}: expected a DVC pointer to one file, found something else",
            hint=restoring(path, "doors version"),
        ) from None


def restoring(path: Path, again: str) -> str:
    """Return the hint that restores a damaged pointer of this clone.

    Args:
        path: The pointer.
        again: The command that writes it again, if it was never committed.
    """
    name = shlex.quote(str(path))
    return f"git checkout HEAD -- {name} restores it; if git does not have it: rm {name} && {again}"


def pointer_text(path: Path) -> str:
    """Read a file that should be a pointer; if it is too large, only its start, which is invalid.

    Bytes that are not UTF-8 are replaced.
    """
    with open_file(path) as file:
        return file.read(MOST_YAML_BYTES + 1).decode(errors="replace")


def parse_pointer(text: str | bytes) -> Pointer:
    """Parse the text of a pointer to one file; other keys are ignored.

    Raises:
        ValueError: If it is not one; or LookupError, TypeError, AttributeError, OverflowError.

    >>> parse_pointer(Pointer("best.pt", "0" * 32, 12, "detection_v1.0_20261123_a").to_yaml())
    ... # doctest: +ELLIPSIS
    Pointer(path='best.pt', md5='000...', size_bytes=12, version='detection_v1.0_20261123_a')
    """
    document: Any = parse_yaml(text)
    (out,) = document["outs"]
    version = (document.get("meta") or {}).get("version")
    if not _MD5.fullmatch(out["md5"]):
        raise ValueError(out["md5"])
    return Pointer(
        path=out["path"],
        md5=out["md5"],
        size_bytes=int(out["size"]),
        version=None if version is None else str(version),
    )


def pointer_to(path: Path, version: str | None = None) -> Pointer:
    """Return the pointer that DVC would write for a file."""
    return Pointer(path.name, md5_of(path), path.stat().st_size, version)


def md5_of(path: Path) -> str:
    """Hash a file as DVC does."""
    with open_file(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_pointed_to(path: Path) -> bool:
    """Return whether a file matches the pointer beside it."""
    pointer = path.with_name(pointer_name(path.name))
    return pointer.is_file() and pointer_to(path).md5 == read_pointer(pointer).md5


def check_pointers(folder: Path, version: str, names: Iterable[str] = TRACKED) -> None:
    """Check that every pointer in a folder matches the file beside it, and is of this version.

    Raises:
        VersioningError: If one does not; the message names the first.
    """
    for name in names:
        expected, found = pointer_to(folder / name, version), read_pointer(folder / f"{name}.dvc")
        if found != expected:
            raise VersioningError(
                f"{name}.dvc does not match {name}: expected {expected}, found {found}",
                hint="another process writes into weights/: wait for it, then run this again",
            )
