"""The keeper: a process that runs the SSH server, and cleans up when the notebook ends.

    python -m container_doors.adapters.ssh.aftermath FOLDER SCRIPT SSHD

It reads from a pipe, which closes when the notebook ends in any way. It is the server's parent, so
the system kills the server when it ends, and it adopts the sessions of a killed server. The secrets
are open files in memory, not on a disk: nothing has to remove them.
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
    command_tied_to_us,
    end_with_children,
    find_process,
    process_identity,
)
from container_doors.core.errors import TunnelError
from container_doors.core.files import replace_secret, try_lock
from container_doors.tunnel.server_settings import LOG, PID, SETTINGS

WAIT_S = 20.0
"""A normal end takes at most 5 s for each program."""

_LET_GO_S = 5.0
"""The system closes a killed notebook's files one by one: the pipe perhaps before the lock."""

_LOOK_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36

START, STOP = "start", "stop"
"""The notebook's commands, one per line; the answer is one line, too."""


def clear(directory: Path, profile: Path) -> None:
    """End every program of the folder, and remove the folder and its profile script."""
    for pid_file in sorted(directory.glob("*.pid")):
        program = find_process(pid_file)
        if program is not None:
            end_with_children(program)
    profile.unlink(missing_ok=True)
    if directory.exists():
        shutil.rmtree(directory)


@contextmanager
def folder_lock(directory: Path, *, wait_s: float | None = None) -> Iterator[None]:
    """Lock a folder for this process; the system releases the lock if the process dies.

    Raises:
        TunnelError: If another process has the lock.
    """
    path = directory.with_name(f".{directory.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    end = monotonic() + (WAIT_S if wait_s is None else wait_s)
    while True:
        with path.open("a+", encoding="utf-8") as file:
            if try_lock(file) and _is_at(path, file):
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
                    f"process {file.read() or 'unknown'} has a tunnel open here already",
                    hint="stop that notebook or doors tunnel serve first, or set "
                    "XDG_STATE_HOME to another folder for this one",
                )
        sleep(_LOOK_S)


def _is_at(path: Path, file: TextIO) -> bool:
    """Return whether the locked file is still at its path, not removed by its earlier owner."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def main() -> int:
    """Execute the notebook's commands; when it ends, clean up, unless another notebook started."""
    directory, profile, sshd = (Path(argument) for argument in sys.argv[1:])
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, _reap)
    for line in sys.stdin:
        if line.strip() == STOP:
            _clear_with_sessions(directory, profile)
            return 0
        _start(directory, str(sshd))
        sys.stdout.write("started\n")
        sys.stdout.flush()
    try:
        with folder_lock(directory, wait_s=_LET_GO_S):
            _clear_with_sessions(directory, profile)
    except TunnelError:
        return 0
    return 0


def _start(directory: Path, sshd: str) -> None:
    # Without the notebook's variables: sessions get theirs only from the file.
    process = subprocess.Popen(
        command_tied_to_us(sshd, ["-D", "-f", directory / SETTINGS, "-E", directory / LOG]),
        cwd=directory,
        env={"PATH": os.defpath + ":/usr/sbin:/sbin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    replace_secret(directory / PID, process_identity(process.pid))


def _clear_with_sessions(directory: Path, profile: Path) -> None:
    """Clean up, and end the sessions of a killed server, which are now our children.

    Other children, which a person left running on purpose, continue.
    """
    clear(directory, profile)
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.name().startswith("sshd"):
                end_with_children(child)


def _reap(*_: object) -> None:
    """Reap children that have ended, also adopted ones."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    sys.exit(main())
