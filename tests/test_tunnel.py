"""The interactive way: real OpenSSH on both sides, a cloudflared of ours between them."""

import json
import os
import pty
import pwd
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from container_doors.adapters.ssh.server import SshServer
from container_doors.cli import cells
from container_doors.core.errors import TunnelError
from tests.adapters.cloudflared.test_tunnel import install
from tests.pem import private_key
from tests.ssh import make_key, public

KEY = "w0rd" * 10
JSON = json.dumps({"type": "service_account", "private_key": private_key("MII")})
DOORS = [sys.executable, "-m", "container_doors"]


@dataclass
class Session:
    """A machine that is open, and a laptop that knows it."""

    serving: "subprocess.Popen[str]"
    folder: Path
    environment: dict[str, str]
    said: str
    state: Path
    repository: Path

    def doors(self, *words: str):
        return subprocess.run(
            [*DOORS, "tunnel", *words, "--ssh-dir", str(self.folder / "ssh")],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ssh(self, *words: str, timeout_s: float = 60):
        return subprocess.run(
            ["ssh", "-F", self.folder / "ssh/config", "-o", "ConnectTimeout=20", *words],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def heard(self, pattern: str) -> "re.Match[str]":
        """Read on in what the machine says until it says this."""
        assert self.serving.stdout is not None
        for line in self.serving.stdout:
            self.said += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(self.said)


@contextmanager
def opened(
    folder: Path, repository: Path, variables: dict[str, str], key: Path
) -> Iterator[Session]:
    """Open a machine whose notebook runs in ``repository``, and let a laptop know it."""
    state = Path(tempfile.mkdtemp(dir=pwd.getpwuid(os.getuid()).pw_dir, prefix=".test-"))
    for name in ("edge", "tmux"):
        (folder / name).mkdir()
    install(folder, folder / "edge")
    environment = os.environ | variables
    environment |= {
        "PATH": f"{folder}:{environment['PATH']}",
        "XDG_STATE_HOME": str(state),
        "XDG_CONFIG_HOME": str(state / "config"),
        "TMUX_TMPDIR": str(folder / "tmux"),
    }
    serving = subprocess.Popen(
        [*DOORS, "tunnel", "serve", "--key", key.with_suffix(".pub")],
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # One that a person began before, in a shell that had none of the variables.
    subprocess.run(
        ["tmux", "new-session", "-d", "-s", "earlier"],
        env={"PATH": os.defpath, "TMUX_TMPDIR": str(folder / "tmux"), "TERM": "xterm"},
        check=True,
    )
    session = Session(serving, folder, environment, "", state, repository)
    url, host_key = session.heard(r"tunnel connect (\S+) --host-key (\S+)").groups()
    session.heard("interrupt this cell")
    connected = session.doors("connect", url, "--host-key", host_key, "--identity", str(key))
    assert connected.returncode == 0, connected.stderr
    yield session
    subprocess.run(["tmux", "kill-server"], env=environment, check=False, capture_output=True)
    serving.terminate()
    serving.communicate(timeout=30)
    shutil.rmtree(state)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("tunnel")
    (folder / "repository/scripts").mkdir(parents=True)
    (folder / "repository/scripts/run_training.sh").write_text(
        'echo "$1 ${#KAGGLE_SECRET_WANDB_KEY}" >> trained; until [ -e go ]; do sleep 0.05; done\n'
    )
    variables = {
        "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
        "KAGGLE_USER_SECRETS_TOKEN": "t0ken-of-kaggle",
        "WANDB_API_KEY": KEY,
        "DVC_SERVICE_ACCOUNT_JSON": JSON,
    }
    with opened(folder, folder / "repository", variables, make_key(folder, "mine")) as session:
        yield session


def test_the_warning_comes_first_and_names_the_default(session: Session):
    assert session.said.startswith("Kaggle has stopped tunnels before")
    assert "doors kaggle run" in session.said.partition("SSH listens")[0]


def test_ssh_goes_through_the_tunnel_and_sees_what_training_needs(session: Session):
    shown = session.ssh(
        "kaggle-training",
        'echo "$LD_LIBRARY_PATH ${#KAGGLE_SECRET_WANDB_KEY} ${KAGGLE_USER_SECRETS_TOKEN:-none}"; '
        'printf %s "$KAGGLE_SECRET_DVC_JSON"',
    )

    assert shown.stdout == f"/usr/local/nvidia/lib64 40 none\n{JSON}", shown.stderr


def test_secrets_are_said_by_their_length_and_stand_in_no_argument(session: Session):
    assert "KAGGLE_SECRET_WANDB_KEY: 40 characters, from the environment" in session.said
    assert KEY not in session.said
    assert "MII" not in session.said
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        assert KEY not in line
        assert "PRIVATE KEY-----\\nMII" not in line


@pytest.mark.slow
def test_a_run_is_started_in_tmux_once_and_goes_on_by_itself(session: Session):
    for _ in range(2):
        done = session.doors("run", "detection_exp007", "--detach")
        assert done.returncode == 0, done.stderr

    trained = session.repository / "trained"
    for _ in range(200):
        if trained.exists() and trained.read_text():
            break
        time.sleep(0.05)
    assert trained.read_text() == "detection_exp007 40\n"
    # The window is kept, with its last words in it.
    listed = session.ssh("kaggle-training", "tmux list-sessions -F '#{session_name}'")
    assert listed.stdout == "detection_exp007\nearlier\n"

    # Once it has ended, the same command starts it again, and says nothing that is not so.
    (session.repository / "go").touch()
    session.ssh(
        "kaggle-training",
        'until tmux capture-pane -p -t detection_exp007 | grep -q "ended with"; do sleep 0.1; done',
    )
    assert session.doors("run", "detection_exp007", "--detach").returncode == 0
    for _ in range(200):
        if trained.read_text().count("\n") > 1:
            break
        time.sleep(0.05)
    assert trained.read_text() == "detection_exp007 40\n" * 2


def test_with_a_terminal_one_looks_on(session: Session):
    """As ``doors tunnel run`` is used: what the training says is seen, and leaving it ends well."""
    (session.repository / "go").touch()
    outside, inside = pty.openpty()
    looking = subprocess.Popen(
        [*DOORS, "tunnel", "run", "detection_exp008", "--ssh-dir", str(session.folder / "ssh")],
        env=session.environment | {"TERM": "xterm-of-next-year"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    seen = b""
    while b"ended with exit code 0" not in seen:
        assert select.select([outside], [], [], 30)[0], seen
        seen += os.read(outside, 65536)
    os.write(outside, b"exit\n")

    while select.select([outside], [], [], 0.2)[0] or looking.poll() is None:
        try:
            os.read(outside, 65536)
        except OSError:  # the other end is gone
            break
    assert looking.wait(20) == 0
    os.close(outside)


def test_a_name_that_could_be_a_command_is_refused(session: Session):
    refused = session.doors("run", "x; touch pwned", "--detach")

    assert refused.returncode == 2
    assert "cannot name an experiment" in refused.stderr


@pytest.mark.slow
def test_a_tunnel_that_dies_comes_back_and_the_laptop_follows(session: Session):
    pid = int(next(session.state.rglob("cloudflared.pid")).read_text().split()[0])
    os.kill(pid, signal.SIGKILL)

    session.heard("opening another")
    session.heard("open again, at a new address")
    (url,) = session.heard(r"tunnel connect (\S+) --host-key").groups()
    session.heard("interrupt this cell")
    assert session.ssh("kaggle-training", "echo in").returncode == 255
    again = session.doors("connect", url, "--identity", str(session.folder / "mine"))
    assert again.returncode == 0, again.stderr
    assert session.ssh("kaggle-training", "echo in").stdout == "in\n"


def test_the_last_cell_opens_no_tunnel_to_a_server_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """After a fault in it, say; and such a fault leaves the server to be used by the next try."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin:/usr/sbin")
    state = Path(tempfile.mkdtemp(dir=pwd.getpwuid(os.getuid()).pw_dir, prefix=".test-"))
    server = SshServer(state / "t", profiles=tmp_path)
    try:
        server.start([public(make_key(tmp_path, "mine"))])
        install(tmp_path, tmp_path)
        with pytest.raises(TunnelError, match="there is no secret CLOUDFLARE_TUNNEL_TOKEN"):
            cells.open_tunnel(server, hostname="ssh.example.org")
        assert server.is_running
        server.stop()
        with pytest.raises(TunnelError, match="the SSH server has stopped"):
            cells.open_tunnel(server)
    finally:
        server.stop()
        shutil.rmtree(state)


def beneath_of(session: Session) -> list[psutil.Process]:
    """All that it started, but tmux, which a person leaves running on purpose."""
    every = psutil.Process(session.serving.pid).children(recursive=True)
    kept = [process for process in every if process.name().startswith("tmux")]
    kept += [child for process in kept for child in process.children(recursive=True)]
    return [process for process in every if process not in kept]


def test_a_terminal_that_is_closed_leaves_no_way_in(tmp_path: Path):
    with opened(tmp_path, tmp_path, {"WANDB_API_KEY": KEY}, make_key(tmp_path, "mine")) as session:
        beneath = beneath_of(session)
        session.serving.send_signal(signal.SIGHUP)
        session.heard("the tunnel is closed")
        assert session.serving.wait(20) == 0
        assert psutil.wait_procs(beneath, timeout=20)[1] == []
        assert not list(session.state.glob("container-doors/*"))


def test_nothing_is_left_when_it_is_stopped(session: Session):
    """The last of these tests: it ends the session."""
    beneath = beneath_of(session)
    assert {"sshd", "python"} & {process.name() for process in beneath}
    session.serving.send_signal(signal.SIGINT)

    session.heard("the tunnel is closed")
    assert session.serving.wait(20) == 0
    assert psutil.wait_procs(beneath, timeout=20)[1] == []
    assert not list(session.state.rglob("*.sh"))
    assert not list(session.state.glob("container-doors/*"))
    scripts = Path("/etc/profile.d").glob("zz-container-doors-*.sh")
    assert not [script for script in scripts if str(session.state) in script.read_text("utf-8")]
    lost = session.doors("run", "detection_exp007", "--detach")
    assert lost.returncode == 2
    assert "failed or was lost" in lost.stderr
