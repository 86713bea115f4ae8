"""The real git and the real DVC, in an empty folder."""

import subprocess
from pathlib import Path

import pytest

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.workspace import REMOTE, commit, create_workspace, track
from container_doors.core.errors import MissingToolError, VersioningError


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_workspace_is_ready_for_the_first_push_and_may_be_moved(
    tmp_path: Path, repository_root: Path
):
    here, there = tmp_path / "new", tmp_path / "moved"

    create_workspace(
        here, files={"deep/a.txt": "a\n", "dvc.yaml": repository_root / "dvc.yaml",
                     "params.yaml": repository_root / "params.yaml", ".dvcignore": "*.cache\n"}
    )  # fmt: skip
    here.rename(there)
    (there / "data").mkdir()
    (there / "data/a.txt").write_text("a")
    pointer = track(there, Path("data"))
    commit(there, "Data")
    commit(there, "Nothing new is no error")

    assert pointer == Path("data.dvc")
    assert DvcStore(there).check_ready() == f"storage ({there / REMOTE})"
    assert git(there, "status", "--porcelain") == ""
    assert git(there, "log", "--format=%s").splitlines() == ["Data", "Begin"]
    assert git(there, "branch", "--show-current") == "main"
    assert set(git(there, "ls-files").splitlines()) == {
        ".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore",
        "data.dvc", "deep/a.txt", "dvc.yaml", "params.yaml",
    }  # fmt: skip
    assert (there / ".dvcignore").read_text() == "*.cache\n"
    kept = [path for path in (there / REMOTE).rglob("*") if path.is_file()]
    assert "a" in [path.read_text() for path in kept]
    assert "verify = true" in (there / ".dvc" / "config").read_text()


@pytest.fixture
def dvc_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in DVC's place that does nothing: what is tested is git's part."""
    program = tmp_path / "dvc"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    monkeypatch.setenv("CONTAINER_DOORS_DVC", str(program))


@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        (None, f"/{REMOTE}/\n"),
        ("*.pt", f"*.pt\n/{REMOTE}/\n"),
        (f"/{REMOTE}/\n*.pt\n", f"/{REMOTE}/\n*.pt\n"),
    ],
    ids=["no .gitignore", "added", "there already"],
)
@pytest.mark.usefixtures("dvc_stand_in")
def test_the_remote_is_never_committed(ignored: str | None, expected: str, tmp_path: Path):
    create_workspace(tmp_path / "new", files={} if ignored is None else {".gitignore": ignored})

    assert (tmp_path / "new" / ".gitignore").read_text() == expected


@pytest.mark.usefixtures("dvc_stand_in")
def test_a_person_without_a_name_gets_one_in_the_workspace_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "nobody"))

    create_workspace(tmp_path / "new", files={})

    author = git(tmp_path / "new", "log", "--format=%an <%ae>")
    assert author == "Container Doors <doors@localhost>"
    assert not (tmp_path / "nobody").exists()


@pytest.mark.usefixtures("dvc_stand_in")
def test_a_persons_name_is_kept_and_their_key_and_hooks_are_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hook = tmp_path / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        "[user]\n  name = Ada\n  email = ada@example.org\n[commit]\n  gpgSign = true\n"
        f"[gpg]\n  program = false\n[core]\n  hooksPath = {hook.parent}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))

    create_workspace(tmp_path / "new", files={})

    assert git(tmp_path / "new", "log", "--format=%an <%ae>") == "Ada <ada@example.org>"
    local = git(tmp_path / "new", "config", "--local", "--list")
    assert "user." not in local


@pytest.mark.usefixtures("dvc_stand_in")
def test_inside_of_a_git_hook_the_other_repository_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    with monkeypatch.context() as patch:
        patch.setenv("GIT_DIR", str(outer / ".git"))
        create_workspace(tmp_path / "new", files={})

    assert git(tmp_path / "new", "log", "--format=%s") == "Begin"
    assert git(outer, "log", "--all", "--format=%s") == ""


def test_what_dvc_refuses_is_said(tmp_path: Path):
    (tmp_path / ".dvc").mkdir()

    with pytest.raises(VersioningError, match=r"dvc init failed: .*exists") as caught:
        create_workspace(tmp_path, files={})

    assert "empty folder" in caught.value.hint


def test_git_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingToolError, match="cannot run git") as caught:
        create_workspace(tmp_path / "new", files={})

    assert "install git" in caught.value.hint
