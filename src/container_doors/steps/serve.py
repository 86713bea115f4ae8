"""``doors serve``: who may use the service, and the service itself."""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from container_doors.core.config import QualityLimits
from container_doors.core.errors import ConfigError
from container_doors.core.files import NotAFileError, read_file
from container_doors.core.printable import printable
from container_doors.prediction.keeping import Keep
from container_doors.prediction.service import Service, ServiceLimits
from container_doors.steps.open_model import OpenedModel

TOKEN = "DOORS_TOKEN"  # noqa: S105 - a variable's name
LEAST_TOKEN = 16
_MOST_TOKEN_BYTES = 4096


@dataclass(frozen=True, slots=True)
class AskedAccess:
    """What was asked for on the command line."""

    host: str
    makes_token: bool = False
    token_file: Path | None = None
    is_open: bool = False
    """Without a token, also for other machines."""


@dataclass(frozen=True, slots=True)
class Token:
    """What clients must know; None: nothing."""

    text: str | None
    is_new: bool = False
    """Whether it was made here, and must be shown."""


def choose_token(asked: AskedAccess, environment: Mapping[str, str]) -> Token:
    """Choose the token: that of a file, of the environment, a new one, or none.

    Raises:
        ConfigError: If other machines could use the service without one, and nobody has said so;
            if it is too short; or if options contradict each other.
    """
    given = _given(asked, environment)
    if given is not None and asked.is_open:
        raise ConfigError(
            f"--no-auth, and there is a token: {_source(asked)}",
            hint=f"leave one out: --no-auth, or the token (unset {TOKEN})",
        )
    if given is not None:
        _require_strength(given, _source(asked))
        return Token(given)
    if asked.makes_token:
        return Token(secrets.token_urlsafe(24), is_new=True)
    if not asked.is_open and not is_loopback(asked.host):
        raise ConfigError(
            f"--host {printable(asked.host)}: other machines could use the service, and a token "
            "was expected",
            hint="--token makes one; --token-file FILE reads one; --no-auth: anyone may",
        )
    return Token(None)


def is_loopback(host: str) -> bool:
    """Return whether an address, or all that a name stands for, is this machine alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False  # whoever binds it explains
    return bool(host) and all(ip_address(one[4][0]).is_loopback for one in found)


def make_service(
    opened: OpenedModel,
    *,
    limits: ServiceLimits,
    quality: QualityLimits,
    keep: Path | None,
    say: Callable[[str], None],
) -> Service:
    """Make the service of a model that has been opened.

    Raises:
        ConfigError: If a request may have more photographs than may wait.
        PredictionError: If the folder to keep photographs in has other files, or is of another
            model.
    """
    if limits.files > limits.queue:
        raise ConfigError(
            f"one request may have {limits.files} photographs (--max-files), and only "
            f"{limits.queue} may wait (--queue)",
            hint=f"--max-files {limits.queue}, or --queue {limits.files}",
        )
    kept = None if keep is None else Keep(keep, opened.used, quality, say=say)
    threads = max(2, min(4, len(os.sched_getaffinity(0))))
    return Service(
        opened.network, opened.used, limits=limits, quality=quality, keep=kept, threads=threads
    )


def _given(asked: AskedAccess, environment: Mapping[str, str]) -> str | None:
    if asked.token_file is None:
        return environment.get(TOKEN) or None
    try:
        data = read_file(asked.token_file)
    except NotAFileError as error:
        raise ConfigError(
            f"{asked.token_file}: {error.strerror}", hint="name a file that has the token alone"
        ) from None
    try:
        return data[:_MOST_TOKEN_BYTES].decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigError(
            f"{asked.token_file}: expected a token of letters and digits, found other bytes",
            hint=f"openssl rand -hex 24 > {asked.token_file}",
        ) from None


def _source(asked: AskedAccess) -> str:
    return TOKEN if asked.token_file is None else str(asked.token_file)


def _require_strength(token: str, source: str) -> None:
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{source}: expected a token of at least {LEAST_TOKEN} letters and digits, found "
            f"{len(token)} characters",
            hint="openssl rand -hex 24 makes one; --token makes one for as long as it runs",
        )
