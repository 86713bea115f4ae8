"""The options of ``doors tunnel ...``."""

import argparse

from container_doors.cli.options.shared import Commands, add_command, add_group
from container_doors.cli.workspace import typed_file_or_value, typed_path


def add_to(commands: Commands) -> None:
    """Add the commands, in the order of the help."""
    tunnel = add_group(commands, "tunnel", "work on a Kaggle machine by SSH, through a tunnel")
    _add_serve(tunnel)
    _add_connect(tunnel)
    _add_run(tunnel)


def _add_serve(tunnel: Commands) -> None:
    parser = add_command(
        tunnel,
        "serve",
        "tunnel:serve",
        "make this machine reachable by SSH (the notebook runs this)",
    )
    parser.add_argument(
        "--key",
        type=typed_file_or_value,
        default="",
        metavar="KEY",
        help="your public key: a .pub file, or its line",
    )
    parser.add_argument(
        "--github", default="", metavar="NAME", help="accept the keys of this GitHub account"
    )
    parser.add_argument(
        "--hostname",
        default="",
        metavar="HOST",
        help="host name of a named tunnel, whose token is in CLOUDFLARE_TUNNEL_TOKEN "
        "(default: a quick tunnel)",
    )
    parser.add_argument(
        "--protocol",
        choices=("auto", "quic", "http2"),
        default="auto",
        help="http2 if the network blocks UDP (default: %(default)s)",
    )


def _add_connect(tunnel: Commands) -> None:
    parser = add_command(
        tunnel, "connect", "tunnel:connect", "set up 'ssh kaggle-training' for a tunnel"
    )
    parser.add_argument("url", metavar="URL", help="address that the notebook printed")
    parser.add_argument(
        "--host-key",
        metavar="KEY",
        help="host key of the machine, as the notebook printed it (default: the one of last time)",
    )
    parser.add_argument(
        "--identity",
        type=typed_path,
        metavar="FILE",
        help="your private key, if ssh does not find it by itself",
    )
    parser.add_argument(
        "--user", default="root", metavar="NAME", help="the account there (default: %(default)s)"
    )
    _add_ssh_folder(parser)


def _add_run(tunnel: Commands) -> None:
    parser = add_command(
        tunnel,
        "run",
        "tunnel:run",
        "train there, in tmux; or attach to a training that runs there",
    )
    parser.add_argument("name", metavar="NAME", help="the experiment")
    parser.add_argument("--detach", action="store_true", help="start it, and return at once")
    _add_ssh_folder(parser)


def _add_ssh_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ssh-dir", type=typed_path, metavar="DIR", help="default: ~/.ssh")
