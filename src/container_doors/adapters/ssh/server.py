"""An OpenSSH server that runs as long as a notebook, reachable only from this machine.

It neither uses nor changes the system's own server, keys, settings and passwords. All its files are
in a private folder, which is removed when it ends.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

from container_doors.adapters.processes import find_process
from container_doors.adapters.shell import call
from container_doors.adapters.ssh import aftermath
from container_doors.core.child_environment import environment_for
from container_doors.core.errors import MissingToolError, TunnelError
from container_doors.core.files import replace_secret, user_folder
from container_doors.tunnel.environment import as_shell
from container_doors.tunnel.public_keys import PublicKey, parse_host_key
from container_doors.tunnel.server_settings import (
    AUTHORIZED,
    ENTRY,
    ENVIRONMENT,
    HOST_KEY,
    LOG,
    NO_PENALTIES,
    PID,
    SETTINGS,
    entry_script,
    profile_script,
    server_settings,
)

PUBLISHED = Path("/kaggle/working")
"""Files here become the notebook's output, visible to everyone who can see the notebook."""

PROFILES = Path("/etc/profile.d")
_PRIVILEGE_SEPARATION = Path("/run/sshd")
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
                 "/usr/lib/ssh/sftp-server")  # fmt: skip
_PROGRAMS = {"sshd": "openssh-server", "ssh-keygen": "openssh-client", "tmux": "tmux"}
INSTALL = "apt-get update && apt-get install --yes openssh-server tmux"
_START_S = 10.0
_WHO_LISTENS = "ss -ltnp names it"


def install_programs() -> list[str]:
    """Install sshd, ssh-keygen and tmux if they are missing, as they are from Kaggle's image.

    Returns:
        The Debian packages that were installed.

    Raises:
        MissingToolError: If that fails.
    """
    missing = [package for program, package in _PROGRAMS.items() if _path_of(program) is None]
    if missing:
        # At run level 1, Debian does not start an installed server, which would listen everywhere.
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            done = call(["apt-get", "-qq", *arguments], cwd=Path("/"), hint=INSTALL,
                        environment=quiet, timeout_s=300)  # fmt: skip
        if done.exit_code:
            raise MissingToolError(
                f"cannot install {', '.join(missing)}: {done.complaint}",
                hint="is Internet on, in the notebook's settings? Then run this again",
            )
    return missing


class SshServer:
    """A server on loopback; a context manager that removes everything at its end."""

    _open: ClassVar[dict[Path, "SshServer"]] = {}
    """The servers of this process: a cell that runs again has lost its earlier server object."""

    def __init__(self, directory: Path | None = None, *, profiles: Path = PROFILES) -> None:
        """Store the folders; nothing is created yet.

        Args:
            directory: The folder of all its files. sshd requires that only its owner or root can
                write to its parent folders.
            profiles: The folder of login shells' scripts; one there reads the environment.
        """
        self.directory = (directory or _usual_folder()).absolute()
        name = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:8]
        self._profile = profiles / f"zz-container-doors-{name}.sh"
        self._keeper: subprocess.Popen[str] | None = None
        self._in_memory: dict[str, int] = {}
        self._stack = ExitStack()
        self.port = 0
        self._host_key: PublicKey | None = None

    def __enter__(self) -> "SshServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """The log of all connections, and of the keys that were used."""
        return self.directory / LOG

    @property
    def host_key(self) -> PublicKey:
        """The server's host key, made only for this server.

        Raises:
            TunnelError: If the server is not started.
        """
        if self._host_key is None:
            raise TunnelError("the SSH server is not started", hint="run the cells in order")
        return self._host_key

    def start(self, authorized: Sequence[PublicKey], *, port: int = 0) -> PublicKey:
        """Start it for these keys only; first clean up after a killed notebook.

        Args:
            authorized: The keys that may log in.
            port: The port on loopback; any free one by default.

        Returns:
            :attr:`host_key`.

        Raises:
            TunnelError: If it does not start, its secrets would be published, or another process
                has a server in this folder.
            MissingToolError: If OpenSSH's server is not installed.
        """
        self._check_is_private()
        sshd = _sshd()
        earlier = self._open.get(self.directory)
        if earlier is not None:
            earlier.stop()
        self._stack.enter_context(aftermath.folder_lock(self.directory))
        self._open[self.directory] = self
        try:
            aftermath.clear(self.directory, self._profile)
            return self._begin(sshd, authorized, port)
        except BaseException:  # also an interrupt
            self.stop()
            raise

    def _begin(self, sshd: str, authorized: Sequence[PublicKey], port: int) -> PublicKey:
        self.directory.mkdir(parents=True, mode=0o700)
        self._in_memory = _memory_for((HOST_KEY, ENVIRONMENT))
        self.port = port or free_port()
        self._host_key = self._make_host_key()
        self._write(AUTHORIZED, "".join(f"{key.line}\n" for key in authorized))
        self._serve(sshd)
        return self._host_key

    def _serve(self, sshd: str) -> None:
        if self._keeper is None or self._keeper.poll() is not None:
            self._end_keeper()
            self._keeper = self._start_keeper(sshd)
            script = entry_script(
                self.directory,
                environment=self._path_of_secret(ENVIRONMENT),
                keeper=self._keeper.pid,
            )
            self._write(ENTRY, script)
            self._link_environment()
            self._write(SETTINGS, self._settings(sshd))
            if self._profile.exists():
                self._write_profile()
        self._run()

    def _link_environment(self) -> None:
        """Link it to its usual name, which laptops with any release use."""
        link, target = self.directory / ENVIRONMENT, self._path_of_secret(ENVIRONMENT)
        if target != link:
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def _path_of_secret(self, secret: str) -> Path:
        """Return the path of a secret for the server and its sessions: in memory if possible."""
        if self._keeper is None or secret not in self._in_memory:
            return self.directory / secret
        return Path(f"/proc/{self._keeper.pid}/fd/{self._in_memory[secret]}")

    def _keep_secret(self, name: str, text: str) -> None:
        if name not in self._in_memory:
            self._write(name, text)
            return
        os.ftruncate(self._in_memory[name], 0)
        os.pwrite(self._in_memory[name], text.encode(), 0)

    def keep_environment(self, variables: Mapping[str, str]) -> Path:
        """Store the variables for every session that starts from now on.

        Returns:
            Their file, which only its owner can read.

        Raises:
            TunnelError: If the server has stopped: nothing would remove the file.
        """
        self.check_is_running()
        self._keep_secret(ENVIRONMENT, as_shell(variables))
        if os.access(self._profile.parent, os.W_OK):
            self._write_profile()
        return self._path_of_secret(ENVIRONMENT)

    def _write_profile(self) -> None:
        script = profile_script(self.directory, environment=self._path_of_secret(ENVIRONMENT))
        self._profile.write_text(script, encoding="utf-8")

    @property
    def is_running(self) -> bool:
        """Whether it accepts connections."""
        return self._keeper is not None and find_process(self.directory / PID) is not None

    def check_is_running(self) -> None:
        """Check that the server accepts connections.

        Raises:
            TunnelError: If it does not.
        """
        if not self.is_running:
            raise TunnelError(
                "the SSH server has stopped, and its secrets are removed",
                hint="run the notebook's cells 2 and 3 again, then 4",
            )

    def revive(self) -> bool:
        """Restart the server if it was killed, with the same keys and port.

        Returns:
            Whether it was restarted.
        """
        if self.is_running or not (self.directory / SETTINGS).exists():
            return False
        self.log.unlink(missing_ok=True)  # which has an earlier server's message that it listens
        self._serve(_sshd())
        return True

    def stop(self) -> None:
        """End the server and all its sessions, and remove all its files.

        Programs left running in tmux continue. A server of another process is not touched.
        """
        if self._open.get(self.directory) is not self:
            return
        self._end_keeper()
        aftermath.clear(self.directory, self._profile)  # if the keeper was killed
        for descriptor in self._in_memory.values():
            os.close(descriptor)
        self._in_memory = {}
        self._stack.close()
        self._open.pop(self.directory, None)

    def _start_keeper(self, sshd: str) -> "subprocess.Popen[str]":
        """Start the keeper, which runs the server and cleans up if this process is killed."""
        package = Path(aftermath.__file__).parents[2]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", aftermath.__name__, self.directory, self._profile, sshd],
            cwd="/",
            env=environment_for("watch") | {"PYTHONPATH": str(package)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # interrupting a cell must not interrupt it
            pass_fds=list(self._in_memory.values()),
        )

    def _end_keeper(self) -> None:
        """Ask the keeper to clean up, if it still runs."""
        if self._keeper is not None:
            with suppress(BrokenPipeError), self._keeper:
                self._keeper.communicate(aftermath.STOP)
            self._keeper = None

    def _check_is_private(self) -> None:
        if self.directory.resolve().is_relative_to(PUBLISHED):
            raise TunnelError(
                f"{self.directory} would become part of the notebook's output, with its secrets",
                hint=f"set XDG_STATE_HOME to a folder that is not in {PUBLISHED}",
            )

    def _make_host_key(self) -> PublicKey:
        path = self.directory / HOST_KEY
        done = call(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path],
            cwd=self.directory,
            hint=INSTALL,
        )
        if done.exit_code:
            raise TunnelError(
                f"ssh-keygen made no host key: {done.complaint}",
                hint=f"check that {self.directory} is writable, and that its disk is not full",
            )
        private = path.read_text("utf-8")
        path.unlink()
        self._keep_secret(HOST_KEY, private)
        return parse_host_key(path.with_suffix(".pub").read_text("utf-8"))

    def _settings(self, sshd: str) -> str:
        found = [path for path in _SFTP_SERVERS if Path(path).exists()]
        settings = server_settings(
            self.directory,
            host_key=self._path_of_secret(HOST_KEY),
            port=self.port,
            user=account(),
            sftp_server=found[0] if found else _SFTP_SERVERS[0],
        )
        if os.geteuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        self._write(SETTINGS, settings)
        done = call([sshd, "-T", "-f", self.directory / SETTINGS], cwd=self.directory, hint=INSTALL)
        if done.exit_code:
            raise TunnelError(f"sshd refuses its settings: {done.complaint}", hint=INSTALL)
        return settings + (NO_PENALTIES if "persourcepenalties" in done.stdout else "")

    def _run(self) -> None:
        if self._keeper is None or self._keeper.stdin is None or self._keeper.stdout is None:
            raise AssertionError("the keeper has pipes")
        with suppress(BrokenPipeError):
            self._keeper.stdin.write(f"{aftermath.START}\n")
            self._keeper.stdin.flush()
        self._keeper.stdout.readline()
        end = monotonic() + _START_S
        # Not checked by connecting: the process forked for the connection might outlive the server.
        while not self._is_listening():
            if not self.is_running or monotonic() > end:
                lines = self.log.read_text("utf-8").splitlines() if self.log.exists() else []
                is_port_used = any("Address already in use" in line for line in lines)
                self.stop()
                raise TunnelError(
                    f"sshd did not start: {lines[-1] if lines else 'it printed nothing'}",
                    hint=f"another program listens on port {self.port}: end it ({_WHO_LISTENS})"
                    if is_port_used
                    else INSTALL,
                )
            sleep(0.05)

    def _is_listening(self) -> bool:
        return self.log.exists() and "Server listening on" in self.log.read_text("utf-8")

    def _write(self, name: str, text: str) -> None:
        replace_secret(self.directory / name, text)


def check_account() -> None:
    """Check that the account is not locked: sshd refuses all logins to a locked account.

    Raises:
        TunnelError: If it is locked; the hint unlocks it, but still allows no password.
    """
    user = account()
    try:
        lines = Path("/etc/shadow").read_text("utf-8").splitlines()
    except PermissionError:
        return
    fields = next((line.split(":") for line in lines if line.startswith(f"{user}:")), [])
    if len(fields) > 1 and fields[1].startswith("!"):
        raise TunnelError(
            f"the account {user} is locked, and sshd refuses logins to it, even with a key",
            hint=f"usermod --password '*' {user}: then keys work, but no password",
        )


def account() -> str:
    """Return this process's account from the system, as sshd does, regardless of LOGNAME."""
    import pwd  # a laptop that only connects may not have this module

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise TunnelError(
            f"this process is user {os.geteuid()}, which has no account, and sshd needs one",
            hint=f"add one, as root: useradd --uid {os.geteuid()} doors",
        ) from None


def _usual_folder() -> Path:
    state = user_folder("XDG_STATE_HOME", ".local/state")
    if state is None:
        raise TunnelError(
            "there is no home folder for the server's files",
            hint="set XDG_STATE_HOME to a folder of yours",
        )
    return state / "container-doors" / "tunnel"


def _memory_for(names: Sequence[str]) -> dict[str, int]:
    """Create files in memory, which vanish with the process; empty if the system has none.

    Sessions read them through ``/proc``, which some sandboxes hide.
    """
    files: dict[str, int] = {}
    try:
        for name in names:
            files[name] = os.memfd_create(name, os.MFD_CLOEXEC)
            os.fchmod(files[name], 0o600)  # sshd refuses a key that others may read
            Path(f"/proc/{os.getpid()}/fd/{files[name]}").read_bytes()
    except (OSError, AttributeError):
        for descriptor in files.values():
            os.close(descriptor)
        return {}
    return files


def _sshd() -> str:
    sshd = _path_of("sshd")
    if sshd is None:
        raise MissingToolError("there is no OpenSSH server (sshd)", hint=INSTALL)
    return sshd


def _path_of(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
