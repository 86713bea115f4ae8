"""The newest checkpoint: all that a killed training needs to go on, put down as one step.

Its folder (``run.resumable.parent``) is replaced whole, every ``save_period`` epochs, before
``metrics.jsonl`` hears of the epoch. So a kill leaves the checkpoint of this epoch or of an
earlier one, never parts of both, and with a period of 1 no epoch is in ``metrics.jsonl`` that
the checkpoint lacks. To go on, :func:`rewind` makes the run's own files what they were when the
checkpoint was taken.

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
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from container_doors.errors import RunError
from container_doors.files import force_to_disk, heal, replace_copy, replace_folder, staged_for
from container_doors.records import Epoch
from container_doors.run import Run
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
    folder = run.resumable.parent
    heal(folder)
    staged = staged_for(folder)
    staged.mkdir(parents=True)
    save(staged / run.resumable.name)
    if is_last:
        _copy_if_there(run.last_weights, staged / _LAST)
    if best_is_kept:
        _link(folder / _BEST, staged / _BEST)
    else:
        _copy_if_there(run.best_weights, staged / _BEST)
    for name in _TRAINERS:
        _copy_if_there(run.trainer_dir / name, staged / name)
    force_to_disk(staged)
    return staged


def put_down(run: Run, staged: Path, epoch: Epoch, *, is_last: bool) -> None:
    """Make what was staged, together with its own epoch's line, the newest checkpoint."""
    earlier = [one for one in read_epochs(run.metrics_jsonl) if one.number < epoch.number]
    history = spelled([*earlier, epoch])
    (staged / run.metrics_jsonl.name).write_text(history, encoding="utf-8")
    hashes = {path.name: _sha256(path) for path in sorted(staged.iterdir())}
    state = json.dumps({"epoch": epoch.number, "is_last": is_last, "sha256": hashes})
    (staged / _STATE).write_text(state + "\n", encoding="utf-8")
    force_to_disk(staged)
    try:
        replace_folder(run.resumable.parent)
    finally:
        heal(run.resumable.parent)


def damaged(run: Run) -> list[str]:
    """Name the files of the newest checkpoint that are not what was put there.

    PyTorch reads a file with a flipped bit without a word (2.13).
    """
    folder = run.resumable.parent
    try:
        hashes = dict(json.loads((folder / _STATE).read_bytes())["sha256"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return [_STATE]
    return [
        name for name, sha256 in hashes.items()
        if not (folder / name).is_file() or _sha256(folder / name) != sha256
    ]  # fmt: skip


def resumable_epoch(run: Run) -> int | None:
    """Name the last epoch that a training could go on after; None without a usable checkpoint."""
    checkpoint = _newest(run)
    return checkpoint.epoch if checkpoint else None


def rewind(run: Run) -> Checkpoint:
    """Make the run's files what they were when the newest checkpoint was taken.

    ``metrics.jsonl`` gains the line that a kill lost and loses those that the checkpoint lacks,
    a torn one too; ``results.csv``, ``last.pt`` and ``best.pt`` likewise. Harmless if repeated.

    Raises:
        RunError: If there is no checkpoint, or it is damaged.
    """
    checkpoint = _newest(run)
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


def _newest(run: Run) -> Checkpoint | None:
    heal(run.resumable.parent)
    try:
        state = json.loads((run.resumable.parent / _STATE).read_bytes())
        checkpoint = Checkpoint(int(state["epoch"]), bool(state["is_last"]))
        *_, last = read_epochs(run.resumable.parent / run.metrics_jsonl.name)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    whole = zipfile.is_zipfile(run.resumable) and last.number == checkpoint.epoch
    return checkpoint if whole else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    """Give a file that is never changed a second name, or copy it where that is not possible."""
    try:
        os.link(source, target)
    except OSError:
        _copy_if_there(source, target)


def _copy_if_there(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(source, target)
