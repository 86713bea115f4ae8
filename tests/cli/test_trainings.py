"""Many trainings on this machine, one after the other or side by side."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.builders import a_small_dataset
from tests.fakes import FakeProgress, FakeTrainer, FakeWorld, NeverStopping
from tests.trained import PARAMS

from container_doors.cli import main, trainings
from container_doors.cli.trainings import LocalTrainings
from container_doors.core.config import Params, dump, params_with
from container_doors.core.errors import DatasetError, RunError
from container_doors.core.ports import Stopping, TaskEnd, TrainingTask, World
from container_doors.core.run import Run
from container_doors.training.history import read_epochs


@pytest.fixture(autouse=True)
def _in_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_small_dataset(tmp_path / PARAMS.data.path)
    monkeypatch.chdir(tmp_path)


def a_task(name: str, *overrides: str, floors: Mapping[int, float] | None = None) -> TrainingTask:
    params = params_with(PARAMS, ["detection.publishing.when=never", *overrides], where="here")
    return TrainingTask(name, params, floors or {})


def train(*tasks: TrainingTask, trainer: FakeTrainer) -> list[TaskEnd]:
    def open_world(params: Params, progress: FakeProgress, *, stopping: Stopping) -> World:
        return replace(FakeWorld(trainer=trainer).world, stopping=stopping)

    local = LocalTrainings(PARAMS, FakeProgress(), stopping=NeverStopping(), open_world=open_world)
    return list(local.train(tasks))


def test_each_is_trained_and_none_again_that_is_finished() -> None:
    trainer = FakeTrainer()
    ends = [TaskEnd("one", "finished"), TaskEnd("two", "finished")]

    assert train(a_task("one"), trainer=trainer) == ends[:1]
    assert train(a_task("one"), a_task("two"), trainer=trainer) == ends
    assert trainer.trained == 2


def test_a_finished_run_of_other_params_is_no_result() -> None:
    train(a_task("one"), trainer=FakeTrainer())

    with pytest.raises(RunError, match=r"other params: training\.seed 0 -> 7"):
        train(a_task("one", "detection.training.seed=7"), trainer=FakeTrainer())
    on_a_gpu = a_task("one", "detection.training.device=cuda")
    assert train(on_a_gpu, trainer=FakeTrainer()) == [TaskEnd("one", "finished")]


def test_a_training_below_a_floor_is_pruned_and_stays_so() -> None:
    trainer = FakeTrainer(map50_95=(0.1, 0.2, 0.3, 0.4))
    task = a_task("one", floors={1: 0.1, 2: 0.25})

    [end] = train(task, trainer=trainer)

    assert (end.outcome, end.name) == ("pruned", "one")
    assert "after epoch 2 is 0.2000, and less than 0.2500" in (end.reason or "")
    assert len(read_epochs(Run("one").metrics_jsonl)) == 3
    assert train(task, a_task("two"), trainer=trainer) == [end, TaskEnd("two", "finished")]
    assert trainer.trained == 2


def test_a_training_that_fails_is_a_failed_task_and_what_prevents_it_is_an_error() -> None:
    def run_out_of_memory() -> None:
        raise RunError("out of memory with batch size 1", hint="lower image_size_px")

    failing = FakeTrainer(then=run_out_of_memory)

    ends = train(a_task("one"), a_task("two"), trainer=failing)

    assert [(end.name, end.outcome) for end in ends] == [("one", "failed"), ("two", "failed")]
    assert (
        ends[0].reason == "RunError: out of memory with batch size 1\n  hint: lower image_size_px"
    )
    nowhere = a_task("one", "detection.data.path=nowhere")
    with pytest.raises(DatasetError, match="nowhere"):
        train(nowhere, trainer=failing)


@pytest.mark.slow
def test_with_several_gpus_each_training_is_a_process_whose_error_is_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainings, "gpus_for", lambda device: ["41", "42"])
    progress = FakeProgress()
    local = LocalTrainings(PARAMS, progress, stopping=NeverStopping())

    assert local.at_once == 2
    with pytest.raises(RunError, match=r"device '4[12]': expected one that is here") as caught:
        list(local.train([a_task("one"), a_task("two"), a_task("three")]))
    assert "use auto or cpu" in caught.value.hint
    assert any(line.startswith("one: error: ") for line in progress.lines)
    assert not any(line.startswith("three: ") for line in progress.lines)


@pytest.mark.parametrize(
    "command", ["sweep --hours 1", "crossval --dirty", "sweep --on ray --hours 1"]
)
def test_an_option_of_kaggle_is_refused_elsewhere(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").write_text(dump(PARAMS))
    Path("sweep.yaml").write_text("space: {detection.training.learning_rate: [0.001, 0.002]}")

    assert main(command.split()) == 2
    assert "would be ignored with --on" in capsys.readouterr().err
