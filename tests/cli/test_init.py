"""``doors init``: what is the person's stays, and is no reason to promise what it does not say."""

import re
from pathlib import Path

import pytest

from container_doors.cli import main


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_readme_and_params_of_the_person_stay_and_what_they_lack_is_said(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (repository / "README.md").write_text("My own.\n")
    (repository / "params.yaml").write_text("x: 1\n")

    assert main(["init"]) == 0

    said = capsys.readouterr().out
    assert (repository / "README.md").read_text() == "My own.\n"
    assert (repository / "params.yaml").read_text() == "x: 1\n"
    assert "as README.md says" not in said
    assert said.endswith("next, for photographs: doors data import YOUR_PHOTOGRAPHS\n")
    assert "params.yaml yet:\nparams.yaml: expected a section 'detection' with keys" in said
    (hint,) = re.findall(r"hint: doors (init \S+) writes a complete params.yaml", said)
    assert main(hint.split()) == 0
    complete = (tmp_path / "another/params.yaml").read_text()
    (repository / "params.yaml").write_text(f"x: 1\n{complete}")
    capsys.readouterr()
    assert main(["init"]) == 0
    assert "no command can use it" not in capsys.readouterr().out


def test_a_new_workspace_has_a_readme_with_the_next_steps(
    repository: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["init"]) == 0

    assert "doors data import" in (repository / "README.md").read_text()
    assert "as README.md says: doors data import" in capsys.readouterr().out
    assert main(["init"]) == 0
    assert capsys.readouterr().out == ". is a workspace already: nothing to do\n"
