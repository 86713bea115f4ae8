"""A process beside the training that sends it to trackers; implements :class:`ports.Follower`.

It only reads the run's files, so a tracker that waits, fails or crashes does not affect the
training. It outlives the training, so the trackers also receive the end of a killed run. A pipe
connects the two: a line in it is the run's exit code; its end without a line means a kill.
"""

import contextlib
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import psutil

from container_doors.core.child_environment import environment_for
from container_doors.core.files import open_lock, try_lock
from container_doors.core.ports import Progress
from container_doors.core.run import Run

_LOG = logging.getLogger(__name__)

TIMEOUT_S = 90.0
"""How long a run waits for its follower: more than the sum of the follower's own timeouts."""

KILLED = 137
"""The exit code that a shell reports for a killed process; nothing more is known."""

_JOIN_S = 1.0

_LOCK = "CONTAINER_DOORS_TRACKING_LOCK"
"""The environment variable with the inherited lock's file descriptor."""


class NoFollower:
    """For a run without trackers."""

    def settle(self, run: Run, *, progress: Progress) -> None:
        """Do nothing."""

    def start(self, run: Run, *, progress: Progress) -> None:
        """Do nothing."""

    def finish(self, *, exit_code: int) -> None:
        """Do nothing."""


class FollowerProcess:
    """Runs ``doors track follow`` during the training."""

    def __init__(self, environment: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> None:
        """Prepare.

        Args:
            environment: Additional variables for the process, such as a key.
            timeout_s: How long :meth:`finish` waits at most.
        """
        self._environment = dict(environment)
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._relay_thread: threading.Thread | None = None
        self._run: Run | None = None
        self._progress: Progress | None = None

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """Add variables to the process's environment."""
        self._environment |= environment

    def settle(self, run: Run, *, progress: Progress) -> None:
        """Wait until the follower of a killed training has ended, which takes a moment."""
        with follower_lock(run, wait_s=0) as is_settled:
            if is_settled:
                return
        progress.say("waiting for the trackers of the interrupted run")
        with follower_lock(run, wait_s=self._timeout_s):
            pass

    def start(self, run: Run, *, progress: Progress) -> None:
        """Start the process; its output goes to the person and the log."""
        self._run, self._progress = run, progress
        seen = environment_for("wandb") | self._environment
        seen.pop("WANDB_SERVICE", None)  # belongs to another program's client
        # Python programs that the client starts import nothing from the working folder, either.
        seen |= {"PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
        try:
            run.tracking.mkdir(parents=True, exist_ok=True)
            with (
                (run.tracking / "follower.log").open("a", encoding="utf-8") as log,
                open_lock(run.tracking_lock) as lock,
            ):
                # Lock now: the process may need longer to start than the next attempt.
                try_lock(lock)
                seen[_LOCK] = str(lock.fileno())
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "container_doors",
                        "track",
                        "follow",
                        run.directory,
                    ],
                    env=seen,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,  # Ctrl-C is for the training; this ends after it
                    pass_fds=[lock.fileno()],
                )
        except OSError as error:
            self._say(f"tracking: cannot start ({error}); later: doors track sync {run.name}")
            return
        self._relay_thread = threading.Thread(target=self._relay, daemon=True)
        self._relay_thread.start()

    def finish(self, *, exit_code: int) -> None:
        """Send the run's exit code, and wait; after ``timeout_s`` kill the process."""
        if self._process is None or self._process.stdin is None or self._run is None:
            return
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(f"{exit_code}\n")
            self._process.stdin.close()
        try:
            code = self._process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            code = None
            _kill_with_children(self._process)
        if self._relay_thread is not None:
            self._relay_thread.join(_JOIN_S)
            if self._process.stdout is not None and not self._relay_thread.is_alive():
                self._process.stdout.close()
        if code != 0:
            why = "did not end in time" if code is None else f"ended with exit code {code}"
            self._say(
                f"tracking: its process {why} (see {self._run.tracking}/follower.log); "
                f"upload the run: doors track sync {self._run.name}"
            )
        _LOG.info("waited %.1f s for the trackers", time.monotonic() - began)
        self._process = None

    def _relay(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        for line in self._process.stdout:
            self._say(line.rstrip("\n"))

    def _say(self, line: str) -> None:
        _LOG.info("%s", line)
        if self._progress is not None:
            self._progress.say(line)


def _kill_with_children(process: subprocess.Popen[str]) -> None:
    """Kill it and the client's processes, which are in their own sessions."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.wait()


def is_started_by_trainer() -> bool:
    """Check whether a training started this process, and not a person."""
    return _LOCK in os.environ  # not by the parent's pid: the parent may be dead by now


def exit_poller(pipe: IO[str], *, wait_s: float = 1.0) -> Callable[[], int | None]:
    """Return a function that returns the run's exit code; None while the run continues."""
    parent = os.getppid()

    def ended() -> int | None:
        readable, _, _ = select.select([pipe], [], [], wait_s)
        if readable:
            line = pipe.readline().strip()
            return int(line) if line else KILLED
        # Data loaders of a killed training may keep the pipe open for some seconds.
        return None if os.getppid() == parent else KILLED

    return ended


@contextmanager
def follower_lock(run: Run, *, wait_s: float) -> Iterator[bool]:
    """Lock the tracking of ``run``; yield false if another process still has it after ``wait_s``.

    The follower of a killed training takes a moment to end it properly.
    """
    run.root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with _open_lock(run) as file:
        while not (is_ours := try_lock(file)) and time.monotonic() < deadline:
            time.sleep(0.2)
        yield is_ours


def _open_lock(run: Run) -> IO[str]:
    """Return the lock that this process inherited, or open it."""
    descriptor = os.environ.pop(_LOCK, None)
    if descriptor is None:
        return open_lock(run.tracking_lock)
    os.set_inheritable(int(descriptor), False)
    return os.fdopen(int(descriptor), "w")
