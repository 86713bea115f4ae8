"""Whose W&B account it is: where the key is found, and how it is asked for and checked.

A key is handed on in the environment of a process, never in its arguments, and never printed.
"""

import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from container_doors.adapters.shell import redacted
from container_doors.core.child_environment import WANDB, secrets_put_away
from container_doors.core.errors import ConfigError, TrackingError
from container_doors.core.files import home

_IN_THE_ENVIRONMENT = ("WANDB_API_KEY", "KAGGLE_SECRET_WANDB_KEY")
"""The client's own name first, then the specification's for a Kaggle machine."""

_READ_FROM = "CONTAINER_DOORS_WANDB_READ_FROM"
"""Which variable the key was read from, for a process that is handed it as WANDB_API_KEY."""

QUIET = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",  # nothing else is told, and its own waits are not ours
    "WANDB_HTTP_TIMEOUT": "15",
}
"""How the client is to behave, by environment variables."""

_MODES = ("online", "offline", "disabled", "dryrun", "run", "shared")
"""The values of WANDB_MODE that the client takes."""

_TOKEN_FILE = "WANDB_IDENTITY_TOKEN_FILE"  # noqa: S105 - a variable's name
_SHORTEST_KEY = 40
"""Keys had 40 characters for years and have 86 now; the client refuses shorter ones."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key that was found. It is not checked until a server is asked."""

    source: str
    """For people: where it was found."""
    environment: dict[str, str] = field(repr=False)
    """What the client must see to find it too."""


def find_credentials(environment: Mapping[str, str] | None = None) -> Credentials | None:
    """Look where the client looks, and under the specification's name.

    Raises:
        ConfigError: If what is found cannot be a key.
    """
    environment = os.environ if environment is None else environment
    for name in _IN_THE_ENVIRONMENT:
        key = environment.get(name, "").strip()  # a key from a file often ends in a newline
        if key:
            source = _read_from(name, environment)
            _check_shape(key, source)
            handed_on = {"WANDB_API_KEY": key}
            if source != "WANDB_API_KEY":
                handed_on[_READ_FROM] = source
            return Credentials(source, handed_on)
    if environment.get(_TOKEN_FILE):
        return Credentials(_TOKEN_FILE, {})
    path = netrc_path(environment)
    if _is_in_netrc(path, urlsplit(server(environment)).netloc):
        return Credentials(str(path), {})
    return None


def unusable_key() -> dict[str, str]:
    """Name what stands where a key should, for whoever is to say what is wrong with it."""
    name = goes_first()
    return {name: os.environ[name]} if name else {}


def check_environment(environment: Mapping[str, str]) -> None:
    """Look at what the client reads from the environment and would fail at.

    Raises:
        ConfigError: Naming the variable.
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
    """Name the server that the client would speak to."""
    environment = os.environ if environment is None else environment
    return environment.get("WANDB_BASE_URL", "").rstrip("/") or "https://api.wandb.ai"


@secrets_put_away(but=WANDB)
def log_in(key: str) -> str:
    """Ask the server whether the key is good, then keep it where every W&B program looks.

    Returns:
        The file that holds it now, which nobody else can read.

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
        said = redacted(str(error)).splitlines()[0]
        if "busy" in said or "in time" in said or "onnect" in said:
            raise TrackingError(
                f"{server()} does not answer: the key was neither checked nor kept",
                hint="is the network up? Then try again",
            ) from None
        raise TrackingError(
            f"{server()} does not take the key: {said}",
            hint=f"make a new one at {_key_page()} and try again",
        ) from None
    path = netrc_path(os.environ)
    if path is None:
        raise TrackingError(
            "the key is good, and there is no home folder to keep it in",
            hint="set HOME, or WANDB_API_KEY instead",
        )
    path.chmod(0o600)
    return str(path)


def how_to_log_in() -> str:
    """Say where keys come from, and where a better one has to be put."""
    page = f"make a key at {_key_page()}, then"
    name = goes_first()
    return f"{page}: doors track login" if name is None else f"{page} put it into {name}"


def goes_first() -> str | None:
    """Name the variable of the environment that outranks the kept key, if one is set."""
    name = next((name for name in _IN_THE_ENVIRONMENT if os.environ.get(name)), None)
    return None if name is None else _read_from(name, os.environ)


def _read_from(name: str, environment: Mapping[str, str]) -> str:
    """Name the variable that the person set, where another process has read it for this one."""
    told = environment.get(_READ_FROM)
    return told if name == "WANDB_API_KEY" and told in _IN_THE_ENVIRONMENT else name


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
    """Find the file where keys are kept; None where there is no home folder to have one."""
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
    """Tell whether the file has a password for the host.

    Raises:
        ConfigError: If it is there, and cannot be read as one; nothing of it is quoted.
    """
    if path is None or not path.exists():
        return False
    hint = f"mend it (machine {host} login user password KEY), or move it away"
    try:
        found = netrc.netrc(path).authenticators(host)
    except netrc.NetrcParseError as error:
        # Python's parser has often read the line's end already.
        line = error.lineno or 1
        at = f"line {line - 1} or {line}" if line > 1 else "line 1"
        fault = f"{at} is no entry of a .netrc"
    except UnicodeDecodeError as error:
        fault = f"byte {error.start + 1} is no text"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    else:
        if found is None:
            return False
        if found[2]:
            return True
        fault = f"its entry for {host} has no password"
    raise ConfigError(f"{path} is there, but {fault}", hint=hint)
