"""What is sent, as files that are the same whenever their content is, and are sent once for it."""

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from container_doors.kaggle.names import bundle_slug

Kind = Literal["code", "data", "weights", "state"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """One file of the job's input, in a data set of its own."""

    kind: Kind
    path: Path
    """Not ``.tar``: the host unpacks what it takes for an archive."""
    into: str
    """The folder that it is unpacked to, relative to the repository."""
    files: int
    size_bytes: int
    sha256: str

    @property
    def slug(self) -> str:
        """By its content."""
        return bundle_slug(self.kind, self.sha256)


def bundle_files(kind: Kind, files: Mapping[str, Path], folder: Path, *, into: str) -> Bundle:
    """Pack files under the names that they get there.

    Args:
        kind: Of what.
        files: By name, with forward slashes.
        folder: Where the pack is put.
        into: See :attr:`Bundle.into`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}.pack"
    # What links lead to is sent: DVC's cache is on this machine alone.
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, dereference=True) as tar:
        for name in sorted(files):
            _add(tar, name, files[name])
    return packed(kind, path, len(files), into=into)


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    """Add a file, with nothing of who packs it and when."""
    info = tar.gettarinfo(path, arcname=name)
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    with path.open("rb") as file:
        tar.addfile(info, file)


def packed(kind: Kind, path: Path, files: int, *, into: str) -> Bundle:
    """Describe a pack that is there."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Bundle(kind, path, into, files, path.stat().st_size, sha256)
