"""OpenSSH's server for as long as a notebook runs, reachable from this machine alone.

Nothing of the system's own server is used or changed: its keys, its settings, its passwords. All
that this one has lies in a folder of its own, which nobody else can read, and goes when it ends.
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

from container_doors.adapters.processes import left_over
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
"""What lies here is the notebook's output, for whoever may see the notebook."""

PROFILES = Path("/etc/profile.d")
_PRIVILEGE_SEPARATION = Path("/run/sshd")
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
                 "/usr/lib/ssh/sftp-server")  # fmt: skip
_PROGRAMS = {"sshd": "openssh-server", "ssh-keygen": "openssh-client", "tmux": "tmux"}
INSTALL = "apt-get update && apt-get install --yes openssh-server tmux"
_START_S = 10.0
_WHO_LISTENS = "ss -ltnp names it"


def install_programs() -> list[str]:
    """Install what is missing of the server, its keys' maker and tmux; Kaggle's image has none.

    Returns:
        The Debian packages that were installed.

    Raises:
        MissingToolError: If that fails.
    """
    missing = [package for program, package in _PROGRAMS.items() if _path_of(program) is None]
    if missing:
        # At run level 1 Debian installs a server without starting it on every address.
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
    """One server on loopback; a context that leaves nothing behind."""

    _open: ClassVar[dict[Path, "SshServer"]] = {}
    """Of this process: a cell that runs again has forgotten the server that it began."""

    def __init__(self, directory: Path | None = None, *, profiles: Path = PROFILES) -> None:
        """Remember where; nothing is there yet.

        Args:
            directory: For all its files. Every folder above it must be its owner's or root's,
                and nobody else's to write to: sshd insists.
            profiles: Where login shells look for scripts; one there leads to the environment.
        """
        self.directory = (directory or _usual_folder()).absolute()
        name = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:8]
        self._profile = profiles / f"zz-container-doors-{name}.sh"
        self._keeper: subprocess.Popen[str] | None = None
        self._in_memory: dict[str, int] = {}
        self._hold = ExitStack()
        self.port = 0
        self._host_key: PublicKey | None = None

    def __enter__(self) -> "SshServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """Who knocked, and who came in by which key."""
        return self.directory / LOG

    @property
    def host_key(self) -> PublicKey:
        """The key by which whoever connects knows this server, made for it alone.

        Raises:
            TunnelError: If it was not started.
        """
        if self._host_key is None:
            raise TunnelError("the SSH server is not started", hint="run the cells in order")
        return self._host_key

    def start(self, authorized: Sequence[PublicKey], *, port: int = 0) -> PublicKey:
        """Let these people in, and no one else; what a dead notebook left over ends first.

        Args:
            authorized: Their keys.
            port: On loopback; by default whichever is free.

        Returns:
            :attr:`host_key`.

        Raises:
            TunnelError: If it does not start, its secrets would be published, or another process
                has one in this folder.
            MissingToolError: If there is no OpenSSH server here.
        """
        self._check_is_private()
        sshd = _sshd()
        earlier = self._open.get(self.directory)
        if earlier is not None:
            earlier.stop()
        self._hold.enter_context(aftermath.held(self.directory))
        self._open[self.directory] = self
        try:
            aftermath.clear(self.directory, self._profile)
            return self._begin(sshd, authorized, port)
        except BaseException:  # an interrupt too
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
                self.directory, environment=self._place_of(ENVIRONMENT), keeper=self._keeper.pid
            )
            self._write(ENTRY, script)
            self._lead_to_environment()
            self._write(SETTINGS, self._settings(sshd))
            if self._profile.exists():
                self._show_login_shells()
        self._run()

    def _lead_to_environment(self) -> None:
        """Have it found by its name as well: a laptop asks for that, of whatever release it is."""
        link, place = self.directory / ENVIRONMENT, self._place_of(ENVIRONMENT)
        if place != link:
            link.unlink(missing_ok=True)
            link.symlink_to(place)

    def _place_of(self, secret: str) -> Path:
        """Where the server and its sessions read a secret: in memory, if the system can."""
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
        """Let every session that begins from now on see these variables.

        Returns:
            Where they stand, for their owner alone to read.

        Raises:
            TunnelError: If the server has ended: nobody would remove the file.
        """
        self.check_is_running()
        self._keep_secret(ENVIRONMENT, as_shell(variables))
        if os.access(self._profile.parent, os.W_OK):
            self._show_login_shells()
        return self._place_of(ENVIRONMENT)

    def _show_login_shells(self) -> None:
        script = profile_script(self.directory, environment=self._place_of(ENVIRONMENT))
        self._profile.write_text(script, encoding="utf-8")

    @property
    def is_running(self) -> bool:
        """Whether it takes connections."""
        return self._keeper is not None and left_over(self.directory / PID) is not None

    def check_is_running(self) -> None:
        """See that somebody can come in.

        Raises:
            TunnelError: If not.
        """
        if not self.is_running:
            raise TunnelError(
                "the SSH server has ended, and its secrets are removed",
                hint="run the notebook's cells 2 and 3 again, then 4",
            )

    def revive(self) -> bool:
        """Start the server again if something killed it, with the same keys at the same port.

        Returns:
            Whether it had to be.
        """
        if self.is_running or not (self.directory / SETTINGS).exists():
            return False
        self.log.unlink(missing_ok=True)  # in which an earlier one says that it listens
        self._serve(_sshd())
        return True

    def stop(self) -> None:
        """End the server and every session of it, and remove all that it had.

        What a person left running in tmux goes on. Another process's is left as it is.
        """
        if self._open.get(self.directory) is not self:
            return
        self._end_keeper()
        aftermath.clear(self.directory, self._profile)  # if the keeper was killed
        for descriptor in self._in_memory.values():
            os.close(descriptor)
        self._in_memory = {}
        self._hold.close()
        self._open.pop(self.directory, None)

    def _start_keeper(self, sshd: str) -> "subprocess.Popen[str]":
        """Start what keeps the server, and clears all away if this process is killed."""
        package = Path(aftermath.__file__).parents[2]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", aftermath.__name__, self.directory, self._profile, sshd],
            cwd="/",
            env=environment_for("watch") | {"PYTHONPATH": str(package)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # the button that interrupts a cell is for the cell alone
            pass_fds=list(self._in_memory.values()),
        )

    def _end_keeper(self) -> None:
        """Have it clear all away, if it still can."""
        if self._keeper is not None:
            with suppress(BrokenPipeError), self._keeper:
                self._keeper.communicate(aftermath.STOP)
            self._keeper = None

    def _check_is_private(self) -> None:
        if self.directory.resolve().is_relative_to(PUBLISHED):
            raise TunnelError(
                f"{self.directory} would become part of the notebook's output, secrets and all",
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
                hint=f"see that {self.directory} can be written, and that its disk is not full",
            )
        private = path.read_text("utf-8")
        path.unlink()
        self._keep_secret(HOST_KEY, private)
        return parse_host_key(path.with_suffix(".pub").read_text("utf-8"))

    def _settings(self, sshd: str) -> str:
        found = [path for path in _SFTP_SERVERS if Path(path).exists()]
        settings = server_settings(
            self.directory,
            host_key=self._place_of(HOST_KEY),
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
        # Not asked by connecting: whoever it forked for that might outlive it.
        while not self._is_listening():
            if not self.is_running or monotonic() > end:
                said = self.log.read_text("utf-8").splitlines() if self.log.exists() else []
                taken = any("Address already in use" in line for line in said)
                self.stop()
                raise TunnelError(
                    f"sshd did not start: {said[-1] if said else 'it said nothing'}",
                    hint=f"another program listens on port {self.port}: end it ({_WHO_LISTENS})"
                    if taken
                    else INSTALL,
                )
            sleep(0.05)

    def _is_listening(self) -> bool:
        return self.log.exists() and "Server listening on" in self.log.read_text("utf-8")

    def _write(self, name: str, text: str) -> None:
        replace_secret(self.directory / name, text)


def check_account() -> None:
    """See that the account can be entered by key: sshd refuses all of a locked one.

    Raises:
        TunnelError: With the command that unlocks it, and still lets no password in.
    """
    user = account()
    try:
        lines = Path("/etc/shadow").read_text("utf-8").splitlines()
    except PermissionError:
        return
    fields = next((line.split(":") for line in lines if line.startswith(f"{user}:")), [])
    if len(fields) > 1 and fields[1].startswith("!"):
        raise TunnelError(
            f"the account {user} is locked, and sshd lets nobody into a locked one, not by key",
            hint=f"usermod --password '*' {user}: no password fits, and keys do",
        )


def account() -> str:
    """Name the account that this process is, whatever LOGNAME says: sshd asks the system, too."""
    import pwd  # a laptop that only connects may have none

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise TunnelError(
            f"this process is user {os.geteuid()}, who has no account, and sshd lets in no other",
            hint=f"add one, as root: useradd --uid {os.geteuid()} doors",
        ) from None


def _usual_folder() -> Path:
    state = user_folder("XDG_STATE_HOME", ".local/state")
    if state is None:
        raise TunnelError(
            "there is no home folder to keep the server's files in",
            hint="set XDG_STATE_HOME to a folder of yours",
        )
    return state / "container-doors" / "tunnel"


def _memory_for(names: Sequence[str]) -> dict[str, int]:
    """Make files that are on no disk and vanish with who has them open; none if there are no such.

    A session reads them through ``/proc``, which some sandboxes do not show.
    """
    made: dict[str, int] = {}
    try:
        for name in names:
            made[name] = os.memfd_create(name, os.MFD_CLOEXEC)
            os.fchmod(made[name], 0o600)  # sshd refuses a key that others may read
            Path(f"/proc/{os.getpid()}/fd/{made[name]}").read_bytes()
    except (OSError, AttributeError):
        for descriptor in made.values():
            os.close(descriptor)
        return {}
    return made


def _sshd() -> str:
    sshd = _path_of("sshd")
    if sshd is None:
        raise MissingToolError("there is no OpenSSH server (sshd)", hint=INSTALL)
    return sshd


def _path_of(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
