"""``metrics.jsonl``: one line per finished epoch, on disk before anything else hears of it."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from container_doors.errors import RunError
from container_doors.records import FITNESS, Epoch


def spelled(epochs: Iterable[Epoch]) -> str:
    """Write epochs the way that :func:`read_epochs` reads them.

    >>> spelled([Epoch(1, {"val/mAP50": 0.5}), Epoch(2, {})]).splitlines()
    ['{"epoch": 1, "val/mAP50": 0.5}', '{"epoch": 2}']
    """
    return "".join(json.dumps({"epoch": epoch.number, **epoch.metrics}) + "\n" for epoch in epochs)


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Add one line and force it to the disk (0.25 ms)."""
    with path.open("a", encoding="utf-8") as file:
        file.write(spelled([epoch]))
        file.flush()
        os.fsync(file.fileno())


def read_epochs(path: Path) -> list[Epoch]:
    """Read every finished epoch, in order; a last line cut off by a kill is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    epochs = []
    for line in lines:
        if line.endswith("\n"):
            values = json.loads(line)
            epochs.append(Epoch(values.pop("epoch"), values))
    return epochs


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


def read_history(path: Path) -> list[Epoch]:
    """Read what :func:`read_epochs` does, of a run that has been trained.

    Raises:
        RunError: If no epoch was finished.
    """
    epochs = read_epochs(path)
    if not epochs:
        raise RunError(f"no finished epoch in {path}", hint="train first: doors train")
    return epochs


def best_epoch(history: list[Epoch]) -> Epoch:
    """Pick the epoch that ``best.pt`` holds: the highest mAP50-95, the latest of equals.

    The latest, because Ultralytics writes ``best.pt`` whenever an epoch's score *equals* the
    best so far (``BaseTrainer.save_model``), and it compares scores rounded to five digits.
    """
    return max(history, key=lambda epoch: (epoch.metrics.get(FITNESS, -1.0), epoch.number))
