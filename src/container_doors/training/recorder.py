"""Hears of each epoch from the trainer, and tells disk, tracker and person, in this order."""

from container_doors.ports import Progress, Tracker
from container_doors.records import Epoch
from container_doors.run import Run
from container_doors.training.history import FITNESS, append_epoch
from container_doors.training.logbook import LOG


class Recorder:
    """A :class:`ports.TrainingListener` for one run."""

    def __init__(self, run: Run, *, epochs: int, tracker: Tracker, progress: Progress) -> None:
        self._run = run
        self._epochs = epochs
        self._tracker = tracker
        self._progress = progress
        self._best = -1.0

    def batch_finished(self, *, epoch: int, batch: int, batches: int) -> None:
        """Move the bar of the epoch that is under way."""
        self._progress.step(f"epoch {epoch}/{self._epochs}", batch, batches)

    def epoch_finished(self, epoch: Epoch) -> None:
        """Put the epoch on disk before anything else can fail."""
        append_epoch(self._run.metrics_jsonl, epoch)
        is_best = epoch.metrics.get(FITNESS, -1.0) >= self._best
        if is_best:
            self._best = epoch.metrics.get(FITNESS, -1.0)
        LOG.info("epoch %d/%d: %s", epoch.number, self._epochs, _spelled(epoch))
        self._tracker.log_epoch(epoch)
        self._progress.epoch(epoch, total=self._epochs, is_best=is_best)


def _spelled(epoch: Epoch) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in epoch.metrics.items())
