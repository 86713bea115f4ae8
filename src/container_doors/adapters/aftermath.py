"""What ends a way in whose notebook was killed: its server, its tunnel, the secrets in its folder.

    python -m container_doors.adapters.aftermath FOLDER SCRIPT

It holds the other end of a pipe, which closes when the notebook dies, however it dies.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TextIO

from container_doors.adapters.processes import end_with_children, left_over
from container_doors.errors import TunnelError
from container_doors.files import try_lock

WAIT_S = 20.0
"""What ends of its own accord needs 5 s for each program, at most."""

_LET_GO_S = 5.0
"""The system closes what a killed notebook had, one by one: the pipe perhaps before the lock."""

_LOOK_S = 0.1


def clear(directory: Path, profile: Path) -> None:
    """End every program of the folder, and remove the folder and the script that leads to it."""
    for pid_file in sorted(directory.glob("*.pid")):
        program = left_over(pid_file)
        if program is not None:
            end_with_children(program)
    profile.unlink(missing_ok=True)
    if directory.exists():
        shutil.rmtree(directory)


@contextmanager
def held(directory: Path, *, wait_s: float | None = None) -> Iterator[None]:
    """Have a folder to oneself; the system lets go of it if the process dies.

    Raises:
        TunnelError: If somebody else has it.
    """
    path = directory.with_name(f".{directory.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    end = monotonic() + (WAIT_S if wait_s is None else wait_s)
    while True:
        with path.open("a+", encoding="utf-8") as file:
            if try_lock(file) and _is_the_one_at(path, file):
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
            file.seek(0)
            if monotonic() > end:
                raise TunnelError(
                    f"process {file.read() or 'unknown'} has a way in open here already",
                    hint="stop that notebook or doors tunnel serve first, or set "
                    "XDG_STATE_HOME to another folder for this one",
                )
        sleep(_LOOK_S)


def _is_the_one_at(path: Path, file: TextIO) -> bool:
    """See that whoever had it did not remove it before it was locked here."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def main() -> int:
    """Wait for the notebook's end, then clear what is left, unless another has begun."""
    directory, profile = (Path(argument) for argument in sys.argv[1:])
    if sys.stdin.read():  # it has cleared up itself
        return 0
    try:
        with held(directory, wait_s=_LET_GO_S):
            clear(directory, profile)
    except TunnelError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
