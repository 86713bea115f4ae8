"""``scripts/setup_kaggle.sh`` on a bare machine that has a torch of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loopback.package_index import wheel

TORCH = "2.10.0+cu128"
"""Kaggle's, of August 2026. No index has it under this name: installing another would show."""


def python_of(version: str) -> Path | None:
    """Look where pyenv keeps them, whose shims run the chosen one only, then on the PATH."""
    kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = shutil.which(f"python{version}")
    candidates = [*kept.glob(f"{version}.*/bin/python{version}"), *([Path(found)] if found else [])]
    for python in candidates:
        if subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0:
            return python
    return None


@pytest.mark.slow
@pytest.mark.parametrize(("installer", "version"), [("uv", "3.13"), ("pip", "3.12")])
def test_the_torch_of_the_image_is_left_as_it_is(
    version: str, installer: str, tmp_path: Path, repository_root: Path
):
    python, uv = python_of(version), shutil.which("uv")
    if python is None or uv is None:
        pytest.skip(f"there is no Python {version} here")
    image, clone = tmp_path / "image", tmp_path / "clone"
    subprocess.run([python, "-m", "venv", image], check=True)
    wheels = [wheel(tmp_path, name, TORCH) for name in ("torch", "torchvision")]
    there = image / "bin/python"
    subprocess.run([uv, "pip", "install", "-q", "-p", there, "--no-deps", *wheels], check=True)
    subprocess.run(["git", "clone", "-q", repository_root, clone], check=True)
    for name in ("setup_kaggle.sh", "install_locked.py"):
        shutil.copy(repository_root / "scripts" / name, clone / "scripts")
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(repository_root / name, clone)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "git", "grep", "mktemp", "rm", "ln", "dirname", "env", "cat", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    if installer == "uv":
        (programs / "uv").write_text(f'#!/bin/sh\nPATH={os.environ["PATH"]} exec {uv} "$@"\n')
        (programs / "uv").chmod(0o755)

    done = subprocess.run(
        ["bash", "scripts/setup_kaggle.sh"],
        cwd=clone,
        env=os.environ  # for the way to the index, through proxies and by certificates
        | {
            "PATH": f"{image}/bin:{programs}",
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "KAGGLE_KERNEL_RUN_TYPE": "Interactive",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout + done.stderr
    assert "[3/3]" in said, said
    code = "from importlib.metadata import version as v; print(v('torch'), v('torchvision'))"
    kept = subprocess.check_output([there, "-c", code], text=True)
    assert kept == f"{TORCH} {TORCH}\n"
    # The table comes last, and finds that this stand-in for torch computes nothing.
    assert "pass  python" in said
    assert "fail  torch" in said
    assert done.returncode == 1


def test_without_an_index_the_remedy_is_said(tmp_path: Path, repository_root: Path):
    scripts = {
        "uv": '#!/bin/sh\ncase "$1" in --version) echo uv 99.0.0;; *) exit 2;; esac\n',
        "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    done = bare(tmp_path, repository_root)

    assert done.returncode == 2
    assert "error: the packages could not be installed" in done.stderr
    assert "hint: is Internet on" in done.stderr


def test_without_python_the_remedy_is_said(tmp_path: Path, repository_root: Path):
    done = bare(tmp_path, repository_root)

    assert done.returncode == 2
    assert "error: there is no python on the PATH\n  hint: apt-get" in done.stderr


def bare(programs: Path, repository_root: Path) -> "subprocess.CompletedProcess[str]":
    """Set up where nothing is on the PATH but these programs and a few of every machine."""
    for name in ("bash", "git", "grep", "mktemp", "rm", "ln", "dirname", "env", "cat", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    return subprocess.run(
        ["bash", repository_root / "scripts/setup_kaggle.sh"],
        env=os.environ | {"PATH": str(programs), "KAGGLE_KERNEL_RUN_TYPE": "Interactive"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_without_torch_is_no_kaggle_image(tmp_path: Path, repository_root: Path):
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    (tmp_path / "python").chmod(0o755)

    done = subprocess.run(
        ["bash", repository_root / "scripts/setup_kaggle.sh"],
        env=os.environ
        | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KAGGLE_KERNEL_RUN_TYPE": "Interactive"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "this image has no torch\n  hint: " in done.stderr
