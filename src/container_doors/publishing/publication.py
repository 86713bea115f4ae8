"""Replace the published model atomically: a reader finds the complete old one or new one.

:mod:`container_doors.core.files` replaces folders. :func:`recover` repairs what a killed process
left.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.disk import how_to_free, is_full, what_is_full
from container_doors.core.errors import MissingToolError, RunError
from container_doors.core.files import (
    copy_folder,
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
from container_doors.publishing.model_file import write_model_file

METADATA = "metadata.json"
LOG_NAME = "train.log"
EXPORTS = "exports"
"""The folder of what ``doors export`` made of the weights; it can be made again."""

WEIGHTS = ("best.pt", "last.pt")

_REQUIRED: dict[str, tuple[str, ...]] = {
    "weights/best.pt": ("weights/best.pt",),
    "weights/last.pt": ("weights/last.pt",),
    "best.pt": ("weights/best.pt",),
    "last.pt": ("weights/last.pt",),
    "args.yaml": ("args.yaml",),
    "results.csv": ("results.csv",),
}
"""Published name to its names in the trainer's folder; the first that exists is used."""

_OPTIONAL: dict[str, tuple[str, ...]] = {
    "results.png": ("results.png",),
    "confusion_matrix.png": ("confusion_matrix.png",),
    **{
        f"{kind}_curve.png": (f"Box{kind}_curve.png", f"{kind}_curve.png")
        for kind in ("F1", "P", "R", "PR")
    },
}
"""Plots. Ultralytics puts ``Box`` before the specification's names, and omits a plot if there is
nothing to draw."""


BESIDE_WEIGHTS = frozenset(
    name for name in (*_REQUIRED, *_OPTIONAL, LOG_NAME) if not name.endswith(WEIGHTS)
)
"""The published files that neither git nor DVC stores; they arrive in downloads."""


@dataclass(frozen=True, slots=True)
class _Places:
    """The published folder and its neighbours; all but the lock are temporary."""

    destination: Path

    @property
    def staged(self) -> Path:
        """The new model while it is built; after an exchange, the old one until it is deleted."""
        return staged_for(self.destination)

    @property
    def previous(self) -> Path:
        """The old model between the two renames, if the file system has no exchange."""
        return previous_of(self.destination)

    @property
    def lock(self) -> Path:
        """Locked while the others change; empty, and never deleted: a process may wait for it.

        A file, because NFS does not lock folders: https://man7.org/linux/man-pages/man2/flock.2.html
        """
        return self.destination.with_name(f".{self.destination.name}.lock")


def publish(run: Run, metadata: Metadata, destination: Path = PUBLISHED) -> Metadata:
    """Replace ``destination`` atomically by the model of ``run``.

    If it is stopped (a kill, a full disk), the previous model stays complete. Git's files in the
    folder, ``.gitignore`` and ``*.dvc``, are copied, and exports of the same weights; no others.

    Returns:
        The published metadata: the log still grows, so it is hashed when it is copied.

    Raises:
        RunError: If the run lacks a required file, if its weights are not those that
            ``metadata`` describes, or if the folder cannot be replaced.
    """
    try:
        with replacement(destination) as staged:
            staged_metadata = _stage(run, metadata, staged, git_files=_git_files(destination))
            _keep_exports(destination, staged)
            return staged_metadata
    except OSError as error:
        why = what_is_full(error) if is_full(error) else error
        raise RunError(
            f"{destination} could not be replaced, and is unchanged: {why}",
            hint=f"{how_to_free(error)}: it publishes the trained model"
            if is_full(error)
            else "free some space, or make the folder above it writable, then run the same command "
            "again: it publishes the trained model",
        ) from error


@contextlib.contextmanager
def replacement(destination: Path = PUBLISHED) -> Iterator[Path]:
    """Yield an empty folder that atomically replaces ``destination`` when the block succeeds.

    If the block fails, ``destination`` is unchanged. Other processes that replace it wait
    meanwhile, so the block must not wait itself.
    """
    places = _places(destination)
    make_folder(places.destination.parent)
    with _locked(places):
        heal(places.destination)
        try:
            places.staged.mkdir()
            yield places.staged
            force_to_disk(places.staged)
            replace_folder(places.destination)
        finally:
            heal(places.destination)


def published_sources(run: Run) -> dict[str, Path]:
    """Return the run's files that are published, by their published names."""
    found = {}
    for name, sources in {**_REQUIRED, **_OPTIONAL}.items():
        folders = [run.trainer_dir]
        if name in _OPTIONAL:
            # The evaluation of best.pt first: its confusion matrix is at the operating point.
            folders.insert(0, run.evaluation_dir("val"))
        paths = [folder / source for folder in folders for source in sources]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            found[name] = path
    return found


def recover(destination: Path = PUBLISHED) -> None:
    """Repair what a killed publication left. Readers call it first; it is cheap.

    While another process builds the next folder, this one is complete, and readers do not wait.
    """
    places = _places(destination)
    if places.staged.exists() or places.previous.exists():
        with _locked(places, wait=not places.destination.exists()) as is_locked:
            if is_locked:
                heal(places.destination)


def read_published(destination: Path = PUBLISHED) -> Metadata | None:
    """Read the published model's metadata; None if nothing is published."""
    recover(destination)
    path = destination / METADATA
    return Metadata.read(path) if path.exists() else None


def not_tried(weights: Path, missing: MissingToolError) -> str:
    """Say that weights were not loaded, because this installation has no trainer."""
    return (
        f"{weights.name} contains weights only; it was not tried: {missing.problem} "
        f"({missing.hint})"
    )


def check_weights(metadata: Metadata, folder: Path, names: Iterable[str] | None = None) -> None:
    """Check that the weights in a folder match their metadata.

    Args:
        metadata: Of the model.
        folder: The folder of the weights.
        names: The files that should exist; all of them by default.

    Raises:
        RunError: If a file is missing or does not match.
    """
    for name in WEIGHTS if names is None else [name for name in WEIGHTS if name in names]:
        described = metadata.artifacts.get(name)
        if described is None:
            raise RunError(
                f"the metadata of {metadata.experiment_name} does not describe {name}",
                hint=f"write it again where it was trained: doors metadata --weights-dir {folder}",
            )
        path = folder / name
        found = file_sha256(path) if path.is_file() else "no file"
        if found != described.sha256:
            raise RunError(
                f"{name} of {metadata.experiment_name} does not match its metadata: "
                f"expected sha256 {described.sha256[:12]}, found {found[:12]}",
                hint="something changed it after training; train again: "
                f"doors train --experiment {metadata.experiment_name} --replace",
            )


def _places(destination: Path) -> _Places:
    """Resolve links first: exchanging a link with a folder would not change the link's target."""
    return _Places(destination.resolve())


@contextlib.contextmanager
def _locked(places: _Places, *, wait: bool = True) -> Iterator[bool]:
    """Wait until no other process publishes here; the lock of a dead process is released.

    Yields:
        Whether this process has the lock; always True with ``wait``.
    """
    with open_lock(places.lock) as lock:
        if wait:
            wait_for_lock(lock)
        yield wait or try_lock(lock)


def _stage(run: Run, metadata: Metadata, staged: Path, *, git_files: Iterable[Path]) -> Metadata:
    """Build the complete folder beside the one that it will replace."""
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
    for path in git_files:
        shutil.copyfile(path, staged / path.name)
    (staged / METADATA).write_text(metadata.to_json(), encoding="utf-8")
    write_model_file(staged, metadata)
    return metadata


def _keep_exports(destination: Path, staged: Path) -> None:
    """Copy what was exported of the published weights, if the same ones are published again."""
    exports, weights = destination / EXPORTS, [one / "best.pt" for one in (destination, staged)]
    if exports.is_dir() and weights[0].is_file() and len({*map(file_sha256, weights)}) == 1:
        (staged / EXPORTS).mkdir()
        copy_folder(exports, staged / EXPORTS)


def _stage_log(run: Run, metadata: Metadata, target: Path) -> Metadata:
    """Copy the log; after a publication it grew, so cut it to the part that the metadata hashed."""
    shutil.copyfile(run.train_log, target)
    before = metadata.files.get(LOG_NAME)
    size = prefix_of_sha256(run.train_log, before) if before else None
    if size is not None:
        os.truncate(target, size)
        return metadata
    files = {**metadata.files, LOG_NAME: file_sha256(target)}
    return metadata.model_copy(update={"files": files})


def _git_files(destination: Path) -> list[Path]:
    ignored = destination / ".gitignore"
    return [*destination.glob("*.dvc"), *([ignored] if ignored.exists() else [])]
