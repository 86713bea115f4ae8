"""OpenSSH's client on a laptop: configure it for the machine, and run commands there."""

import shutil
import subprocess
from pathlib import Path

from container_doors.core.child_environment import environment_for
from container_doors.core.errors import MissingToolError, TunnelError
from container_doors.core.files import home, replace_secret
from container_doors.tunnel.client_settings import HOST, host_block, known_host, with_include
from container_doors.tunnel.public_keys import PublicKey, parse_host_key

_OURS = "container-doors"
_CONNECTION_LOST = 255


class SshClient:
    """The machine's settings in ``~/.ssh``, and the ssh program."""

    def __init__(self, directory: Path | None = None) -> None:
        """Store the folder; nothing is read yet."""
        self._is_usual = directory is None
        self._directory = (directory or _usual_folder()).absolute()
        self._ours = self._directory / _OURS

    @property
    def config(self) -> Path:
        """Our settings file."""
        return self._ours / "config"

    @property
    def _known_hosts(self) -> Path:
        return self._ours / "known_hosts"

    def connect(
        self,
        hostname: str,
        host_key: PublicKey | None,
        *,
        cloudflared: str,
        user: str = "root",
        identity: Path | None = None,
    ) -> PublicKey:
        """Configure ``ssh kaggle-training`` for a host, which must prove that it has the host key.

        Args:
            hostname: The tunnel's host name.
            host_key: The machine's key; None for the last one, as after a tunnel was opened
                again: then the machine and its key are the same.
            cloudflared: The path of cloudflared.
            user: The account on the machine.
            identity: The private key, if it is not one that ssh tries by default.

        Returns:
            The expected host key.

        Raises:
            TunnelError: If no host key is known, or a path cannot be used.
        """
        key = host_key or self._pinned()
        block = host_block(
            hostname,
            host_key=key,
            known_hosts=str(self._known_hosts),
            user=user,
            cloudflared=cloudflared,
            identity=identity,
        )
        if identity is not None and not identity.exists():
            raise TunnelError(
                f"there is no private key {identity}",
                hint="--identity names the file whose .pub you gave to the notebook",
            )
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_secret(self._known_hosts, known_host(key) + "\n")
        replace_secret(self.config, block)
        self._include()
        return key

    def run(self, command: str, *, terminal: bool) -> int:
        """Run a command on the machine, with or without this terminal; return its exit code.

        Raises:
            TunnelError: If the connection could not be made, or was lost.
            MissingToolError: If ssh is not installed.
        """
        if not self.config.exists():
            raise TunnelError(f"{HOST} is not configured here yet", hint=_CONNECT_FIRST)
        ssh = shutil.which("ssh")
        if ssh is None:
            raise MissingToolError("ssh is not installed", hint="install openssh-client")
        settings = [] if self._is_usual else ["-F", str(self._directory / "config")]
        terminals = ["-t"] if terminal else ["-T"]
        argv = [ssh, *settings, *terminals, HOST, command]
        code = subprocess.run(argv, env=environment_for("ssh"), check=False).returncode
        if code == _CONNECTION_LOST:
            raise TunnelError(
                f"the connection to {HOST} failed or was lost; programs there continue",
                hint="run the same command again; if the notebook printed a new address, first "
                "doors tunnel connect ADDRESS",
            )
        return code

    def _pinned(self) -> PublicKey:
        try:
            return parse_host_key(self._known_hosts.read_text("utf-8").partition(" ")[2])
        except FileNotFoundError:
            raise TunnelError(
                "no host key was given, and without one any server could pose as the machine",
                hint=_CONNECT_FIRST,
            ) from None

    def _include(self) -> None:
        """Add our line to the user's own file, which may be a symbolic link."""
        path = (self._directory / "config").resolve()
        present = path.read_text("utf-8") if path.exists() else ""
        wanted = with_include(present, self.config)
        if wanted != present:
            replace_secret(path, wanted)


def _usual_folder() -> Path:
    found = home()
    if found is None:
        raise TunnelError(
            "there is no home folder, so there is no .ssh",
            hint="give the folder of OpenSSH's settings: --ssh-dir DIR",
        )
    return found / ".ssh"


_CONNECT_FIRST = (
    "copy the command that the notebook printed: doors tunnel connect ADDRESS --host-key AAAA..."
)
