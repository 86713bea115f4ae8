"""Recognises files that look like credentials: none is sent with changed code, or committed."""

import codecs
import json
import re
from fnmatch import fnmatch
from pathlib import Path

_NAMES = (
    ".env", ".env.*", "*.env", ".netrc", "_netrc", ".npmrc", ".pypirc", ".git-credentials",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519",
    "kaggle.json", "gdrive.json", "access_token",
    "*credentials*.json", "*service[-_]account*.json", "client_secret*.json", "client.json",
    "token.json", "*[-_]token.json", "config.local",
)  # fmt: skip

_SAVED_AS = re.compile(r".+-[0-9a-f]{7,40}\.json")
"""How Google names a service account's key: the project, and the beginning of the key's id."""

_SECRETS = ("private_key", "refresh_token", "client_secret", "key")
"""JSON keys whose values are secrets; ``key`` is Kaggle's, beside ``username``."""

_TOKENS = (
    rb"-----BEGIN [A-Z ]*PRIVATE"
    rb" KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1[0-9A-Z]{20}"
    rb"|\b(?:KGAT_[0-9a-f]{16}|wandb_v1_\w{16}|gh[oprsu]_\w{20}|github_pat_\w{20}|hf_\w{20}"
    rb"|glpat-[\w-]{16}|(?:AKIA|ASIA)[0-9A-Z]{12}|GOCSPX-[\w-]{16}|AIza[\w-]{30}|ya29\.[\w-]{20}"
    rb"|1//0[\w-]{30}|xox[abprs]-\d[\w-]{16}|sk-(?:proj-|ant-)?[A-Za-z0-9]{32}|pypi-AgE[\w-]{20})"
)
"""How private keys begin, and keys of Kaggle, W&B, GitHub, Hugging Face, GitLab, AWS, Google,
Slack, OpenAI and PyPI."""

_MIXED = rb"(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])[\w+/=-]{20,}+(?![.(\[])"
_KEY = rb"(?:[0-9a-f]{32,}+\b|" + _MIXED + rb")"
"""A key without a beginning of its own: hexadecimal, as W&B's and Kaggle's, or mixed, as AWS'."""

_OWNER = rb"(?i:wandb|w&b|kaggle|aws|azure|gdrive|google|github|gitlab|hf|dvc|api)"
_KIND = rb"(?i:key|token|secret|password)"
_GIVEN = rb"[\\\"'\])]*\s*(?:=|:|,)\s*[\\\"']*"
_WRITTEN = (
    rb"\bmachine\s+\S{1,200}(?:\s+(?:login|account)\s+\S{1,200}){0,2}\s+password\s+"  # ~/.netrc
    rb"(?=\S{0,99}\d)(?=\S{0,99}[A-Za-z])[^\s<>{}$]{8,}"
    rb"|" + _OWNER + rb"[\w-]{0,40}?" + _KIND + rb"\w{0,20}" + _GIVEN + _KEY
    + rb"|\bwandb[ .]login\b[^\n]{0,60}?\b" + _KEY
    + rb"|//[^\s/:@]{1,99}:" + _KEY + rb"@"  # ~/.git-credentials
    + rb"|\"username\"\s*:\s*\"[^\"]{1,99}\"\s*,\s*\"key\"\s*:\s*\"" + _KEY
    + rb"|\"key\"\s*:\s*\"" + _KEY + rb"\"\s*,\s*\"username\"\s*:"  # kaggle.json
    + rb"|client_secret[\"']?\s*[:=]\s*[\"']?" + _MIXED
)  # fmt: skip
"""Keys beside what they are for: in a shell, a script, a notebook, a settings file."""

_TOKEN = re.compile(_TOKENS + rb"|" + _WRITTEN)
_TEXT = re.compile(_TOKEN.pattern + rb'|"private_key"\s*:|"refresh_token"\s*:|"client_secret"\s*:')

_READ_BYTES = 1 << 20
_BEFORE_JSON = codecs.BOM_UTF8 + b" \t\r\n"


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
    return is_named or _TOKEN.search(content) is not None or _is_key(content)


def has_confidential_name(path: Path) -> bool:
    """Return whether a file has a name that credentials usually have.

    >>> [has_confidential_name(Path(name)) for name in ("project-0123abc.json", "results-1.json")]
    [True, False]
    """
    name = path.name.lower()
    return any(fnmatch(name, one) for one in _NAMES) or _SAVED_AS.fullmatch(name) is not None


def _is_key(content: bytes) -> bool:
    """Return whether a file is the JSON of a key of Google or Kaggle, whatever its name."""
    if not content.lstrip(_BEFORE_JSON).startswith((b"{", b"[")) or len(content) == _READ_BYTES:
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
            return _as_utf8(file.read(_READ_BYTES))
    except OSError:  # for example, a name that this system does not allow
        return b""


def _as_utf8(content: bytes) -> bytes:
    """Recode UTF-16, which PowerShell and Notepad write."""
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content
    return content.decode("utf-16", errors="replace").encode()
