"""Programs that run beside us for hours: found again, and ended with all that they started."""

from pathlib import Path

import psutil

_STOP_S = 5.0


def left_over(pid_file: Path) -> psutil.Process | None:
    """Find the program that wrote a file of its folder as its process id, if it still runs.

    Ids are used again: it must have been called with the folder as an argument.
    """
    try:
        process = psutil.Process(int(pid_file.read_text("utf-8")))
        return process if str(pid_file.parent) in " ".join(process.cmdline()) else None
    except (OSError, ValueError, psutil.Error):
        return None


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
