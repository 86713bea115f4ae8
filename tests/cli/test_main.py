"""What people see when they get something wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.cli import main


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


def test_a_reader_that_leaves_is_no_error(tmp_path: Path):
    code = f"{sys.executable} -m container_doors data validate --path x --json | head -c 0"

    done = subprocess.run(["bash", "-c", code], check=False, capture_output=True, text=True)

    assert "Traceback" not in done.stderr
