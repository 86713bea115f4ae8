"""Prints a command's output: each line is escaped once, here, for the encoding of the stream.

Names of files, classes, hosts and branches come from outside, and so do messages of programs. One
line of ours is one line on the screen, whatever it contains. Nothing else in this package prints.
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

from container_doors.core.printable import AsTyped, printable


def prepare_streams() -> None:
    """Make the streams accept every character, and open closed descriptors.

    The next opened file would get the number of a closed descriptor (``doors ... >&-``), and a
    library's output would be written into it.
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


_OUR_FOLDERS = ("..", "runs", "weights", "reports", "data")
"""A path that begins with one of these is a file of the workspace, even if it does not exist."""


class _Renamer:
    """Writes paths of the workspace relative to another folder than its root."""

    def __init__(self, here: Path, root: Path, typed: Sequence[str]) -> None:
        self._here, self._root = here, root
        self._typed = tuple(path for path in typed if "/" in path)
        whole = "|".join(map(re.escape, [*sorted(typed, key=len, reverse=True), ""]))
        self._words = re.compile(rf"(?<![^\s'\"`(\[])(?:(?:{whole})[^\s'\"`()\[\],;:=<>|]*)")

    def rename(self, text: str) -> str:
        """Rewrite each path in a text; any other word stays as it is."""
        return self._words.sub(self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        name = word.rstrip("./") if word.strip("./") else word
        is_folder = word.startswith(f"{name}/")
        if not self._is_file(name, is_folder=is_folder):
            return word
        return os.path.relpath(self._root / name, self._here) + word.removeprefix(name)

    def _is_file(self, name: str, *, is_folder: bool) -> bool:
        first, below, _ = name.partition("/")
        if name.startswith(("/", "~", "-")) or not (below or is_folder or "." in name):
            return False
        is_ours = first in _OUR_FOLDERS or name.startswith(self._typed)
        return is_ours or os.path.lexists(self._root / name)


_renamers: list[_Renamer] = []
"""That of this process. Threads print too, so it cannot be a context variable."""


@contextmanager
def paths_relative_to(here: Path, root: Path, typed: Sequence[str]) -> Iterator[None]:
    """Print paths of the workspace relative to the person's folder, while inside.

    Args:
        here: The person's folder.
        root: The root of the workspace, which paths are otherwise relative to.
        typed: Paths that the person typed; each is one word, whatever characters it has.
    """
    _renamers.append(_Renamer(here, root, typed))
    try:
        yield
    finally:
        _renamers.pop()


def shown(text: object) -> str:
    """Return a line as it is printed: printable, with paths relative to the person's folder."""
    if isinstance(text, AsTyped) or not _renamers:
        return printable(text)
    return printable(_renamers[-1].rename(str(text)))


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print lines at once: the reader may follow a log.

    Args:
        lines: Each one line on the screen.
        file: Standard output by default.
    """
    print(*map(shown, lines), sep="\n", file=file, flush=True)


def complain(*lines: object) -> None:
    """Print lines on standard error; ignore a closed stream."""
    with suppress(OSError):
        say(*lines, file=sys.stderr)


def say_text(text: str, *, file: TextIO | None = None) -> None:
    """Print a text of ours, unchanged; what is in it from outside was escaped before."""
    print(text, file=file, flush=True)


def say_document(document: object) -> None:
    """Print one JSON document, in ASCII: it fits any encoding, and has no control characters."""
    print(json.dumps(document, indent=2), flush=True)


def leave_pipe() -> None:
    """Discard the remaining output: the reader of the pipe has closed it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
