"""``metrics.jsonl``: one line per finished epoch, written before anything else is notified."""

import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from container_doors.core.epochs import MOST_EPOCHS, read_all
from container_doors.core.errors import RunError
from container_doors.core.files import copy_of
from container_doors.core.lines import append_line, spelled_line
from container_doors.core.records import FITNESS, Epoch, RunRecord
from container_doors.core.run import Run

_MOST_NAMED = 5
"""At most so many faults are listed one by one."""


def format_epochs(epochs: Iterable[Epoch]) -> str:
    """Return epochs as lines of ``metrics.jsonl``; :func:`read_epochs` reads them.

    >>> format_epochs([Epoch(1, {"val/mAP50": 0.5}), Epoch(2, {})]).splitlines()
    ['{"epoch": 1, "val/mAP50": 0.5, "crc32": "f57f4964"}', '{"epoch": 2, "crc32": "bfbccb8b"}']
    """
    return "".join(spelled_line(_values(epoch)) for epoch in epochs)


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Append one line and force it to the disk."""
    append_line(path, _values(epoch))


def read_epochs(path: Path) -> list[Epoch]:
    """Read all finished epochs, in order; incomplete and damaged lines are left out."""
    return read_all(path).epochs


def history_warnings(run: Run, record: RunRecord) -> list[str]:
    """Return :func:`history_faults` as lines for a person."""
    faults = history_faults(run, record)
    hints = [f"  hint: {hint}" for hint in faults[-1:]]
    return [*(f"warning: {fault}" for fault in faults[:-1]), *hints]


def history_faults(run: Run, record: RunRecord) -> list[str]:
    """List what a run's ``metrics.jsonl`` lacks; the last entry is how to restore it.

    Empty if nothing is missing. For a run in training only the lines themselves are checked:
    epochs from other machines may still come.
    """
    found = read_all(run.metrics_jsonl)
    faults = found.faults[:_MOST_NAMED]
    if len(found.faults) > _MOST_NAMED:
        faults.append(f"{run.metrics_jsonl}: {len(found.faults) - _MOST_NAMED} more such lines")
    known = [epoch.number for epoch in found.epochs]
    missing = [] if record.status == "running" else _missing(run, found.epochs, record)
    if missing:
        faults.append(f"{run.metrics_jsonl} lacks {_ranges(missing)} of the finished ones")
    return [*faults, _restore_hint(run, _finished(record) or [*known, *missing])] if faults else []


def read_history(path: Path, record: RunRecord | None = None) -> list[Epoch]:
    """Read the epochs of a run that has been trained, as :func:`read_epochs` does.

    Raises:
        RunError: If no epoch was finished, or the epochs that ``record`` counts are all missing.
    """
    epochs = read_epochs(path)
    if epochs:
        return epochs
    if record is not None and record.epochs_finished:
        raise RunError(
            f"{path} holds no epoch, but run.json records {record.epochs_finished} finished ones",
            hint=_restore_hint(Run(record.experiment, root=path.parent.parent), _finished(record)),
        )
    raise RunError(f"no finished epoch in {path}", hint="train first: doors train")


def best_epoch(history: list[Epoch]) -> Epoch:
    """Return the epoch of ``best.pt``: the highest mAP50-95, the latest of equals.

    The latest, because Ultralytics writes ``best.pt`` whenever an epoch's score *equals* the
    best so far (``BaseTrainer.save_model``), and it compares scores rounded to five digits.
    """
    return max(history, key=lambda epoch: (_fitness(epoch), epoch.number))


def _fitness(epoch: Epoch) -> float:
    fitness = epoch.metrics.get(FITNESS, -1.0)
    return -1.0 if math.isnan(fitness) else fitness


def _values(epoch: Epoch) -> dict[str, Any]:
    return {"epoch": epoch.number, **epoch.metrics}


def _finished(record: RunRecord) -> range:
    return range(1, min(record.epochs_finished or 0, MOST_EPOCHS) + 1)


def _missing(run: Run, epochs: Sequence[Epoch], record: RunRecord) -> list[int]:
    numbers = {epoch.number for epoch in epochs}
    copied = [epoch.number for _, copy in _copies_of(run) for epoch in read_epochs(copy)]
    # A kill may come between the checkpoint and its epoch's line; resuming adds that line.
    known = (record.epochs_finished or 0, *numbers, *(number - 1 for number in copied))
    last = min(max(known), MOST_EPOCHS)
    return sorted(set(range(1, last + 1)) - numbers)


def _ranges(numbers: Sequence[int]) -> str:
    """Format sorted numbers, with consecutive ones as ranges.

    >>> _ranges([2]), _ranges([1, 2, 3, 5, 7, 8])
    ('epoch 2', 'epochs 1 to 3, 5, 7 to 8')
    """
    present = set(numbers)
    starts = [n for n in numbers if n - 1 not in present]
    ends = [n for n in numbers if n + 1 not in present]
    parts = [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
    more = [f"and {len(parts) - _MOST_NAMED} more gaps"] if len(parts) > _MOST_NAMED else []
    return f"epoch{'s' * (len(numbers) > 1)} {', '.join(parts[:_MOST_NAMED] + more)}"


def _restore_hint(run: Run, wanted: Iterable[int]) -> str:
    """Return how to restore the missing epochs: from a copy that has them, if there is one."""
    path, numbers = run.metrics_jsonl, {*wanted}
    for whose, copy in _copies_of(run):
        copied = read_all(copy)
        if copied.epochs and not copied.faults and numbers <= {one.number for one in copied.epochs}:
            return f"{whose} has them: {shlex.join(['cp', str(copy), str(path)])}"
    return (
        f"restore {path} from a copy, if there is one (this does not change weights or scores); "
        f"or train it again: doors train --experiment {run.name} --replace"
    )


def _copies_of(run: Run) -> list[tuple[str, Path]]:
    """List the other places that have the lines, up to some epoch, each with its name."""
    folders = {
        "the newest checkpoint": run.resumable.parent,
        "the previous checkpoint": run.previous_checkpoint,
    }
    in_checkpoints = [(whose, path / run.metrics_jsonl.name) for whose, path in folders.items()]
    return [("its copy", copy_of(run.metrics_jsonl)), *in_checkpoints]
