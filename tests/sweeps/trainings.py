"""The ports of a sweep, as small as its tests need them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from container_doors.core.errors import ToBeContinued
from container_doors.core.ports import TaskEnd, TrainingTask
from container_doors.core.records import Epoch
from container_doors.core.run import Run
from container_doors.core.sweeps import Space, Trial
from container_doors.training.floors import below_floor
from container_doors.training.history import append_epoch, read_epochs
from tests.builders import a_record, an_evaluation, split_scores
from tests.sweeps.scored import score


@dataclass
class MemoryLedger:
    """A :class:`sweeps.trials.Ledger` that forgets nothing as long as it is there."""

    kept: dict[int, str] = field(default_factory=dict)
    begun_with: dict[str, object] | None = None

    def definition(self) -> dict[str, object] | None:
        return self.begun_with

    def define(self, definition: dict[str, object]) -> None:
        self.begun_with = definition

    def trials(self) -> list[Trial]:
        return [Trial.model_validate_json(text) for _, text in sorted(self.kept.items())]

    def begin(self, trial: Trial, space: Space) -> None:
        assert trial.number not in self.kept
        self.end(trial)

    def end(self, trial: Trial) -> None:
        self.kept[trial.number] = trial.model_dump_json()


@dataclass
class ScoredTrainings:
    """A :class:`ports.Trainings` that leaves the documents of a run.

    It resumes; and it prunes one epoch after that of the floor, as the trainer does.
    """

    ledger: MemoryLedger
    at_once: int = 1
    fails: Sequence[str] = ()
    """The runs that fail."""
    epochs_left: int = 1000
    """Then it is asked to stop."""
    data_sha256: str | None = None
    """That of other photographs than the sweep's."""
    trained: list[str] = field(default_factory=list)
    """The run of each epoch."""

    def train(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        for task in tasks:
            yield self._end_of(task)

    def _end_of(self, task: TrainingTask) -> TaskEnd:
        run = Run(task.name)
        run.directory.mkdir(parents=True, exist_ok=True)
        if task.name in self.fails:
            return TaskEnd(task.name, "failed", "RunError: out of memory with batch size 1")
        epochs, pruned = task.params.training.epochs, None
        for number in range(len(read_epochs(run.metrics_jsonl)) + 1, epochs + 1):
            if not self.epochs_left:
                raise ToBeContinued("the session ends")
            self.epochs_left -= 1
            self.trained.append(task.name)
            value = score(task.params) * number / epochs
            append_epoch(
                run.metrics_jsonl, Epoch(number, {"val/mAP50-95": value, "perf/epoch_s": 60.0})
            )
            if pruned is not None and number < epochs:
                return TaskEnd(task.name, "pruned", pruned)
            pruned = below_floor(read_epochs(run.metrics_jsonl), task.floors)
        self._write(run, task)
        return TaskEnd(task.name, "finished")

    def _write(self, run: Run, task: TrainingTask) -> None:
        definition = self.ledger.definition()
        assert definition is not None
        record = a_record(
            experiment=run.name, status="finished", params=task.params.model_dump(mode="json")
        )
        data = record.dataset.model_copy(update={"sha256": self.data_sha256 or definition["data"]})
        record.model_copy(update={"dataset": data}).write(run.record)
        scores = split_scores(ultralytics={"mAP50": 0.9, "mAP50-95": score(task.params)})
        an_evaluation(splits={"val": scores}).write(run.scores)
