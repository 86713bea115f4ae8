"""``doors init``: what is the person's stays, and is no reason to promise what it does not say."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import container_doors
from container_doors.adapters.workspace import GitAndDvc
from container_doors.cli import main
from container_doors.cli.init import _hook, _of_hook
from container_doors.steps.init import Workspace


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


KAGGLES = json.dumps({"username": "me", "key": "0a" * 16})


def git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def begun(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository before its hook, without DVC, which takes long."""
    monkeypatch.setenv("PYTHONPATH", str(Path(container_doors.__path__[0]).parent))
    git("init", "--quiet")
    return repository


def with_hook(folder: Path) -> list[str]:
    """Write the hook, and return what is said of it."""
    return _of_hook(Workspace(folder, hook=GitAndDvc().write_hook(folder, _hook())))


def refused(name: str) -> str:
    """Try to commit a file of credentials; return what is said."""
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(KAGGLES)
    git("add", "--all", "--force")
    done = git("commit", "--quiet", "--message", "All")
    assert done.returncode == 1, done.stderr
    assert git("log", "--oneline").stdout == ""
    return done.stdout + done.stderr


def test_a_commit_of_credentials_is_refused_in_a_workspace_by_what_is_staged(begun: Path):
    assert with_hook(begun) == [
        "wrote .git/hooks/pre-commit: git refuses a commit that contains credentials"
    ]
    assert with_hook(begun) == []
    (begun / "json.py").write_text("raise SystemExit(0)")  # nothing staged is run

    assert "error: 'docs/a b.json' looks like credentials" in refused("docs/a b.json")

    Path("docs/a b.json").write_text("{}")  # and staged as it was
    assert git("commit", "--quiet", "--message", "All").returncode == 1
    git("add", "--all")
    done = git("commit", "--quiet", "--message", "All")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert list((begun / ".git").glob("doors-staged*")) == []


def test_a_clone_of_a_workspace_gets_the_hook_again_by_the_same_command(
    begun: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["init"]) == 0
    hook = begun / ".git/hooks/pre-commit"
    written = hook.read_text()
    assert "doors init` installs that check again" in (begun / "README.md").read_text().replace(
        "\n", " "
    )

    hook.unlink()
    capsys.readouterr()
    assert main(["init"]) == 0
    assert "wrote .git/hooks/pre-commit: git refuses" in capsys.readouterr().out
    assert hook.read_text() == written
    assert os.access(hook, os.X_OK)

    hook.write_text(f"{written}# of an earlier release\n")
    assert main(["init"]) == 0
    assert hook.read_text() == written


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["in the repository", "of all"])
def test_a_hook_of_the_person_stays_and_what_it_must_run_is_said(
    is_elsewhere: bool, begun: Path, tmp_path: Path
):
    own = tmp_path / "hooks/pre-commit" if is_elsewhere else begun / ".git/hooks/pre-commit"
    if is_elsewhere:
        git("config", "core.hooksPath", str(own.parent))
    own.parent.mkdir(exist_ok=True)
    own.write_text("#!/bin/sh\nset -e\ntouch ran\n")
    own.chmod(0o755)

    (said,) = with_hook(begun)

    assert own.read_text() == "#!/bin/sh\nset -e\ntouch ran\n"
    assert not is_elsewhere or list(own.parent.iterdir()) == [own]
    assert f"is yours, {os.path.relpath(own, begun)}: " in said
    (line,) = re.findall(r"have it run: (sh \S+)$", said)
    with own.open("a") as file:
        file.write(f"{line}\n")
    assert "looks like credentials" in refused("docs.json")
    assert Path("ran").exists()
    assert with_hook(begun) == []


def test_without_doors_a_commit_is_not_taken_for_one_that_was_searched(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with_hook(begun)
    hook = begun / ".git/hooks/pre-commit"
    hook.write_text(
        re.sub("venv/bin/python .* python3", "venv/bin/python python3", hook.read_text())
    )
    (tmp_path / "programs").mkdir()
    for name in ("git", "sh", "mktemp", "rm"):
        (tmp_path / "programs" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))

    said = refused("docs.json")

    assert "error: this commit was not searched for credentials" in said
    assert "git commit --no-verify" in said
