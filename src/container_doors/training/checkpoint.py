"""The newest checkpoint: all that a killed training needs to go on, put down as one step.

Its folder (``run.resumable.parent``) is replaced whole, every ``save_period`` epochs, before
``metrics.jsonl`` hears of the epoch. So a kill leaves the checkpoint of this epoch or of an
earlier one, never parts of both, and with a period of 1 no epoch is in ``metrics.jsonl`` that
the checkpoint lacks. To go on, :func:`rewind` makes the run's own files what they were when the
checkpoint was taken.

The one before is kept beside it (``run.previous_checkpoint``) and shares no file with it, so
that damage to one costs an epoch and not the training (:func:`use_newest_whole`).

| file | what |
| --- | --- |
| ``resume.pt`` | the trainer's whole state, in full precision |
| ``best.pt`` | the best epoch so far |
| ``last.pt`` | this epoch, where it is the last one of all |
| ``results.csv``, ``args.yaml`` | the trainer's table and its arguments |
| ``metrics.jsonl`` | ours, this epoch's line included |
| ``epoch.json`` | the epoch's number, whether training ends with it, and the others' sha256 |
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container_doors.core.errors import DoorsError, RunError
from container_doors.core.files import (
    force_to_disk,
    heal,
    previous_of,
    replace_and_keep,
    replace_copy,
    staged_for,
    swap_folders,
)
from container_doors.core.records import Epoch
from container_doors.core.run import Run
from container_doors.training.history import read_epochs, spelled

_STATE = "epoch.json"
_TRAINERS = ("results.csv", "args.yaml")
_BEST, _LAST = "best.pt", "last.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the newest checkpoint says of itself."""

    epoch: int
    """The last one that it holds; counts from 1."""
    is_last: bool
    """Whether training ends with this epoch, by its number or early."""


def stage(run: Run, *, save: Callable[[Path], None], best_is_kept: bool, is_last: bool) -> Path:
    """Save the trainer's state and copy its files, forced to the disk; nothing is replaced yet.

    Args:
        run: Whose trainer has just saved its weights.
        save: Writes the trainer's state to a path.
        best_is_kept: Whether the checkpoint before has the best weights so far; otherwise the
            trainer's folder has.
        is_last: Whether training ends with this epoch.

    Returns:
        The folder of the copies, for :func:`put_down`.
    """
    tidy(run)
    staged = staged_for(run.resumable.parent)
    staged.mkdir(parents=True)
    save(staged / run.resumable.name)
    if is_last:
        _copy_if_there(run.last_weights, staged / _LAST)
    if best_is_kept:
        _copy_best(run, staged / _BEST)
    else:
        _copy_if_there(run.best_weights, staged / _BEST)
    for name in _TRAINERS:
        _copy_if_there(run.trainer_dir / name, staged / name)
    force_to_disk(staged)
    return staged


def put_down(run: Run, staged: Path, epoch: Epoch, *, is_last: bool) -> None:
    """Make what was staged, together with its own epoch's line, the newest checkpoint.

    It is read back from the disk before the second newest goes.

    Raises:
        OSError: If it cannot be written, or comes back otherwise; what was there stays.
    """
    earlier = [one for one in read_epochs(run.metrics_jsonl) if one.number < epoch.number]
    history = spelled([*earlier, epoch])
    (staged / run.metrics_jsonl.name).write_text(history, encoding="utf-8")
    hashes = {path.name: _sha256(path) for path in sorted(staged.iterdir())}
    state = json.dumps({"epoch": epoch.number, "is_last": is_last, "sha256": hashes})
    (staged / _STATE).write_text(state + "\n", encoding="utf-8")
    force_to_disk(staged)
    wrong = faults(staged)
    if wrong:
        raise OSError(
            errno.EIO, f"{', '.join(wrong)} was not read back as it was written", str(staged)
        )
    try:
        replace_and_keep(run.resumable.parent, run.previous_checkpoint)
    finally:
        tidy(run)


def faults(folder: Path) -> list[str]:
    """Name the files of a checkpoint that are not what was put there; empty if it is whole.

    PyTorch reads a file with a flipped bit without a word (2.13).
    """
    try:
        hashes = _hashes(folder)
    except _UNREADABLE:
        return [_STATE]
    return [name for name, sha256 in hashes.items() if _sha256(folder / name) != sha256]


@dataclass(frozen=True, slots=True)
class WholeCheckpoint:
    """The newest whole checkpoint of a run here, and those that are not whole."""

    folder: Path | None
    epoch: int | None
    passed_over: tuple[str, ...]
    """Why each was; not empty without a folder if there has been a checkpoint."""


def find_whole(run: Run) -> WholeCheckpoint:
    """Find the newest checkpoint here that is whole; nothing is changed."""
    passed_over: list[str] = []
    folders = [path for path in (run.resumable.parent, run.previous_checkpoint) if path.exists()]
    for folder in folders:
        wrong = faults(folder)
        checkpoint = None if wrong else _look(folder)
        if checkpoint is not None:
            return WholeCheckpoint(folder, checkpoint.epoch, tuple(passed_over))
        passed_over.append(f"{', '.join(wrong or [_STATE])} in {folder} is not what was put there")
    return WholeCheckpoint(None, None, tuple(passed_over))


def use_newest_whole(run: Run, say: Callable[[str], None]) -> WholeCheckpoint:
    """Make the newest whole checkpoint here the one that is gone on from; say what was not whole.

    A damaged one changes places with it, and goes when the next is put down.
    """
    tidy(run)
    found = find_whole(run)
    if found.folder is None:
        return found
    for why in found.passed_over:
        say(f"passed over a damaged checkpoint: {why}")
    if found.folder == run.previous_checkpoint:
        say(f"the checkpoint before is whole, of epoch {found.epoch}")
        swap_folders(run.resumable.parent, run.previous_checkpoint)
    return found


def tidy(run: Run) -> None:
    """Remove what a kill has left of a replacement, but not the second whole checkpoint."""
    folder = run.resumable.parent
    for left in (staged_for(folder), previous_of(folder)):
        is_needed = left.exists() and folder.exists() and not run.previous_checkpoint.exists()
        if is_needed and not faults(left) and 0 < _epoch_of(left) < _epoch_of(folder):
            left.rename(run.previous_checkpoint)
    heal(folder)


def resumable_epoch(run: Run) -> int | None:
    """Name the last epoch that a training could go on after; None without a usable checkpoint.

    Its content is not hashed: :func:`use_newest_whole` comes first.
    """
    tidy(run)
    checkpoint = _look(run.resumable.parent)
    return checkpoint.epoch if checkpoint else None


def rewind(run: Run) -> Checkpoint:
    """Make the run's files what they were when the newest checkpoint was taken.

    ``metrics.jsonl`` gains the line that a kill lost and loses those that the checkpoint lacks,
    a torn one too; ``results.csv``, ``last.pt`` and ``best.pt`` likewise. Harmless if repeated.

    Raises:
        RunError: If there is no checkpoint, or it is damaged.
    """
    tidy(run)
    checkpoint = _look(run.resumable.parent)
    if checkpoint is None:
        raise RunError(
            f"no usable checkpoint in {run.resumable.parent}", hint=how_to_begin_anew(run)
        )
    folder = run.resumable.parent
    for source, path in (
        (folder / _LAST, run.last_weights),
        (folder / _BEST, run.best_weights),
        *((folder / name, run.trainer_dir / name) for name in _TRAINERS),
        (folder / run.metrics_jsonl.name, run.metrics_jsonl),
    ):
        if source.exists():
            replace_copy(source, path)
        else:  # there was none at that epoch
            path.unlink(missing_ok=True)
    return checkpoint


def forget(run: Run) -> None:
    """Forget the epochs of a run that has no checkpoint and is begun again."""
    run.metrics_jsonl.unlink(missing_ok=True)


def how_to_begin_anew(run: Run) -> str:
    """Tell the way out where a run cannot go on."""
    return (
        f"begin anew: doors train --experiment {run.name} --replace, "
        f"which keeps what is there as {run.name}~1"
    )


_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, DoorsError)
"""What reading a damaged document can raise."""


def _look(folder: Path) -> Checkpoint | None:
    """Read what a checkpoint says of itself, unhashed; None if it cannot be used."""
    try:
        state = json.loads((folder / _STATE).read_bytes())
        checkpoint = Checkpoint(int(state["epoch"]), bool(state["is_last"]))
        *_, last = read_epochs(folder / "metrics.jsonl")
    except _UNREADABLE:
        return None
    whole = zipfile.is_zipfile(folder / "resume.pt") and last.number == checkpoint.epoch
    return checkpoint if whole else None


def _epoch_of(folder: Path) -> int:
    checkpoint = _look(folder)
    return checkpoint.epoch if checkpoint else 0


def _hashes(folder: Path) -> dict[str, str]:
    """Read which files a checkpoint has.

    Raises:
        Exception: One of ``_UNREADABLE``, also if it does not name those that it must have.
    """
    hashes: Mapping[str, Any] = json.loads((folder / _STATE).read_bytes())["sha256"]
    found = {name: str(sha256) for name, sha256 in hashes.items() if Path(name).name == name}
    if len(found) != len(hashes) or not {"resume.pt", "metrics.jsonl"} <= found.keys():
        raise ValueError(f"{folder / _STATE} names {', '.join(hashes)}")
    return found


def _sha256(path: Path) -> str | None:
    """Hash what is on the disk, and not what is left of it in memory; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _copy_best(run: Run, target: Path) -> None:
    """Copy the best epoch so far from where it is still what was put down.

    Raises:
        OSError: If it is that nowhere.
    """
    newest, before = (path / _BEST for path in (run.resumable.parent, run.previous_checkpoint))
    try:
        expected = _hashes(newest.parent).get(_BEST)
    except _UNREADABLE:
        expected = None
    if expected is None:
        _copy_if_there(run.best_weights, target)
        return
    for source in (newest, run.best_weights, before):
        _copy_if_there(source, target)
        if _sha256(target) == expected:
            return
    raise OSError(errno.EIO, "the best epoch so far is damaged", str(newest))


def _copy_if_there(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(source, target)
