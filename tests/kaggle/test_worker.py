"""What a lent machine is given to install, and what is said where that fails."""

import hashlib
import json
import socket
import subprocess
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from container_doors.core import child_environment
from container_doors.kaggle import worker
from container_doors.kaggle.worker import (
    Code,
    JobError,
    files_to_archive,
    install,
    is_missing,
    write_archive,
)
from tests.hostile_archives import member, of

INSTALLER = """import sys
open({log!r}, "w").write("\\n".join(sys.argv[1:]))
sys.stderr.write({said!r})
sys.exit({exit_code})
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["numpy>=1", "nobody-has-this>=2", "dvc>=99"]\n'
    )
    monkeypatch.setattr(worker, "WORKING", tmp_path)
    return tmp_path


def an_installer(repository: Path, *, said: str = "", exit_code: int = 0) -> Path:
    """Put a scripts/install_locked.py there that installs nothing, and records its arguments."""
    log, script = repository / "asked", repository / "scripts/install_locked.py"
    script.parent.mkdir()
    script.write_text(INSTALLER.format(log=str(log), said=said, exit_code=exit_code))
    return log


@pytest.mark.parametrize(
    ("requirement", "missing"),
    [
        (f"numpy>={version('numpy')}", False),
        ("numpy>=99", True),
        ("nobody-has-this", True),
        ("opencv-python>=4", False),
        ("ultralytics>=8.4", False),
        ("wandb>=99", False),
    ],
    ids=[
        "met",
        "too old",
        "absent",
        "another build of OpenCV",
        "another build of Ultralytics",
        "used at home alone",
    ],
)
def test_what_is_missing_is_what_a_training_needs_and_the_image_lacks(
    requirement: str, *, missing: bool
):
    assert is_missing(requirement) == missing


def test_what_is_used_at_home_alone_is_not_installed(repository: Path):
    log = an_installer(repository)

    with pytest.raises(JobError, match="do not meet nobody-has-this>=2"):
        install(Code(repository / "src", repository))

    asked = log.read_text().split()
    assert asked[::2] == ["--without"] * 4
    assert set(asked[1::2]) == {"dvc", "kaggle", "tensorboardx", "wandb"}


def test_nothing_is_started_where_every_requirement_is_met(repository: Path):
    project = repository / "pyproject.toml"
    project.write_text(project.read_text().replace("nobody-has-this>=2", "pillow"))
    log = an_installer(repository)

    install(Code(repository / "src", repository))

    assert not log.exists()


def test_a_machine_without_internet_is_said_to_be_one(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, timeout: float) -> None:
        raise OSError("no route")

    an_installer(repository, said="error: not installed\n  hint: try again\n", exit_code=2)
    monkeypatch.setattr(socket, "create_connection", refuse)

    with pytest.raises(JobError, match="the internet is off here") as raised:
        install(Code(repository / "src", repository))

    assert "phone number" in raised.value.args[1]


def test_a_package_that_is_not_the_locked_one_is_why_the_job_failed(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    said = "noise\nerror: not the file of uv.lock, by its sha256\n  hint: do not go on\n"
    an_installer(repository, said=said, exit_code=2)

    with pytest.raises(JobError, match=r"not the file of uv\.lock, by its sha256") as raised:
        install(Code(repository / "src", repository))

    assert raised.value.args[1] == "do not go on"


def test_a_commit_from_before_the_installer_is_refused(repository: Path):
    with pytest.raises(JobError, match="the commit has no scripts/install_locked"):
        install(Code(repository / "src", repository))


@pytest.mark.parametrize(
    ("into", "name"),
    [
        pytest.param("link", "x", id="by a link of the commit"),
        pytest.param("data", "../../outside/x", id="by its name"),
    ],
)
def test_no_photograph_is_unpacked_outside_of_the_repository(tmp_path: Path, into: str, name: str):
    outside, repository = tmp_path / "outside", tmp_path / "repository"
    outside.mkdir()
    repository.mkdir()
    (repository / "link").symlink_to(outside)
    of(member(name))(tmp_path / "data.tar")

    with pytest.raises(tarfile.OutsideDestinationError):
        worker.unpack(tmp_path / "data.tar", repository, into)

    assert not list(outside.iterdir())


def test_nothing_that_it_starts_sees_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KAGGLE_USER_SECRETS_TOKEN", "marker")
    monkeypatch.setenv("DRIVE", '{"private_key": "marker"}')
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:marker@packages.example.org/simple")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64")

    worker.forget_secrets()

    assert "marker" not in subprocess.check_output(["env"], text=True)
    assert "LD_LIBRARY_PATH=" in subprocess.check_output(["env"], text=True)


def test_it_knows_a_secret_by_the_names_that_all_of_us_know():
    assert worker.SECRET == child_environment._SECRET_NAME
    assert worker.USER_INFO == child_environment._USER_INFO


def a_checkpoint(folder: Path, state: str) -> None:
    folder.mkdir(parents=True)
    (folder / "resume.pt").write_text(state)
    sha256 = hashlib.sha256(state.encode()).hexdigest()
    (folder / "epoch.json").write_text(json.dumps({"epoch": 1, "sha256": {"resume.pt": sha256}}))


@pytest.mark.parametrize("damage", ["flipped", "", None])
def test_what_is_kept_of_a_training_is_its_newest_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str | None
):
    monkeypatch.setattr(worker, "JOB_SPEC", {"experiments": [{"name": "a"}]})
    monkeypatch.setattr(worker, "WORKING", tmp_path)
    run = tmp_path / "repository" / "runs" / "a"
    a_checkpoint(run / "checkpoint", "newest")
    a_checkpoint(run / "checkpoint-previous", "before")

    def left() -> str:
        files = dict(files_to_archive(tmp_path / "repository", "running"))
        return files["runs/a/checkpoint/resume.pt"].read_text()

    assert left() == "newest"
    newest = run / "checkpoint" / "resume.pt"
    newest.unlink()
    if damage is not None:
        newest.write_text(damage)
    assert left() == "before"


def test_an_archive_without_a_checkpoint_takes_no_others_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "JOB_SPEC", {"experiments": [{"name": "a"}], "job": "job"})
    monkeypatch.setattr(worker, "WORKING", tmp_path)
    run = tmp_path / "repository" / "runs" / "a"
    a_checkpoint(run / "checkpoint", "newest")
    (run / "run.json").write_text("{}")
    write_archive(tmp_path / "repository", {"is": "running"})
    (archive,) = tmp_path.glob("job-*.tar")
    (run / "checkpoint" / "resume.pt").write_text("flipped")

    write_archive(tmp_path / "repository", {"is": "running"})

    assert list(tmp_path.glob("job-*.tar")) == [archive]
