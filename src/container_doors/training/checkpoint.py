"""The newest checkpoint: all that a killed training needs to resume, written as one step.

Its folder (``run.resumable.parent``) is replaced as a whole, every ``save_period`` epochs, before
the epoch's line is added to ``metrics.jsonl``. So a kill leaves the checkpoint of this epoch or of
an earlier one, never a mixture. With a period of 1, ``metrics.jsonl`` has no epoch that the
checkpoint lacks. To resume, :func:`rewind` restores the run's files to their state at the
checkpoint.

The previous checkpoint is kept beside it (``run.previous_checkpoint``) and shares no file with it,
so damage to one costs an epoch and not the training (:func:`use_newest_intact`). The copies in the
storage are fetched, and skipped if they are damaged, in
:mod:`container_doors.training.fetch_checkpoints`.

| file | content |
| --- | --- |
| ``resume.pt`` | the trainer's complete state, in full precision |
| ``best.pt`` | the best epoch so far |
| ``last.pt`` | this epoch, if it is the last of the training |
| ``results.csv``, ``args.yaml`` | the trainer's table and its arguments |
| ``metrics.jsonl`` | our epoch records, including this epoch |
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
    open_file,
    previous_of,
    read_file,
    replace_and_keep,
    replace_copy,
    staged_for,
    swap_folders,
)
from container_doors.core.records import Epoch
from container_doors.core.run import Run
from container_doors.training.history import format_epochs, read_epochs

_STATE = "epoch.json"
_TRAINER_FILES = ("results.csv", "args.yaml")
_BEST, _LAST = "best.pt", "last.pt"


Refusal = Callable[[Path], str | None]
"""Returns why a checkpoint with the right hashes cannot be resumed from; None if it can."""


def hashes_alone(_: Path) -> str | None:
    """Refuse none: a :data:`Refusal` for where nothing is loaded."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint's ``epoch.json`` contains."""

    epoch: int
    """Its last epoch; epochs count from 1."""
    is_last: bool
    """Whether training ends with this epoch, as planned or early."""


def stage(
    run: Run, *, save: Callable[[Path], None], previous_has_best: bool, is_last: bool
) -> Path:
    """Save the trainer's state and copies of its files to the disk; replace nothing yet.

    Args:
        run: The run; its trainer has just saved the weights.
        save: Writes the trainer's state to a path.
        previous_has_best: Whether the current checkpoint has the best weights so far; otherwise
            they are in the trainer's folder.
        is_last: Whether training ends with this epoch.

    Returns:
        The folder of the copies; pass it to :func:`make_newest`.
    """
    tidy(run)
    staged = staged_for(run.resumable.parent)
    staged.mkdir(parents=True)
    save(staged / run.resumable.name)
    if is_last:
        _copy_if_exists(run.last_weights, staged / _LAST)
    if previous_has_best:
        _copy_best(run, staged / _BEST)
    else:
        _copy_if_exists(run.best_weights, staged / _BEST)
    for name in _TRAINER_FILES:
        _copy_if_exists(run.trainer_dir / name, staged / name)
    force_to_disk(staged)
    return staged


def make_newest(run: Run, staged: Path, epoch: Epoch, *, is_last: bool) -> None:
    """Make the staged folder, together with the epoch's line, the newest checkpoint.

    It is read back from the disk before the older checkpoint is removed.

    Raises:
        OSError: If it cannot be written, or reads back differently; the old checkpoints stay.
    """
    earlier = [one for one in read_epochs(run.metrics_jsonl) if one.number < epoch.number]
    history = format_epochs([*earlier, epoch])
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
    """Return the names of a checkpoint's damaged or missing files; empty if it is intact.

    PyTorch (2.13) reads a file with a flipped bit without an error.
    """
    try:
        hashes = _hashes(folder)
    except _UNREADABLE:
        return [_STATE]
    return [name for name, sha256 in hashes.items() if _sha256(folder / name) != sha256]


@dataclass(frozen=True, slots=True)
class IntactCheckpoint:
    """The newest intact checkpoint of a run on this machine, and the damaged ones."""

    folder: Path | None
    epoch: int | None
    skipped: tuple[str, ...]
    """The damaged checkpoints, each with the reason."""


def find_intact(run: Run, refusal: Refusal = hashes_alone) -> IntactCheckpoint:
    """Find the newest intact checkpoint on this machine; change nothing."""
    skipped: list[str] = []
    folders = [path for path in (run.resumable.parent, run.previous_checkpoint) if path.exists()]
    for folder in folders:
        wrong = faults(folder)
        checkpoint = None if wrong else _read_state(folder)
        refused = None if checkpoint is None else refusal(folder)
        if checkpoint is not None and refused is None:
            return IntactCheckpoint(folder, checkpoint.epoch, tuple(skipped))
        damaged = f"{', '.join(wrong or [_STATE])} in {folder} is damaged"
        skipped.append(damaged if refused is None else f"{folder}: {refused}")
    return IntactCheckpoint(None, None, tuple(skipped))


def use_newest_intact(
    run: Run, say: Callable[[str], None], refusal: Refusal = hashes_alone
) -> IntactCheckpoint:
    """Make the newest intact checkpoint the one to resume from; report damaged ones to ``say``.

    A damaged one changes places with it, and is removed when the next one is written.
    """
    tidy(run)
    found = find_intact(run, refusal)
    if found.folder is None:
        return found
    for why in found.skipped:
        say(f"skipped a damaged checkpoint: {why}")
    if found.folder == run.previous_checkpoint:
        say(f"the previous checkpoint is intact, of epoch {found.epoch}")
        swap_folders(run.resumable.parent, run.previous_checkpoint)
    return found


def tidy(run: Run) -> None:
    """Remove what a kill has left of a replacement, but not the second intact checkpoint."""
    folder = run.resumable.parent
    for left in (staged_for(folder), previous_of(folder)):
        is_needed = left.exists() and folder.exists() and not run.previous_checkpoint.exists()
        if is_needed and not faults(left) and 0 < _epoch_of(left) < _epoch_of(folder):
            left.rename(run.previous_checkpoint)
    heal(folder)


def resumable_epoch(run: Run) -> int | None:
    """Return the epoch after which training could resume; None without a usable checkpoint.

    Its content is not hashed; call :func:`use_newest_intact` first.
    """
    tidy(run)
    checkpoint = _read_state(run.resumable.parent)
    return checkpoint.epoch if checkpoint else None


def rewind(run: Run) -> Checkpoint:
    """Restore the run's files to their state at the newest checkpoint.

    ``metrics.jsonl`` gets back the line that a kill lost, and loses the lines that the checkpoint
    lacks, incomplete ones too; ``results.csv``, ``last.pt`` and ``best.pt`` likewise. It can be
    repeated.

    Raises:
        RunError: If there is no checkpoint, or it is damaged.
    """
    tidy(run)
    checkpoint = _read_state(run.resumable.parent)
    if checkpoint is None:
        raise RunError(
            f"no usable checkpoint in {run.resumable.parent}", hint=how_to_start_over(run)
        )
    folder = run.resumable.parent
    for source, path in (
        (folder / _LAST, run.last_weights),
        (folder / _BEST, run.best_weights),
        *((folder / name, run.trainer_dir / name) for name in _TRAINER_FILES),
        (folder / run.metrics_jsonl.name, run.metrics_jsonl),
    ):
        if source.exists():
            replace_copy(source, path)
        else:  # the file did not exist at that epoch
            path.unlink(missing_ok=True)
    return checkpoint


def forget(run: Run) -> None:
    """Delete the epoch records of a run that has no checkpoint and starts again."""
    run.metrics_jsonl.unlink(missing_ok=True)


def how_to_start_over(run: Run) -> str:
    """Return the hint for a run that cannot be resumed."""
    return (
        f"start over: doors train --experiment {run.name} --replace, "
        f"which keeps the old run as {run.name}~1"
    )


_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, DoorsError)
"""The exceptions that reading a damaged document can raise."""


def _read_state(folder: Path) -> Checkpoint | None:
    """Read a checkpoint's ``epoch.json``, without hashing; None if it cannot be used."""
    try:
        state = json.loads(read_file(folder / _STATE))
        checkpoint = Checkpoint(int(state["epoch"]), bool(state["is_last"]))
        *_, last = read_epochs(folder / "metrics.jsonl")
    except _UNREADABLE:
        return None
    state_file = folder / "resume.pt"
    is_whole = state_file.is_file() and zipfile.is_zipfile(state_file)
    return checkpoint if is_whole and last.number == checkpoint.epoch else None


def _epoch_of(folder: Path) -> int:
    checkpoint = _read_state(folder)
    return checkpoint.epoch if checkpoint else 0


def _hashes(folder: Path) -> dict[str, str]:
    """Read the names and sha256 of a checkpoint's files.

    Raises:
        Exception: One of ``_UNREADABLE``, also if a required file is not listed.
    """
    hashes: Mapping[str, Any] = json.loads(read_file(folder / _STATE))["sha256"]
    found = {name: str(sha256) for name, sha256 in hashes.items() if Path(name).name == name}
    if len(found) != len(hashes) or not {"resume.pt", "metrics.jsonl"} <= found.keys():
        raise ValueError(f"{folder / _STATE} names {', '.join(hashes)}")
    return found


def _sha256(path: Path) -> str | None:
    """Hash a file's content on the disk, not in the page cache; None if it cannot be read."""
    try:
        with open_file(path) as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _copy_best(run: Run, target: Path) -> None:
    """Copy the best weights so far from a place where they are undamaged.

    Raises:
        OSError: If there is none.
    """
    newest, before = (path / _BEST for path in (run.resumable.parent, run.previous_checkpoint))
    try:
        expected = _hashes(newest.parent).get(_BEST)
    except _UNREADABLE:
        expected = None
    if expected is None:
        _copy_if_exists(run.best_weights, target)
        return
    for source in (newest, run.best_weights, before):
        _copy_if_exists(source, target)
        if _sha256(target) == expected:
            return
    raise OSError(errno.EIO, "the best epoch so far is damaged", str(newest))


def _copy_if_exists(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(source, target)
