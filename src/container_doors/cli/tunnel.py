"""``doors tunnel``: connect to a Kaggle machine by SSH."""

import argparse
import signal
import sys
from pathlib import Path

from container_doors.adapters.cloudflared.release import find_cloudflared
from container_doors.adapters.ssh.client import SshClient
from container_doors.cli import cells
from container_doors.cli.output import say
from container_doors.core.run import Run
from container_doors.tunnel.client_settings import HOST, parse_address
from container_doors.tunnel.public_keys import parse_host_key
from container_doors.tunnel.remote_run import in_tmux


def serve(arguments: argparse.Namespace) -> int:
    """Run the notebook's cells on the remote machine."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # SIGHUP: the terminal was closed
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup does
            signal.signal(number, signal.default_int_handler)
    cells.install()
    port = cells.NAMED_PORT if arguments.hostname else 0
    server = cells.start_ssh(public_key=_public_key(arguments), github=arguments.github, port=port)
    with server:
        cells.hand_on_secrets(server)
        cells.open_tunnel(server, hostname=arguments.hostname, protocol=arguments.protocol)
    return 0


def connect(arguments: argparse.Namespace) -> int:
    """Write the laptop's SSH settings, so that ``ssh kaggle-training`` works."""
    client = SshClient(arguments.ssh_dir)
    key = client.connect(
        parse_address(arguments.url),
        parse_host_key(arguments.host_key) if arguments.host_key else None,
        cloudflared=find_cloudflared(),
        user=arguments.user,
        identity=arguments.identity and _expand(arguments.identity).absolute(),
    )
    say(f"{HOST} is {arguments.url}, with the host key {key.fingerprint} ({client.config})")
    say(f"next: ssh {HOST}, or {HOST} in Remote-SSH, or doors tunnel run NAME")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Train on the remote machine in tmux, or attach to a training that runs there."""
    name = Run(arguments.name).name
    attach = not arguments.detach and sys.stdin.isatty()
    code = SshClient(arguments.ssh_dir).run(in_tmux(name, attach=attach), terminal=attach)
    if code == 0 and not attach:
        say(f"{name} is running there; to watch it: doors tunnel run {name}")
    return 1 if code else 0


def _expand(path: Path) -> Path:
    """Expand a ``~`` to the home folder, as a shell does; unchanged if there is none."""
    try:
        return path.expanduser()
    except RuntimeError:  # no such user, or no home folder
        return path


def _public_key(arguments: argparse.Namespace) -> str:
    argument: str = arguments.key
    path = _expand(Path(argument))
    return (
        path.read_text("utf-8") if argument and len(argument) < 256 and path.is_file() else argument
    )
