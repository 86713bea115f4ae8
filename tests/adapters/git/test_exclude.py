"""What runs make stays out of git, also where no ``.gitignore`` says so, with the real git."""

import shutil
import subprocess
from pathlib import Path

import pytest

from container_doors.adapters.dvc.command import find_dvc
from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.exclude import RESULTS, exclude_results
from container_doors.cli import main

MADE = (
    "runs/exp1/run.json",
    "runs/.exp1.lock",
    "weights/pretrained/yolo11s.pt",
    "weights/detection/best.pt",
    "weights/detection/weights/best.pt",
    "weights/.detection.lock",
    "weights/.detection.previous/best.pt",
    "weights/.detection.staged/best.pt",
    "reports/.test_looks.jsonl.lock",
    "summary_exp1.md",
    "summary_exp1/1.jpg",
    "kaggle_output/exp1/best.pt",
    "doors-demo/params.yaml",
)
KEPT = (
    "params.yaml",
    "data/raw/1.jpg",
    "runs.md",
    "reports/metrics.json",
    "weights/README.md",
    "weights/detection/best.pt.dvc",
    "weights/detection/metadata.json.sig",
    "weights/detection/.gitignore",
)


def git(folder: Path, *arguments: str) -> str:
    argv = ["git", *arguments]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout


def seen(folder: Path) -> list[str]:
    """The files that ``git add .`` would take."""
    listed = git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    return sorted(filter(None, listed.split("\0")))


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--template", "")
    return folder


@pytest.mark.parametrize("below", [".", "ml [1]*"], ids=["the root", "a folder of it"])
def test_git_sees_what_a_person_wrote_and_no_results(below: str, repository: Path):
    workspace = repository / below
    write(workspace, *MADE, *KEPT)

    exclude_results(workspace)
    once = (repository / ".git/info/exclude").read_bytes()
    exclude_results(workspace)

    assert seen(workspace) == sorted(KEPT)
    assert (repository / ".git/info/exclude").read_bytes() == once


def test_what_is_tracked_and_what_a_gitignore_says_stay(repository: Path):
    write(repository, "runs/notes.md", "summary_exp1.md")
    git(repository, "add", "--force", ".")
    write(repository, "kaggle_output/1.txt")
    (repository / ".gitignore").write_text("!/kaggle_output/\n")

    exclude_results(repository)
    (repository / "runs/notes.md").write_text("changed\n")

    assert git(repository, "diff", "--name-only").split() == ["runs/notes.md"]
    assert seen(repository) == [".gitignore", "kaggle_output/1.txt"]


def test_a_worktree_is_like_its_repository(repository: Path, tmp_path: Path):
    write(repository, "params.yaml")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    write(tmp_path / "tree", *MADE)

    exclude_results(tmp_path / "tree")

    assert seen(tmp_path / "tree") == []


def test_our_own_gitignore_needs_nothing_more(repository: Path, repository_root: Path):
    lines = (repository_root / ".gitignore").read_text().splitlines()
    assert [line for line in lines if line in RESULTS] == [*RESULTS]
    shutil.copy(repository_root / ".gitignore", repository)

    exclude_results(repository)

    assert not (repository / ".git/info").exists()


@pytest.mark.parametrize("fault", ["no repository", "a file that is none", "read-only"])
def test_no_command_fails_for_it(fault: str, repository: Path, tmp_path: Path):
    if fault == "no repository":
        exclude_results(tmp_path)
    elif fault == "a file that is none":
        shutil.rmtree(repository / ".git")
        (repository / ".git").write_bytes(b"gitdir: \xff\0")
        exclude_results(repository)
    else:
        (repository / ".git/info").write_text("no folder")
        exclude_results(repository)


def test_a_command_that_makes_results_leaves_them_ignored(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Before it makes them, if params.yaml shows that the workspace is ours, or else afterwards."""
    monkeypatch.chdir(repository)
    main(["runs"])
    assert not (repository / ".git/info/exclude").exists()

    write(repository, "runs/exp1/run.json")
    main(["runs"])
    assert seen(repository) == []

    shutil.rmtree(repository / ".git/info")
    shutil.rmtree(repository / "runs")
    write(repository, "params.yaml")
    main(["data", "validate", "--path", "absent"])
    write(repository, "runs/exp1/run.json")
    assert seen(repository) == ["params.yaml"]
    assert "Traceback" not in capsys.readouterr().err


def test_a_model_is_tracked_by_dvc_and_its_pointer_by_git(repository: Path):
    write(repository, "weights/detection/best.pt")
    subprocess.run([find_dvc(), "init", "--quiet"], cwd=repository, check=True)
    exclude_results(repository)

    DvcStore(repository).add([Path("weights/detection/best.pt")])

    new = [name for name in seen(repository) if name.startswith("weights")]
    assert new == ["weights/detection/.gitignore", "weights/detection/best.pt.dvc"]
