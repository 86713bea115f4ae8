"""What a person types after ``doors kaggle``, and what is made of it."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.builders import PARAMS_YAML, a_record, a_small_dataset
from tests.fakes import FakeDetector, FakeFollower, FakeTrainer, FakeWorld
from tests.trained import PARAMS

from container_doors import pipeline
from container_doors.cli import kaggle, publish
from container_doors.cli.parser import build_parser
from container_doors.core.errors import ConfigError, HostError, RunError
from container_doors.core.ports import JobState
from container_doors.core.run import Run
from container_doors.kaggle.archive import Outcome
from container_doors.kaggle.job_report import stop_lines, table
from container_doors.kaggle.ledger import JobRecord, newest_job
from container_doors.steps.kaggle.plan import JobRequest, Plan
from container_doors.steps.kaggle.pull import PulledRun


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def wanted(*words: str) -> JobRequest:
    arguments = build_parser().parse_args(["kaggle", "plan", "--config", str(PARAMS_YAML), *words])
    return kaggle._request(arguments)


def a_job(**changes: object) -> JobRecord:
    job = JobRecord(
        slug="doors-exp1-3f2a91", ref="someone/doors-exp1-3f2a91", url="https://k/doors-exp1",
        experiments=["exp1"], commit="c" * 40, gpus=1, epochs_asked={"exp1": 30},
        epochs={"exp1": 12}, elapsed_s=1800.0, started_at=a_record().started_at, stage="running",
    )  # fmt: skip
    return job.model_copy(update=changes)


def test_without_a_name_it_is_the_configurations_experiment():
    assert list(wanted().experiments) == ["detection_exp001_yolo11s_baseline"]


def test_two_gpus_are_asked_for_in_the_params():
    (params,) = wanted("--devices", "2").experiments.values()

    assert params.training.device == "0,1"


def test_a_setting_may_be_of_one_experiment_alone():
    asked = wanted(
        "--experiments", "a,b", "--set", "detection.training.epochs=7",
        "--set", "b:detection.training.seed=1",
    ).experiments  # fmt: skip

    assert [(p.training.epochs, p.training.seed) for p in asked.values()] == [(7, 0), (7, 1)]


def test_a_setting_of_nobodys_is_refused():
    with pytest.raises(ConfigError, match="expected one of a, b, found c"):
        wanted("--experiments", "a,b", "--set", "c:detection.training.seed=1")


def test_nothing_is_sent_unasked_where_nobody_can_answer():
    with pytest.raises(ConfigError, match="No one is here to answer") as raised:
        kaggle.agreed("send it?", yes=False)

    assert raised.value.hint == "answer with --yes"


def test_a_job_that_nobody_knows_is_said_to_be_unknown(capsys: pytest.CaptureFixture[str]):
    arguments = build_parser().parse_args(["kaggle", "follow", "exp1"])

    with pytest.raises(HostError, match="knows no job of exp1"):
        kaggle.follow(arguments)


def test_a_stop_names_the_page_and_is_remembered(capsys: pytest.CaptureFixture[str]):
    a_job().save_changes()

    assert kaggle.stop(build_parser().parse_args(["kaggle", "stop", "exp1"])) == 0

    assert capsys.readouterr().out.splitlines() == stop_lines(a_job())
    assert "https://k/doors-exp1" in stop_lines(a_job())[1]
    assert newest_job("exp1").is_to_stop


def test_jobs_are_listed_with_state_epochs_hours_and_page():
    lines = table([(a_job(), JobState("queued")), (a_job(stage="home", outcome="finished"), None)])

    assert lines[0].split() == ["experiment", "session", "state", "epochs", "hours", "page"]
    assert lines[1].split() == ["exp1", "1", "queued", "12/30", "0.50", "https://k/doors-exp1"]
    assert lines[2].split()[2] == "finished"


def test_the_hours_of_a_job_that_nobody_follows_are_the_clocks():
    began = datetime.now(UTC) - timedelta(hours=3)

    lines = table([(a_job(started_at=began, elapsed_s=0.0), JobState("running"))])

    assert "  ~3.00  " in lines[1]


@pytest.mark.parametrize("names", ["a,a", "a,,b", "", ","])
def test_what_names_no_two_experiments_is_refused(names: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        wanted("--experiments", names)

    assert "expected two names" in capsys.readouterr().err


def test_an_empty_name_is_not_the_default():
    with pytest.raises(RunError, match="cannot name an experiment"):
        wanted("--experiment", "")


def test_who_would_not_discard_a_job_has_not_stopped_it(monkeypatch: pytest.MonkeyPatch):
    a_job().save_changes()
    monkeypatch.setattr(kaggle, "agreed", lambda *_, **__: False)

    kaggle.stop(build_parser().parse_args(["kaggle", "stop", "exp1", "--discard"]))

    assert not newest_job("exp1").is_to_stop


def test_a_run_that_comes_home_worse_is_kept_here_and_not_versioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    a_small_dataset(tmp_path / PARAMS.data.path)
    for number, map50_95 in enumerate((0.9, 0.1)):
        detector, trainer = FakeDetector(map50_95=map50_95), FakeTrainer(trained=number)
        world = FakeWorld(detector=detector, trainer=trainer).world
        pipeline.train(PARAMS, Run(f"exp{number + 1}"), world=world)
    Run("exp2").metadata.unlink()  # as it comes: the machine there knew no versions
    versioned: list[Run] = []
    monkeypatch.setattr(kaggle, "_version", lambda run, *_, **__: versioned.append(run))
    monkeypatch.setattr(kaggle, "relayed_follower_for", lambda *_: FakeFollower())
    monkeypatch.setattr(publish, "load_door_detector", lambda *_, **__: FakeDetector())
    home = PulledRun(Run("exp2"), Outcome(kind="finished"))

    assert kaggle._finish_pulled(a_job(experiments=["exp2"]), [home], commit=True) == 0

    assert versioned == []
    said = capsys.readouterr().out
    assert "val mAP50-95 0.100 of exp2 against 0.900 of" in said
    assert "doors publish exp2 --anyway" in said
    assert Path("summary_exp2.md").exists()
    assert Run("exp2").metadata.exists()
    home = PulledRun(Run("exp1"), Outcome(kind="finished"))
    assert kaggle._finish_pulled(a_job(experiments=["exp1"]), [home], commit=True) == 0
    assert versioned == [Run("exp1")]


def test_what_was_not_agreed_to_leaves_no_packs_behind(monkeypatch: pytest.MonkeyPatch):
    record = a_job()
    (record.folder / "packs").mkdir(parents=True)
    planned = Plan(record, [], 1.0, 11.5, None, {}, [])
    monkeypatch.setattr(kaggle, "make_plan", lambda *_: planned)
    arguments = build_parser().parse_args(["kaggle", "push", "--config", str(PARAMS_YAML)])

    with pytest.raises(ConfigError, match="No one is here to answer"):
        kaggle.push(arguments)

    assert not record.folder.exists()


def test_a_missing_remote_is_said_before_anything_is_sent(tmp_path: Path):
    subprocess.run(["git", "init", "--quiet"], check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").touch()

    assert kaggle._push_target_line() == (
        "model: DVC has no remote to push to; before it is downloaded: doors storage set "
        "DIRECTORY, or gdrive://FOLDER_ID, or any URL that DVC knows"
    )
