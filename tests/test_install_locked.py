"""``scripts/install_locked.py``: real uv and pip, an index, a machine with its torch."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback.package_index import PackageIndex, program, source, wheel

TORCH = "2.10.0+cu128"
PROJECT = """
[project]
name = "project"
version = "1"
requires-python = ">=3.11"
dependencies = []
[project.optional-dependencies]
train = {dependencies}
[dependency-groups]
setup = ["uv"]
apart = ["doorlib"]
[tool.uv]
default-groups = []
"""


class Machine:
    """A clone of a project, a Python with packages of its own, and the index that both use."""

    def __init__(self, folder: Path, index: PackageIndex, script: Path) -> None:
        self.folder, self.index = folder, index
        self.clone, self.image = folder / "clone", folder / "image"
        (self.clone / "scripts").mkdir(parents=True)
        shutil.copy(script, self.clone / "scripts")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "UV_DEFAULT_INDEX": index.url,
            "UV_CACHE_DIR": str(folder / "cache"),
            "PIP_INDEX_URL": index.url,
            "PIP_CONFIG_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }
        self.run("uv", "venv", "--quiet", "--python", sys.executable, str(self.image))
        self.holds("torch", TORCH)

    def run(self, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=self.clone, env=self.environment | more, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    def locks(self, *dependencies: str) -> None:
        project = PROJECT.format(dependencies=list(dependencies))
        (self.clone / "pyproject.toml").write_text(project)
        done = self.run("uv", "lock")
        assert done.returncode == 0, done.stderr

    def holds(self, name: str, version: str) -> None:
        """Put a package into the image."""
        path = wheel(self.folder, name, version)
        self.run("uv", "pip", "install", "--python", str(self.python), "--no-deps", str(path))

    @property
    def python(self) -> Path:
        return self.image / "bin/python"

    def install(self, *flags: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return self.run(str(self.python), "scripts/install_locked.py", *flags, **more)

    def versions(self, python: Path | None = None) -> dict[str, str]:
        listed = self.run("uv", "pip", "freeze", "--python", str(python or self.python)).stdout
        pairs = (line.replace(" @ ", "==").split("==") for line in listed.splitlines())
        return {name: version.rpartition("/")[2] for name, version in pairs}


@pytest.fixture
def machine(tmp_path: Path, repository_root: Path) -> Iterator[Machine]:
    if shutil.which("uv") is None:
        pytest.skip("there is no uv here")
    served = tmp_path / "served"
    served.mkdir()
    wheel(served, "torch", "3.0")
    wheel(served, "doorlib", "1.0", requires=["torch>=2"])
    program(served, "uv", "99.0", "#!/bin/sh\necho uv 99.0.0\n")
    with PackageIndex(served) as index:
        yield Machine(tmp_path, index, repository_root / "scripts/install_locked.py")


def test_the_locked_file_is_installed_and_the_torch_of_the_image_stays(machine: Machine):
    machine.locks("doorlib", "torch")

    done = machine.install()

    assert done.returncode == 0, done.stderr
    assert machine.versions()["doorlib"] == "1.0"
    assert "2.10.0" in machine.versions()["torch"]
    assert "1 packages of uv.lock, by their sha256; the image's torch 2.10.0+cu128" in done.stdout


def test_another_file_under_the_locked_name_is_not_installed(machine: Machine):
    machine.locks("doorlib", "torch")
    wheel(machine.index.folder, "doorlib", "1.0", "import os  # somebody else's")

    done = machine.install()

    assert done.returncode == 2
    assert "error: a package is not the file that uv.lock names" in done.stderr
    assert "doorlib" not in machine.versions()


def test_an_environment_of_its_own_is_of_the_locked_files_too(machine: Machine):
    machine.locks("doorlib", "torch")
    flags = ["--group", "apart", "--environment"]

    done = machine.install(*flags, str(machine.folder / "sound"))
    assert done.returncode == 0, done.stderr
    there = machine.versions(machine.folder / "sound/bin/python")
    assert there == {"doorlib": "1.0", "torch": "3.0"}  # nothing of the image's is seen there

    wheel(machine.index.folder, "doorlib", "1.0", "import os  # somebody else's")
    cache = str(machine.folder / "empty cache")  # the other has the locked file
    done = machine.install(*flags, str(machine.folder / "changed"), UV_CACHE_DIR=cache)
    assert done.returncode == 2
    assert "error: a package is not the file that uv.lock names" in done.stderr


def test_what_must_be_built_is_not_run(machine: Machine):
    """Building runs the package's code with build tools that no lock names."""
    marker = machine.folder / "was-built"
    wheel(machine.index.folder, "setuptools", "99.0", f"open({str(marker)!r}, 'w')")
    source(machine.index.folder, "sourcelib", "1.0", "")
    machine.locks("doorlib", "torch", "sourcelib")

    done = machine.install()

    assert done.returncode == 2
    assert "sourcelib" in done.stderr
    assert not marker.exists()


def test_an_image_that_does_not_fit_the_lock_is_named(machine: Machine):
    wheel(machine.index.folder, "newlib", "1.0", requires=["torch>=3"])
    machine.locks("newlib", "torch")

    done = machine.install()

    assert done.returncode == 2
    assert "the image's packages do not fit: newlib needs torch>=3, but" in done.stderr


def test_the_other_build_of_ultralytics_is_replaced_and_leaves_no_file(machine: Machine):
    machine.holds("ultralytics", "8.3.0")
    wheel(
        machine.index.folder,
        "ultralytics-opencv-headless",
        "8.4.190",
        requires=["opencv-python-headless"],
    )
    wheel(machine.index.folder, "opencv-python-headless", "5.0")
    machine.holds("opencv-python", "4.12")
    machine.locks("ultralytics-opencv-headless")

    done = machine.install()

    assert done.returncode == 0, done.stderr
    assert set(machine.versions()) >= {"torch", "opencv-python", "ultralytics-opencv-headless"}
    assert not {"ultralytics", "opencv-python-headless"} & set(machine.versions())
    assert not list(machine.image.rglob("site-packages/ultralytics/__init__.py"))


FIND = (
    "import sys; sys.path.insert(0, 'scripts'); import install_locked as i\ntry: print(i.find_uv())"
)
FIND += "\nexcept i.InstallError as e: print(e.args[0])"


@pytest.mark.slow
def test_where_uv_is_missing_the_locked_one_is_fetched_and_another_is_refused(machine: Machine):
    python = Path(sys.base_prefix) / "bin/python3"
    if machine.run(str(python), "-m", "pip", "--version").returncode:
        pytest.skip("this Python has no pip")
    machine.locks("doorlib", "torch")
    program(machine.index.folder, "uv", "99.0", "#!/bin/sh\necho somebody else\n")

    refused = machine.run(str(python), "-c", FIND, PATH="")
    assert "a package is not the file that uv.lock names" in refused.stdout

    program(machine.index.folder, "uv", "99.0", "#!/bin/sh\necho uv 99.0.0\n")
    found = machine.run(str(python), "-c", FIND, PATH="").stdout.strip()
    assert subprocess.check_output([found], text=True) == "uv 99.0.0\n"


def test_an_old_uv_is_passed_over(machine: Machine):
    machine.locks("doorlib", "torch")
    programs = machine.folder / "programs"
    programs.mkdir()
    (programs / "uv").write_text("#!/bin/sh\necho uv 0.4.30\n")
    (programs / "uv").chmod(0o755)

    done = machine.run(str(machine.python), "-c", FIND, PATH=str(programs))

    assert done.stdout == "neither uv nor pip is here\n"
