"""Callbacks for Ultralytics' events: they record epochs and write checkpoints."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from container_doors.adapters.yolo import state as yolo_state
from container_doors.adapters.yolo.recovery import NotFiniteError, is_finite
from container_doors.adapters.yolo.workers import become_worker, is_worker, writes_to_disk
from container_doors.core.config import Params
from container_doors.core.errors import ToBeContinued
from container_doors.core.ports import TrainingListener
from container_doors.core.records import Epoch
from container_doors.core.run import Run
from container_doors.training.checkpoint import make_newest, rewind, stage

_METRICS = {
    "metrics/precision(B)": "val/precision",
    "metrics/recall(B)": "val/recall",
    "metrics/mAP50(B)": "val/mAP50",
    "metrics/mAP50-95(B)": "val/mAP50-95",
}


class Background:
    """Runs one task at a time in a thread; the process does not exit before the task ends."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Start a task, after the one before has ended."""
        self.wait()
        self._thread = threading.Thread(target=self._run_work, args=(work,))
        self._thread.start()

    def wait(self) -> None:
        """Wait for the task's end, and raise what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run_work(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - wait() raises it
            self._failure = failure


class Callbacks:
    """The callbacks; with several GPUs every worker has them, but only the first one writes.

    ``on_model_save`` collects an epoch's metrics, writes its checkpoint and calls the listener:
    after the trainer has its losses, its validation and ``last.pt``, and before anything else.
    """

    def __init__(
        self,
        params: Params,
        run: Run,
        listener: TrainingListener,
        *,
        resume: bool,
        retries: Mapping[int, int],
    ) -> None:
        self._period = params.training.save_period
        self._average_last = params.training.average_last
        self._conditions = params.augmentation.conditions
        self._run = run
        self._listener = listener
        self._resume = resume
        self._retries = retries
        self._state: yolo_state.State | None = None
        self._snapshot = yolo_state.Snapshot()
        self._background = Background()
        self._batch = 0
        self._epoch_began = self._training_took = self._longest_epoch_s = 0.0
        self._previous_has_best = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if is_worker():
            become_worker(self._run.train_log)

    def by_event(self) -> dict[str, Any]:
        """Return the callbacks by the names of Ultralytics' events."""
        return {
            "on_train_start": self._training_starts,
            "on_train_epoch_start": self._epoch_starts,
            "on_train_batch_end": self._batch_ended,
            "on_train_epoch_end": self._training_ended,
            "on_model_save": self._model_saved,
        }

    def _training_starts(self, trainer: Any) -> None:  # noqa: ANN401
        """Load the checkpoint's state in every worker; the first also restores the run's files."""
        window = trainer.draws.mosaic_window
        if self._resume:
            if writes_to_disk():
                rewind(self._run)  # because a trainer that starts removes the files it finds
            self._state = yolo_state.load(self._run.resumable)
            yolo_state.restore(trainer, self._state)
            window = self._state["mosaic_window"]
        trainer.draw(mosaic_window=window, retries=self._retries, conditions=self._conditions)

    def _epoch_starts(self, trainer: Any) -> None:  # noqa: ANN401
        self._batch, self._epoch_began = 0, time.perf_counter()
        if self._state is not None:
            yolo_state.restore_gradients(trainer, self._state)
            self._state = None
        trainer.begin_epoch(trainer.epoch + 1)

    def _batch_ended(self, trainer: Any) -> None:  # noqa: ANN401
        self._batch += 1
        if writes_to_disk():
            self._listener.batch_finished(
                epoch=trainer.epoch + 1, batch=self._batch, batches=len(trainer.train_loader)
            )

    def _training_ended(self, trainer: Any) -> None:  # noqa: ANN401
        self._training_took = time.perf_counter() - self._epoch_began
        self._background.wait()  # its files are about to be rewritten
        if not is_finite(trainer):
            raise NotFiniteError(trainer.epoch + 1)
        trainer.average_weights(self._average_last)

    def _model_saved(self, trainer: Any) -> None:  # noqa: ANN401
        """Save what the next epoch depends on, record this one, and stop if requested."""
        is_best = trainer.best_fitness == trainer.fitness  # the condition in save_model()
        self._previous_has_best = self._previous_has_best and not is_best
        is_last, reason = bool(trainer.stop), self._listener.reason_to_stop(self._longest_epoch_s)
        state = None
        if not (trainer.epoch + 1) % self._period or is_last or reason is not None:
            state = self._snapshot.of(yolo_state.capture(trainer))
        epoch = self._measure(trainer)
        self._longest_epoch_s = max(self._longest_epoch_s, epoch.metrics["perf/epoch_s"])
        self._background.start(
            partial(
                self._write_epoch,
                state,
                epoch,
                previous_has_best=self._previous_has_best,
                is_last=is_last,
            )
        )
        self._previous_has_best = self._previous_has_best or state is not None
        if reason is not None or is_last:
            self.wait()
        if reason is not None and not is_last:
            raise ToBeContinued(reason)

    def wait(self) -> None:
        """Wait until the last epoch is on the disk.

        Raises:
            Exception: Whatever prevented the writing.
        """
        self._background.wait()

    def _write_epoch(
        self,
        state: yolo_state.State | None,
        epoch: Epoch,
        *,
        previous_has_best: bool,
        is_last: bool,
    ) -> None:
        """Write an epoch while the next one is trained: first its checkpoint, then its line."""
        if state is not None:
            staged = stage(
                self._run,
                save=partial(yolo_state.save, state),
                previous_has_best=previous_has_best,
                is_last=is_last,
            )
            make_newest(self._run, staged, epoch, is_last=is_last)
        self._listener.epoch_finished(epoch)

    def _measure(self, trainer: Any) -> Epoch:  # noqa: ANN401
        """Collect the epoch's metrics; its duration ends here, with its state in memory."""
        reported = {
            **trainer.label_loss_items(trainer.tloss, prefix="train"),
            **trainer.metrics,
            **trainer.lr,
        }
        metrics = {_METRICS.get(key, key): float(value) for key, value in reported.items()}
        metrics["perf/epoch_s"] = time.perf_counter() - self._epoch_began
        metrics["perf/images_per_s"] = trainer.draws.photographs / self._training_took
        if trainer.device.type == "cuda":
            metrics["perf/gpu_memory_gb"] = trainer._get_memory()  # noqa: SLF001
        return Epoch(trainer.epoch + 1, metrics)
