"""Hears of each epoch from the trainer, and tells disk, log and person, in this order."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from container_doors.core.ports import Progress, Stopping
from container_doors.core.records import Epoch, Hardware, Recovery
from container_doors.core.run import Run
from container_doors.training.history import append_epoch, best_epoch, read_epochs
from container_doors.training.logbook import LOG

_POLL_S = 0.5


class Recorder:
    """A :class:`ports.TrainingListener` for one run.

    Several GPUs train in processes of their own. The recorder goes there pickled, without the
    person who waits: it writes ``metrics.jsonl`` there, and tells of it here.
    """

    def __init__(
        self,
        run: Run,
        *,
        epochs: int,
        progress: Progress,
        stopping: Stopping | None = None,
        on_recovery: Callable[[Recovery], None] | None = None,
    ) -> None:
        self._run = run
        self._stopping = stopping
        self._on_setback = on_recovery
        self._epochs = epochs
        self._progress: Progress | None = progress
        self._told = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_progress": None, "_on_setback": None}

    def batch_finished(self, *, epoch: int, batch: int, batches: int) -> None:
        """Move the bar of the epoch that is under way; with several GPUs there is none."""
        if self._progress is not None:
            self._progress.step(f"epoch {epoch}/{self._epochs}", batch, batches)

    def epoch_finished(self, epoch: Epoch) -> None:
        """Put the epoch on disk before anything else can fail."""
        append_epoch(self._run.metrics_jsonl, epoch)
        if self._progress is not None:
            self._tell(epoch, self._progress)

    def wish_to_stop(self, epoch_s: float) -> str | None:
        """Pass on whether anybody wishes it."""
        return None if self._stopping is None else self._stopping.wish(epoch_s)

    def set_back(self, setback: Recovery) -> None:
        """Say what befell the training; its epochs may come again."""
        LOG.warning("%s", setback)
        if self._progress is not None:
            self._progress.say(str(setback))
        if self._on_setback is not None:
            self._on_setback(setback)

    @contextmanager
    def hearing_workers(self, hardware: Hardware) -> Iterator[None]:
        """Tell what other processes write while inside, each epoch once, and all at the end.

        With one device, whose epochs are told directly, it does nothing. What ``metrics.jsonl``
        holds on entry has been told; what :func:`checkpoint.rewind` cuts off comes again.
        """
        if not hardware.devices:
            yield
            return
        self._told = _last(self._written())
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._catch_up()

    def _follow(self, over: threading.Event) -> None:
        while not over.wait(_POLL_S):
            self._catch_up()

    def _catch_up(self) -> None:
        written = self._written()
        self._told = min(self._told, _last(written))
        for epoch in written:
            if epoch.number > self._told and self._progress is not None:
                self._told = epoch.number
                self._tell(epoch, self._progress)

    def _tell(self, epoch: Epoch, progress: Progress) -> None:
        LOG.info("epoch %d/%d: %s", epoch.number, self._epochs, _spelled(epoch))
        so_far = [one for one in self._written() if one.number <= epoch.number]
        is_best = best_epoch(so_far).number == epoch.number
        progress.epoch(epoch, total=self._epochs, is_best=is_best)

    def _written(self) -> list[Epoch]:
        return read_epochs(self._run.metrics_jsonl)


def _last(epochs: list[Epoch]) -> int:
    return max((epoch.number for epoch in epochs), default=0)


def _spelled(epoch: Epoch) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in epoch.metrics.items())
