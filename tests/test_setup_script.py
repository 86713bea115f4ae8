"""``scripts/setup_kaggle.sh`` on a bare machine that has a torch of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.core.installation import GET_UV
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
    assert "[4/4]" in said, said
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


DVC_JSON = '{"type": "service_account", "private_key": "secret"}'
WANDB_KEY = "w" * 40


class Machine:
    """The script among stand-ins for what it starts, which write down how they were started."""

    def __init__(self, folder: Path, repository_root: Path) -> None:
        self.clone, self.programs = folder / "clone", folder / "programs"
        self.said = folder / "said"
        self.programs.mkdir()
        (self.clone / "scripts").mkdir(parents=True)
        (self.clone / ".dvc").mkdir()
        shutil.copy(repository_root / "scripts/setup_kaggle.sh", self.clone / "scripts")
        for name in ("bash", "git", "grep", "ln", "dirname", "env", "cat", "sh", "mkdir"):
            (self.programs / name).symlink_to(str(shutil.which(name)))
        note = f'echo "NAME $*" >> {self.said}\n'
        self.write("python", (
            f'case "$*" in *sysconfig*) echo {self.programs};;\n'
            f"scripts/install_locked.py*) {note.replace('NAME', 'python')}"
            'case "$*" in *--environment*) mkdir -p "$3/bin"; printf "#!/bin/sh\\necho 3.67\\n" '
            '> "$3/bin/dvc";; esac;;\n'
            f'*) exec {sys.executable} "$@";; esac\n'
        ))  # fmt: skip
        self.write("doors", (
            note.replace("NAME", "doors")
            + f'[ "$1" != track ] || cat > {folder}/typed\n'
            + '[ "$1" != doctor ] || exit "$DOCTOR"\n'
        ))  # fmt: skip
        self.write("dvc", "echo 3.67\n")
        self.typed = folder / "typed"
        self.home = folder / "home"

    def write(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}")
        (self.programs / name).chmod(0o755)

    def set_up(self, *options: str, doctor: int = 0, **secrets: str):
        places = {"PATH": str(self.programs), "HOME": str(self.home), "XDG_DATA_HOME": ""}
        return subprocess.run(
            ["bash", self.clone / "scripts/setup_kaggle.sh", *options],
            env=places
            | {"DOCTOR": str(doctor), "KAGGLE_KERNEL_RUN_TYPE": "Interactive"}
            | secrets,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def started(self) -> list[str]:
        return self.said.read_text().splitlines() if self.said.exists() else []


@pytest.fixture
def machine(tmp_path: Path, repository_root: Path) -> Machine:
    return Machine(tmp_path, repository_root)


def test_secrets_are_configured_and_the_next_steps_work(machine: Machine):
    (machine.clone / ".dvc/config").write_text("url = gdrive://folder")

    done = machine.set_up(KAGGLE_SECRET_DVC_JSON=DVC_JSON, KAGGLE_SECRET_WANDB_KEY=WANDB_KEY)

    assert done.returncode == 0, done.stderr
    assert f"DVC: credentials of {len(DVC_JSON)} characters" in done.stdout
    assert "W&B: a key of 40 characters" in done.stdout
    assert [line for line in machine.started if line.startswith("doors")] == [
        "doors storage set", "doors track login", "doors --version", "doors doctor --setup",
    ]  # fmt: skip
    assert machine.typed.read_text() == f"{WANDB_KEY}\n"  # from a pipe, and in no argument
    assert "Next steps:\n  doors data import YOUR_PHOTOGRAPHS\n  doors data valid" in done.stdout
    assert "activate" not in done.stdout  # dvc is on the PATH already
    assert DVC_JSON not in done.stdout + done.stderr


def test_a_drive_without_its_secret_is_refused_before_anything_is_installed(machine: Machine):
    (machine.clone / ".dvc/config").write_text("url = gdrive://folder")

    done = machine.set_up(KAGGLE_SECRET_WANDB_KEY=WANDB_KEY)

    assert done.returncode == 2
    assert "error: KAGGLE_SECRET_DVC_JSON is not set" in done.stderr
    assert "hint: add the secret DVC_SERVICE_ACCOUNT_JSON" in done.stderr
    assert machine.started == []

    (machine.clone / ".dvc/config.local").write_text("gdrive_service_account_json_file_path = x")
    assert machine.set_up().returncode == 0


@pytest.mark.parametrize(
    ("is_here", "exit_code"), [(True, 0), (False, 1)], ids=["photographs here", "not here"]
)
def test_elsewhere_a_drive_without_its_secret_is_said_at_the_end_too(
    is_here: bool, exit_code: int, machine: Machine
):
    """A training needs no Drive whose photographs are here; one that must fetch them does."""
    (machine.clone / ".dvc/config").write_text("url = gdrive://folder")
    data = machine.clone / "data/processed/detection"
    data.mkdir(parents=True)
    Path(f"{data}.dvc").touch()
    if is_here:
        (data / "data.yaml").touch()
    machine.write("python", "exit 1\n")

    done = machine.set_up(KAGGLE_KERNEL_RUN_TYPE="")

    end = done.stdout[done.stdout.index("[4/4]") :]
    assert "warning: nothing can be fetched from the Google Drive or pushed to it" in end
    steps = end[end.index("Next steps:\n") :].splitlines()[1:]
    assert steps[0].startswith("  doors storage set --credentials FILE")
    assert steps[1] == "  dvc pull data/processed/detection.dvc"
    assert done.returncode == exit_code
    assert ("error: the photographs are not here" in done.stderr) is not is_here
    assert machine.set_up("--go-on", KAGGLE_KERNEL_RUN_TYPE="").returncode == exit_code

    (machine.clone / ".dvc/config.local").write_text("gdrive_user_credentials_file = x")
    done = machine.set_up(KAGGLE_KERNEL_RUN_TYPE="")
    assert (done.returncode, "doors storage" in done.stdout) == (0, False)


def test_what_is_done_without_a_secret_that_is_not_needed_is_said_first(machine: Machine):
    done = machine.set_up()

    assert done.returncode == 0, done.stderr
    said = done.stdout[: done.stdout.index("[2/4]")]
    assert "DVC: no credentials, and none needed" in said
    assert "W&B: no key in WANDB_API_KEY or KAGGLE_SECRET_WANDB_KEY, so runs are" in said
    assert "doors track login" not in machine.started


def test_a_machine_that_fails_a_check_ends_phase_1(machine: Machine):
    assert machine.set_up(doctor=1).returncode == 1
    assert machine.set_up(doctor=0).returncode == 0


def test_photographs_that_are_there_are_only_checked(machine: Machine):
    (machine.clone / "data/processed/detection").mkdir(parents=True)
    (machine.clone / "data/processed/detection/data.yaml").touch()

    said = machine.set_up().stdout

    assert "Next steps:\n  doors data validate --path data/processed/detection\n" in said


def test_without_uv_the_line_that_gets_it_is_the_readmes(machine: Machine):
    (machine.clone / "scripts/install_locked.py").touch()  # a clone, and no workspace of its own
    (machine.programs / "doors").unlink()

    done = machine.set_up(KAGGLE_KERNEL_RUN_TYPE="")

    assert done.returncode == 2
    assert f"neither uv nor doors is on the PATH\n  hint: {GET_UV}, then" in done.stderr


@pytest.mark.slow
def test_elsewhere_versions_w_and_b_and_the_way_to_dvc_are_said(machine: Machine):
    """The shell that follows the next steps has no environment activated."""
    (machine.clone / ".venv").symlink_to(sys.prefix)
    (machine.clone / "data/processed").mkdir(parents=True)
    (machine.clone / "data/processed/detection.dvc").touch()

    done = machine.set_up(KAGGLE_KERNEL_RUN_TYPE="", WANDB_BASE_URL="http://127.0.0.1:9")

    assert done.returncode == 0, done.stderr
    end = done.stdout[done.stdout.index("[4/4]") :]
    for what in ("doors ", "dvc 3.", "ultralytics 8.", "torch", "w&b"):
        assert what in end
    steps = end[end.index("Next steps:") :].splitlines()[1:]
    assert steps == [
        f"  source {machine.clone}/.venv/bin/activate",
        "  dvc pull data/processed/detection.dvc",
        "  bash scripts/run_training.sh",
    ]
    assert "Next steps" not in machine.set_up("--go-on", KAGGLE_KERNEL_RUN_TYPE="").stdout
