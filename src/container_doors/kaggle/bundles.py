"""Bundles: the files to send, packed so that equal content gives equal bytes and is sent once."""

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from container_doors.kaggle.names import bundle_slug

Kind = Literal["code", "release", "data", "weights", "state"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """One input file of the job, in a data set of its own."""

    kind: Kind
    path: Path
    """Its name does not end in ``.tar``: the host would unpack it."""
    into: str
    """The folder that it is unpacked to, relative to the repository."""
    files: int
    size_bytes: int
    sha256: str

    @property
    def slug(self) -> str:
        """The name of its data set, by its content."""
        return bundle_slug(self.kind, self.sha256)


def bundle_files(kind: Kind, files: Mapping[str, Path], folder: Path, *, into: str) -> Bundle:
    """Pack files into a bundle.

    Args:
        kind: The kind of files.
        files: By the name that each gets on the Kaggle machine, with forward slashes.
        folder: The folder to write the bundle into.
        into: See :attr:`Bundle.into`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}.pack"
    # Links are replaced by the files that they point to: DVC's cache exists on this machine only.
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, dereference=True) as tar:
        for name in sorted(files):
            _add(tar, name, files[name])
    return describe_bundle(kind, path, len(files), into=into)


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    """Add a file without its owner and its time, so that equal content gives equal bytes."""
    info = tar.gettarinfo(path, arcname=name)
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    with path.open("rb") as file:
        tar.addfile(info, file)


def describe_bundle(kind: Kind, path: Path, files: int, *, into: str) -> Bundle:
    """Describe a bundle that was written."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Bundle(kind, path, into, files, path.stat().st_size, sha256)
