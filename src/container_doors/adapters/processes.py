"""Programs that run beside us for hours: start, find and end them with their children."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

_STOP_S = 5.0


_SAME_START_S = 5.0
"""How far the clock may be changed meanwhile; a pid is not reused that soon."""


def command_tied_to_us(program: str, arguments: Sequence[str | Path]) -> list[str | Path]:
    """Return a command for a program that the system kills when this process ends."""
    launcher = Path(__file__).with_name("die_with_parent.py")
    return [sys.executable, "-I", "-S", launcher, str(os.getpid()), program, *arguments]


def process_identity(pid: int) -> str:
    """Return a process's pid and start time; pids are reused, so the pid is not enough."""
    return f"{pid} {psutil.Process(pid).create_time():.2f}"


def find_process(pid_file: Path) -> psutil.Process | None:
    """Return the process whose :func:`process_identity` is in a file; None if it has ended.

    Its arguments cannot be compared: sshd rewrites them, and encodes non-ASCII differently.
    """
    try:
        pid, started_s = pid_file.read_text("utf-8").split()
        process = psutil.Process(int(pid))
        is_it = abs(process.create_time() - float(started_s)) < _SAME_START_S
        return process if is_it and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def end_child(process: subprocess.Popen[bytes]) -> None:
    """End a program that we started, with its children, if it still runs."""
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            end_with_children(psutil.Process(process.pid))
    process.wait()


def end_with_children(program: psutil.Process) -> None:
    """End a program and its children; kill those that do not end within 5 s."""
    try:
        program.suspend()  # otherwise it might start another child meanwhile
        processes = [program, *program.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        try:
            process.terminate()
            process.resume()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=_STOP_S)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=_STOP_S)
