"""The published model, replaced as one step: whoever looks finds the old one or the new, whole.

How a folder is replaced: :mod:`container_doors.core.files`. What a kill leaves is mended by
:func:`recover`.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.disk import how_to_free, is_full, what_is_full
from container_doors.core.errors import RunError
from container_doors.core.files import (
    force_to_disk,
    heal,
    make_folder,
    open_lock,
    previous_of,
    replace_folder,
    staged_for,
    try_lock,
    wait_for_lock,
)
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.hashing import file_sha256, prefix_of_sha256

METADATA = "metadata.json"
LOG_NAME = "train.log"
WEIGHTS = ("best.pt", "last.pt")

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


@dataclass(frozen=True, slots=True)
class _Places:
    """The published folder and its neighbours; all but the lock are temporary."""

    destination: Path

    @property
    def staged(self) -> Path:
        """The new model while it is made; after an exchange, the old one until it is deleted."""
        return staged_for(self.destination)

    @property
    def previous(self) -> Path:
        """The old model between the two renames, where there is no exchange."""
        return previous_of(self.destination)

    @property
    def lock(self) -> Path:
        """Held while the others change; empty, and never deleted, for somebody may wait for it.

        A file, because NFS does not lock folders: https://man7.org/linux/man-pages/man2/flock.2.html
        """
        return self.destination.with_name(f".{self.destination.name}.lock")


def publish(run: Run, metadata: Metadata, destination: Path = PUBLISHED) -> Metadata:
    """Replace ``destination`` by what ``run`` made, as one step.

    Whatever stops it (a kill, a full disk), the previous model stays whole. Git's part of the
    folder, ``.gitignore`` and ``*.dvc``, is carried over; nothing else is.

    Returns:
        The metadata as it is published: the log, which goes on, is hashed when it is copied.

    Raises:
        RunError: If the run lacks a required file, if its weights are not those that
            ``metadata`` describes, or if the folder cannot be replaced.
    """
    try:
        with replacing(destination) as staged:
            return _stage(run, metadata, staged, kept_by_git=_kept_by_git(destination))
    except OSError as error:
        why = what_is_full(error) if is_full(error) else error
        raise RunError(
            f"{destination} could not be replaced, and is as it was: {why}",
            hint=f"{how_to_free(error)}: it publishes what is trained already"
            if is_full(error)
            else "free some space, or make the folder above it writable, then run the same command "
            "again: it publishes what is trained already",
        ) from error


@contextlib.contextmanager
def replacing(destination: Path = PUBLISHED) -> Iterator[Path]:
    """Yield an empty folder; when the block ends well, it is ``destination``, as one step.

    Whatever ends the block otherwise, ``destination`` is as it was. Another process that replaces
    it waits, so nothing in the block may.
    """
    places = _places(destination)
    make_folder(places.destination.parent)
    with _alone(places):
        heal(places.destination)
        try:
            places.staged.mkdir()
            yield places.staged
            force_to_disk(places.staged)
            replace_folder(places.destination)
        finally:
            heal(places.destination)


def published_sources(run: Run) -> dict[str, Path]:
    """Find what of a run is published beside its weights, by its published name."""
    found = {}
    for name, sources in {**_REQUIRED, **_OPTIONAL}.items():
        folders = [run.trainer_dir]
        if name in _OPTIONAL:
            # best.pt's own evaluation first: its confusion matrix is at the operating point.
            folders.insert(0, run.evaluation_dir("val"))
        paths = [folder / source for folder in folders for source in sources]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            found[name] = path
    return found


def recover(destination: Path = PUBLISHED) -> None:
    """Heal what a killed publication left; readers call it first, and it costs next to nothing.

    While another process makes the next folder, this one is whole, and nobody waits.
    """
    places = _places(destination)
    if places.staged.exists() or places.previous.exists():
        with _alone(places, wait=not places.destination.exists()) as is_ours:
            if is_ours:
                heal(places.destination)


def read_published(destination: Path = PUBLISHED) -> Metadata | None:
    """Tell which model is published; None before the first."""
    recover(destination)
    path = destination / METADATA
    return Metadata.read(path) if path.exists() else None


def check_weights(metadata: Metadata, folder: Path, names: Iterable[str] | None = None) -> None:
    """See that the weights in a folder are those that its metadata describes.

    Args:
        metadata: Of the model.
        folder: Where they are.
        names: Only those that should be there; all of them by default.

    Raises:
        RunError: If one is another, or absent.
    """
    for name in WEIGHTS if names is None else [name for name in WEIGHTS if name in names]:
        described = metadata.artifacts.get(name)
        if described is None:
            raise RunError(
                f"the metadata of {metadata.experiment_name} does not say what {name} is",
                hint=f"write it anew where it was trained: doors metadata --weights-dir {folder}",
            )
        path = folder / name
        found = file_sha256(path) if path.is_file() else "no file"
        if found != described.sha256:
            raise RunError(
                f"{name} of {metadata.experiment_name} is not the file that its metadata "
                f"describes: expected sha256 {described.sha256[:12]}, found {found[:12]}",
                hint="something changed it after training; train again: "
                f"doors train --experiment {metadata.experiment_name} --replace",
            )


def _places(destination: Path) -> _Places:
    """Follow links first: to exchange a link with a folder would leave the link's target old."""
    return _Places(destination.resolve())


@contextlib.contextmanager
def _alone(places: _Places, *, wait: bool = True) -> Iterator[bool]:
    """Wait until no other process publishes here; the system lets go for a process that dies.

    Yields:
        Whether the folder is ours; always, with ``wait``.
    """
    with open_lock(places.lock) as lock:
        if wait:
            wait_for_lock(lock)
        yield wait or try_lock(lock)


def _stage(run: Run, metadata: Metadata, staged: Path, *, kept_by_git: Iterable[Path]) -> Metadata:
    """Make the whole folder, beside the one that it will replace."""
    (staged / "weights").mkdir()
    found = published_sources(run)
    for name, sources in _REQUIRED.items():
        if name not in found:
            raise RunError(
                f"{run.trainer_dir / sources[0]} is missing, so {run.name} cannot be published",
                hint=f"train it to the end: doors train --experiment {run.name}",
            )
    for name, source in found.items():
        shutil.copyfile(source, staged / name)
    if run.train_log.exists():
        metadata = _stage_log(run, metadata, staged / LOG_NAME)
    for folder in (staged, staged / "weights"):
        check_weights(metadata, folder)
    for kept in kept_by_git:
        shutil.copyfile(kept, staged / kept.name)
    (staged / METADATA).write_text(metadata.to_json(), encoding="utf-8")
    return metadata


def _stage_log(run: Run, metadata: Metadata, target: Path) -> Metadata:
    """Copy the log, as it was where the metadata says that: it went on after a publication."""
    shutil.copyfile(run.train_log, target)
    before = metadata.files.get(LOG_NAME)
    size = prefix_of_sha256(run.train_log, before) if before else None
    if size is not None:
        os.truncate(target, size)
        return metadata
    files = {**metadata.files, LOG_NAME: file_sha256(target)}
    return metadata.model_copy(update={"files": files})


def _kept_by_git(destination: Path) -> list[Path]:
    ignored = destination / ".gitignore"
    return [*destination.glob("*.dvc"), *([ignored] if ignored.exists() else [])]
