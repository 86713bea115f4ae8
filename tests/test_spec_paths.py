"""The paths that the specification names exist, run from anywhere, and are the console command."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.core.installation import GET_UV
from tests.test_setup_script import python_of

LAUNCHERS = {
    "src/utils/validate_dataset.py": ["data", "validate"],
    "src/detection/train.py": ["train"],
    "src/detection/generate_metadata.py": ["metadata"],
    "src/detection/generate_summary.py": ["summary"],
    "src/utils/download_kaggle_outputs.py": ["kaggle", "pull"],
}
SCRIPTS = ["setup_kaggle.sh", "run_training.sh", "finalize_training_kaggle.sh"]


@pytest.mark.parametrize(("path", "command"), LAUNCHERS.items())
def test_a_launcher_offers_what_its_command_offers(
    path: str, command: list[str], tmp_path: Path, repository_root: Path
):
    def usage(*argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv, "--help"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    assert usage(str(repository_root / path)) == usage("-m", "container_doors", *command)


@pytest.mark.parametrize("path", LAUNCHERS)
def test_a_launcher_holds_no_logic(path: str, repository_root: Path):
    assert len((repository_root / path).read_text(encoding="utf-8").splitlines()) < 20


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_clean_and_can_be_run(script: str, repository_root: Path):
    path = repository_root / "scripts" / script

    subprocess.run(["bash", "-n", path], check=True)
    subprocess.run([Path(sys.executable).with_name("shellcheck"), path], check=True)
    assert path.stat().st_mode & 0o100


def test_a_clone_without_an_environment_is_told_how_to_get_one(
    tmp_path: Path, repository_root: Path
):
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(
        repository_root / "scripts/finalize_training_kaggle.sh", tmp_path / "scripts"
    )

    done = subprocess.run(
        ["/bin/bash", script],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )

    assert done.returncode == 2
    assert "hint: bash scripts/setup_kaggle.sh installs it" in done.stderr


@pytest.fixture
def clone(tmp_path: Path, repository_root: Path) -> Path:
    """A clone whose .venv is the environment of these tests."""
    folder = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(repository_root / "src", folder / "src", ignore=ignored)
    shutil.copy(repository_root / "uv.lock", folder)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python of its own, with a torch that is none of ours and cannot be used."""
    folder = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "torch.py").write_text("raise RuntimeError('the torch of another project')\n")
    return folder / "bin" / "python"


def run(*argv: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run it as in a plain shell, where no environment is active."""
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.run(
        argv, cwd=Path(argv[1]).parent, env=kept | variables, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "options", "complaint"),
    [
        ("src/utils/validate_dataset.py", "--path none", "no data set at none"),
        ("src/detection/train.py", "--config none.yaml", "no configuration at none.yaml"),
        ("src/detection/generate_metadata.py", "--weights-dir none", "no best.pt in none"),
        ("src/detection/generate_summary.py", "--experiment none", "no run 'none'"),
        ("src/utils/download_kaggle_outputs.py", "none", "this clone knows no job of none"),
    ],
)
def test_a_launcher_finds_the_environment_of_its_clone(
    path: str, options: str, complaint: str, clone: Path, bare: Path
):
    done = run(bare, clone / path, *options.split())

    assert done.returncode == 2
    assert f"error: {complaint}" in done.stderr


def test_the_data_gate_works_beside_another_torch(clone: Path, bare: Path, tmp_path: Path):
    sample = f"data sample --out {tmp_path}/data --train 2 --val 1 --test 1".split()
    run(sys.executable, "-m", "container_doors", *sample)

    done = run(bare, clone / "src/utils/validate_dataset.py", "--path", tmp_path / "data")

    assert done.returncode == 1, done.stderr  # read, and too small
    assert "expected 101 photographs or more" in done.stdout + done.stderr


def test_an_older_python_finds_it_too(clone: Path):
    old = python_of("3.8")
    if old is None:
        pytest.skip("there is no Python 3.8 here")

    found = run(old, clone / "src/detection/train.py", "--no-such-option")
    (clone / ".venv").unlink()
    lost = run(old, clone / "src/detection/train.py")

    assert "unrecognized arguments" in found.stderr
    assert lost.returncode == 2
    assert "error: Python 3.11, 3.12 or 3.13 is needed, found 3.8" in lost.stderr
    assert f"hint: cd {clone} && {GET_UV} && uv sync, which fetches one" in lost.stderr


@pytest.mark.parametrize("environment", ["none", "broken"])
def test_without_an_environment_it_is_said_how_to_make_one(
    environment: str, clone: Path, bare: Path
):
    """A broken one, without its pyvenv.cfg, is entered once and no more."""
    (clone / ".venv").unlink()
    if environment == "broken":
        (clone / ".venv/bin").mkdir(parents=True)
        (clone / ".venv/bin/python").symlink_to(bare.resolve())

    command: list[str | Path] = [bare, clone / "src/utils/validate_dataset.py", "--path", clone]
    done, without_uv = run(*command), run(*command, PATH=str(bare.parent))

    assert done.returncode == 2
    assert "is not installed\n  hint: " in done.stderr
    assert "uv sync" in done.stderr
    assert f"hint: cd {clone} && {GET_UV} && uv sync\n" in without_uv.stderr


def test_uv_is_installed_as_the_readme_does_it(repository_root: Path):
    """pip refuses to install next to the Python of Debian and Ubuntu (PEP 668)."""
    readme = (repository_root / "README.md").read_text(encoding="utf-8")
    hints = [*(repository_root / "src").rglob("*.py"), repository_root / "scripts/setup_kaggle.sh"]

    assert f"\n{GET_UV} && uv run doors demo\n" in readme
    found = [line for path in hints for line in path.read_text().splitlines()
             if re.search(r"pip install (--\S+ \S+ )*uv\b", line)]  # fmt: skip
    assert len(found) == 3
    assert [line for line in found if GET_UV not in line] == []


def test_a_command_elsewhere_names_the_environment_that_there_is(clone: Path, bare: Path):
    command: list[str | Path] = [bare, "-m", "container_doors", "data", "validate", "--path", clone]

    at_home = run(*command, PYTHONPATH=str(clone / "src"))
    on_kaggle = run(*command, PYTHONPATH=str(clone / "src"), KAGGLE_KERNEL_RUN_TYPE="Batch")

    assert f"hint: source {clone}/.venv/bin/activate" in at_home.stderr
    assert "hint: bash scripts/setup_kaggle.sh" in on_kaggle.stderr
