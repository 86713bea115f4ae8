"""The Kaggle account: where Kaggle's client would find credentials, and how to get some.

The client is not imported and no server is asked; the client's search order is followed. Values
are only checked for presence and form, and never passed on.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.files import home, json_fault, text_or_fault

SETTINGS = "https://www.kaggle.com/settings"
"""Where an account makes tokens, and verifies its phone."""

HOW_TO_LOG_IN = (
    f"make a token at {SETTINGS} > API > Generate New Token and put it into ~/.kaggle/access_token "
    "(chmod 600) or KAGGLE_API_TOKEN; a kaggle.json in ~/.kaggle, KAGGLE_USERNAME with KAGGLE_KEY, "
    "and `kaggle auth login` work too"
)

_PAIR = ("KAGGLE_USERNAME", "KAGGLE_KEY")
_KEYS = {"kaggle.json": ("username", "key"), "credentials.json": ("refresh_token",)}
_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Source:
    """A place with credentials; only Kaggle knows whether they are valid."""

    name: str
    """The name of a variable, or a path."""
    path: Path | None = None

    @property
    def is_open(self) -> bool:
        """Whether other users of this machine can read them."""
        return self.path is not None and bool(self.path.stat().st_mode & _OTHERS)


def sources(environment: Mapping[str, str] | None = None) -> list[Source]:
    """List the places that the client would try, in its order; it skips an invalid token itself."""
    environment = os.environ if environment is None else environment
    found = [Source("KAGGLE_API_TOKEN")] if environment.get("KAGGLE_API_TOKEN") else []
    folder = _folder(environment)
    if folder is not None:
        found += [
            Source(str(path), path)
            for path in (folder / "access_token", folder / "access_token.txt")
            if (text_or_fault(path)[0] or "").strip()
        ]
    if all(environment.get(name) for name in _PAIR):
        found.append(Source(" and ".join(_PAIR)))
    found += [Source(str(path), path) for path in _documents(environment)
              if text_or_fault(path)[0] is not None and _fault(path) is None]  # fmt: skip
    return found


def damaged(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return what is wrong with each credentials file that cannot be used; no secret is quoted."""
    environment = os.environ if environment is None else environment
    folder = _folder(environment)
    tokens = [] if folder is None else [folder / "access_token", folder / "access_token.txt"]
    faults = {path: _token_fault(path) for path in tokens}
    faults |= {path: _fault(path) for path in _documents(environment)}
    return [f"{path} is there, but {fault}" for path, fault in faults.items() if fault is not None]


def how_to_log_in() -> str:
    """Return what to do about credentials: correct a damaged file, or get new ones."""
    return f"correct that file, or remove it and {HOW_TO_LOG_IN}" if damaged() else HOW_TO_LOG_IN


def _token_fault(path: Path) -> str | None:
    text, fault = text_or_fault(path)
    if text is None:
        return fault
    if not text.strip():
        return "empty"
    if text.startswith("\ufeff"):
        return "line 1: it begins with a byte order mark"
    if len(text.split()) > 1:
        return "holds more than one word: expected the token alone"
    if not text.strip().isascii() or set(text) & set("\"'{}<>,="):
        return "line 1: expected the token alone, found quotes or other marks around it"
    return None


def _fault(path: Path) -> str | None:
    """Return why the client could not read a JSON file; None if it could, or there is no file."""
    text, fault = text_or_fault(path)
    if text is None:
        return fault
    fault = json_fault(text)
    if fault is not None:
        return fault
    document = json.loads(text)
    needed = _KEYS[path.name]
    if not isinstance(document, dict):
        return f"holds no object with {' and '.join(needed)}"
    missing = [name for name in needed if not document.get(name)]
    return f"has no {' and no '.join(missing)}" if missing else None


def _documents(environment: Mapping[str, str]) -> list[Path]:
    folder = _folder(environment)
    configuration = _configuration(environment, folder)
    return [
        *([] if configuration is None else [configuration / "kaggle.json"]),
        *([] if folder is None else [folder / "credentials.json"]),
    ]


def _folder(environment: Mapping[str, str]) -> Path | None:
    """Return ``~/.kaggle``; None if there is no home folder."""
    named = Path(environment.get("HOME", ""))
    found = named if named.is_absolute() else home()
    return None if found is None else found / ".kaggle"


def _configuration(environment: Mapping[str, str], folder: Path | None) -> Path | None:
    """Return the folder of kaggle.json; an access token is always in ``~/.kaggle``."""
    if environment.get("KAGGLE_CONFIG_DIR"):
        return Path(environment["KAGGLE_CONFIG_DIR"])
    if folder is not None and folder.exists():
        return folder
    if environment.get("XDG_CONFIG_HOME"):
        return Path(environment["XDG_CONFIG_HOME"]) / "kaggle"
    return None if folder is None else folder.parent / ".config" / "kaggle"
