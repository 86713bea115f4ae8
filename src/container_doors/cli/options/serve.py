"""The options of ``doors serve``."""

import argparse

from container_doors.cli.options.shared import Commands, add_command, positive
from container_doors.cli.options.used_model import add_used_model
from container_doors.cli.workspace import typed_path


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "serve", "serve:serve", "offer the published model over HTTP, with a page"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where it listens; 0.0.0.0: all of this machine's addresses, which needs --token or "
        "--no-auth (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8000,
        metavar="N",
        help="0: a free one (default: %(default)s)",
    )
    _add_access(parser)
    add_used_model(parser)
    _add_limits(parser)
    parser.add_argument(
        "--keep",
        type=typed_path,
        metavar="DIR",
        help="keep the photographs and what was found in DIR, for labelling (default: nothing is "
        "kept)",
    )
    parser.add_argument(
        "--no-page",
        dest="has_page",
        action="store_false",
        help="the interface for programs alone, without the page",
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    tokens = parser.add_mutually_exclusive_group()
    tokens.add_argument(
        "--token",
        action="store_true",
        help="ask for a token: that of the variable DOORS_TOKEN, or a new one, which is printed",
    )
    tokens.add_argument(
        "--token-file", type=typed_path, metavar="FILE", help="ask for the token in a file"
    )
    tokens.add_argument(
        "--no-auth", action="store_true", help="anyone who reaches the address may use it"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="without a token: another name of this machine that requests may be addressed to; may "
        "be repeated",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for option, default, what in (
        ("--max-mb", 25, "most megabytes of a photograph's file"),
        ("--max-megapixels", 100, "most million pixels of a photograph"),
        ("--max-files", 8, "most photographs in one request"),
        ("--timeout", 30, "most seconds for a request, once it has arrived"),
        ("--queue", 32, "most photographs that wait; a client is then asked to try again"),
    ):
        parser.add_argument(
            option, type=positive, default=default, metavar="N", help=f"{what} (default: {default})"
        )


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text}")
    return number
