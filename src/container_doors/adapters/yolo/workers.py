"""Ultralytics' processes for several GPUs: started, heard and ended together with this one.

Ultralytics starts ``torch.distributed.run``, which starts one worker per GPU. By themselves they
outlive a process that is killed, and write over its terminal. So the launch goes through here:
their output is kept for the log, and each of them waits for a lock that this process holds. The
system lets go of it however this process dies, and then they kill themselves.

Run as a module, this is the launched process: ``python -m ... torch.distributed.run ARGUMENTS``.
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
"""Names the locked file to the processes that are to end with this one."""

_KEPT_BYTES = 20_000
"""Of what workers said: two tracebacks and the launcher's summary."""

_RAISED = re.compile(r"^(?:\[rank(\d+)\]: )?((?:\w+\.)*\w*(?:Error|Exception)\b.*)$", re.MULTILINE)
_FIRST = re.compile(r"Root Cause .*?rank\s*: (\d+).*?exitcode\s*: (-?\d+)", re.DOTALL)
"""In the launcher's summary: which worker ended first, and how; a signal is negative."""

_LOG = logging.getLogger("container_doors")

_open = contextlib.ExitStack()
"""A worker's log, for as long as it lives."""


class WorkersError(RuntimeError):
    """The processes for several GPUs failed; it says what the first of them said at last."""


def is_worker() -> bool:
    """Tell whether this process is one of several that train together."""
    return _rank() != -1


def writes_to_disk() -> bool:
    """Tell whether this process is the one of them that keeps the record."""
    return _rank() in {-1, 0}


@contextlib.contextmanager
def supervised() -> Iterator[None]:
    """While inside, Ultralytics starts its workers through :func:`_launch`."""
    vendor: Any = importlib.import_module("ultralytics.engine.trainer")
    theirs = vendor.subprocess
    # The one call there is `subprocess.run(command, check=True)`, which leaves them as orphans.
    vendor.subprocess = SimpleNamespace(run=_launch)
    try:
        yield
    finally:
        vendor.subprocess = theirs


def become_worker(log: Path) -> None:
    """Set a worker up like the process that started it: its environment, its log, its end."""
    from container_doors.adapters.yolo.environment import import_ultralytics
    from container_doors.training.logbook import logbook

    end_with_launcher()
    import_ultralytics()
    _open.enter_context(logbook(log))
    if not writes_to_disk():  # the others would say the same again
        logging.getLogger("ultralytics").setLevel(logging.WARNING)


def end_with_launcher() -> None:
    """Kill this process and those below it as soon as the launching one is gone."""
    threading.Thread(target=_wait_for_the_end, args=(os.environ[_LIFELINE],), daemon=True).start()


def _wait_for_the_end(lifeline: str) -> None:
    with contextlib.suppress(FileNotFoundError), Path(lifeline).open("r+") as file:
        wait_for_lock(file)
    _kill(psutil.Process().children(recursive=True))
    os.kill(os.getpid(), signal.SIGKILL)


def _launch(command: Sequence[str], *, check: bool) -> None:  # noqa: ARG001 - subprocess.run's
    """Run the workers to their end; whatever ends this, none of them is left."""
    interpreter, _, module, *arguments = command
    with tempfile.NamedTemporaryFile("w") as lifeline, tempfile.TemporaryFile() as said:
        wait_for_lock(lifeline.file)
        launched = subprocess.Popen(
            [interpreter, "-P", "-m", __name__, module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**environment_for("trainer"), "PYTHONSAFEPATH": "1", _LIFELINE: lifeline.name},
            start_new_session=True,  # Ctrl-C is for this process, which ends the others
        )
        try:
            code = launched.wait()
        finally:
            _end(launched)
        if code:
            said.seek(max(0, said.seek(0, os.SEEK_END) - _KEPT_BYTES))
            raise _failure(said.read().decode(errors="replace"), code)


def _end(launched: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(launched.pid)
        _kill([*process.children(recursive=True), process])
    launched.wait()


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _failure(said: str, code: int) -> WorkersError:
    """Pick the first error: the others' are of a connection that broke because of it."""
    from container_doors.adapters.shell import redacted

    said = redacted(said)
    _LOG.error("the processes for several GPUs ended with exit code %d:\n%s", code, said.strip())
    first = _FIRST.search(said)
    if first and int(first[2]) < 0:
        number = -int(first[2])
        return WorkersError(f"worker {first[1]} was ended by {signal.Signals(number).name}")
    raised = _RAISED.findall(said)
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
