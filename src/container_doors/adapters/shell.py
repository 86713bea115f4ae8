"""Programs, run: no shell, no prompt, no wait without end, and no secret in what they said."""

import codecs
import json
import os
import re
import select
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.adapters.git_credentials import git_credentials
from container_doors.core.child_environment import (
    environment_for,
    full_environment,
    is_path,
    is_secret_name,
)
from container_doors.core.errors import MissingToolError

_USER_INFO = re.compile(r"(?<=://)[^/\s]+@")
"""``user:password@`` of a URL."""

_SHORTEST_SECRET = 8
"""Shorter values are words such as ``true``; hiding them would spoil every message."""

_MOST_LINES = 3
"""Of a complaint; the rest repeats it."""

_LINE_END = re.compile(r"(?:\r|\n|\x1b\[[0-9;]*[A-Za-z])+")
"""Lines end, or are overwritten: a carriage return, a cursor that is moved."""

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
        said = _joined((self.stderr.strip() or self.stdout.strip()).splitlines())
        errors = [line for line in said if line.startswith(("ERROR", "error:", "fatal:"))]
        is_traceback = bool(said) and said[0].startswith("Traceback")
        telling = said[-1:] if is_traceback else said[:1]
        lines = errors or telling or [f"exit code {self.exit_code}"]
        if len(lines) > _MOST_LINES:  # a thousand files may fail alike
            lines = [*lines[: _MOST_LINES - 1], f"and {len(lines) - _MOST_LINES + 1} more"]
        return "; ".join(
            line.removeprefix("ERROR: ").removeprefix("unexpected error - ") for line in lines
        )


def _joined(said: Sequence[str]) -> list[str]:
    r"""Join a line that ends with a colon with the one that it announces.

    >>> _joined(["error: overwritten by merge:", "\tparams.yaml", "Please commit"])
    ['error: overwritten by merge: params.yaml', 'Please commit']
    """
    lines: list[str] = []
    for line in said:
        if lines and lines[-1].endswith(":") and not lines[-1].startswith("Traceback"):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return lines


@dataclass(frozen=True, slots=True)
class FinishedBytes:
    """How a program ended that wrote data; they are kept as they are, and never for a message."""

    exit_code: int
    stdout: bytes
    stderr: str
    """Secrets are replaced by ``***``."""


def call(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    hint: str,
    environment: Mapping[str, str | None] | None = None,
    timeout_s: float | None = None,
    tool: str | None = None,
) -> Finished:
    """Run a program to its end, whatever its exit code.

    Args:
        argv: The program and its arguments; never a secret, for every user sees them in ``ps``.
        cwd: Where it runs.
        hint: How to get the program, should it be missing.
        environment: What it sees beside what is its own of our environment; what is None, it
            does not see.
        timeout_s: When to give up; never by default.
        tool: Whose variables it sees (:data:`child_environment.TOOLS`), if not those of a program
            of its name.

    Raises:
        MissingToolError: If there is no such program.
        TimeoutError: If it did not end in time; it was killed.
    """
    done = call_for_bytes(
        argv, cwd=cwd, hint=hint, environment=environment, timeout_s=timeout_s, tool=tool
    )
    return Finished(done.exit_code, redacted(text_of(done.stdout)), done.stderr)


def call_for_bytes(  # noqa: PLR0913 - those of call, and what it reads
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    hint: str,
    environment: Mapping[str, str | None] | None = None,
    timeout_s: float | None = None,
    tool: str | None = None,
    given: bytes = b"",
) -> FinishedBytes:
    """Run a program as :func:`call` does, and keep what it wrote byte for byte.

    Args:
        argv: See :func:`call`.
        cwd: See :func:`call`.
        hint: See :func:`call`.
        environment: See :func:`call`.
        timeout_s: See :func:`call`.
        tool: See :func:`call`.
        given: What it reads on its standard input.

    Raises:
        MissingToolError: If there is no such program.
        TimeoutError: If it did not end in time; it was killed.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=_environment(argv, cwd, tool, environment),
            input=given,
            capture_output=True,
            check=False,
            timeout=timeout_s,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise _missing(argv, cwd, error, hint) from None
    except subprocess.TimeoutExpired:
        command = " ".join(str(part) for part in argv[:2])
        raise TimeoutError(f"{command} did not end within {timeout_s:.0f} s") from None
    return FinishedBytes(done.returncode, done.stdout, redacted(text_of(done.stderr)))


def text_of(written: bytes) -> str:
    r"""Read bytes as Python reads a text file, whatever their line ends; no bytes are an error.

    >>> text_of(b"a\r\nb\xff")
    'a\nb\ufffd'
    """
    text = written.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def call_and_hear(  # noqa: PLR0913 - those of call, and whom to tell
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    hint: str,
    environment: Mapping[str, str | None] | None = None,
    tool: str | None = None,
    hear: Callable[[str], bool],
    stall_s: float,
) -> Finished:
    """Run a program as :func:`call` does, and hear what it says on standard error meanwhile.

    Args:
        argv: See :func:`call`.
        cwd: See :func:`call`.
        hint: See :func:`call`.
        environment: See :func:`call`.
        tool: See :func:`call`.
        hear: Told each line, also such as overwrites the last; true keeps it out of the result.
        stall_s: How long it may say nothing. Then it is killed, and its last line says so.

    Raises:
        MissingToolError: If there is no such program.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stdout:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=_environment(argv, cwd, tool, environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _missing(argv, cwd, error, hint) from None
        with process:
            try:
                kept = [line for line in _lines(process, stall_s) if not hear(line)]
            except BaseException:
                process.kill()
                raise
        stdout.seek(0)
        said = stdout.read()
    return Finished(process.returncode, redacted(said), redacted("\n".join(kept)))


def _lines(process: "subprocess.Popen[bytes]", stall_s: float) -> Iterator[str]:
    if process.stderr is None:
        raise AssertionError("standard error is a pipe")
    rest = ""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        if not select.select([process.stderr], [], [], stall_s)[0]:
            process.kill()
            yield from (rest, f"ERROR: it did not move for {stall_s:.0f} s")
            return
        chunk = os.read(process.stderr.fileno(), 65536)
        *lines, rest = _LINE_END.split(rest + decoder.decode(chunk, final=not chunk))
        yield from lines
        if not chunk:
            yield rest
            return


def _environment(
    argv: Sequence[str | Path],
    cwd: Path,
    tool: str | None,
    additions: Mapping[str, str | None] | None,
) -> dict[str, str]:
    tool = tool or Path(argv[0]).name
    changes = {**_IN_ENGLISH, **(additions or {})}
    own = {
        name: value
        for name, value in {**environment_for(tool, cwd), **changes}.items()
        if value is not None
    }
    if tool == "git":  # which repository's addresses, GIT_DIR would have a say in
        own |= git_credentials([str(part) for part in argv], cwd, own)
    return own


def _missing(
    argv: Sequence[str | Path], cwd: Path, error: OSError, hint: str
) -> OSError | MissingToolError:
    if not cwd.is_dir():
        return error
    return MissingToolError(f"cannot run {argv[0]}: {error.strerror}", hint=hint)


def redacted(text: str) -> str:
    """Hide the credentials of URLs, and every secret that the environment holds.

    >>> redacted("cannot reach https://me:t0ken@example.org/x.git")
    'cannot reach https://***@example.org/x.git'
    """
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USER_INFO.sub("***@", text)


def _secrets() -> Iterator[str]:
    for name, value in full_environment().items():
        if not is_secret_name(name) and not value.lstrip().startswith("{"):
            continue
        for secret in _strings(name, value):
            if len(secret) >= _SHORTEST_SECRET:
                yield secret


def _strings(name: str, value: str) -> Iterator[str]:
    """Yield a variable's value, and what the JSON in it keeps secret: programs quote parts."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        yield from (
            text for key, text in document.items() if isinstance(text, str) and is_secret_name(key)
        )
    if is_secret_name(name) and not is_path(value):
        yield value
