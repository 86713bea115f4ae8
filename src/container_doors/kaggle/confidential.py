"""Recognises files that look like credentials: none is sent with changed code, or committed."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

_NAMES = (
    ".env", ".env.*", "*.env", ".netrc", ".npmrc", ".pypirc", ".git-credentials", "*.pem", "*.key",
    "*.p12", "*.pfx", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "kaggle.json", "access_token",
    "*credentials*.json", "*service[-_]account*.json", "client_secret*.json", "client.json",
    "token.json", "*[-_]token.json", "config.local",
)  # fmt: skip

_SAVED_AS = re.compile(r".+-[0-9a-f]{7,40}\.json")
"""How Google names a service account's key: the project, and the beginning of the key's id."""

_SECRETS = ("private_key", "refresh_token", "client_secret", "key")
"""JSON keys whose values are secrets; ``key`` is Kaggle's, beside ``username``."""

_TOKENS = (
    rb"-----BEGIN [A-Z ]*PRIVATE"
    rb" KEY-----"
    rb"|\b(?:KGAT_[0-9a-f]{16}|wandb_v1_\w{16}|gh[oprsu]_\w{20}|github_pat_\w{20}|hf_\w{20}"
    rb"|AKIA[0-9A-Z]{12}|GOCSPX-[\w-]{16})"
)
"""How keys of Kaggle, W&B, GitHub, Hugging Face, AWS and Google begin."""

_TOKEN = re.compile(_TOKENS)
_TEXT = re.compile(_TOKENS + rb'|"private_key"\s*:|"refresh_token"\s*:|"client_secret"\s*:')

_READ_BYTES = 1 << 20


def looks_confidential(path: Path) -> bool:
    """Return whether a file has the name or the content of credentials.

    >>> looks_confidential(Path("keys/id_ed25519")), looks_confidential(Path("src/train.py"))
    (True, False)
    """
    return has_confidential_name(path) or _TEXT.search(_read_start(path)) is not None


def contains_credentials(path: Path) -> bool:
    """Return whether a file certainly contains credentials, so that its commit can be refused.

    Code may mention ``"private_key"``, and a file may be named after a hash: neither is enough.
    """
    content = _read_start(path)
    name = path.name.lower()
    is_example = name.endswith((".example", ".sample", ".template"))
    is_named = not is_example and any(fnmatch(name, one) for one in _NAMES)
    return is_named or _TOKEN.search(content) is not None or _is_key(path, content)


def has_confidential_name(path: Path) -> bool:
    """Return whether a file has a name that credentials usually have.

    >>> [has_confidential_name(Path(name)) for name in ("project-0123abc.json", "results-1.json")]
    [True, False]
    """
    name = path.name.lower()
    return any(fnmatch(name, one) for one in _NAMES) or _SAVED_AS.fullmatch(name) is not None


def _is_key(path: Path, content: bytes) -> bool:
    """Return whether a JSON file is a key of Google or Kaggle."""
    if path.suffix.lower() != ".json" or len(content) == _READ_BYTES:
        return False
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    inner = document.values() if isinstance(document, dict) else ()
    objects = [one for one in (document, *inner) if isinstance(one, dict)]
    return any(
        isinstance(one.get(name), str) and one[name] and (name != "key" or "username" in one)
        for one in objects
        for name in _SECRETS
    )


def _read_start(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_READ_BYTES)
    except OSError:  # for example, a name that this system does not allow
        return b""
