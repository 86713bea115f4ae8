"""The notebook, executed cell by cell as Kaggle would, and left by its interrupt button."""

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.cloudflared.test_tunnel import install
from tests.loopback import kaggle_secrets
from tests.loopback.git_server import GitServer
from tests.ssh import make_key

NOTEBOOK = Path(__file__).parents[1] / "notebooks/kaggle_ssh_tunnel.ipynb"
REPOSITORY = 'REPOSITORY = \\"\\"'
FOLDER = "/kaggle/working/container-id-research"
KEY = "w0rd" * 10
SHOW = (
    'echo "$LD_LIBRARY_PATH ${#KAGGLE_SECRET_WANDB_KEY} $DOORS_REPOSITORY '
    '${MPLBACKEND:-none} ${KAGGLE_USER_SECRETS_TOKEN:-none}"'
)


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_is_four_thin_cells_without_outputs():
    cells = code_cells(NOTEBOOK)

    assert len(cells) == 4
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)
    assert all(len(cell["source"]) <= 31 for cell in cells)


def test_the_notebook_begins_with_the_warning_and_the_default():
    first = json.loads(NOTEBOOK.read_text("utf-8"))["cells"][0]

    assert first["cell_type"] == "markdown"
    assert "has locked accounts" in "".join(first["source"])
    assert "doors kaggle run" in "".join(first["source"])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "write the repository's address"),
        ("/nowhere.git", "no repository: git says why, above"),
    ],
)
def test_the_first_cell_says_what_it_lacks(tmp_path: Path, address: str, said: str):
    cell = "".join(code_cells(NOTEBOOK)[0]["source"]).replace(FOLDER, str(tmp_path / "a clone"))
    cell = cell.replace('REPOSITORY = ""', f'REPOSITORY = "{address}"')

    failed = subprocess.run(
        [sys.executable, "-m", "IPython", "--quick", "--colors=nocolor", "-c", cell],
        env=os.environ | {"IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert f"AssertionError: {said}" in failed.stdout + failed.stderr


def test_a_password_in_the_address_is_in_no_argument_and_in_no_file(
    tmp_path: Path, repository_root: Path
):
    bare = tmp_path / "a.git"
    subprocess.run(["git", "clone", "-q", "--bare", repository_root, bare], check=True)
    cell = "".join(code_cells(NOTEBOOK)[0]["source"]).split("assert Path(FOLDER)")[0]
    cell = cell.replace(FOLDER, str(tmp_path / "clone"))
    with GitServer(tmp_path, user="me@here", password="p%w'\"$HOME") as server:
        address = f"http://me%40here:p%25w%27%22%24HOME@{server.host}/a.git"
        subprocess.run(
            [sys.executable, "-m", "IPython", "--quick", "--colors=nocolor", "-c",
             cell.replace('REPOSITORY = ""', f'REPOSITORY = "{address}"')],
            env=os.environ | {"IPYTHONDIR": str(tmp_path), "GIT_TRACE": str(tmp_path / "trace")},
            check=True,
            capture_output=True,
        )  # fmt: skip

    for text in ((tmp_path / "trace").read_text(), (tmp_path / "clone/.git/config").read_text()):
        assert server.host in text
        assert not [mark for mark in ("me%40", "me@here", "p%25w", "p%w") if mark in text]


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that sshd trusts."""
    folder = Path(tempfile.mkdtemp(dir=pwd.getpwuid(os.getuid()).pw_dir, prefix=".test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path, "mine")


@pytest.fixture
def environment(tmp_path: Path, state: Path, key: Path) -> Iterator[dict[str, str]]:
    """A Kaggle machine's."""
    (tmp_path / "edge").mkdir()
    install(tmp_path, tmp_path / "edge")
    (tmp_path / "site").mkdir()
    shutil.copy(kaggle_secrets.__file__, tmp_path / "site/kaggle_secrets.py")
    line = key.with_suffix(".pub").read_text()
    with kaggle_secrets.service({"SSH_PUBLIC_KEY": line, "WANDB_API_KEY": KEY}) as service:
        yield os.environ | {
            "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(tmp_path / "site"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
            "XDG_STATE_HOME": str(state),
            "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
            "KAGGLE_USER_SECRETS_TOKEN": kaggle_secrets.TOKEN,
            "KAGGLE_URL_BASE": service,
        }


@pytest.mark.slow
def test_the_notebook_lets_its_owner_in_and_leaves_nothing(
    tmp_path: Path, repository_root: Path, environment: dict[str, str], state: Path, key: Path
):
    here = NOTEBOOK.read_text("utf-8").replace(REPOSITORY, f'REPOSITORY = \\"{repository_root}\\"')
    (tmp_path / "given.ipynb").write_text(here.replace(FOLDER, str(tmp_path / "clone")))
    running = subprocess.Popen(
        [sys.executable, repository_root / "tests/running_notebook.py", "given.ipynb", "saved"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url, host_key = wait_for(r"connect (\S+) --host-key (\S+)", running).groups()
    there = ["--ssh-dir", str(tmp_path / "ssh")]
    subprocess.run(
        ["doors", "tunnel", "connect", url, "--host-key", host_key, "--identity", key, *there],
        env=environment,
        check=True,
        capture_output=True,
    )
    shown = subprocess.run(
        ["ssh", "-F", tmp_path / "ssh/config", "kaggle-training", SHOW],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said, _ = running.communicate("stop\n", timeout=60)

    assert shown.stdout == f"/usr/local/nvidia/lib64 40 {tmp_path}/clone none none\n", shown.stderr
    assert "stopped: the tunnel is closed" in said
    saved = (tmp_path / "saved").read_text("utf-8")
    assert "KAGGLE_SECRET_DVC_JSON: missing" in saved
    assert KEY not in saved
    assert kaggle_secrets.TOKEN not in saved
    assert not list(state.glob("container-doors/*"))


def wait_for(pattern: str, running: "subprocess.Popen[str]") -> "re.Match[str]":
    said = ""
    assert running.stdout is not None
    for line in running.stdout:
        said += line
        if found := re.search(pattern, line):
            return found
    raise AssertionError(said)
