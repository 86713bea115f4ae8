"""Ultralytics' processes for several GPUs: start them, log their output, end them with this one.

Ultralytics starts ``torch.distributed.run``, which starts one worker per GPU. By default they
survive if this process is killed, and write to its terminal. So we start them here: their output
goes to the log, and each of them waits for a lock that this process holds. The system releases the
lock however this process ends, and then they kill themselves.

Run as a module, this is the launcher process: ``python -m ... torch.distributed.run ARGUMENTS``.
"""

import contextlib
import importlib
import logging
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from container_doors.core.child_environment import environment_for
from container_doors.core.files import wait_for_lock

_LIFELINE = "CONTAINER_DOORS_LIFELINE"
"""The environment variable with the path of the locked file."""

_OUTPUT_BYTES = 20_000
"""How much of the workers' output is read: two tracebacks and the launcher's summary."""

_RAISED = re.compile(r"^(?:\[rank(\d+)\]: )?((?:\w+\.)*\w*(?:Error|Exception)\b.*)$", re.MULTILINE)
_FIRST = re.compile(r"Root Cause .*?rank\s*: (\d+).*?exitcode\s*: (-?\d+)", re.DOTALL)
"""In the launcher's summary: which worker ended first, and its exit code; a signal is negative."""

_LOG = logging.getLogger("container_doors")

_log_stack = contextlib.ExitStack()
"""Keeps a worker's log open until the worker ends."""


class WorkersError(RuntimeError):
    """The processes for several GPUs failed; the message is the error of the first one."""


def is_worker() -> bool:
    """Check whether this process is one of several that train together."""
    return _rank() != -1


def writes_to_disk() -> bool:
    """Check whether this process is the one that writes the run's files."""
    return _rank() in {-1, 0}


@contextlib.contextmanager
def supervised() -> Iterator[None]:
    """Make Ultralytics start its workers through :func:`_launch` until the block ends."""
    vendor: Any = importlib.import_module("ultralytics.engine.trainer")
    vendor_subprocess = vendor.subprocess
    # Its only call is `subprocess.run(command, check=True)`, which can leave orphan processes.
    vendor.subprocess = SimpleNamespace(run=_launch)
    try:
        yield
    finally:
        vendor.subprocess = vendor_subprocess


def become_worker(log: Path) -> None:
    """Set up a worker: the environment, the log, and its end together with the launcher."""
    from container_doors.adapters.yolo.environment import import_ultralytics
    from container_doors.training.logbook import logbook

    end_with_launcher()
    import_ultralytics()
    _log_stack.enter_context(logbook(log))
    if not writes_to_disk():  # the others would log the same lines again
        logging.getLogger("ultralytics").setLevel(logging.WARNING)


def end_with_launcher() -> None:
    """Kill this process and its children as soon as the process that holds the lock ends."""
    threading.Thread(target=_wait_for_the_end, args=(os.environ[_LIFELINE],), daemon=True).start()


def _wait_for_the_end(lifeline: str) -> None:
    with contextlib.suppress(FileNotFoundError), Path(lifeline).open("r+") as file:
        wait_for_lock(file)
    _kill(psutil.Process().children(recursive=True))
    os.kill(os.getpid(), signal.SIGKILL)


def _launch(command: Sequence[str], *, check: bool) -> None:  # noqa: ARG001 - subprocess.run's
    """Run the workers to their end; whatever happens, no worker is left running."""
    interpreter, _, module, *arguments = command
    with tempfile.NamedTemporaryFile("w") as lifeline, tempfile.TemporaryFile() as output:
        wait_for_lock(lifeline.file)
        launcher = subprocess.Popen(
            [interpreter, "-P", "-m", __name__, module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment_for("trainer"), "PYTHONSAFEPATH": "1", _LIFELINE: lifeline.name},
            start_new_session=True,  # Ctrl-C reaches only this process, which ends the others
        )
        try:
            code = launcher.wait()
        finally:
            _end(launcher)
        if code:
            output.seek(max(0, output.seek(0, os.SEEK_END) - _OUTPUT_BYTES))
            raise _failure(output.read().decode(errors="replace"), code)


def _end(launcher: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(launcher.pid)
        _kill([*process.children(recursive=True), process])
    launcher.wait()


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _failure(output: str, code: int) -> WorkersError:
    """Pick the first error: the other workers fail because their connection broke."""
    from container_doors.adapters.shell import redacted

    output = redacted(output)
    _LOG.error("the processes for several GPUs ended with exit code %d:\n%s", code, output.strip())
    first = _FIRST.search(output)
    if first and int(first[2]) < 0:
        number = -int(first[2])
        return WorkersError(f"worker {first[1]} was ended by {signal.Signals(number).name}")
    raised = _RAISED.findall(output)
    of_first = [error for rank, error in raised if first and rank == first[1]]
    errors = [error for _, error in raised if "ChildFailedError" not in error]
    return WorkersError((of_first[-1:] or errors[:1] or [f"exit code {code}"])[0])


def _rank() -> int:
    return int(os.environ.get("RANK", "-1"))


def _main() -> None:
    end_with_launcher()
    _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
