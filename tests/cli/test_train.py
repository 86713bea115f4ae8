"""A training that goes on needs not be told again what it was told."""

import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.builders import a_record, a_small_dataset, an_evaluation, split_scores
from tests.fakes import FakeCheckpoints, FakeTrainer, FakeWorld
from tests.trained import PARAMS

from container_doors.cli import main
from container_doors.cli import train as cli_train
from container_doors.core.config import dump
from container_doors.core.errors import ToBeContinued
from container_doors.core.records import FITNESS, Epoch, RunRecord
from container_doors.core.run import Run
from container_doors.publishing.metadata import build_metadata
from container_doors.publishing.names import parse_name
from container_doors.training.checkpoint import make_newest, rewind, stage


class Workspace:
    """Where trainings end after one epoch, until they may go on."""

    def __init__(self, storage: Path) -> None:
        self.checkpoints = FakeCheckpoints(storage)
        self.may_end = False
        self.run = Run("exp1")

    def world(self, *_: object, **__: object):
        return FakeWorld(trainer=FakeTrainer(then=self._stop), checkpoints=self.checkpoints).world

    def _stop(self) -> None:
        if self.may_end:
            return
        run = self.run
        (run.trainer_dir / "results.csv").write_text("epoch\n1\n")
        staged = stage(run, save=a_state, previous_has_best=False, is_last=False)
        make_newest(run, staged, Epoch(1, {FITNESS: 0.2, "perf/epoch_s": 1.0}), is_last=False)
        rewind(run)
        raise ToBeContinued("SIGTERM")


def a_state(path: Path) -> None:
    with ZipFile(path, "w") as file:
        file.writestr("state", "")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """With a run exp1 that was cut off; it was begun with --set."""
    folder = tmp_path / "clone"
    a_small_dataset(folder / PARAMS.data.path)
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text(dump(PARAMS))
    made = Workspace(tmp_path / "storage")
    monkeypatch.setattr(cli_train, "real_world", made.world)
    chosen = ["--set", "detection.training.seed=7", "--set", "detection.wandb.mode=disabled"]
    assert main(["train", "--experiment", "exp1", *chosen]) == 0
    made.may_end = True
    return made


def record_of(name: str = "exp1") -> RunRecord:
    return RunRecord.read(Run(name).record)


def test_a_run_goes_on_with_the_settings_that_it_was_begun_with(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()

    assert main(["train", "--resume", "--experiment", "exp1"]) == 0

    assert record_of().resumed_after == [1]
    assert record_of().known_params.training.seed == 7
    assert record_of().known_params.wandb.mode == "disabled"
    assert (
        "resuming exp1 with its own settings, not those that params.yaml has now: "
        "training.seed 7 (there 0), wandb.mode disabled (there auto)\n"
    ) in capsys.readouterr().out


def test_what_is_said_again_and_is_the_same_is_no_fault(workspace: Workspace):
    argv = ["train", "--resume", "--experiment", "exp1", "--set", "detection.training.seed=7"]

    assert main(argv) == 0

    assert record_of().resumed_after == [1]


@pytest.mark.parametrize(
    ("argv", "other"),
    [
        (["--set", "detection.training.seed=8"], "training.seed 7 -> 8"),
        (["--config", "params.yaml"], "training.seed 7 -> 0"),
    ],
    ids=["set", "config"],
)
def test_what_is_said_and_is_other_is_refused(
    argv: list[str], other: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    assert main(["train", "--resume", "--experiment", "exp1", *argv]) == 2

    said = capsys.readouterr().err
    assert f"exp1 was started with other params or other data: {other}" in said
    assert record_of().status == "stopped"


def test_where_nobody_is_to_see_a_run_by_now_nobody_sees_the_rest_of_it(workspace: Workspace):
    record = record_of()
    shown = {**record.params, "wandb": {**record.params["wandb"], "mode": "online"}}
    record.model_copy(update={"params": shown}).write(Run("exp1").record)
    private = PARAMS.wandb.model_copy(update={"mode": "disabled"})
    Path("params.yaml").write_text(dump(PARAMS.model_copy(update={"wandb": private})))

    assert main(["train", "--resume", "--experiment", "exp1"]) == 0

    assert record_of().known_params.wandb.mode == "disabled"


def test_params_yaml_need_not_be_there(workspace: Workspace):
    Path("params.yaml").unlink()

    assert main(["train", "--resume", "--experiment", "exp1"]) == 0

    assert record_of().status == "finished"


def test_a_fresh_clone_has_the_settings_from_the_storage(workspace: Workspace):
    shutil.rmtree("runs")

    assert main(["train", "--resume", "--experiment", "exp1"]) == 0

    assert record_of().resumed_after == [1]
    assert record_of().known_params.training.seed == 7


def test_the_only_run_that_was_cut_off_need_not_be_named(workspace: Workspace):
    assert main(["train", "--experiment", "exp2"]) == 0

    assert main(["train", "--resume"]) == 0

    assert record_of().status == "finished"


def test_of_several_runs_that_were_cut_off_none_is_chosen(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    workspace.may_end, workspace.run = False, Run("exp2")
    assert main(["train", "--experiment", "exp2"]) == 0

    assert main(["train", "--resume"]) == 2

    said = capsys.readouterr().err
    assert "which run? 2 are not finished, the newest first: exp2, exp1" in said
    assert "hint: name one: doors train --resume --experiment exp2" in said


def test_a_training_ends_with_the_scores_as_the_model_will_be_used():
    """Recall is 72 of 76 doors there, and 0.94 at the best F1."""
    nothing = split_scores(doors=0, ultralytics={}, coco={})
    point = nothing.operating_point.model_copy(update={"precision": None, "recall": None})
    nothing = nothing.model_copy(update={"operating_point": point})
    evaluation = an_evaluation(splits={"val": nothing, "test": split_scores()})
    metadata = build_metadata(
        a_record(), evaluation, parse_name("detection_v1.0_20261123_detection_exp001")
    )

    assert cli_train.scores(metadata) == [
        "val (75 photographs, 0 doors): at a confidence of 0.25: 3 false alarms",
        "test (75 photographs, 76 doors): mAP50 0.951, mAP50-95 0.742, at a confidence of 0.25: "
        "precision 0.960, recall 0.947, 3 false alarms",
    ]
