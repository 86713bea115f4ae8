"""Programs, run: no shell, no prompt, no wait without end, and no secret in what they said."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.errors import MissingToolError

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
"""``user:password@`` of a URL."""

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIALS", re.IGNORECASE)
"""In the name of an environment variable, or of a key in the JSON that one holds."""

_SHORTEST_SECRET = 8
"""Shorter values are words such as ``true``; hiding them would spoil every message."""

_IN_ENGLISH = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""What programs say is compared with English; LANGUAGE outranks every locale but C itself:
https://www.gnu.org/software/gettext/manual/html_node/The-LANGUAGE-variable.html"""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and what it said; secrets are replaced by ``***``."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """What it said went wrong, in one line."""
        said = (self.stderr.strip() or self.stdout.strip()).splitlines()
        errors = [line for line in said if line.startswith(("ERROR", "error:", "fatal:"))]
        lines = errors or said[:1] or [f"exit code {self.exit_code}"]
        return "; ".join(
            line.removeprefix("ERROR: ").removeprefix("unexpected error - ") for line in lines
        )


def call(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    hint: str,
    environment: Mapping[str, str | None] | None = None,
    timeout_s: float | None = None,
) -> Finished:
    """Run a program to its end, whatever its exit code.

    Args:
        argv: The program and its arguments; never a secret, for every user sees them in ``ps``.
        cwd: Where it runs.
        hint: How to get the program, should it be missing.
        environment: What it sees beside our own environment; what is None, it does not see.
        timeout_s: When to give up; never by default.

    Raises:
        MissingToolError: If there is no such program.
        TimeoutError: If it did not end in time; it was killed.
    """
    seen = {**os.environ, **_IN_ENGLISH, **(environment or {})}
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={name: value for name, value in seen.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
        )
    except (FileNotFoundError, PermissionError) as error:
        if not cwd.is_dir():
            raise
        raise MissingToolError(f"cannot run {argv[0]}: {error.strerror}", hint=hint) from None
    except subprocess.TimeoutExpired:
        command = " ".join(str(part) for part in argv[:2])
        raise TimeoutError(f"{command} did not end within {timeout_s:.0f} s") from None
    return Finished(done.returncode, redacted(done.stdout), redacted(done.stderr))


def redacted(text: str) -> str:
    """Hide the credentials of URLs, and every secret that the environment holds.

    >>> redacted("cannot reach https://me:t0ken@example.org/x.git")
    'cannot reach https://***@example.org/x.git'
    """
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USER_INFO.sub("***@", text)


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        if not _SECRET.search(name) and not value.lstrip().startswith("{"):
            continue
        for secret in _strings(name, value):
            if len(secret) >= _SHORTEST_SECRET:
                yield secret


def _strings(name: str, value: str) -> Iterator[str]:
    """Yield a variable's value, and what the JSON in it keeps secret: programs quote parts."""
    try:
        document = json.loads(value)
    except ValueError:
        document = None
    if isinstance(document, dict):
        yield from (
            text for key, text in document.items() if isinstance(text, str) and _SECRET.search(key)
        )
    if _SECRET.search(name) and not _is_path(value):
        yield value


def _is_path(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # a key in JSON is longer than a name may be
        return False
