"""Commands in a folder below a workspace: they work on all of it, and speak from there."""

import json
import re
import shlex
from argparse import Namespace
from pathlib import Path

import pytest

from container_doors.cli import main
from container_doors.cli import train as cli_train
from container_doors.cli.output import say
from container_doors.cli.parser import build_parser
from container_doors.cli.workspace import in_workspace
from container_doors.core.config import dump
from tests.fakes import FakeWorld
from tests.trained import PARAMS, train_in


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a trained run; whoever asks stands in its folder ``data``."""
    folder = tmp_path / "work space"
    train_in(folder, monkeypatch)
    (folder / "params.yaml").write_text(dump(PARAMS))
    monkeypatch.setattr(cli_train, "real_world", lambda *_, **__: FakeWorld().world)
    monkeypatch.chdir(folder / "data")
    return folder


def doors(command: str) -> int:
    return main(shlex.split(command))


def paths_in(said: str) -> list[str]:
    """Every word that names a file of a workspace, or seems to."""
    words = [word.rstrip(".") for word in re.findall(r"[^\s'\"`(),;:]+", said)]
    return [word for word in words if re.search(r"[a-z_]/|/[a-z_]|\.(md|png|json|yaml)$", word)]


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("runs", []),
        ("track show exp1", ["../runs/exp1/curves.png"]),
        ("summary --experiment exp1", ["../summary_exp1.md"]),
        ("doctor --run exp1", []),
        ("data validate --path processed/detection", []),
        ("metadata", ["../weights/detection/metadata.json"]),
        ("train --experiment exp1 --unless-finished", ["../runs/exp1"]),
        ("train --experiment exp2", []),
    ],
)
def test_a_command_works_from_below_and_each_file_that_it_names_is_found_from_there(
    command: str, files: list[str], workspace: Path, capsys: pytest.CaptureFixture[str]
):
    assert doors(command) == 0

    said = capsys.readouterr()
    assert paths_in(said.out + said.err) == files
    assert all(Path(file).exists() for file in files)
    assert {path.name for path in Path().iterdir()} == {"processed"}, "it left something here"
    assert Path.cwd() == workspace / "data"


def test_a_typed_path_without_a_file_is_shown_as_typed_and_its_hint_works_there(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (workspace / "notes/sub").mkdir(parents=True)
    monkeypatch.chdir(workspace / "notes/sub")

    assert doors("data validate --path data/detection") == 2

    said = capsys.readouterr().err
    assert "no data set at data/detection\n" in said
    assert "doors data sample --out data/detection\n" in said


def test_each_of_several_typed_paths_is_shown_as_typed(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (workspace / "notes/sub").mkdir(parents=True)
    monkeypatch.chdir(workspace / "notes/sub")

    assert doors("data import from/here from/there") == 2

    said = capsys.readouterr().err
    assert "from/here" in said
    assert "notes/sub" not in said


def test_a_folder_of_the_workspace_is_shown_from_where_one_stands(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    with in_workspace(Namespace(handler="version:version")):
        say("  git add weights/detection/a.pt.dvc reports/", "no model and/or run")

    assert capsys.readouterr().out == (
        "  git add ../weights/detection/a.pt.dvc ../reports/\nno model and/or run\n"
    )


def test_what_was_trained_below_is_a_run_of_the_workspace(workspace: Path):
    assert main(["train", "--experiment", "exp2"]) == 0

    assert (workspace / "runs/exp2/run.json").is_file()


def test_a_hint_can_be_followed_from_where_it_is_read(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    (workspace / "data/processed/detection/labels/val/a.txt").write_text("0 2 2 2 2\n")
    assert main(["train", "--experiment", "exp3"]) == 2

    said = capsys.readouterr().err
    assert "processed/detection has 1 error(s)" in said
    advised = said.partition("see them all: doors ")[2].split()
    assert advised == ["data", "validate", "--path", "processed/detection"]
    assert doors(" ".join(advised)) == 1
    assert capsys.readouterr().out.startswith("processed/detection/labels/val/a.txt: error")


def test_paths_that_are_typed_are_meant_from_where_one_stands(workspace: Path):
    Path("mine.yaml").write_text(dump(PARAMS))

    assert doors("summary --experiment exp1 --output mine.md") == 0
    assert doors("track show exp1 --output ../curves.png") == 0
    assert doors("data validate --path processed/detection --report found/r.json") == 0
    assert doors("train --config mine.yaml --experiment exp2") == 0

    assert (workspace / "data/mine.md").is_file()
    assert (workspace / "curves.png").is_file()
    document = json.loads((workspace / "data/found/r.json").read_text())
    assert document["path"] == "processed/detection"


def test_a_typed_path_is_printed_as_it_is_meant_whatever_characters_it_has(
    workspace: Path, capsys: pytest.CaptureFixture[str]
):
    Path("of mine").mkdir()

    assert main(["summary", "--experiment", "exp1", "--output", "of mine/a (1).md"]) == 0
    assert main(["track", "show", "exp1", "--output", "../p.png"]) == 0

    assert "wrote of mine/a (1).md\n" in (said := capsys.readouterr().out)
    assert "wrote ../p.png\n" in said


def test_a_folder_for_large_files_is_meant_from_where_one_stands(workspace: Path):
    assert build_parser().parse_args(["storage", "set", "../../store"]).url == "../store"
    assert build_parser().parse_args(["storage", "set", "gdrive://1a/b"]).url == "gdrive://1a/b"


def test_the_next_workspace_counts(workspace: Path, capsys: pytest.CaptureFixture[str]):
    """As in the demo's, which lies in the clone's."""
    (workspace / "data/.git").mkdir()

    assert main(["runs"]) == 0

    assert capsys.readouterr().out == "no run yet: doors train\n"


@pytest.mark.parametrize("mark", [".git", ".dvc", "params.yaml"])
def test_each_mark_makes_a_workspace(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    train_in(tmp_path, monkeypatch)
    (tmp_path / mark).mkdir()
    monkeypatch.chdir(tmp_path / "data/processed")
    capsys.readouterr()

    assert main(["runs"]) == 0

    assert "exp1" in capsys.readouterr().out
