"""The published model, replaced as one step: whoever looks finds the old one or the new, whole.

The new folder is made beside the old, forced to the disk, and then exchanged with it by one
system call (``renameat2`` with ``RENAME_EXCHANGE``, Linux 3.15). A file system without that
call gets two renames instead; a kill between the two is healed by :func:`recover`.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from container_doors.errors import RunError
from container_doors.records import Metadata
from container_doors.run import PUBLISHED, Run
from container_doors.versioning.hashing import file_sha256

METADATA = "metadata.json"

_REQUIRED: dict[str, tuple[str, ...]] = {
    "weights/best.pt": ("weights/best.pt",),
    "weights/last.pt": ("weights/last.pt",),
    "best.pt": ("weights/best.pt",),
    "last.pt": ("weights/last.pt",),
    "args.yaml": ("args.yaml",),
    "results.csv": ("results.csv",),
}
"""Published name to its names in the trainer's folder, the first that exists."""

_OPTIONAL: dict[str, tuple[str, ...]] = {
    "results.png": ("results.png",),
    "confusion_matrix.png": ("confusion_matrix.png",),
    **{
        f"{kind}_curve.png": (f"Box{kind}_curve.png", f"{kind}_curve.png")
        for kind in ("F1", "P", "R", "PR")
    },
}
"""Plots: Ultralytics puts ``Box`` before the specification's names, and leaves a plot out when
there is nothing to draw."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
"""What a kernel or file system without the call answers."""

_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP)
"""What a file system answers that forces nothing, or no folder, to the disk (CIFS, some FUSE)."""


@dataclass(frozen=True, slots=True)
class _Places:
    """The published folder and its neighbours; all but the lock are temporary."""

    destination: Path

    @property
    def staged(self) -> Path:
        """The new model while it is made; after an exchange, the old one until it is deleted."""
        return self.destination.with_name(f".{self.destination.name}.staged")

    @property
    def previous(self) -> Path:
        """The old model between the two renames, where there is no exchange."""
        return self.destination.with_name(f".{self.destination.name}.previous")

    @property
    def lock(self) -> Path:
        """Held while the others change; empty, and never deleted, for somebody may wait for it.

        A file, because NFS does not lock folders: https://man7.org/linux/man-pages/man2/flock.2.html
        """
        return self.destination.with_name(f".{self.destination.name}.lock")


def publish(run: Run, metadata: Metadata, destination: Path = PUBLISHED) -> None:
    """Replace ``destination`` by what ``run`` made, as one step.

    Whatever stops it (a kill, a full disk), the previous model stays whole. Git's part of the
    folder, ``.gitignore`` and ``*.dvc``, is carried over; nothing else is.

    Raises:
        RunError: If the run lacks a required file, if its weights are not those that
            ``metadata`` describes, or if the folder cannot be replaced.
    """
    places = _places(destination)
    try:
        places.destination.parent.mkdir(parents=True, exist_ok=True)
        with _alone(places):
            _heal(places)
            try:
                _stage(run, metadata, places)
                _swap(places)
            finally:
                _heal(places)
    except OSError as error:
        raise RunError(
            f"{destination} could not be replaced, and is as it was: {error}",
            hint="free some space, or make the folder above it writable, then run "
            f"doors train --experiment {run.name} again: it publishes what is trained already",
        ) from error


def recover(destination: Path = PUBLISHED) -> None:
    """Heal what a killed publication left; readers call it first, and it costs next to nothing."""
    places = _places(destination)
    if places.staged.exists() or places.previous.exists():
        with _alone(places):
            _heal(places)


def read_published(destination: Path = PUBLISHED) -> Metadata | None:
    """Tell which model is published; None before the first."""
    recover(destination)
    path = destination / METADATA
    return Metadata.read(path) if path.exists() else None


def _places(destination: Path) -> _Places:
    """Follow links first: to exchange a link with a folder would leave the link's target old."""
    return _Places(destination.resolve())


@contextlib.contextmanager
def _alone(places: _Places) -> Iterator[None]:
    """Wait until no other process publishes here; the system lets go for a process that dies."""
    with places.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _heal(places: _Places) -> None:
    if places.previous.exists():
        if places.destination.exists():
            _discard(places.previous)
        else:
            places.previous.rename(places.destination)
    _discard(places.staged)


def _stage(run: Run, metadata: Metadata, places: _Places) -> None:
    """Make the whole folder, on the disk, beside the one that it will replace."""
    (places.staged / "weights").mkdir(parents=True)
    for name, sources in _REQUIRED.items():
        if not _copy(run.trainer_dir, sources, places.staged / name):
            raise RunError(
                f"{run.trainer_dir / sources[0]} is missing, so {run.name} cannot be published",
                hint=f"train it to the end: doors train --experiment {run.name}",
            )
    for name, sources in _OPTIONAL.items():
        # best.pt's own evaluation first: its confusion matrix is at the operating point.
        target = places.staged / name
        _copy(run.evaluation_dir("val"), sources, target) or _copy(run.trainer_dir, sources, target)
    if run.train_log.exists():
        shutil.copyfile(run.train_log, places.staged / "train.log")
    _check_weights(metadata, places.staged)
    for kept in _kept_by_git(places.destination):
        shutil.copyfile(kept, places.staged / kept.name)
    (places.staged / METADATA).write_text(metadata.to_json(), encoding="utf-8")
    _force_to_disk(places.staged)


def _copy(folder: Path, sources: tuple[str, ...], target: Path) -> bool:
    for source in sources:
        if (folder / source).is_file():
            shutil.copyfile(folder / source, target)
            return True
    return False


def _check_weights(metadata: Metadata, staged: Path) -> None:
    """Compare the copies, not the originals: what is checked is what ships."""
    for folder in (staged, staged / "weights"):
        for name, described in metadata.artifacts.items():
            found = file_sha256(folder / name)
            if found != described.sha256:
                raise RunError(
                    f"{name} of {metadata.experiment_name} is not the file that its metadata "
                    f"describes: expected sha256 {described.sha256[:12]}, found {found[:12]}",
                    hint="something changed it after training; train again: "
                    f"doors train --experiment {metadata.experiment_name} --replace",
                )


def _kept_by_git(destination: Path) -> list[Path]:
    ignored = destination / ".gitignore"
    return [*destination.glob("*.dvc"), *([ignored] if ignored.exists() else [])]


def _force_to_disk(folder: Path) -> None:
    """Force every file, then every folder, as a power cut must not leave names without content."""
    paths = list(folder.rglob("*"))
    for path in (*paths, folder):
        _fsync(path)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(descriptor)


def _swap(places: _Places) -> None:
    if not places.destination.exists():
        places.staged.rename(places.destination)
    elif not _exchange(places.staged, places.destination):
        places.destination.rename(places.previous)
        places.staged.rename(places.destination)
        _fsync(places.destination.parent)
        _discard(places.previous)
    _fsync(places.destination.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders as one step; False where the system cannot.

    https://man7.org/linux/man-pages/man2/rename.2.html
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # glibc before 2.28, musl, macOS
        return False
    failed = libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def _discard(folder: Path) -> None:
    """Delete what is no longer needed; if that fails, the next publication tries again."""
    shutil.rmtree(folder, ignore_errors=True)
