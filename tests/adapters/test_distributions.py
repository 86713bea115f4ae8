"""Programs that are published under several names: which one is installed here."""

import runpy
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from container_doors.adapters import machine_health
from container_doors.adapters.distributions import BUILDS, clashes, installed_builds, version_of
from container_doors.adapters.machine import describe_environment
from container_doors.kaggle import worker


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an environment in which nothing is installed."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def installed(environment: Path, name: str, number: str) -> None:
    info = environment / f"{name.replace('-', '_')}-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")


@pytest.mark.parametrize("build", ["ultralytics", "ultralytics-opencv-headless"])
def test_the_environment_of_a_run_names_ultralytics_whichever_build_it_is(
    build: str, elsewhere: Path
):
    installed(elsewhere, build, "8.4.190")

    assert describe_environment().packages == {"ultralytics": "8.4.190"}


def test_a_program_that_is_not_installed_has_no_version(elsewhere: Path):
    assert version_of("ultralytics") is None
    assert version_of("numpy") is None
    assert clashes() == []


def test_this_environment_has_one_build_of_each():
    assert version_of("ultralytics") == version("ultralytics-opencv-headless")
    assert list(installed_builds("ultralytics")) == ["ultralytics-opencv-headless"]
    assert list(installed_builds("opencv")) == ["opencv-python-headless"]


def test_builds_that_differ_and_write_the_same_files_are_named(elsewhere: Path):
    installed(elsewhere, "ultralytics", "8.3.0")
    installed(elsewhere, "ultralytics-opencv-headless", "8.4.190")
    installed(elsewhere, "opencv-python", "4.12.0.88")
    installed(elsewhere, "opencv-python-headless", "4.12.0.88")

    assert clashes() == ["ultralytics-opencv-headless 8.4.190 and ultralytics 8.3.0"]


def test_the_doctor_names_builds_that_differ(elsewhere: Path):
    for name in machine_health.REQUIRED:
        installed(elsewhere, name, "1.0")
    installed(elsewhere, "opencv-python", "2.0")
    installed(elsewhere, "opencv-python-headless", "1.0")

    assert machine_health.packages().verdict == "warn"
    assert "opencv-python-headless 1.0 and opencv-python 2.0" in machine_health.packages().found


def test_the_doctor_asks_for_the_build_that_we_depend_on(elsewhere: Path):
    missing = machine_health.packages().found
    assert "ultralytics-opencv-headless, opencv-python-headless, torch" in missing


def test_what_stands_by_itself_knows_the_same_builds(repository_root: Path):
    """The job and the installer run where this package is not installed."""
    installer = runpy.run_path(str(repository_root / "scripts/install_locked.py"))

    assert tuple(BUILDS.values()) == worker.BUILDS
    assert tuple(BUILDS.values()) == (installer["ULTRALYTICS"], installer["OPENCV"])
