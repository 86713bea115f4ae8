"""Record each epoch that the trainer reports: on disk, in the log, on the screen, in this order."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from container_doors.core.epochs import EpochReader
from container_doors.core.ports import Progress, Stopping
from container_doors.core.records import Epoch, Hardware, Recovery
from container_doors.core.run import Run
from container_doors.training.history import append_epoch, best_epoch
from container_doors.training.logbook import LOG

_POLL_S = 0.5


class Recorder:
    """A :class:`ports.TrainingListener` for one run.

    With several GPUs, training happens in other processes. The recorder is pickled for them,
    without the progress display: it writes ``metrics.jsonl`` there and reports the epochs here.
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
        self._on_recovery = on_recovery
        self._epochs = epochs
        self._progress: Progress | None = progress
        self._last_reported = 0
        self._reader = EpochReader(run.metrics_jsonl)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_progress": None, "_on_recovery": None}

    def batch_finished(self, *, epoch: int, batch: int, batches: int) -> None:
        """Move the progress bar of the current epoch; with several GPUs there is none."""
        if self._progress is not None:
            self._progress.step(f"epoch {epoch}/{self._epochs}", batch, batches)

    def epoch_finished(self, epoch: Epoch) -> None:
        """Write the epoch to the disk before anything else can fail."""
        append_epoch(self._run.metrics_jsonl, epoch)
        if self._progress is not None:
            self._report(epoch, self._progress)

    def reason_to_stop(self, epoch_s: float) -> str | None:
        """Return why to stop; None to continue."""
        return None if self._stopping is None else self._stopping.reason_to_stop(epoch_s)

    def training_recovered(self, recovery: Recovery) -> None:
        """Report that training went back to a checkpoint; its epochs may come again."""
        LOG.warning("%s", recovery)
        if self._progress is not None:
            self._progress.say(str(recovery))
        if self._on_recovery is not None:
            self._on_recovery(recovery)

    @contextmanager
    def following_workers(self, hardware: Hardware) -> Iterator[None]:
        """Report the epochs that other processes write, each once, until the block ends.

        With one device it does nothing: those epochs are reported directly. Epochs that are in
        ``metrics.jsonl`` at the start were reported before; those that :func:`checkpoint.rewind`
        removes come again.
        """
        if not hardware.devices:
            yield
            return
        self._last_reported = _last(self._epochs_on_disk())
        finished = threading.Event()
        thread = threading.Thread(target=self._follow, args=(finished,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()
            self._catch_up()

    def _follow(self, finished: threading.Event) -> None:
        while not finished.wait(_POLL_S):
            self._catch_up()

    def _catch_up(self) -> None:
        written = self._epochs_on_disk()
        self._last_reported = min(self._last_reported, _last(written))
        for epoch in written:
            if epoch.number > self._last_reported and self._progress is not None:
                self._last_reported = epoch.number
                self._report(epoch, self._progress)

    def _report(self, epoch: Epoch, progress: Progress) -> None:
        LOG.info("epoch %d/%d: %s", epoch.number, self._epochs, _format_metrics(epoch))
        so_far = [one for one in self._epochs_on_disk() if one.number <= epoch.number]
        is_best = best_epoch(so_far).number == epoch.number
        progress.epoch(epoch, total=self._epochs, is_best=is_best)

    def _epochs_on_disk(self) -> list[Epoch]:
        return self._reader.read()


def _last(epochs: list[Epoch]) -> int:
    return max((epoch.number for epoch in epochs), default=0)


def _format_metrics(epoch: Epoch) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in epoch.metrics.items())
