"""A release is pushed only if the targets hold."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.builders import a_small_dataset
from tests.fakes import FakeDetector, FakeStore, FakeWorld

from container_doors import pipeline
from container_doors.cli import main
from container_doors.core.config import Data, Params, Training, dump
from container_doors.core.records import Metadata
from container_doors.core.run import Run
from container_doors.publishing.names import tag_command

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(epochs=3, batch_size=2, learning_rate=0.001),
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    """One door in test, found: mAP50 0.995 of 0.90 as it is, and nothing is proven by it."""
    a_small_dataset(tmp_path / PARAMS.data.path)
    monkeypatch.chdir(tmp_path)
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    kept = FakeStore()
    monkeypatch.setattr("container_doors.cli.version.DvcStore", lambda *given, **named: kept)
    monkeypatch.setattr("container_doors.cli.version.open_detector", lambda *given: FakeDetector())
    # The weights of the fakes are a few bytes; what a model weighs is tested with the verdicts.
    monkeypatch.setattr("container_doors.reporting.verdicts.EXPECTED_SIZE_MB", {})
    return kept


def released(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = main(["version", "--experiment", "exp1", *options])
    return code, capsys.readouterr().out


def test_a_release_that_is_not_proven_is_not_pushed(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
):
    code, said = released(capsys, "--release")

    assert code == 1
    assert "NOT PROVEN    val mAP50" in said
    assert "exp1 is not released: 0 of 4 targets hold. Not proven: val mAP50" in said
    assert store.objects == {}


def test_a_release_by_its_values_says_so_in_its_tag(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
):
    code, said = released(capsys, "--release", "--point")

    assert code == 0, said
    assert "_exp1, all targets hold as they were measured'" in said
    assert store.objects


def test_a_version_that_is_no_release_says_that_no_target_was_asked(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
):
    code, said = released(capsys)

    assert code == 0
    assert "its targets were not checked" in said
    assert "targets hold" not in said
    assert store.objects


def test_the_configuration_of_the_storage_is_to_be_committed_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").touch()

    _, said = released(capsys)

    assert "weights/detection/.gitignore .dvc/config reports/\n" in said


def test_a_run_whose_weights_are_not_those_that_are_published_releases_nothing(
    store: FakeStore, capsys: pytest.CaptureFixture[str]
):
    Run("exp1").best_weights.write_text("trained further")

    assert main(["version", "--experiment", "exp1", "--release"]) == 2
    assert "which is not what runs/exp1" in capsys.readouterr().err
    assert store.objects == {}


def test_what_is_committed_is_not_to_be_committed_again(
    tmp_path: Path,
    store: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr("container_doors.cli.publish.DvcStore", lambda *given, **named: store)
    monkeypatch.setattr("container_doors.cli.publish.check_door_weights", lambda weights: None)
    (tmp_path / ".gitignore").write_text("/data/\n/runs/\n*.pt\n*.json\n.*.lock\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    before = released(capsys)[1]
    version = a_released_one(tmp_path, commit=["weights", "reports", ".gitignore"])
    after = released(capsys)[1]
    main(["publish", "--version", version])
    restored = capsys.readouterr().out
    (tmp_path / "reports/more.csv").touch()
    main(["publish", "--version", version])
    changed = capsys.readouterr().out

    commits = ["git commit" in said for said in (before, after, restored, changed)]
    assert commits == [True, False, False, True]
    assert "git push" in restored


def a_released_one(tmp_path: Path, *, commit: Sequence[str] = ("params.yaml",)) -> str:
    """Tag the version of the run; return its name."""
    version = Metadata.read(Run("exp1").metadata).version
    for command in (
        ["init", "--quiet"], ["add", *commit], ["commit", "-qm", "Begin"],
        tag_command(version).split()[1:],
    ):  # fmt: skip
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return version


@pytest.mark.parametrize(
    "command",
    ["publish exp1", "summary --experiment exp1", "evaluate --experiment exp1", "compare exp1 exp1",
     "gate --experiment exp1", "doctor --run exp1", "track show exp1", "latency --experiment exp1"],
)  # fmt: skip
def test_a_version_whose_run_is_elsewhere_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "params.yaml").write_text(dump(PARAMS))
    version = a_released_one(tmp_path)
    shutil.rmtree("runs")

    assert main(command.split()) == 2
    assert f"its version {version} is published" in capsys.readouterr().err
    shutil.rmtree("weights")
    assert main(command.split()) == 2
    assert f"hint: a version of it is in the storage: doors publish --version {version}" in (
        capsys.readouterr().err
    )
