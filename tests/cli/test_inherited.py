"""A command on somebody's machine: other programs' variables, no home, no locks, no fcntl."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.cli.inherited import forget_inherited

JUNK = {
    "RANK": "0",
    "LOCAL_RANK": "0",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "nowhere",
    "TORCHELASTIC_RUN_ID": "other",
    "OMP_NUM_THREADS": "all",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "YOLO_VERBOSE": "junk",
    "WANDB_RUN_ID": "another",
    "WANDB_SERVICE": "3-1-tcp-localhost-1",
    "WANDB_SWEEP_ID": "sweep",
    "TMPDIR": "/nowhere",
    "XDG_CACHE_HOME": "relative",
    "HOME": "",
    "PYTHONWARNINGS": "error",
}


def test_what_is_of_others_is_dropped_and_what_is_the_person_s_stays():
    own = {
        "WANDB_API_KEY": "k",
        "WANDB_MODE": "offline",
        "CUDA_VISIBLE_DEVICES": "0",
        "SLURM_JOB_ID": "7",
        "XDG_CONFIG_HOME": "/home/me/.config",
        "PATH": "/bin",
    }
    environment = {**JUNK, **own, "PYTHONPATH": ":/mine:"}

    dropped = forget_inherited(environment)

    assert set(dropped) == set(JUNK)
    ours = {"MPLBACKEND": "agg", "PYTHONSAFEPATH": "1", "PYTHONPATH": "/mine"}
    assert environment == own | ours


@pytest.mark.parametrize("value", ["4", "4,2"])
def test_a_number_of_threads_stays(value: str):
    environment = {"OMP_NUM_THREADS": value}

    assert forget_inherited(environment) == []
    assert environment["OMP_NUM_THREADS"] == value


def run(code: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environment},
    )


def test_a_launch_of_another_program_is_named_and_passed_over(tmp_path: Path):
    code = (
        "import os, sys; sys.argv = ['doors', '--version']\n"
        "from container_doors.cli import program\n"
        "try:\n    program()\n"
        "finally:\n    print([name for name in os.environ if 'RANK' in name])"
    )

    done = run(code, tmp_path, HOME=str(tmp_path), RANK="0", LOCAL_RANK="0", WORLD_SIZE="2")

    assert done.stdout.endswith("\n[]\n")
    assert "RANK, WORLD_SIZE, LOCAL_RANK: set by another program's launcher" in done.stderr


BLOCKED = """
import importlib, pkgutil, sys
for name in ("fcntl", "pwd", "grp", "termios", "tty", "pty"):
    sys.modules[name] = None
import container_doors.cli
for module in pkgutil.iter_modules(container_doors.cli.__path__):
    importlib.import_module(f"container_doors.cli.{module.name}")
"""


@pytest.mark.slow  # imports all that any command imports
def test_every_command_can_be_imported_where_the_system_is_no_unix(tmp_path: Path):
    done = run(BLOCKED, tmp_path, HOME=str(tmp_path))

    assert done.stderr == ""


def test_a_command_line_is_there_where_the_system_is_no_unix(tmp_path: Path):
    code = BLOCKED.partition("import container_doors")[0] + (
        "from container_doors.cli import main, output, inherited\n"
        "from container_doors.core import files\n"
        "from container_doors.training import claim\n"
        "from container_doors.adapters import follower\n"
        "from container_doors.adapters.dvc import command\n"
        "from container_doors.adapters.git import repository\n"
        "from container_doors.adapters.kaggle import account\n"
        "from container_doors.adapters.ssh import aftermath, client\n"
    )

    done = run(code, tmp_path, HOME=str(tmp_path))

    assert done.stderr == ""


def test_where_there_is_no_home_there_is_no_file_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from container_doors.adapters.kaggle import account as kaggle_account
    from container_doors.adapters.ssh.client import SshClient
    from container_doors.adapters.wandb import account as wandb_account
    from container_doors.adapters.yolo.environment import _settings_folder
    from container_doors.core.errors import TunnelError

    def unknown(self: Path) -> Path:  # as a numeric user without an entry in passwd
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(unknown))  # type: ignore[arg-type]
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    assert wandb_account.find_credentials({}) is None
    assert kaggle_account.sources({}) == []
    assert kaggle_account.damaged({}) == []
    assert os.access(_settings_folder(), os.W_OK)
    with pytest.raises(TunnelError, match="no home folder") as caught:
        SshClient()
    assert "--ssh-dir" in caught.value.hint
