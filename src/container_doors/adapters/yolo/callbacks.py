"""Ultralytics' events, turned into our epochs and checkpoints."""

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
from container_doors.training.checkpoint import put_down, rewind, stage

_METRICS = {
    "metrics/precision(B)": "val/precision",
    "metrics/recall(B)": "val/recall",
    "metrics/mAP50(B)": "val/mAP50",
    "metrics/mAP50-95(B)": "val/mAP50-95",
}


class Background:
    """One piece of work at a time, in a thread, that is waited for if the process ends."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin it, after what was begun before."""
        self.settle()
        self._thread = threading.Thread(target=self._do, args=(work,))
        self._thread.start()

    def settle(self) -> None:
        """Wait for its end, and raise what it raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - it is raised where it is waited for
            self._failure = failure


class Callbacks:
    """What Ultralytics calls; with several GPUs, in each worker, where only the first acts.

    An epoch is measured, its checkpoint put down and its listener told in ``on_model_save``:
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
        self._run = run
        self._listener = listener
        self._resume = resume
        self._retries = retries
        self._state: yolo_state.State | None = None
        self._snapshot = yolo_state.Snapshot()
        self._background = Background()
        self._batch = 0
        self._epoch_began = self._training_took = self._longest_epoch_s = 0.0
        self._best_is_kept = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if is_worker():
            become_worker(self._run.train_log)

    def by_event(self) -> dict[str, Any]:
        """Name the callback for each of Ultralytics' events."""
        return {
            "on_train_start": self._training_starts,
            "on_train_epoch_start": self._epoch_starts,
            "on_train_batch_end": self._batch_ended,
            "on_train_epoch_end": self._training_ended,
            "on_model_save": self._saved,
        }

    def _training_starts(self, trainer: Any) -> None:  # noqa: ANN401
        """Put the state of the checkpoint in, in every worker; the first brings its files too."""
        window = trainer.draws.mosaic_window
        if self._resume:
            if writes_to_disk():
                rewind(self._run)  # a trainer that starts removes what it finds
            self._state = yolo_state.load(self._run.resumable)
            yolo_state.restore(trainer, self._state)
            window = self._state["mosaic_window"]
        trainer.draw(mosaic_window=window, retries=self._retries)

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
        self._background.settle()  # its files are about to be rewritten
        if not is_finite(trainer):
            raise NotFiniteError(trainer.epoch + 1)

    def _saved(self, trainer: Any) -> None:  # noqa: ANN401
        """Keep what the next epoch hangs on; then tell, and stop if that is wished."""
        is_best = trainer.best_fitness == trainer.fitness  # as save_model() asks
        self._best_is_kept = self._best_is_kept and not is_best
        is_last, wish = bool(trainer.stop), self._listener.wish_to_stop(self._longest_epoch_s)
        state = None
        if not (trainer.epoch + 1) % self._period or is_last or wish is not None:
            state = self._snapshot.of(yolo_state.capture(trainer))
        epoch = self._measured(trainer)
        self._longest_epoch_s = max(self._longest_epoch_s, epoch.metrics["perf/epoch_s"])
        self._background.begin(
            partial(self._keep, state, epoch, best_is_kept=self._best_is_kept, is_last=is_last)
        )
        self._best_is_kept = self._best_is_kept or state is not None
        if wish is not None or is_last:
            self.settle()
        if wish is not None and not is_last:
            raise ToBeContinued(wish)

    def settle(self) -> None:
        """Wait until the last epoch is on the disk.

        Raises:
            Exception: What kept it from being there.
        """
        self._background.settle()

    def _keep(
        self, state: yolo_state.State | None, epoch: Epoch, *, best_is_kept: bool, is_last: bool
    ) -> None:
        """Put an epoch on the disk while the next is trained; its checkpoint before its line."""
        if state is not None:
            staged = stage(
                self._run,
                save=partial(yolo_state.save, state),
                best_is_kept=best_is_kept,
                is_last=is_last,
            )
            put_down(self._run, staged, epoch, is_last=is_last)
        self._listener.epoch_finished(epoch)

    def _measured(self, trainer: Any) -> Epoch:  # noqa: ANN401
        """Collect what the epoch brought; its time ends here, with its state in memory."""
        reported = {
            **trainer.label_loss_items(trainer.tloss, prefix="train"),
            **trainer.metrics,
            **trainer.lr,
        }
        metrics = {_METRICS.get(key, key): float(value) for key, value in reported.items()}
        metrics["perf/epoch_s"] = time.perf_counter() - self._epoch_began
        metrics["perf/images_per_s"] = len(trainer.train_loader.dataset) / self._training_took
        if trainer.device.type == "cuda":
            metrics["perf/gpu_memory_gb"] = trainer._get_memory()  # noqa: SLF001
        return Epoch(trainer.epoch + 1, metrics)
