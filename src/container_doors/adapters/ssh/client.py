"""OpenSSH's client on a laptop: how it finds the machine, and what it runs there."""

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
    """What stands in ``~/.ssh`` of the machine, and the program that reads it."""

    def __init__(self, directory: Path | None = None) -> None:
        """Remember where; nothing is read yet."""
        self._is_usual = directory is None
        self._directory = (directory or _usual_folder()).absolute()
        self._ours = self._directory / _OURS

    @property
    def config(self) -> Path:
        """Our file of settings."""
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
        """Let ``ssh kaggle-training`` lead to a host, which has to prove that it has a key.

        Args:
            hostname: The tunnel's.
            host_key: The machine's; None for the one of the last time, as after a tunnel that
                was opened again. Then the machine is the same, and has the same key.
            cloudflared: The program that goes through the tunnel.
            user: The account there.
            identity: The person's private key, where it is not one that ssh tries by itself.

        Returns:
            The key that is expected.

        Raises:
            TunnelError: If no key was given, now or before, or a path cannot be used.
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
                hint="--identity names the file whose .pub the notebook was given",
            )
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_secret(self._known_hosts, known_host(key) + "\n")
        replace_secret(self.config, block)
        self._include()
        return key

    def run(self, command: str, *, terminal: bool) -> int:
        """Run a command there, with this terminal if there is to be one; returns its exit code.

        Raises:
            TunnelError: If the connection could not be made, or was lost.
            MissingToolError: If there is no ssh here.
        """
        if not self.config.exists():
            raise TunnelError(f"{HOST} is not known here yet", hint=_CONNECT_FIRST)
        ssh = shutil.which("ssh")
        if ssh is None:
            raise MissingToolError("ssh is not installed", hint="install openssh-client")
        settings = [] if self._is_usual else ["-F", str(self._directory / "config")]
        terminals = ["-t"] if terminal else ["-T"]
        argv = [ssh, *settings, *terminals, HOST, command]
        code = subprocess.run(argv, env=environment_for("ssh"), check=False).returncode
        if code == _CONNECTION_LOST:
            raise TunnelError(
                f"the connection to {HOST} was not made, or was lost; what runs there goes on",
                hint="the same command again; if the notebook printed a new address, "
                "doors tunnel connect ADDRESS before",
            )
        return code

    def _pinned(self) -> PublicKey:
        try:
            return parse_host_key(self._known_hosts.read_text("utf-8").partition(" ")[2])
        except FileNotFoundError:
            raise TunnelError(
                "no host key was given, and without one anybody could pose as the machine",
                hint=_CONNECT_FIRST,
            ) from None

    def _include(self) -> None:
        """Add our line to the person's own file; it may be a link into a folder of theirs."""
        path = (self._directory / "config").resolve()
        present = path.read_text("utf-8") if path.exists() else ""
        wanted = with_include(present, self.config)
        if wanted != present:
            replace_secret(path, wanted)


def _usual_folder() -> Path:
    found = home()
    if found is None:
        raise TunnelError(
            "there is no home folder, and so no .ssh",
            hint="say where OpenSSH keeps its settings: --ssh-dir DIR",
        )
    return found / ".ssh"


_CONNECT_FIRST = (
    "copy the command that the notebook printed: doors tunnel connect ADDRESS --host-key AAAA..."
)
