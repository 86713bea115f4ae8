"""``metrics.jsonl``: one line per finished epoch, on disk before anything else hears of it."""

import math
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from container_doors.core.epochs import MOST_EPOCHS, read_all
from container_doors.core.errors import RunError
from container_doors.core.files import copy_of
from container_doors.core.lines import append_line, spelled_line
from container_doors.core.records import FITNESS, Epoch, RunRecord
from container_doors.core.run import Run

_MOST_NAMED = 5
"""Faults that are named one by one."""


def spelled(epochs: Iterable[Epoch]) -> str:
    """Write epochs the way that :func:`read_epochs` reads them.

    >>> spelled([Epoch(1, {"val/mAP50": 0.5}), Epoch(2, {})]).splitlines()
    ['{"epoch": 1, "val/mAP50": 0.5, "crc32": "f57f4964"}', '{"epoch": 2, "crc32": "bfbccb8b"}']
    """
    return "".join(spelled_line(_values(epoch)) for epoch in epochs)


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Add one line and force it to the disk."""
    append_line(path, _values(epoch))


def read_epochs(path: Path) -> list[Epoch]:
    """Read every finished epoch, in order; what a kill or a damage left of one is left out."""
    return read_all(path).epochs


def history_warnings(run: Run, record: RunRecord) -> list[str]:
    """Write :func:`history_faults` as lines for a person."""
    faults = history_faults(run, record)
    hints = [f"  hint: {way_back}" for way_back in faults[-1:]]
    return [*(f"warning: {fault}" for fault in faults[:-1]), *hints]


def history_faults(run: Run, record: RunRecord) -> list[str]:
    """Say what a run's ``metrics.jsonl`` lacks, and last how to have that back; or nothing.

    Of a run in training the lines alone are looked at: epochs of other machines may be to come.
    """
    found = read_all(run.metrics_jsonl)
    faults = found.faults[:_MOST_NAMED]
    if len(found.faults) > _MOST_NAMED:
        faults.append(f"{run.metrics_jsonl}: {len(found.faults) - _MOST_NAMED} more such lines")
    known = [epoch.number for epoch in found.epochs]
    missing = [] if record.status == "running" else _missing(run, found.epochs, record)
    if missing:
        faults.append(f"{run.metrics_jsonl} lacks {_ranges(missing)} of those that were finished")
    return [*faults, _way_back(run, _finished(record) or [*known, *missing])] if faults else []


def read_history(path: Path, record: RunRecord | None = None) -> list[Epoch]:
    """Read what :func:`read_epochs` does, of a run that has been trained.

    Raises:
        RunError: If no epoch was finished, or none of those that ``record`` tells of is there.
    """
    epochs = read_epochs(path)
    if epochs:
        return epochs
    if record is not None and record.epochs_finished:
        raise RunError(
            f"{path} holds no epoch, and run.json says that {record.epochs_finished} were finished",
            hint=_way_back(Run(record.experiment, root=path.parent.parent), _finished(record)),
        )
    raise RunError(f"no finished epoch in {path}", hint="train first: doors train")


def reading(path: Path) -> Callable[[], list[Epoch]]:
    """Read epochs again and again, as they come: the file is opened when it has changed only."""
    seen: tuple[int, int] | None = None
    epochs: list[Epoch] = []

    def read() -> list[Epoch]:
        nonlocal seen, epochs
        try:
            status = path.stat()
        except FileNotFoundError:
            return []
        now = (status.st_mtime_ns, status.st_size)
        if now != seen:
            seen, epochs = now, read_epochs(path)
        return epochs

    return read


def best_epoch(history: list[Epoch]) -> Epoch:
    """Pick the epoch that ``best.pt`` holds: the highest mAP50-95, the latest of equals.

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
    # A kill may come between the checkpoint and the line of its epoch, which resuming adds.
    known = (record.epochs_finished or 0, *numbers, *(number - 1 for number in copied))
    last = min(max(known), MOST_EPOCHS)
    return sorted(set(range(1, last + 1)) - numbers)


def _ranges(numbers: Sequence[int]) -> str:
    """Write numbers in order, those that follow one another together.

    >>> _ranges([2]), _ranges([1, 2, 3, 5, 7, 8])
    ('epoch 2', 'epochs 1 to 3, 5, 7 to 8')
    """
    present = set(numbers)
    starts = [n for n in numbers if n - 1 not in present]
    ends = [n for n in numbers if n + 1 not in present]
    parts = [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
    more = [f"and {len(parts) - _MOST_NAMED} more gaps"] if len(parts) > _MOST_NAMED else []
    return f"epoch{'s' * (len(numbers) > 1)} {', '.join(parts[:_MOST_NAMED] + more)}"


def _way_back(run: Run, wanted: Iterable[int]) -> str:
    """Name the copy that has the epochs that are wanted."""
    path, numbers = run.metrics_jsonl, {*wanted}
    for whose, copy in _copies_of(run):
        copied = read_all(copy)
        if copied.epochs and not copied.faults and numbers <= {one.number for one in copied.epochs}:
            return f"{whose} has them: {shlex.join(['cp', str(copy), str(path)])}"
    return (
        f"restore {path} from a copy, if there is one (weights and scores are not touched by it); "
        f"or train it again: doors train --experiment {run.name} --replace"
    )


def _copies_of(run: Run) -> list[tuple[str, Path]]:
    """Where the lines are kept as well, up to an epoch."""
    folders = {
        "the newest checkpoint": run.resumable.parent,
        "the checkpoint before": run.previous_checkpoint,
    }
    in_checkpoints = [(whose, path / run.metrics_jsonl.name) for whose, path in folders.items()]
    return [("the copy of it", copy_of(run.metrics_jsonl)), *in_checkpoints]
