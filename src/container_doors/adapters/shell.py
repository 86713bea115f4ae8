"""Run programs without a shell, prompts or endless waits, and hide secrets in their output."""

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

_QUERY_SECRET = re.compile(
    r"(?<=[?&;#])([\w.-]*(?:sig|signature|token|secret|password|key|credential|auth)=)[^&;#\s'\")]+",
    re.IGNORECASE,
)
"""A signature, a token or the like in a URL's query."""

_SHORTEST_SECRET = 8
"""Shorter values are words such as ``true``; hiding them would make messages unreadable."""

_MOST_LINES = 3
"""Lines of an error message that are kept; the rest repeats them."""

_LINE_END = re.compile(r"(?:\r|\n|\x1b\[[0-9;]*[A-Za-z])+")
"""A line ends, or is overwritten by a carriage return or a cursor movement."""

_IN_ENGLISH = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""We match English messages; LANGUAGE has priority over every locale except C itself:
https://www.gnu.org/software/gettext/manual/html_node/The-LANGUAGE-variable.html"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A program's exit code and output; secrets are replaced by ``***``."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """Return its error message, in one line."""
        output = _joined((self.stderr.strip() or self.stdout.strip()).splitlines())
        errors = [line for line in output if line.startswith(("ERROR", "error:", "fatal:"))]
        is_traceback = bool(output) and output[0].startswith("Traceback")
        informative = output[-1:] if is_traceback else output[:1]
        lines = errors or informative or [f"exit code {self.exit_code}"]
        if len(lines) > _MOST_LINES:  # a thousand files may fail in the same way
            lines = [*lines[: _MOST_LINES - 1], f"and {len(lines) - _MOST_LINES + 1} more"]
        return "; ".join(
            line.removeprefix("ERROR: ").removeprefix("unexpected error - ") for line in lines
        )


def _joined(output: Sequence[str]) -> list[str]:
    r"""Join a line that ends with a colon with the next line.

    >>> _joined(["error: overwritten by merge:", "\tparams.yaml", "Please commit"])
    ['error: overwritten by merge: params.yaml', 'Please commit']
    """
    lines: list[str] = []
    for line in output:
        if lines and lines[-1].endswith(":") and not lines[-1].startswith("Traceback"):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return lines


@dataclass(frozen=True, slots=True)
class FinishedBytes:
    """A program's exit code and binary output; the output is unchanged, and not for messages."""

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
        argv: The program and its arguments; never a secret, because every user sees them in ``ps``.
        cwd: Where it runs.
        hint: How to install the program, if it is missing.
        environment: Additional variables, beside those of our environment that it may have; None
            removes one.
        timeout_s: The timeout; none by default.
        tool: The tool whose variables it may have (:data:`child_environment.TOOLS`); by default
            the one with the program's name.

    Raises:
        MissingToolError: If there is no such program.
        TimeoutError: If it did not end in time; it was killed.
    """
    done = call_for_bytes(
        argv, cwd=cwd, hint=hint, environment=environment, timeout_s=timeout_s, tool=tool
    )
    return Finished(done.exit_code, redacted(text_of(done.stdout)), done.stderr)


def call_for_bytes(  # noqa: PLR0913 - the arguments of call, and the input
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    hint: str,
    environment: Mapping[str, str | None] | None = None,
    timeout_s: float | None = None,
    tool: str | None = None,
    given: bytes = b"",
) -> FinishedBytes:
    """Run a program like :func:`call`, and return its output as bytes.

    Args:
        argv: See :func:`call`.
        cwd: See :func:`call`.
        hint: See :func:`call`.
        environment: See :func:`call`.
        timeout_s: See :func:`call`.
        tool: See :func:`call`.
        given: Its standard input.

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
    r"""Decode bytes as a text file, with any line ends; replace invalid bytes.

    >>> text_of(b"a\r\nb\xff")
    'a\nb\ufffd'
    """
    text = written.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def call_streaming(  # noqa: PLR0913 - the arguments of call, and the callback
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    hint: str,
    environment: Mapping[str, str | None] | None = None,
    tool: str | None = None,
    on_line: Callable[[str], bool],
    stall_s: float,
) -> Finished:
    """Run a program like :func:`call`, and receive its standard error line by line meanwhile.

    Args:
        argv: See :func:`call`.
        cwd: See :func:`call`.
        hint: See :func:`call`.
        environment: See :func:`call`.
        tool: See :func:`call`.
        on_line: Receives each line, also one that overwrites the last; true keeps it out of the
            result.
        stall_s: How long it may write nothing. Then it is killed, and a last line reports that.

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
                remaining = [line for line in _lines(process, stall_s) if not on_line(line)]
            except BaseException:
                process.kill()
                raise
        stdout.seek(0)
        output = stdout.read()
    return Finished(process.returncode, redacted(output), redacted("\n".join(remaining)))


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
    if tool == "git":  # GIT_DIR can change the repository, and so the addresses
        own |= git_credentials([str(part) for part in argv], cwd, own)
    return own


def _missing(
    argv: Sequence[str | Path], cwd: Path, error: OSError, hint: str
) -> OSError | MissingToolError:
    if not cwd.is_dir():
        return error
    return MissingToolError(f"cannot run {argv[0]}: {error.strerror}", hint=hint)


def redacted(text: str) -> str:
    """Hide credentials in URLs, and every secret of the environment.

    >>> redacted("cannot reach https://me:t0ken@example.org/x.git")
    'cannot reach https://***@example.org/x.git'
    >>> redacted("storage (https://example.org/doors?sv=1&sig=t0ken)")
    'storage (https://example.org/doors?sv=1&sig=***)'
    """
    for secret in sorted(set(_secrets()), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _QUERY_SECRET.sub(r"\1***", _USER_INFO.sub("***@", text))


def _secrets() -> Iterator[str]:
    for name, value in full_environment().items():
        if not is_secret_name(name) and not value.lstrip().startswith("{"):
            continue
        for secret in _strings(name, value):
            if len(secret) >= _SHORTEST_SECRET:
                yield secret


def _strings(name: str, value: str) -> Iterator[str]:
    """Yield a variable's value, and the secrets in its JSON, because programs quote parts."""
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
