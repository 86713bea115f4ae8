"""Lets one call into the system fail, as a full disk or a broken one does; used by the tests."""

import builtins
import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from container_doors.core.errors import DoorsError

CLEAR, NOTHING_FAILED = 2, 3
"""How a child ends whose command failed with a clear message, or met no fault."""

CODES = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
_CHANGES = ("os.rename", "os.link", "os.mkdir", "os.symlink", "os.truncate", "shutil.copyfile")
_failed: list[int] = []


@dataclass
class Countdown:
    """Counts the calls of one process, and names the one that is due."""

    left: int
    ours: int

    def is_due(self) -> bool:
        self.left -= os.getpid() == self.ours
        if self.left == -1:
            _failed.append(self.ours)
        return self.left == -1


def fail_at(number: int) -> None:
    """Let the call of that number fail; the kinds of fault take turns.

    A file that is opened for writing is one on a full disk (/dev/full) instead, so that its writes
    fail, wherever they are made.
    """
    calls, code = Countdown(number, os.getpid()), CODES[number % len(CODES)]
    full = os.open("/dev/full", os.O_WRONLY)
    plain_open, fsync = io.open, os.fsync

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        stream = plain_open(file, mode, *args, **kwargs)
        if set(mode) & set("wax+") and calls.is_due():
            os.dup2(full, stream.fileno())
        return stream

    def forced(descriptor: int) -> None:
        if calls.is_due():
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES and calls.is_due():
            where = arguments[0]  # a descriptor has no name, in a real error as well
            name = None if isinstance(where, int) else os.fspath(where)
            raise OSError(code, os.strerror(code), name)

    for module, name, instead in (
        (io, "open", opened), (builtins, "open", opened), (os, "fsync", forced)
    ):  # fmt: skip
        setattr(module, name, instead)
    sys.addaudithook(refuse)


def told_apart(work: Callable[[], None]) -> None:
    """End the process by what became of the command: as ``main`` tells them apart."""
    try:
        work()
    except (DoorsError, OSError) as error:
        is_clear = isinstance(error, DoorsError) or error.errno is not None
        if not is_clear:
            traceback.print_exc()
        os._exit(CLEAR if is_clear else 1)
    os._exit(0 if _failed else NOTHING_FAILED)
