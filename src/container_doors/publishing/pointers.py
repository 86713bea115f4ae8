"""DVC's pointers: the small files that git keeps in the place of a model's large ones."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from container_doors.core.errors import VersioningError
from container_doors.core.parsing import MOST_YAML_BYTES, parse_yaml, read_bounded

TRACKED = ("best.pt", "last.pt", "metadata.json")
"""What DVC keeps of a published model."""

_MD5 = re.compile(r"[0-9a-f]{32}")

GIT_IGNORE = ".gitignore"


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a pointer says of one file."""

    path: str
    """The file's name, in the pointer's own folder."""
    md5: str
    size_bytes: int
    version: str | None = None
    """Of the model that the file belongs to; None before ``doors version``."""

    def to_yaml(self) -> str:
        """Spell it the way that DVC does.

        https://doc.dvc.org/user-guide/project-structure/dvc-files
        """
        out = {"md5": self.md5, "size": self.size_bytes, "hash": "md5", "path": self.path}
        meta = {"meta": {"version": self.version}} if self.version else {}
        return yaml.safe_dump({"outs": [out], **meta}, sort_keys=False)


def pointer_name(name: str) -> str:
    """Name the pointer of a file.

    >>> pointer_name("best.pt")
    'best.pt.dvc'
    """
    return f"{name}.dvc"


def read_pointer(path: Path) -> Pointer:
    """Read a pointer back.

    Raises:
        VersioningError: If it is absent, or is not a pointer to one file.
    """
    try:
        return parse_pointer(read_bounded(path, MOST_YAML_BYTES))
    except FileNotFoundError:
        raise VersioningError(
            f"no pointer at {path}", hint="doors version makes it, git pull fetches it"
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise VersioningError(
            f"{path}: expected DVC's pointer to one file, found something else",
            hint=f"git checkout HEAD -- {path} restores it",
        ) from None


def pointer_text(path: Path) -> str:
    """Read a file that should be a pointer; of one that is too large, a start that is none.

    Bytes that are no UTF-8 are replaced.
    """
    with path.open("rb") as file:
        return file.read(MOST_YAML_BYTES + 1).decode(errors="replace")


def parse_pointer(text: str | bytes) -> Pointer:
    """Read the text of a pointer to one file; what else it says is left out.

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
    """Make the pointer that DVC would make of a file."""
    return Pointer(path.name, md5_of(path), path.stat().st_size, version)


def md5_of(path: Path) -> str:
    """Hash a file as DVC does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_pointed_to(path: Path) -> bool:
    """Tell whether a file is what the pointer beside it names."""
    pointer = path.with_name(pointer_name(path.name))
    return pointer.is_file() and pointer_to(path).md5 == read_pointer(pointer).md5


def check_pointers(folder: Path, version: str, names: Iterable[str] = TRACKED) -> None:
    """See that every pointer in a folder is of the file beside it, and of this version.

    Raises:
        VersioningError: Naming the first that is not.
    """
    for name in names:
        expected, found = pointer_to(folder / name, version), read_pointer(folder / f"{name}.dvc")
        if found != expected:
            raise VersioningError(
                f"{name}.dvc is not of the {name} beside it: expected {expected}, found {found}",
                hint="something else writes into weights/: let it end, then run this again",
            )
