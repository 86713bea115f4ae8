"""What keeps a way in, and ends it: its server, its sessions, its tunnel, its secrets.

    python -m container_doors.adapters.ssh.aftermath FOLDER SCRIPT SSHD

It holds the other end of a pipe, which closes when the notebook dies, however it dies. It is the
server's parent, with whose end the system kills the server, and the heir of sessions whose server
was killed. The secrets are files without a place on a disk, which it has open: nobody has to be
left to remove them.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TextIO

import psutil

from container_doors.adapters.processes import (
    as_left_over,
    dying_with_us,
    end_with_children,
    left_over,
)
from container_doors.core.errors import TunnelError
from container_doors.core.files import replace_secret, try_lock
from container_doors.tunnel.server_settings import LOG, PID, SETTINGS

WAIT_S = 20.0
"""What ends of its own accord needs 5 s for each program, at most."""

_LET_GO_S = 5.0
"""The system closes what a killed notebook had, one by one: the pipe perhaps before the lock."""

_LOOK_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36

START, STOP = "start", "stop"
"""What the notebook asks for, a line each; the answer is a line, too."""


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
    """Do what the notebook says; at its end clear what is left, unless another has begun."""
    directory, profile, sshd = (Path(argument) for argument in sys.argv[1:])
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, _bury)
    for line in sys.stdin:
        if line.strip() == STOP:
            _clear_with_sessions(directory, profile)
            return 0
        _start(directory, str(sshd))
        sys.stdout.write("started\n")
        sys.stdout.flush()
    try:
        with held(directory, wait_s=_LET_GO_S):
            _clear_with_sessions(directory, profile)
    except TunnelError:
        return 0
    return 0


def _start(directory: Path, sshd: str) -> None:
    # Without the notebook's variables: sessions get theirs from the file, and no other way.
    process = subprocess.Popen(
        dying_with_us(sshd, ["-D", "-f", directory / SETTINGS, "-E", directory / LOG]),
        cwd=directory,
        env={"PATH": os.defpath + ":/usr/sbin:/sbin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    replace_secret(directory / PID, as_left_over(process.pid))


def _clear_with_sessions(directory: Path, profile: Path) -> None:
    """Clear, and end the sessions whose server was killed: they have become our children.

    So has what a person left running on purpose, and that goes on.
    """
    clear(directory, profile)
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.name().startswith("sshd"):
                end_with_children(child)


def _bury(*_: object) -> None:
    """Take notice of children that have ended, the inherited ones too."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    sys.exit(main())
