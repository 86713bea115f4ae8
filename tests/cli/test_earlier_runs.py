"""A run that ``--replace`` has kept as ``NAME~1`` can be looked at like any other."""

from pathlib import Path

import pytest
from tests.fakes import Blinded
from tests.trained import PARAMS, RUN, train_in

from container_doors.cli import compare, evaluate, gate, latency, main, robustness, summary
from container_doors.core.config import dump
from container_doors.core.records import RunRecord
from container_doors.core.run import Run

EARLIER = Run("exp1", aside=1)


@pytest.fixture
def _renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the earlier run is there."""
    train_in(tmp_path, monkeypatch)
    RUN.directory.rename(EARLIER.directory)
    Path("params.yaml").write_text(dump(PARAMS))
    for module in (compare, evaluate, gate, latency, robustness, summary):
        monkeypatch.setattr(module, "open_detector", lambda weights, params: Blinded())
    monkeypatch.setattr(latency, "FORMATS", {})


@pytest.mark.usefixtures("_renamed")
def test_an_earlier_run_is_looked_at_by_its_name(capsys: pytest.CaptureFixture[str]):
    said = {}
    for command in (
        "evaluate --experiment exp1~1", "gate --experiment exp1~1", "compare exp1~1 exp1~1",
        "latency --experiment exp1~1", "robustness --quick --experiment exp1~1",
        "summary --html --experiment exp1~1", "track show exp1~1", "doctor --run exp1~1",
    ):  # fmt: skip
        assert main(command.split()) in {0, 1}, command
        said[command.split()[0]] = capsys.readouterr().out

    assert said["evaluate"].startswith("exp1~1 on test")
    assert "exp1~1 and exp1~1 have the same weights" in said["compare"]
    assert "wrote summary_exp1~1.md" in said["summary"]
    assert "\ndoors version --experiment exp1~1\n" in Path("summary_exp1~1.md").read_text()
    assert "<h1>exp1~1</h1>" in Path("summary_exp1~1.html").read_text()


@pytest.mark.usefixtures("_renamed")
@pytest.mark.parametrize(
    "command", ["evaluate --experiment exp1~9", "track sync exp1~9", "doctor --run exp1~9"]
)
def test_an_earlier_run_that_does_not_exist_is_named(
    command: str, capsys: pytest.CaptureFixture[str]
):
    assert main(command.split()) == 2
    assert "no run 'exp1~9' in runs" in capsys.readouterr().err


@pytest.mark.usefixtures("_renamed")
def test_an_earlier_run_that_was_interrupted_is_not_said_to_resume(
    capsys: pytest.CaptureFixture[str],
):
    record = RunRecord.read(EARLIER.record)
    record.model_copy(update={"status": "running"}).write(EARLIER.record)

    main(["doctor", "--run", "exp1~1"])

    said = capsys.readouterr().out
    assert "train it anew: doors train --experiment exp1" in said
    assert "--resume" not in said


def test_a_training_does_not_get_the_name_of_an_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(dump(PARAMS))

    assert main(["train", "--experiment", "exp1~1"]) == 2
    assert "'exp1~1' cannot name an experiment" in capsys.readouterr().err
