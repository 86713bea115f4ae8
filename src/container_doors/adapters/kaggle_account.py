"""Whose Kaggle account it is: where its client would find credentials, and how to get some.

Nothing is imported and nobody is asked; the client's order is followed. No value is read but to
see that there is one, and none is passed on.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SETTINGS = "https://www.kaggle.com/settings"
"""Where an account makes tokens, and verifies its phone."""

HOW_TO_LOG_IN = (
    f"make a token at {SETTINGS} > API > Generate New Token and put it into ~/.kaggle/access_token "
    "(chmod 600) or KAGGLE_API_TOKEN; a kaggle.json in ~/.kaggle, KAGGLE_USERNAME with KAGGLE_KEY, "
    "and `kaggle auth login` work too"
)

_PAIR = ("KAGGLE_USERNAME", "KAGGLE_KEY")
_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Source:
    """Where credentials are; whether they are good, only Kaggle knows."""

    name: str
    """For people: a variable's name, or a path."""
    path: Path | None = None

    @property
    def is_open(self) -> bool:
        """Whether others on this machine can read them."""
        return self.path is not None and bool(self.path.stat().st_mode & _OTHERS)


def sources(environment: Mapping[str, str] | None = None) -> list[Source]:
    """List what the client would try, in its order; it passes over an invalid token by itself."""
    environment = os.environ if environment is None else environment
    found = [Source("KAGGLE_API_TOKEN")] if environment.get("KAGGLE_API_TOKEN") else []
    home = Path(environment.get("HOME") or Path.home()) / ".kaggle"
    found += [
        Source(str(path), path)
        for path in (home / "access_token", home / "access_token.txt")
        if _has_text(path)
    ]
    if all(environment.get(name) for name in _PAIR):
        found.append(Source(" and ".join(_PAIR)))
    key_file = _configuration(environment, home) / "kaggle.json"
    found += [Source(str(key_file), key_file)] if _has(key_file, "username", "key") else []
    login = home / "credentials.json"
    found += [Source(str(login), login)] if _has(login, "refresh_token") else []
    return found


def _configuration(environment: Mapping[str, str], home: Path) -> Path:
    """Where kaggle.json is; an access token is in ``~/.kaggle`` whatever this is."""
    if environment.get("KAGGLE_CONFIG_DIR"):
        return Path(environment["KAGGLE_CONFIG_DIR"])
    if home.exists():
        return home
    return Path(environment.get("XDG_CONFIG_HOME") or home.parent / ".config") / "kaggle"


def _has_text(path: Path) -> bool:
    return path.is_file() and bool(path.read_text(encoding="utf-8", errors="replace").strip())


def _has(path: Path, *names: str) -> bool:
    """Tell whether a JSON document has something under each name; a damaged one has not."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and all(document.get(name) for name in names)
