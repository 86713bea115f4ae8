"""Workers on the machines of a Ray cluster; implements :class:`ports.Workers`.

By actors, not by Ray Data: that keeps the order if it is told to, but when a worker dies it repeats
a whole block, without a limit or at the end with an error, and never knows the item that kills it.
"""

import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from container_doors.adapters.ray.cluster import (
    Cluster,
    connected,
    package_version,
    refuse_other_version,
)
from container_doors.core.errors import ClusterError, DoorsError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_DEATHS = 3
"""A worker that dies so often on one item dies of it."""

_LOOK_S = 2.0
"""How often it is looked whether nodes came or went."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Items of one chunk, by their positions in it."""

    chunk: int
    positions: tuple[int, ...]


@dataclass(slots=True)
class _Worker:
    """An actor, what it was asked for last, and where it is once it is ready."""

    actor: Any
    answer: Any
    batch: _Batch | None = None
    node: str | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A :class:`DoorsError` on its way back: exceptions with keywords cannot be pickled."""

    problem: str
    hint: str


class _Actor:
    """Runs on a node: prepares once, then works through batches."""

    def __init__(self) -> None:
        self._work: Callable[[Any], Any] = _unprepared

    def place(self) -> tuple[str, str, str]:
        """Return the node's id, its name, and the version of this package there."""
        import ray

        return ray.get_runtime_context().get_node_id(), socket.gethostname(), package_version()

    def prepare(self, prepare: Callable[[], Callable[[Any], Any]]) -> _Refusal | None:
        """Prepare, once it is known that this package is the same."""
        try:
            self._work = prepare()
        except DoorsError as error:
            return _Refusal(error.problem, error.hint)
        return None

    def work(self, items: Sequence[Any]) -> list[Any] | _Refusal:
        try:
            return [self._work(item) for item in items]
        except DoorsError as error:
            return _Refusal(error.problem, error.hint)


def _unprepared(item: object) -> object:
    raise AssertionError(f"the worker is not prepared for {item!r}")


class RayWorkers:
    """As many workers as the cluster has processors, or GPUs if each needs one.

    Nodes may come and go: what a dead one had is done by another. If a worker dies, the items of
    its batch are done again one by one; one on which workers died three times is given up.
    """

    def __init__(self, *, needs_gpu: bool = False, say: Callable[[str], None]) -> None:
        """Prepare; the cluster is looked for when there is work.

        Args:
            needs_gpu: Whether each worker gets a GPU, else it gets a processor.
            say: Receives messages.
        """
        self._resource = "GPU" if needs_gpu else "CPU"
        self._say = say

    def work(
        self,
        prepare: Callable[[], Callable[[Item], Result]],
        chunks: Sequence[Sequence[Item]],
        *,
        give_up: Callable[[Item, str], Result],
    ) -> Iterator[tuple[int, list[Result]]]:
        """See :meth:`ports.Workers.work`."""
        if not chunks:
            return
        with connected(say=self._say) as cluster:
            if not cluster.capacity(self._resource):
                what = "GPU" if self._resource == "GPU" else "processor"
                raise ClusterError(
                    f"the Ray cluster has no {what}, and each worker needs one",
                    hint="add a node that has one, or choose another --device: cpu",
                )
            yield from _Crew(cluster, self._resource, prepare, chunks, give_up, self._say).run()


@dataclass
class _Crew:
    """The workers of one piece of work."""

    cluster: Cluster
    resource: str
    prepare: Callable[[], Callable[[Any], Any]]
    chunks: Sequence[Sequence[Any]]
    give_up: Callable[[Any, str], Any]
    say: Callable[[str], None]
    workers: list[_Worker] = field(default_factory=list)
    deaths: Counter[_Batch] = field(default_factory=Counter)
    failed_starts: int = 0
    nodes: dict[str, str] = field(default_factory=dict)

    def run(self) -> Iterator[tuple[int, list[Any]]]:
        waiting = deque(
            _Batch(number, tuple(range(len(chunk)))) for number, chunk in enumerate(self.chunks)
        )
        results: dict[int, dict[int, Any]] = {}
        left = sum(map(len, self.chunks))
        looked = -_LOOK_S
        while left:
            if monotonic() - looked >= _LOOK_S:
                looked = monotonic()
                self.cluster.refuse_lost_head()
                self._note_lost_nodes()
                self._hire(min(left, self.cluster.capacity(self.resource)))
            self._hand_out(waiting)
            for worker in self._answered():
                done = self._results_of(worker, waiting)
                for batch, found in done:
                    of_chunk = results.setdefault(batch.chunk, {})
                    of_chunk |= dict(zip(batch.positions, found, strict=True))
                    left -= len(found)
                    if len(of_chunk) == len(self.chunks[batch.chunk]):
                        complete = results.pop(batch.chunk)
                        yield batch.chunk, [complete[at] for at in sorted(complete)]

    def _hire(self, many: int) -> None:
        """Start workers until there is one for each processor or GPU."""
        remote = self.cluster.ray.remote(_Actor)
        for _ in range(len(self.workers), many):
            actor = remote.options(
                num_cpus=1 if self.resource == "CPU" else 0,
                num_gpus=1 if self.resource == "GPU" else 0,
                scheduling_strategy="SPREAD",
            ).remote()
            self.workers.append(_Worker(actor, actor.place.remote()))

    def _note_lost_nodes(self) -> None:
        now = self.cluster.nodes()
        for node in self.nodes.keys() - now.keys():
            self.say(f"the node {self.nodes[node]} was lost; the others go on")
        self.nodes = now

    def _hand_out(self, waiting: deque[_Batch]) -> None:
        for worker in self.workers:
            if worker.answer is None and waiting:
                worker.batch = waiting.popleft()
                chunk = self.chunks[worker.batch.chunk]
                items = [chunk[at] for at in worker.batch.positions]
                worker.answer = worker.actor.work.remote(items)

    def _answered(self) -> list[_Worker]:
        """Wait a moment; return the workers that have answered, or died."""
        answers = {one.answer: one for one in self.workers if one.answer is not None}
        ready, _ = self.cluster.ray.wait(list(answers), timeout=_LOOK_S)
        return [answers[one] for one in ready]

    def _results_of(
        self, worker: _Worker, waiting: deque[_Batch]
    ) -> Iterator[tuple[_Batch, list[Any]]]:
        ray, batch = self.cluster.ray, worker.batch
        try:
            answer = ray.get(worker.answer)
        except ray.exceptions.RayActorError as error:
            self.workers.remove(worker)
            if batch is None:
                self._note_failed_start(error)
            else:
                yield from self._after_death(worker, batch, waiting)
            return
        if isinstance(answer, _Refusal):
            raise DoorsError(f"on the node {worker.host}: {answer.problem}", hint=answer.hint)
        worker.answer, worker.batch = None, None
        if batch is not None:
            yield batch, answer
        elif worker.node is None:
            worker.node, worker.host, version = answer
            refuse_other_version(version, worker.host)
            worker.answer = worker.actor.prepare.remote(self.prepare)
        else:
            self.failed_starts = 0

    def _after_death(
        self, worker: _Worker, batch: _Batch, waiting: deque[_Batch]
    ) -> Iterator[tuple[_Batch, list[Any]]]:
        """Put the items of a batch back, one by one; or give up the one that kills its workers."""
        self.say(f"a worker on {worker.host} was lost; others do its part again")
        if worker.node not in self.cluster.nodes():  # it did not die of its work
            waiting.appendleft(batch)
            return
        if len(batch.positions) > 1:
            waiting.extendleft(_Batch(batch.chunk, (at,)) for at in reversed(batch.positions))
            return
        self.deaths[batch] += 1
        if self.deaths[batch] < MOST_DEATHS:
            waiting.appendleft(batch)
            return
        problem = f"{MOST_DEATHS} workers died of it, the last on {worker.host}"
        yield batch, [self.give_up(self.chunks[batch.chunk][batch.positions[0]], problem)]

    def _note_failed_start(self, error: Exception) -> None:
        self.failed_starts += 1
        said = " ".join(str(error).split())
        if "No module named" in said:
            raise ClusterError(
                f"a node has no container-doors, or another Python: {said[-200:]}",
                hint="install the same commit or wheel on all nodes, and start Ray there again",
            )
        if self.failed_starts >= MOST_DEATHS:
            raise ClusterError(
                f"{MOST_DEATHS} workers died while they prepared: {said[-200:]}",
                hint="most likely memory ran out: give Ray fewer processors (ray start --num-cpus)",
            )
