"""What a command prints: each line escaped once, here, in whatever the stream can hold.

Names of files, classes, hosts and branches come from outside, and so does what programs say. A
line of ours is one line on the screen, whatever stands in it. Nothing else in this package prints.
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from container_doors.core.printable import printable


def prepare_streams() -> None:
    """Let no character and no closed descriptor be a reason to fail.

    A descriptor that is closed (``doors ... >&-``) would be the number of the next file that is
    opened, and what a library prints would stand in it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = (
        stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - stays open
        for stream in (sys.stdout, sys.stderr)
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_KEPT_IN = ("..", "runs", "weights", "reports", "data")
"""What names a file of ours, also one that is not there."""


class _Naming:
    """Names files of the workspace from another folder than its root."""

    def __init__(self, here: Path, root: Path, typed: Sequence[str]) -> None:
        self._here, self._root = here, root
        whole = "|".join(map(re.escape, [*sorted(typed, key=len, reverse=True), ""]))
        self._words = re.compile(rf"(?<![^\s'\"`(\[])(?:(?:{whole})[^\s'\"`()\[\],;:=<>|]*)")

    def renamed(self, text: str) -> str:
        """Name each file in a text anew; any other word is left as it is."""
        return self._words.sub(self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        name = word.rstrip("./") if word.strip("./") else word
        if not self._is_file(name):
            return word
        return os.path.relpath(self._root / name, self._here) + word.removeprefix(name)

    def _is_file(self, name: str) -> bool:
        first, below, _ = name.partition("/")
        if name.startswith(("/", "~", "-")) or not (below or "." in name):
            return False
        return first in _KEPT_IN or os.path.lexists(self._root / name)


_naming: list[_Naming] = []
"""The one of this process; threads say things too, which rules out a context's variable."""


@contextmanager
def named_from(here: Path, root: Path, typed: Sequence[str]) -> Iterator[None]:
    """Name files of the workspace, in what is printed, from where the person stands.

    Args:
        here: Where that is.
        root: The workspace's, which everything is named from otherwise.
        typed: Paths that are each one word, whatever characters they have.
    """
    _naming.append(_Naming(here, root, typed))
    try:
        yield
    finally:
        _naming.pop()


def shown(text: object) -> str:
    """Write a line for a person: printable, its files named from where they stand."""
    return printable(_naming[-1].renamed(str(text)) if _naming else text)


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print lines at once, because the reader may be following a log.

    Args:
        lines: Each one line on the screen.
        file: Standard output by default.
    """
    print(*map(shown, lines), sep="\n", file=file, flush=True)


def complain(*lines: object) -> None:
    """Print lines on standard error, if anybody is there to read them."""
    with suppress(OSError):
        say(*lines, file=sys.stderr)


def say_text(text: str) -> None:
    """Print a text of ours that a program reads, as it is."""
    print(text, flush=True)


def say_document(document: object) -> None:
    """Print one JSON document, in ASCII: any stream can hold it, and it hides no control."""
    print(json.dumps(document, indent=2), flush=True)


def leave_pipe() -> None:
    """Let what is left to write go nowhere: the reader of the pipe has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
