"""Trains many runs on this machine; implements :class:`ports.Trainings`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

from container_doors import pipeline
from container_doors.adapters.machine import gpus_for
from container_doors.adapters.training_processes import TrainingProcess
from container_doors.cli.train import real_world
from container_doors.core.config import Params, dump, params_with
from container_doors.core.errors import DoorsError, RunError, ToBeContinued
from container_doors.core.ports import Progress, Stopping, TaskEnd, TrainingTask, World
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.steps.start import changed_params
from container_doors.training.claim import earlier_record
from container_doors.training.floors import StopBelowFloor, below_floor
from container_doors.training.history import read_epochs

_POLL_S = 0.2


class LocalTrainings:
    """Trains on this machine: one task after the other, or one on each of several GPUs."""

    def __init__(
        self,
        params: Params,
        progress: Progress,
        *,
        stopping: Stopping,
        open_world: Callable[..., World] = real_world,
    ) -> None:
        """Find the GPUs.

        Args:
            params: ``training.device`` says which GPUs may be used: ``auto`` and ``cuda`` are all.
            progress: Receives messages.
            stopping: May ask for a stop.
            open_world: Makes the adapters of a training in this process.
        """
        gpus = gpus_for(params.training.device)
        self._gpus = gpus if len(gpus) > 1 else []
        self._progress = progress
        self._stopping = stopping
        self._open_world = open_world
        self.at_once = max(len(gpus), 1)

    def train(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        """Train each task; see :meth:`ports.Trainings.train`."""
        waiting = []
        for task in tasks:
            known = known_end(task)
            if known is None:
                waiting.append(task)
            else:
                yield known
        if self._gpus:
            yield from self._train_side_by_side(waiting)
        else:
            for task in waiting:
                yield self._train_here(task)

    def _train_here(self, task: TrainingTask) -> TaskEnd:
        run = Run(task.name)
        before = recorded_run(run)
        stopping = StopBelowFloor(self._stopping, run.metrics_jsonl, task.floors)
        world = self._open_world(task.params, self._progress, stopping=stopping)
        try:
            pipeline.train(task.params, run, world=world)
        except ToBeContinued:
            end = known_end(task)
            if end is None:
                raise
            return end
        except DoorsError:
            failed = recorded_failure(task, before)
            if failed is None:
                raise
            return failed
        return TaskEnd(task.name, "finished")

    def _train_side_by_side(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        waiting, free = list(tasks), list(self._gpus)
        running: dict[str, tuple[TrainingTask, TrainingProcess, RunRecord | None]] = {}
        with TemporaryDirectory(prefix="doors-trainings-") as folder, _ended(running):
            while waiting or running:
                while waiting and free:
                    task, gpu = waiting.pop(0), free.pop(0)
                    before = recorded_run(Run(task.name))
                    running[gpu] = task, self._start(task, gpu, Path(folder)), before
                with self._stopping.training():
                    sleep(_POLL_S)
                reason = self._stopping.reason_to_stop(0.0)
                if reason is not None:
                    raise ToBeContinued(f"{len(waiting) + len(running)} are unfinished: {reason}")
                for gpu, (task, process, before) in list(running.items()):
                    if process.exit_code() is not None:
                        del running[gpu]
                        free.append(gpu)
                        yield _end_of(task, process, before)

    def _start(self, task: TrainingTask, gpu: str, folder: Path) -> TrainingProcess:
        own = params_with(
            task.params, [f"detection.training.device='{gpu}'"], where=f"the params of {task.name}"
        )
        config = folder / f"{task.name}.yaml"
        config.write_text(dump(own), encoding="utf-8")
        floors = [f"--floor={epoch}={floor!r}" for epoch, floor in sorted(task.floors.items())]
        return TrainingProcess(
            ["--config", str(config), "--experiment", task.name, *floors],
            say=lambda line: self._progress.say(f"{task.name}: {line}"),
        )


def known_end(task: TrainingTask) -> TaskEnd | None:
    """Return how a task has ended already; None if there is something to train.

    Raises:
        RunError: If the run of its name has ended with other params.
    """
    run = Run(task.name)
    record = recorded_run(run)
    if record is None:
        return None
    pruned = below_floor(read_epochs(run.metrics_jsonl), task.floors)
    if record.status != "finished" and pruned is None:
        return None
    differences = changed_params(record, task.params)
    if differences and record.status == "finished":
        raise RunError(
            f"{task.name} was trained with other params: {', '.join(differences)}",
            hint="undo that change, or take another name: --experiment NAME",
        )
    if differences:  # it is renamed and kept
        return None
    if record.status == "finished":
        return TaskEnd(task.name, "finished")
    return TaskEnd(task.name, "pruned", pruned)


def recorded_run(run: Run) -> RunRecord | None:
    """Read a run's record; one that is damaged is as good as none: it is renamed and kept."""
    try:
        return earlier_record(run)
    except RunError:
        return None


def recorded_failure(task: TrainingTask, before: RunRecord | None) -> TaskEnd | None:
    """Return the failure that the training has recorded; None if it was not started."""
    record = recorded_run(Run(task.name))
    if record is None or record.status != "failed" or record == before:
        return None
    return TaskEnd(task.name, "failed", record.message)


def _end_of(task: TrainingTask, process: TrainingProcess, before: RunRecord | None) -> TaskEnd:
    known = known_end(task) or recorded_failure(task, before)
    if known is not None:
        return known
    problem, hint = process.complaint() or (
        f"the training of {task.name} ended with exit code {process.exit_code()}",
        f"{Run(task.name).train_log} says more; the same command goes on",
    )
    raise RunError(problem, hint=hint)


@contextmanager
def _ended(
    running: dict[str, tuple[TrainingTask, TrainingProcess, RunRecord | None]],
) -> Iterator[None]:
    """Ask the trainings that still run to stop when the block ends, and wait for them."""
    try:
        yield
    finally:
        for _, process, _ in running.values():
            process.ask_to_stop()
        for _, process, _ in running.values():
            process.end()
