"""What people see when they get something wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.cli import main
from container_doors.cli.parser import build_parser


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository_root: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((repository_root / "params.yaml").read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        pytest.param("train --config none.yaml", "no configuration at none.yaml", id="no params"),
        pytest.param("train --set detection.training.epochs=x", "whole number", id="wrong type"),
        pytest.param("train --experiment a/b", "cannot name an experiment", id="slash"),
        pytest.param("train --experiment ok", "data/processed/detection", id="no data set"),
        pytest.param("data validate --path nowhere", "nowhere", id="nothing to validate"),
        pytest.param("metadata --weights-dir w", "no best.pt in w", id="no weights"),
        pytest.param("version --experiment ok", "metadata.json", id="nothing published"),
        pytest.param("version --experiment ok --point", "add --release", id="a point of nothing"),
        pytest.param("version --experiment ok --release", "metadata.json", id="nothing to release"),
        pytest.param("summary --experiment ok", "no run 'ok'", id="nothing to report"),
        pytest.param("summary --experiment ../x", "cannot name an experiment", id="outside"),
    ],
)
def test_a_mistake_is_explained_with_the_way_on(
    argv: str, complaint: str, capsys: pytest.CaptureFixture[str], empty_folder: Path
):
    before = sorted(empty_folder.rglob("*"))

    assert main(argv.split()) == 2

    said = capsys.readouterr().err
    assert complaint in said
    assert "hint:" in said
    left = [path for path in sorted(empty_folder.rglob("*")) if path.is_file()]
    assert [path for path in left if path.suffix != ".lock"] == before


def test_commands_are_listed_in_the_order_of_a_run(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"])

    shown = capsys.readouterr().out
    order = ["demo", "data", "train", "metadata", "version", "summary"]
    places = [shown.index(f"\n    {command} ") for command in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        pytest.param("remote check", "storage check", id="command"),
        pytest.param("remote set ../a --delegate b", "storage set ../a --delegate b", id="url"),
        pytest.param("evaluate --promise x", "evaluate --target x", id="option"),
        pytest.param("robustness --promise=x", "robustness --target=x", id="another"),
    ],
)
def test_an_earlier_name_works_and_is_not_shown(
    earlier: str, now: str, capsys: pytest.CaptureFixture[str]
):
    parser = build_parser()
    assert parser.parse_args(earlier.split()) == parser.parse_args(now.split())

    for argv in (["--help"], [now.split(maxsplit=1)[0], "--help"]):
        with pytest.raises(SystemExit):
            main(argv)
    shown = capsys.readouterr().out
    old, new = ({*line.replace("=", " ").split()} for line in (earlier, now))
    assert all(word in shown for word in new - old)
    assert not any(word in shown for word in old - new)


@pytest.mark.parametrize("command", ["", "data", "track", "kaggle"])
def test_without_a_command_the_help_is_printed(command: str, capsys: pytest.CaptureFixture[str]):
    """And 1 is returned, as git does: a script whose command is empty has not been served."""
    with pytest.raises(SystemExit) as ended:
        main(command.split())

    said = capsys.readouterr()
    assert ended.value.code == 1
    assert said.out.startswith(f"usage: doors {command}".rstrip())
    assert "COMMAND" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        pytest.param("trian", "doors train", id="command"),  # codespell:ignore trian
        pytest.param("data vlidate", "doors data validate", id="command below"),
        pytest.param("kaggle lst", "doors kaggle list", id="command below kaggle"),
        pytest.param("validate", "doors data validate", id="command of another level"),
        pytest.param("chekc", "doors storage check", id="of an earlier name"),  # codespell:ignore
        pytest.param("train --experimnt exp1", "--experiment", id="option"),
        pytest.param("data validate --pth x", "--path", id="in the place of a required option"),
        pytest.param("--verson", "--version", id="option before a command"),
        pytest.param("train --max_hours=3", "--max-hours", id="underscore"),
        pytest.param("version my2", "doors version --experiment my2", id="run without its option"),
        pytest.param("kaggle plan a", "doors kaggle plan --experiment a", id="run of a job"),
        pytest.param("runs --sort verrsion", "version", id="choice"),
    ],
)
def test_what_is_misspelled_is_met_with_what_was_meant(
    argv: str, meant: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(argv.split())

    said = capsys.readouterr().err
    assert ended.value.code == 2
    hint = said.splitlines()[-1]
    assert hint.startswith("  hint: did you mean ")
    named = hint.strip("?").replace("did you mean ", "").split(": ")[1].split(" or ")
    assert meant in named
    assert len(named) == len({*named})


@pytest.mark.parametrize(
    ("command", "before"),
    [("data", "doors data"), ("runs", "doors runs"), ("gate --experiment a", "doors gate")],
)
def test_what_is_like_nothing_leads_to_the_help(
    command: str, before: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        main([*command.split(), "zzz\x1b[2J"])

    said = capsys.readouterr().err
    assert said.endswith(f"hint: {before} --help lists them\n")
    assert "\x1b" not in said


def test_a_reader_that_leaves_is_no_error(tmp_path: Path):
    code = f"{sys.executable} -m container_doors data validate --path x --json | head -c 0"

    done = subprocess.run(["bash", "-c", code], check=False, capture_output=True, text=True)

    assert "Traceback" not in done.stderr
