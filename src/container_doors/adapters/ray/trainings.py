"""``doors train`` on the nodes of a Ray cluster, which see this workspace at the same path."""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from time import monotonic, sleep
from typing import Any

from container_doors.adapters.ray.cluster import Cluster, package_version, refuse_other_version
from container_doors.adapters.training_processes import TrainingProcess
from container_doors.core.errors import ClusterError, RunError
from container_doors.core.run import Run
from container_doors.training.claim import claim

MOST_DEATHS = 3
_LOOK_S, _POLL_S = 2.0, 0.5
_WAIT_FOR_LOCK_S = 120.0
"""What a training of a lost node may hold on to its run: file servers notice it after a while."""


@dataclass(frozen=True, slots=True)
class TrainCommand:
    """A training to run on any node."""

    name: str
    config: str
    """The text of its params.yaml."""
    options: tuple[str, ...] = ()
    """Further options of ``doors train``."""


@dataclass(frozen=True, slots=True)
class TrainEnd:
    """How it ended there."""

    host: str
    version: str
    """Of this package there."""
    sees_workspace: bool
    exit_code: int | None = None
    """None if it was not started."""
    complaint: tuple[str, str] | None = None
    """The error that it printed, and its hint."""


class RayTrainCommands:
    """Runs trainings on a cluster, each with a GPU if it has any, else with a processor."""

    def __init__(
        self, cluster: Cluster, *, needs_gpu: bool | None, say: Callable[[str], None]
    ) -> None:
        """Look what the cluster has.

        Args:
            cluster: It is connected.
            needs_gpu: Whether a training must, or must not have a GPU; None: if there is one.
            say: Receives messages.

        Raises:
            ClusterError: If there is no GPU, and one is needed.
        """
        gpus = cluster.capacity("GPU")
        if needs_gpu and not gpus:
            raise ClusterError(
                "the Ray cluster has no GPU, and training.device asks for one",
                hint="add a node that has one, or: --set detection.training.device=auto",
            )
        self._with_gpu = bool(gpus) and needs_gpu is not False
        self._cluster, self._say = cluster, say
        self.at_once = max(gpus if self._with_gpu else cluster.capacity("CPU"), 1)

    def run(
        self, commands: Sequence[TrainCommand], *, poll: Callable[[], None]
    ) -> Iterator[tuple[str, TrainEnd | None]]:
        """Run all; yield each by its name as it ends; None if its workers died three times.

        Args:
            commands: A training that a lost node had begun is resumed on another.
            poll: Called every two seconds; what it raises asks the trainings to stop.
        """
        ray = self._cluster.ray
        deaths: Counter[str] = Counter()
        with NamedTemporaryFile(dir=Path.cwd(), prefix=".ray-") as mark:
            place = Path.cwd(), Path(mark.name).name
            running = {self._start(command, place): command for command in commands}
            try:
                while running:
                    ready, _ = ray.wait(list(running), timeout=_LOOK_S)
                    poll()
                    self._cluster.refuse_lost_head()
                    for reference in ready:
                        command = running.pop(reference)
                        end = self._end_of(reference, command, deaths)
                        if end is None and deaths[command.name] < MOST_DEATHS:
                            running[self._start(command, place)] = command
                        else:
                            yield command.name, end
            finally:
                self._stop(running)

    def _start(self, command: TrainCommand, place: tuple[Path, str]) -> Any:  # noqa: ANN401
        options = {"num_gpus": 1} if self._with_gpu else {"num_cpus": 1}
        task = self._cluster.ray.remote(train_there)
        return task.options(max_retries=0, scheduling_strategy="SPREAD", **options).remote(
            command, *place
        )

    def _end_of(
        self, reference: object, command: TrainCommand, deaths: Counter[str]
    ) -> TrainEnd | None:
        """Return how a training ended; None if its worker or node died."""
        errors = self._cluster.ray.exceptions
        try:
            end: TrainEnd = self._cluster.ray.get(reference)
        except errors.NodeDiedError:
            self._say(f"{command.name}: its node was lost; it goes on on another")
            return None
        except (errors.WorkerCrashedError, errors.OutOfMemoryError):
            deaths[command.name] += 1
            self._say(f"{command.name}: its worker was lost; it goes on on another")
            return None
        refuse_other_version(end.version, end.host)
        if not end.sees_workspace:
            raise ClusterError(
                f"the node {end.host} does not see this workspace at {Path.cwd()}",
                hint="share the folder with all nodes at the same path (NFS, a cluster's /shared)",
            )
        return end

    def _stop(self, running: Mapping[Any, TrainCommand]) -> None:
        for reference in running:
            self._cluster.ray.cancel(reference)
        if running:
            self._cluster.ray.wait(list(running), num_returns=len(running), timeout=40)


def train_there(command: TrainCommand, folder: Path, mark: str) -> TrainEnd:
    """Train in a worker, in the folder of the workspace; cancelled, it stops after an epoch."""
    host, version = socket.gethostname(), package_version()
    if not (folder / mark).exists():
        return TrainEnd(host, version, sees_workspace=False)
    os.chdir(folder)
    _wait_for_lock(Run(command.name))
    with TemporaryDirectory() as scratch:
        config = Path(scratch) / f"{command.name}.yaml"
        config.write_text(command.config, encoding="utf-8")
        process = TrainingProcess(
            ["--config", str(config), "--experiment", command.name, *command.options],
            say=lambda _: None,  # runs/NAME/train.log has it
        )
        try:
            while (code := process.exit_code()) is None:
                sleep(_POLL_S)
        finally:
            process.ask_to_stop()
            process.end()
    return TrainEnd(
        host, version, sees_workspace=True, exit_code=code, complaint=process.complaint()
    )


def _wait_for_lock(run: Run) -> None:
    """Wait until what a lost node had begun has let go of its run."""
    until = monotonic() + _WAIT_FOR_LOCK_S
    while monotonic() < until:
        try:
            with claim(run):
                return
        except RunError:
            sleep(_POLL_S)
