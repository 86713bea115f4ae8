"""The notebook's four cells: install, SSH, secrets, tunnel; ``doors tunnel serve`` runs them."""

import atexit
import os
from collections.abc import Sequence
from pathlib import Path

from container_doors.adapters.cloudflared.release import find_or_download
from container_doors.adapters.cloudflared.tunnel import CloudflaredTunnel, Named
from container_doors.adapters.git.clone_address import forget_password
from container_doors.adapters.kaggle import secrets as kaggle_secrets_client
from container_doors.adapters.ssh import server as ssh_server
from container_doors.adapters.ssh.github_keys import keys_of
from container_doors.adapters.ssh.server import SshServer
from container_doors.cli.output import say
from container_doors.core.errors import TunnelError
from container_doors.core.files import user_folder
from container_doors.tunnel.client_settings import HOST, host_block, known_host
from container_doors.tunnel.environment import session_variables
from container_doors.tunnel.keep_open import addresses, keep_open
from container_doors.tunnel.public_keys import PublicKey, parse_public_keys
from container_doors.tunnel.remote_run import REPOSITORY
from container_doors.tunnel.secrets import PAGE, PUBLIC_KEY, SECRETS, TUNNEL_TOKEN, find_secrets

WARNING = """\
Kaggle has stopped tunnels before, and accounts were locked for them. This is at your own risk;
read Kaggle's terms first. The default is the batch way, from your laptop: doors kaggle run.
"""

NAMED_PORT = 22022
"""A named tunnel's service must be ssh://localhost:22022; a quick tunnel uses any port."""


def install() -> None:
    """Install the programs that are missing from the image."""
    say(*WARNING.splitlines())
    installed = ssh_server.install_programs()
    say(f"installed {', '.join(installed)}" if installed else "OpenSSH and tmux are here")
    say(f"cloudflared: {_cloudflared()}")
    if forget_password(Path.cwd()):
        say("the password was removed from the repository's address here: .git/config is published "
              "with the notebook's output. git asks for it from now on")  # fmt: skip


def start_ssh(*, public_key: str = "", github: str = "", port: int = 0) -> SshServer:
    """Start the SSH server for one person: a pasted key, a GitHub account's, or a Kaggle secret.

    Args:
        public_key: The line of a ``.pub`` file.
        github: A user name; its keys are fetched.
        port: The port on loopback; any free one by default.

    Raises:
        TunnelError: If there is no key, or the server does not start.
    """
    keys, source = _keys(public_key, github)
    ssh_server.check_account()
    server = SshServer()
    server.start(keys, port=port)
    atexit.register(server.stop)
    say(f"SSH listens on 127.0.0.1:{server.port}, only for {source}:")
    say(*(f"  {key.fingerprint} {key.comment}".rstrip() for key in keys))
    say(f"this machine's host key is {server.host_key.fingerprint}")
    return server


def hand_on_secrets(server: SshServer) -> None:
    """Give every kind of SSH session the notebook's environment variables and the secrets."""
    found = find_secrets({secret.label: kaggle_secrets_client.look_up(secret.label)
                      for secret in SECRETS})  # fmt: skip
    labels = {secret.label for secret in SECRETS}
    notebook = {name: value for name, value in os.environ.items() if name not in labels}
    variables = session_variables({**notebook, REPOSITORY: str(Path.cwd())}, found.values)
    path = server.keep_environment(variables)
    say(*(line for found_line in found.lines for line in found_line.splitlines()))
    say(f"{len(variables)} variables are in {path}, only for its owner, until the tunnel ends")


def open_tunnel(server: SshServer, *, hostname: str = "", protocol: str = "auto") -> None:
    """Open the tunnel, print how to use it, and keep it open until this cell is interrupted.

    Args:
        server: The result of :func:`start_ssh`.
        hostname: A named tunnel's, whose token is a secret; by default a quick one is opened.
        protocol: See :class:`CloudflaredTunnel`.

    Raises:
        TunnelError: If it cannot be opened, or the server has stopped.
    """
    seen: list[str] = []

    def announce(address: str) -> None:
        seen.append(address)
        say(*addresses(seen).splitlines(), *_invitation(address, server.host_key).splitlines())

    def revive() -> None:
        if server.revive():
            say("the SSH server was killed and has been restarted: connect again")

    server.check_is_running()
    # Before ``with server``, which stops it: after an error here the cell can run again.
    program, named = _cloudflared(), Named(hostname, _token()) if hostname else None
    with server, CloudflaredTunnel(program, server.directory, port=server.port, named=named,
                                   protocol=protocol, meanwhile=revive) as tunnel:  # fmt: skip
        try:
            keep_open(tunnel, announce=announce, say=say)
        except KeyboardInterrupt:
            say("stopping")
    say("stopped: the tunnel is closed, and the variables of the sessions are removed")


def _cloudflared() -> str:
    cache = user_folder("XDG_CACHE_HOME", ".cache")
    if cache is None:
        raise TunnelError("there is no home folder to install cloudflared in",
                          hint="set XDG_CACHE_HOME to a folder of yours")  # fmt: skip
    return find_or_download(cache / "container-doors")


def _keys(public_key: str, github: str) -> tuple[Sequence[PublicKey], str]:
    if public_key.strip():
        return parse_public_keys(public_key, source="the pasted key"), "the pasted key"
    if github.strip():
        return keys_of(github.strip()), f"the keys of github.com/{github.strip()}"
    for answer in kaggle_secrets_client.look_up(PUBLIC_KEY):
        if answer.value:
            return parse_public_keys(answer.value, source=PUBLIC_KEY), f"the key of {answer.where}"
    raise TunnelError(
        "no one can log in: there is no public key",
        hint="give the line of your ~/.ssh/id_ed25519.pub, or your GitHub user name, or save the "
        f"line as the secret {PUBLIC_KEY}: {PAGE}",
    )


def _token() -> str:
    for answer in kaggle_secrets_client.look_up(TUNNEL_TOKEN):
        if answer.value:
            return answer.value
    raise TunnelError(
        f"a named tunnel needs its token, but there is no secret {TUNNEL_TOKEN}",
        hint=f"copy it from the tunnel's page at Cloudflare; {PAGE}",
    )


def _invitation(address: str, host_key: PublicKey) -> str:
    user = ssh_server.account()
    block = host_block(address, host_key=host_key, known_hosts="~/.ssh/known_hosts", user=user)
    whose = "" if user == "root" else f" --user {user}"
    return f"""\
On your laptop, in a clone of the repository:
  doors tunnel connect https://{address} --host-key {host_key.blob}{whose}
then any of these, and {HOST} in VS Code's or Cursor's Remote-SSH:
  ssh {HOST}
  doors tunnel run detection_exp001_yolo11s_baseline
Without a clone: put the first line into ~/.ssh/known_hosts, the block into ~/.ssh/config.
  {known_host(host_key)}
{block}
To end it, interrupt this cell."""
