"""The W&B account: find the key, ask for it, and check it.

A key is passed on in the environment of a process, never in its arguments, and never printed.
"""

import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from container_doors.adapters.shell import redacted
from container_doors.core.child_environment import WANDB, hide_secrets
from container_doors.core.errors import ConfigError, TrackingError
from container_doors.core.files import home

_IN_THE_ENVIRONMENT = ("WANDB_API_KEY", "KAGGLE_SECRET_WANDB_KEY")
"""The client's own variable first, then the specification's for a Kaggle machine."""

_READ_FROM = "CONTAINER_DOORS_WANDB_READ_FROM"
"""Contains the variable that the key was read from; the process gets the key as WANDB_API_KEY."""

QUIET = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",  # no reports to others, and no extra waits for them
    "WANDB_HTTP_TIMEOUT": "15",
}
"""Environment variables that set the client's behaviour."""

_MODES = ("online", "offline", "disabled", "dryrun", "run", "shared")
"""The values of WANDB_MODE that the client accepts."""

_TOKEN_FILE = "WANDB_IDENTITY_TOKEN_FILE"  # noqa: S105 - a variable's name
_SHORTEST_KEY = 40
"""Older keys have 40 characters, new ones 86; the client refuses shorter ones."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key that was found; only the server can check whether it is valid."""

    source: str
    """Where it was found, for people."""
    environment: dict[str, str] = field(repr=False)
    """The environment variables with which the client finds it too."""


def find_credentials(environment: Mapping[str, str] | None = None) -> Credentials | None:
    """Look for a key where the client looks, and in the specification's variable.

    Raises:
        ConfigError: If a value is found that cannot be a key.
    """
    environment = os.environ if environment is None else environment
    for name in _IN_THE_ENVIRONMENT:
        key = environment.get(name, "").strip()  # a key from a file often ends in a newline
        if key:
            source = _read_from(name, environment)
            _check_shape(key, source)
            client_environment = {"WANDB_API_KEY": key}
            if source != "WANDB_API_KEY":
                client_environment[_READ_FROM] = source
            return Credentials(source, client_environment)
    if environment.get(_TOKEN_FILE):
        return Credentials(_TOKEN_FILE, {})
    path = netrc_path(environment)
    if _is_in_netrc(path, urlsplit(server(environment)).netloc):
        return Credentials(str(path), {})
    return None


def unusable_key() -> dict[str, str]:
    """Return the variable with an invalid key and its value, so that another process reports it."""
    name = overriding_variable()
    return {name: os.environ[name]} if name else {}


def check_environment(environment: Mapping[str, str]) -> None:
    """Check the environment variables that would make the client fail.

    Raises:
        ConfigError: If one is invalid; the message names it.
    """
    mode = environment.get("WANDB_MODE", "")
    if mode and mode not in _MODES:
        raise ConfigError(
            f"WANDB_MODE: expected online, offline or disabled, found {mode!r}",
            hint="unset WANDB_MODE, or set it to one of these",
        )
    url = urlsplit(server(environment))
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise ConfigError(
            f"WANDB_BASE_URL: expected https://HOST, found {server(environment)!r}",
            hint="unset WANDB_BASE_URL to use wandb.ai",
        )


def server(environment: Mapping[str, str] | None = None) -> str:
    """Return the URL of the server that the client would use."""
    environment = os.environ if environment is None else environment
    return environment.get("WANDB_BASE_URL", "").rstrip("/") or "https://api.wandb.ai"


@hide_secrets(but=WANDB)
def log_in(key: str) -> str:
    """Ask the server whether the key is valid, then store it where every W&B program looks.

    Returns:
        The file with the key, which no other user can read.

    Raises:
        ConfigError: If it cannot be a key.
        TrackingError: If the server refuses it or cannot be reached.
    """
    key = key.strip()
    _check_shape(key, "what was typed")
    os.environ["WANDB_API_KEY"] = key  # from here on, redacted() knows it
    os.environ.update(QUIET)
    import wandb

    try:
        wandb.login(key=key, verify=True, prompt=False)
    except Exception as error:  # noqa: BLE001 - the client raises many kinds
        message = redacted(str(error)).splitlines()[0]
        if "busy" in message or "in time" in message or "onnect" in message:
            raise TrackingError(
                f"{server()} does not answer: the key was not checked and not stored",
                hint="check the network, then try again",
            ) from None
        raise TrackingError(
            f"{server()} refuses the key: {message}",
            hint=f"make a new one at {_key_page()} and try again",
        ) from None
    path = netrc_path(os.environ)
    if path is None:
        raise TrackingError(
            "the key is valid, but there is no home folder to store it in",
            hint="set HOME, or WANDB_API_KEY instead",
        )
    path.chmod(0o600)
    return str(path)


def how_to_log_in() -> str:
    """Return the hint where to get a key, and where to put it."""
    page = f"make a key at {_key_page()}, then"
    name = overriding_variable()
    return f"{page}: doors track login" if name is None else f"{page} put it into {name}"


def overriding_variable() -> str | None:
    """Return the environment variable that is used instead of the stored key, if one is set."""
    name = next((name for name in _IN_THE_ENVIRONMENT if os.environ.get(name)), None)
    return None if name is None else _read_from(name, os.environ)


def _read_from(name: str, environment: Mapping[str, str]) -> str:
    """Return the variable that the person set, if another process passed the key on to this one."""
    source = environment.get(_READ_FROM)
    return source if name == "WANDB_API_KEY" and source in _IN_THE_ENVIRONMENT else name


def _key_page() -> str:
    return server().replace("://api.wandb.ai", "://wandb.ai") + "/authorize"


def _check_shape(key: str, where: str) -> None:
    if len(key) < _SHORTEST_KEY or not key.isascii() or any(c.isspace() for c in key):
        raise ConfigError(
            f"{where}: expected a W&B key of {_SHORTEST_KEY} or more letters, digits and "
            f"underscores, found {f'{len(key)} characters' if key else 'nothing'}",
            hint=f"copy the whole key from {_key_page()}",
        )


def netrc_path(environment: Mapping[str, str]) -> Path | None:
    """Return the file where keys are stored; None without a home folder."""
    found = home()
    if environment.get("NETRC"):
        try:
            return Path(environment["NETRC"]).expanduser()
        except RuntimeError:
            return None
    if found is None:
        return None
    underscored, usual = found / "_netrc", found / ".netrc"
    return underscored if underscored.exists() and not usual.exists() else usual


def _is_in_netrc(path: Path | None, host: str) -> bool:
    """Check whether the file has a password for the host.

    Raises:
        ConfigError: If the file exists and cannot be read; the message quotes nothing of it.
    """
    if path is None or not path.exists():
        return False
    hint = f"correct it (machine {host} login user password KEY), or move it away"
    try:
        found = netrc.netrc(path).authenticators(host)
    except netrc.NetrcParseError as error:
        # Python's parser has often already gone to the next line.
        line = error.lineno or 1
        at = f"line {line - 1} or {line}" if line > 1 else "line 1"
        fault = f"{at} is not a valid .netrc entry"
    except UnicodeDecodeError as error:
        fault = f"byte {error.start + 1} is not text"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    else:
        if found is None:
            return False
        if found[2]:
            return True
        fault = f"its entry for {host} has no password"
    raise ConfigError(f"{path} is there, but {fault}", hint=hint)
