"""What is typed at ``doors storage``: it may be a secret, and a folder is one's own."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.adapters.git.repository import GitRepository
from container_doors.cli import main
from container_doors.cli.storage import uncommitted_configuration

DVC = Path(sys.executable).with_name("dvc")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of git and DVC, committed, with a folder ``docs/sub``."""
    folder = tmp_path_factory.mktemp("storage") / "team" / "doors"
    (folder / "docs/sub").mkdir(parents=True)
    (folder / ".gitignore").write_text("/remote-storage/\n")
    for command in ("git init -q", f"{DVC} init -q", "git add .", "git commit -qm Begin"):
        subprocess.run(shlex.split(command), cwd=folder, check=True)
    return folder


def hint_of(said: str) -> list[str]:
    (found,) = re.findall(r"doors (storage set \S+?)(?:;|$)", said, flags=re.MULTILINE)
    return shlex.split(found)


@pytest.mark.parametrize(
    ("typed", "here", "lands_in"),
    [
        pytest.param("../x", "docs", "x", id="meant to be beside the repository"),
        pytest.param("../x14", "docs/sub", "docs/x14", id="further down"),
        pytest.param("./new", ".", "new", id="in the root"),
        pytest.param("docs", ".", "docs", id="a folder that exists"),
        pytest.param("x", "docs", "docs/x", id="one word"),
        pytest.param(".", ".", "", id="the repository itself"),
    ],
)
def test_a_storage_inside_the_repository_is_refused_and_the_hint_works(
    typed: str, here: str, lands_in: str, workspace: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    monkeypatch.chdir(workspace / here)
    before = (workspace / ".dvc/config").read_text()

    assert main(["storage", "set", typed]) == 2

    said = capsys.readouterr().err
    assert f"{workspace / lands_in} is inside the repository {workspace}" in said
    assert not (workspace / "x").exists()
    assert (workspace / ".dvc/config").read_text() == before
    assert not Path(hint_of(said)[-1]).resolve().is_relative_to(workspace)


def test_a_storage_is_named_in_full_and_its_configuration_is_to_be_committed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Until it is committed, other commands that list what to commit name it too."""
    monkeypatch.chdir(workspace / "docs")

    assert main(["storage", "set", "../../away"]) == 0
    said = capsys.readouterr().out
    monkeypatch.chdir(workspace)
    pointers = [Path("data_shards/val-000.tar.dvc")]
    monkeypatch.setattr("container_doors.cli.data.pack_data", lambda *_, **__: pointers)
    assert main(["data", "pack"]) == 0

    assert f"the storage is ../../away, the folder {workspace.parent / 'away'}\n" in said
    assert (workspace.parent / "away").is_dir()
    assert "  git add ../.dvc/config\n" in said
    assert ".gitignore .dvc/config\n" in capsys.readouterr().out
    subprocess.run(["git", "commit", "-qam", "Storage"], cwd=workspace, check=True)
    assert uncommitted_configuration() == []


def test_a_folder_that_git_ignores_may_be_the_storage(workspace: Path):
    repository = GitRepository(workspace)

    assert repository.root_that_tracks(workspace / "remote-storage") is None
    assert repository.root_that_tracks(workspace / "storage") == workspace


@pytest.mark.parametrize("command", ["set {} --credentials key.json", "login {} --client key.json"])
@pytest.mark.parametrize("url", ["https://me:sekrit@x.org/d", "https://x.org/d?sig=sekrit"])
def test_no_error_shows_the_secret_of_an_address(
    command: str, url: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["storage", *command.format(url).split()]) == 2

    said = capsys.readouterr().err
    assert "and the address is committed" in said
    assert "sekrit" not in said
