"""What only reads works where nothing can be written."""

from pathlib import Path

import pytest

from container_doors.cli import compare, evaluate, gate, latency, main, robustness, summary, version
from container_doors.core.config import dump
from container_doors.core.run import TEST_USES, Run
from container_doors.steps.evaluate import restore_test_uses
from tests.fakes import Blinded, FakeWorld
from tests.read_only import content, read_only
from tests.trained import PARAMS, RUN, forget_detections, train_in


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace"
    train_in(folder, monkeypatch)
    (folder / "params.yaml").write_text(dump(PARAMS))
    for module in (compare, evaluate, gate, latency, robustness, summary, version):
        monkeypatch.setattr(module, "open_detector", lambda weights, params: Blinded())
    monkeypatch.setattr(latency, "FORMATS", {})
    return folder


MEASURING = (
    "evaluate --experiment exp1 --json", "gate --experiment exp1", "compare exp1 exp1",
    "latency --experiment exp1",
)  # fmt: skip
READING = (
    "runs", "doctor --run exp1", "summary --experiment exp1 --output -",
    "summary --experiment exp1 --output {elsewhere}/s.md --html --card", "track show exp1",
    "track show exp1 --output {elsewhere}/p.png", "data validate --path data/processed/detection",
    *MEASURING,
)  # fmt: skip


def test_a_command_says_the_same_where_nothing_can_be_written(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for command in READING:
        argv = command.format(elsewhere=tmp_path).split()
        main(argv)
        code, before = main(argv), content(workspace)
        usual = capsys.readouterr().out
        with read_only(workspace):
            assert main(argv) == code, command
        said = capsys.readouterr()

        assert content(workspace) == before, command
        assert "error" not in said.err, command
        assert set(figures(said.out)) <= set(figures(usual)), command


def test_a_report_that_cannot_be_written_can_be_printed(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    with read_only(workspace):
        assert main(["summary", "--experiment", "exp1"]) == 2
        assert "hint: --output - prints the report" in capsys.readouterr().err

        assert main(["summary", "--experiment", "exp1", "--output", "-"]) == 0


def test_a_workspace_that_was_moved_is_read_where_nothing_can_be_written(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Such as a mount of another machine's folder: the links of its views point elsewhere."""
    page = f"summary --experiment exp1 --output {tmp_path}/s.md --html"
    commands = [command.split() for command in (*MEASURING, page)]
    codes = [main(argv) for argv in commands]
    moved = workspace.rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    before = content(moved)

    with read_only(moved):
        assert [main(argv) for argv in commands] == codes
    assert content(moved) == before


@pytest.mark.parametrize(
    "command", ["evaluate", "robustness --quick", "summary --output {elsewhere}/s.md --html"]
)
def test_what_was_never_measured_is_measured_where_nothing_can_be_kept(
    command: str, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    forget_detections()
    argv = [*command.format(elsewhere=tmp_path).split(), "--experiment", "exp1"]
    with read_only(workspace):
        assert main(argv) == 0
    said = capsys.readouterr().out

    assert main(argv) == 0
    assert set(figures(said)) == set(figures(capsys.readouterr().out))


def figures(out: str) -> list[str]:
    """Leave out what is said of files, and the count of looks."""
    words = ("written", "kept", "stays", "wrote", "drawn", "looks", "uses of", '"at_', "detecting")
    return [line for line in out.splitlines() if not any(word in line for word in words)]


def test_what_cannot_be_kept_is_said(workspace: Path, capsys: pytest.CaptureFixture[str]):
    forget_detections()
    with read_only(workspace):
        assert main(["evaluate", "--experiment", "exp1"]) == 0

    said = capsys.readouterr().out
    assert f"this use of the test set is not written to {TEST_USES}: Read-only file system" in said
    assert "what was detected is not kept: Read-only file system" in said
    assert f"{RUN.evaluation} stays as it is: Read-only file system" in said
    assert f"wrote {RUN.evaluation}" not in said


def test_a_picture_that_was_asked_for_and_cannot_be_drawn_is_an_error(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    with read_only(workspace):
        assert main(["track", "show", "exp1", "--output", "here.png"]) == 2

    assert "here.png: Read-only file system" in capsys.readouterr().err


def test_a_look_that_was_lost_is_not_hidden_where_it_cannot_be_put_back(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    """The last commit has one more than the file."""
    committed = TEST_USES.read_text()
    TEST_USES.write_text("")
    outside = FakeWorld()
    outside.repository.files = {("HEAD", TEST_USES): committed}

    with read_only(workspace):
        said = restore_test_uses(outside.repository)

    assert said[-1].startswith(f"{TEST_USES} lacks 1 use(s) of the last commit; they cannot")


def test_a_training_is_seen_though_nothing_can_be_written(workspace: Path):
    from container_doors.training.claim import claim
    from container_doors.training.standing import is_claimed

    with claim(Run("exp1")), read_only(workspace):
        assert is_claimed(Run("exp1"))
