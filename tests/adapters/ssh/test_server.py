"""A real OpenSSH server on loopback, met by the real client."""

import base64
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import psutil
import pytest

from container_doors.adapters.processes import find_process
from container_doors.adapters.ssh import aftermath
from container_doors.adapters.ssh.server import SshServer
from container_doors.core.errors import TunnelError
from container_doors.tunnel.public_keys import parse_host_key
from tests.ssh import Laptop, make_key, public

VARIABLES = {
    "KAGGLE_SECRET_DVC_JSON": '{"type": "service_account", "private_key": "it\'s $HOME `x`\\n"}',
    "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
    "PATH": f"/opt/kaggle/bin:{os.environ['PATH']}",
    "SEVERAL": "two\nlines",
}
SHOW = (
    'printf "%s|" "$KAGGLE_SECRET_DVC_JSON" "$LD_LIBRARY_PATH" "$SEVERAL"; '
    "case :$PATH: in *:/opt/kaggle/bin:*) printf found;; esac"
)
"""The person's own start-up files, which are read as well, may put more in front of PATH."""

SHOWN = (
    "|".join(VARIABLES[n] for n in ("KAGGLE_SECRET_DVC_JSON", "LD_LIBRARY_PATH", "SEVERAL"))
    + "|found"
)


@pytest.fixture(scope="module")
def home():
    """A folder that sshd trusts: /tmp, where tests have theirs, is everybody's."""
    folder = Path(tempfile.mkdtemp(dir=pwd.getpwuid(os.getuid()).pw_dir, prefix=".test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def laptop(home: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("laptop")
    key = make_key(folder, "mine")
    with SshServer(home / "server") as server:
        host_key = server.start([public(key)])
        server.keep_environment(VARIABLES)
        yield Laptop(folder, server.port, host_key, key)


def test_a_command_sees_the_environment(laptop: Laptop):
    assert laptop.ssh(SHOW).stdout == SHOWN


def test_the_fingerprint_is_what_openssh_calls_it(home: Path, laptop: Laptop):
    listed = subprocess.check_output(["ssh-keygen", "-lf", home / "server/host_key.pub"], text=True)

    assert listed.split()[1] == laptop.host_key.fingerprint


def test_a_login_shell_sees_the_environment(laptop: Laptop):
    assert laptop.ssh(options=("-T",), typed=f"{SHOW}\n").stdout.endswith(SHOWN)


def test_a_terminal_sees_the_environment(laptop: Laptop):
    shown = laptop.ssh(options=("-tt",), typed=f"({SHOW}) | base64 -w0; exit\n").stdout

    assert base64.b64encode(SHOWN.encode()).decode() in shown


def test_an_editor_that_feeds_a_shell_sees_the_environment(laptop: Laptop):
    """VS Code sends its script to the standard input of a shell that it names."""
    assert laptop.ssh("bash", typed=f"{SHOW}\n").stdout == SHOWN
    assert laptop.ssh("bash", "-l", typed=f"{SHOW}\n").stdout == SHOWN


def test_files_are_copied_there_and_back(laptop: Laptop, home: Path):
    (laptop.folder / "there").write_bytes(b"\x00\xff of all kinds")

    there = laptop.scp(str(laptop.folder / "there"), f"machine:{home}/copied")
    back = laptop.scp(f"machine:{home}/copied", str(laptop.folder / "back"))

    assert (there.returncode, back.returncode) == (0, 0), there.stderr + back.stderr
    assert (laptop.folder / "back").read_bytes() == b"\x00\xff of all kinds"


def test_the_exit_code_of_a_command_comes_back(laptop: Laptop):
    assert laptop.ssh("exit 7").returncode == 7


def test_a_password_is_not_even_asked_for(laptop: Laptop):
    refused = laptop.ssh(
        "true", options=("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1")
    )

    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr


def test_another_key_is_refused(laptop: Laptop, tmp_path: Path):
    foreign = Laptop(tmp_path, laptop.port, laptop.host_key, make_key(tmp_path, "foreign"))

    refused = foreign.ssh("true")

    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr


def test_strangers_do_not_keep_the_owner_out(laptop: Laptop, tmp_path: Path):
    """All come from 127.0.0.1 through a tunnel, which newer servers punish as one."""
    foreign = Laptop(tmp_path, laptop.port, laptop.host_key, make_key(tmp_path, "foreign"))

    for _ in range(5):
        foreign.ssh("true")

    assert laptop.ssh("echo in").stdout == "in\n"


def test_another_server_in_its_place_is_refused(laptop: Laptop, home: Path, tmp_path: Path):
    with SshServer(home / "other", profiles=tmp_path) as other:
        other.start([public(laptop.key)])
        mistaken = Laptop(tmp_path, other.port, laptop.host_key, laptop.key)

        refused = mistaken.ssh("true")

    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


def test_the_port_is_open_to_this_machine_alone(laptop: Laptop):
    listening = {
        tuple(connection.laddr)
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and laptop.port in connection.laddr
    }
    assert listening == {("127.0.0.1", laptop.port)}

    outside = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    }
    for address in outside:
        with (
            pytest.raises(OSError, match="refused"),
            socket.create_connection((address, laptop.port), timeout=5),
        ):
            pass


def test_an_editor_reaches_its_server_and_nobody_else_is_reached(laptop: Laptop, home: Path):
    with socket.create_server(("127.0.0.1", 0)) as editor:
        editor.settimeout(20)
        greeting = Thread(target=greet, args=[editor])
        greeting.start()
        there = f"127.0.0.1:{editor.getsockname()[1]}"
        assert laptop.ssh(options=("-W", there)).stdout == "hello"
        greeting.join()

    assert laptop.ssh(options=("-W", "192.0.2.1:80")).returncode == 255
    assert "connect to host 192.0.2.1 port 80, but the request was denied" in (
        home / "server" / "sshd.log"
    ).read_text("utf-8")

    refused = laptop.ssh("true", options=("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9"))
    assert refused.returncode == 255


def greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"hello")


def test_its_files_are_its_owners_alone(laptop: Laptop, home: Path):
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home / "server").iterdir()}
    assert "host_key" not in modes  # in memory, and on no disk
    assert (home / "server/environment.sh").readlink().is_relative_to("/proc")

    assert modes.pop("host_key.pub") == 0o644
    assert set(modes.values()) == {0o600}
    assert (home / "server").stat().st_mode & 0o777 == 0o700


def test_nothing_is_left_after_the_end(home: Path, tmp_path: Path):
    key = make_key(tmp_path, "mine")
    with SshServer(home / "ending", profiles=tmp_path) as server:
        laptop = Laptop(tmp_path, server.port, server.start([public(key)]), key)
        laptop.port = server.port
        server.keep_environment({"KAGGLE_SECRET_WANDB_KEY": "k" * 40})
        assert list(tmp_path.glob("zz-*.sh"))
        session = subprocess.Popen(
            ["ssh", *laptop.options, "machine", "sleep 600 & echo in; wait"], stdout=subprocess.PIPE
        )
        assert session.stdout is not None
        assert session.stdout.readline() == b"in\n"
        inside = sshd_of(server).children(recursive=True)
        assert len(inside) > 1  # of the server, and what the session runs

    assert session.wait(10) == 255
    session.stdout.close()
    assert not any(process.is_running() for process in inside)
    assert not list(tmp_path.glob("zz-*.sh"))
    assert not (home / "ending").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", laptop.port), timeout=5)


def test_a_server_that_a_cell_began_ends_when_the_cell_runs_again(home: Path, tmp_path: Path):
    key = make_key(tmp_path, "mine")
    earlier = SshServer(home / "again", profiles=tmp_path)
    earlier.start([public(key)])
    port = earlier.port

    with SshServer(home / "again", profiles=tmp_path) as server:
        host_key = server.start([public(key)])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        assert Laptop(tmp_path, server.port, host_key, key).ssh("echo in").stdout == "in\n"


BEGUN = """
import sys, time
from pathlib import Path
from container_doors.adapters.ssh.server import SshServer
from container_doors.tunnel.public_keys import parse_public_keys
server = SshServer(Path(sys.argv[1]), profiles=Path(sys.argv[2]))
server.start(parse_public_keys(sys.stdin.readline(), source="a test"))
server.keep_environment({"KAGGLE_SECRET_WANDB_KEY": "k" * 40})
print((server.directory / "sshd.pid").read_text().split()[0], server._keeper.pid, server.port,
      server.host_key.line, flush=True)
time.sleep(600)
"""


@dataclass
class Notebook:
    """Another process that has a server in a folder whose name is no ASCII."""

    process: "subprocess.Popen[str]"
    server: psutil.Process
    keeper: psutil.Process
    laptop: Laptop


@pytest.fixture
def notebook(home: Path, tmp_path: Path):
    key = make_key(tmp_path, "mine")
    begun = subprocess.Popen(
        [sys.executable, "-c", BEGUN, home / "müll", tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert begun.stdin is not None
    assert begun.stdout is not None
    begun.stdin.write(public(key).line + "\n")
    begun.stdin.flush()
    server, keeper, port, host_key = begun.stdout.readline().split(maxsplit=3)
    laptop = Laptop(tmp_path, int(port), parse_host_key(host_key), key)
    yield Notebook(begun, psutil.Process(int(server)), psutil.Process(int(keeper)), laptop)
    begun.kill()
    begun.communicate()
    shutil.rmtree(home / "müll", ignore_errors=True)
    (home / ".müll.lock").unlink(missing_ok=True)


def sshd_of(server: SshServer) -> psutil.Process:
    found = find_process(server.directory / "sshd.pid")
    assert found is not None
    return found


def cleared(home: Path) -> bool:
    end = monotonic() + 30
    while (left := list(home.glob("*müll*"))) and monotonic() < end:
        sleep(0.05)
    return not left


def test_a_notebook_that_is_killed_leaves_no_way_in_and_no_secret(
    notebook: Notebook, home: Path, tmp_path: Path
):
    notebook.process.kill()
    notebook.process.wait()

    assert cleared(home)
    assert not notebook.server.is_running()
    assert not list(tmp_path.glob("zz-*.sh"))


SECRET = b"k" * 40
KEYS = b"-----BEGIN OPENSSH " + b"PRIVATE KEY-----"
"""Spelled in two parts, for this file is read by whoever looks for keys."""


def with_secrets_for_long(home: Path) -> list[Path]:
    """Find the files with a secret that are left half a minute after everything has ended."""
    end = monotonic() + 30
    while (left := with_secrets(home)) and monotonic() < end:
        sleep(0.05)
    return left


def with_secrets(home: Path) -> list[Path]:
    found: list[Path] = []
    paths = [Path(folder, name) for folder, _, names in os.walk(home) for name in names]
    for path in paths:
        with suppress(FileNotFoundError):  # cleared up meanwhile, as walking passes over folders
            if path.is_file() and any(it in path.read_bytes() for it in (SECRET, KEYS)):
                found.append(path)
    return found


ORDERS = [
    *permutations(("process", "keeper"), 1),
    *permutations(("process", "keeper"), 2),
    *permutations(("process", "keeper", "server"), 3),
]


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids=" then ".join)
def test_whatever_is_killed_no_way_in_no_session_and_no_secret_is_left(
    notebook: Notebook, home: Path, order: tuple[str, ...]
):
    """All at once, as far as one can: no process has the time to notice another's end."""
    sessions = [
        subprocess.Popen(
            ["ssh", *notebook.laptop.options, *terminal, "machine", "echo $PPID $$; sleep 600"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for terminal in ([], ["-tt"])
    ]  # fmt: skip
    inside = [notebook.server]
    for session in sessions:
        assert session.stdout is not None
        inside += [psutil.Process(int(pid)) for pid in session.stdout.readline().split()]
    inside += [sleep for shell in inside[1:] for sleep in shell.children(recursive=True)]

    for name in order:
        os.kill(getattr(notebook, name).pid, signal.SIGKILL)

    assert psutil.wait_procs(inside, timeout=20)[1] == []
    for session in sessions:
        session.communicate(timeout=20)
        assert session.returncode == 255
    assert not with_secrets_for_long(home)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", notebook.laptop.port), timeout=5)


def test_sessions_of_a_server_that_was_killed_end_with_the_next(home: Path, tmp_path: Path):
    key = make_key(tmp_path, "mine")
    with SshServer(home / "heir", profiles=tmp_path) as server:
        laptop = Laptop(tmp_path, 0, server.start([public(key)]), key)
        laptop.port = server.port
        session = subprocess.Popen(
            ["ssh", *laptop.options, "machine", "echo $$; sleep 600"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert session.stdout is not None
        shell = psutil.Process(int(session.stdout.readline()))
        killed = sshd_of(server)
        killed.kill()
        killed.wait()
        assert server.revive()
        assert shell.is_running()

    assert psutil.wait_procs([shell], timeout=20)[1] == []
    session.communicate(timeout=20)


def test_a_keeper_that_is_killed_is_replaced_with_the_same_keys(home: Path, tmp_path: Path):
    key = make_key(tmp_path, "mine")
    with SshServer(home / "kept", profiles=tmp_path) as server:
        laptop = Laptop(tmp_path, 0, server.start([public(key)]), key)
        laptop.port = server.port
        server.keep_environment({"KEPT": "still"})
        killed = sshd_of(server)
        assert server._keeper is not None
        server._keeper.kill()
        server._keeper.wait()
        assert psutil.wait_procs([killed], timeout=20)[1] == []

        assert server.revive()
        assert laptop.ssh("echo $KEPT").stdout == "still\n"
        assert laptop.ssh(options=("-T",), typed="echo $KEPT\n").stdout.endswith("still\n")


def test_where_the_system_has_no_files_in_memory_they_are_its_owner_s_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(os, "memfd_create")
    key = make_key(tmp_path, "mine")
    with SshServer(home / "disk", profiles=tmp_path) as server:
        laptop = Laptop(tmp_path, 0, server.start([public(key)]), key)
        laptop.port = server.port
        path = server.keep_environment({"KEPT": "here"})
        assert laptop.ssh("echo $KEPT").stdout == "here\n"
        assert path == home / "disk/environment.sh"
        assert {one.stat().st_mode & 0o777 for one in (path, path.with_name("host_key"))} == {0o600}
    assert not (home / "disk").exists()


def test_a_lock_that_is_let_go_after_the_pipe_is_waited_for(home: Path, tmp_path: Path):
    """The system closes what a killed notebook had open in no order that one may count on."""
    folder, profile = home / "müll", tmp_path / "zz.sh"
    folder.mkdir()
    (folder / "secret").write_text("k")
    with (home / ".müll.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        watch = subprocess.Popen(
            [sys.executable, "-m", aftermath.__name__, folder, profile, "sshd"],
            stdin=subprocess.PIPE,
        )
        assert watch.stdin is not None
        watch.stdin.close()
        with pytest.raises(subprocess.TimeoutExpired):
            watch.wait(timeout=1.5)

    assert watch.wait(timeout=30) == 0
    assert list(home.glob("*müll*")) == []


def test_another_process_s_way_in_is_left_as_it_is(
    notebook: Notebook,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    begun, server = notebook.process, notebook.server
    monkeypatch.setattr(aftermath, "WAIT_S", 0.2)
    second = SshServer(home / "müll", profiles=tmp_path)

    with pytest.raises(TunnelError, match=f"process {begun.pid} has a tunnel open"):
        second.start([public(make_key(tmp_path, "second"))])
    second.stop()
    assert server.is_running()


def test_a_server_that_is_killed_comes_back_with_the_same_key(home: Path, tmp_path: Path):
    key = make_key(tmp_path, "mine")
    with SshServer(home / "revived", profiles=tmp_path) as server:
        laptop = Laptop(tmp_path, 0, server.start([public(key)]), key)
        laptop.port = server.port
        server.keep_environment({"KEPT": "still"})
        assert not server.revive()
        killed = sshd_of(server)
        killed.kill()
        killed.wait()

        assert server.revive()
        assert laptop.ssh("echo $KEPT").stdout == "still\n"


def test_a_server_that_has_ended_keeps_no_secrets(home: Path, tmp_path: Path):
    server = SshServer(home / "ended", profiles=tmp_path)
    server.start([public(make_key(tmp_path, "mine"))])
    server.stop()

    with pytest.raises(TunnelError, match="the SSH server has stopped"):
        server.keep_environment({"KAGGLE_SECRET_WANDB_KEY": "k" * 40})
    assert not (home / "ended").exists()
    assert not server.revive()


def test_a_port_that_is_taken_is_told_from_a_server_that_is_not_installed(
    home: Path, tmp_path: Path
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TunnelError) as caught:
            SshServer(home / "taken", profiles=tmp_path).start(
                [public(make_key(tmp_path, "mine"))], port=port
            )
    assert f"another program listens on port {port}" in caught.value.hint
    assert not (home / "taken").exists()


@pytest.mark.parametrize("odd", ["A B", "50%h", "it's #1", "$HOME"])
def test_odd_folders_are_served_from(home: Path, tmp_path: Path, odd: str):
    key = make_key(tmp_path, "mine")
    with SshServer(home / odd, profiles=tmp_path) as server:
        laptop = Laptop(tmp_path, 0, server.start([public(key)]), key)
        laptop.port = server.port
        server.keep_environment({"KEPT": odd})
        assert laptop.ssh('echo "$KEPT"').stdout == f"{odd}\n"


@pytest.mark.parametrize("odd", ['a"b', "a\\b"])
def test_a_folder_that_sshd_cannot_be_told_of_is_refused(home: Path, tmp_path: Path, odd: str):
    with pytest.raises(TunnelError, match="sshd's settings cannot contain the folder"):
        SshServer(home / odd, profiles=tmp_path).start([public(make_key(tmp_path, "mine"))])
    assert not (home / odd).exists()


def test_the_account_is_the_system_s_whatever_variables_say(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LOGNAME", "jovyan")
    key = make_key(tmp_path, "mine")
    with SshServer(home / "named", profiles=tmp_path) as server:
        laptop = Laptop(tmp_path, 0, server.start([public(key)]), key)
        laptop.port = server.port
        assert laptop.ssh("echo in").stdout == "in\n"


def test_secrets_are_kept_out_of_what_is_published(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/kaggle/working/state")

    with pytest.raises(TunnelError, match="part of the notebook's output"):
        SshServer().start([])
