"""What a lent machine is given to install, and what is said where that fails."""

import os
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from container_doors.adapters import gpu_kernel
from container_doors.adapters.gpu_kernel import JobError, install, is_missing

UV = """#!{python}
import sys
open({log!r}, "w").write("\\n".join(sys.argv[1:]))
sys.exit({exit_code})
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["numpy>=1", "nobody-has-this>=2", "dvc>=99"]\n'
    )
    monkeypatch.setattr(gpu_kernel, "WORKING", tmp_path)
    return tmp_path


def a_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, *, exit_code: int) -> Path:
    """Put a uv on the PATH that installs nothing, and writes down what it was asked."""
    log, uv = folder / "asked", folder / "uv"
    uv.write_text(UV.format(python=sys.executable, log=str(log), exit_code=exit_code))
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
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


def test_only_what_is_missing_is_installed_and_the_image_is_a_constraint(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    log = a_uv(repository, monkeypatch, exit_code=0)

    install(repository, repository)

    asked = log.read_text().splitlines()
    assert asked[:4] == ["pip", "install", "--python", sys.executable]
    assert asked[-1] == "nobody-has-this>=2"
    kept = Path(asked[asked.index("--constraint") + 1]).read_text().splitlines()
    assert f"torch=={version('torch')}" in kept
    assert f"numpy=={version('numpy')}" in kept


def test_a_machine_without_internet_is_said_to_be_one(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, timeout: float) -> None:
        raise OSError("no route")

    a_uv(repository, monkeypatch, exit_code=1)
    monkeypatch.setattr(socket, "create_connection", refuse)

    with pytest.raises(JobError, match="the internet is off here") as raised:
        install(repository, repository)

    assert "phone number" in raised.value.args[1]


def test_an_image_that_was_changed_is_not_trained_on(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    a_uv(repository, monkeypatch, exit_code=0)
    versions = iter(["2.10.0", "2.11.0"])
    real = gpu_kernel.held
    monkeypatch.setattr(
        gpu_kernel, "held", lambda name: next(versions) if name == "torch" else real(name)
    )

    with pytest.raises(JobError, match="the image's torch was changed"):
        install(repository, repository)
