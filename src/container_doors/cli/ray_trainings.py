"""Trains many runs on the nodes of a Ray cluster; implements :class:`ports.Trainings`."""

from collections.abc import Iterator, Sequence

from container_doors.adapters.ray.cluster import connect
from container_doors.adapters.ray.trainings import RayTrainCommands, TrainCommand, TrainEnd
from container_doors.cli.trainings import known_end, recorded_failure, recorded_run
from container_doors.core.config import Params, dump, params_with
from container_doors.core.errors import RunError, ToBeContinued
from container_doors.core.ports import Progress, Stopping, TaskEnd, TrainingTask
from container_doors.core.run import Run

_WHERE_IT_IS = "auto"


class RayTrainings:
    """Trains on any node, each task with a GPU of its own if the cluster has any.

    The nodes see the workspace at the same path, so that what one of them has begun another one
    resumes from its checkpoint.
    """

    def __init__(self, params: Params, progress: Progress, *, stopping: Stopping) -> None:
        """Connect to the cluster.

        Args:
            params: ``training.device`` says whether GPUs are needed; ``auto``: if there are any.
            progress: Receives messages.
            stopping: May ask for a stop.

        Raises:
            ClusterError: If there is none, or none with what is needed.
            MissingToolError: If Ray is not installed.
        """
        device = params.training.device
        self._cluster = connect(say=progress.say)
        self._commands = RayTrainCommands(
            self._cluster,
            needs_gpu=None if device == _WHERE_IT_IS else device != "cpu",
            say=progress.say,
        )
        self._device = device if device == "cpu" else _WHERE_IT_IS
        self._stopping = stopping
        self.at_once = self._commands.at_once

    def train(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        """Train each task; see :meth:`ports.Trainings.train`."""
        waiting = {}
        for task in tasks:
            known = known_end(task)
            if known is None:
                waiting[task.name] = task
            else:
                yield known
        before = {name: recorded_run(Run(name)) for name in waiting}
        commands = [self._command(task) for task in waiting.values()]
        for name, end in self._commands.run(commands, poll=self._refuse_stop):
            task = waiting[name]
            found = known_end(task) or recorded_failure(task, before[name])
            yield found or _without_record(task, end)

    def close(self) -> None:
        """Leave the cluster; the end of this process does so too."""
        self._cluster.leave()

    def _command(self, task: TrainingTask) -> TrainCommand:
        own = params_with(
            task.params,
            [f"detection.training.device='{self._device}'"],
            where=f"the params of {task.name}",
        )
        floors = [f"--floor={epoch}={floor!r}" for epoch, floor in sorted(task.floors.items())]
        return TrainCommand(task.name, dump(own), tuple(floors))

    def _refuse_stop(self) -> None:
        with self._stopping.training():
            reason = self._stopping.reason_to_stop(0.0)
        if reason is not None:
            raise ToBeContinued(f"trainings are unfinished: {reason}")


def _without_record(task: TrainingTask, end: TrainEnd | None) -> TaskEnd:
    if end is None:
        return TaskEnd(task.name, "failed", "3 workers died while they trained it")
    problem, hint = end.complaint or (
        f"the training of {task.name} ended with exit code {end.exit_code}",
        f"{Run(task.name).train_log} says more; the same command goes on",
    )
    raise RunError(f"on the node {end.host}: {problem}", hint=hint)
