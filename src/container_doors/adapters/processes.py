"""Programs that run beside us for hours: found again, and ended with all that they started."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

_STOP_S = 5.0


_SAME_START_S = 5.0
"""How far the clock may be set meanwhile; an id does not come round again so soon."""


def dying_with_us(program: str, arguments: Sequence[str | Path]) -> list[str | Path]:
    """Say how to start a program that the system kills when this process ends."""
    launcher = Path(__file__).with_name("die_with_parent.py")
    return [sys.executable, "-I", "-S", launcher, str(os.getpid()), program, *arguments]


def as_left_over(pid: int) -> str:
    """Write by what a program is found again: ids are used again, so its start as well."""
    return f"{pid} {psutil.Process(pid).create_time():.2f}"


def left_over(pid_file: Path) -> psutil.Process | None:
    """Find the program of which :func:`as_left_over` is in a file, if it still runs.

    Its arguments would not do: sshd writes those anew, with what is no ASCII in another form.
    """
    try:
        pid, started_s = pid_file.read_text("utf-8").split()
        process = psutil.Process(int(pid))
        is_it = abs(process.create_time() - float(started_s)) < _SAME_START_S
        return process if is_it and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def end_child(process: subprocess.Popen[bytes]) -> None:
    """End a program that we started, and what it started, if it still runs."""
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            end_with_children(psutil.Process(process.pid))
    process.wait()


def end_with_children(program: psutil.Process) -> None:
    """End a program and what it started; whatever does not end in 5 s is killed."""
    try:
        program.suspend()  # or it might start another while these are counted
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
