"""A process beside the training that shows it to trackers, behind :class:`ports.Follower`.

It reads what the run writes and nothing else, so a tracker that waits, fails or crashes costs the
training nothing; and it outlives the training, so a run that is killed still ends properly there.
A pipe connects the two: a line says how the run ended, its end without a line that it was killed.
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

PATIENCE_S = 90.0
"""How long a run waits for its follower: more than the sum of the follower's own waits."""

KILLED = 137
"""What a shell calls the end of a process that was killed, which is all that is known."""

_SECOND_LOOK_S = 1.0

_LOCK = "CONTAINER_DOORS_TRACKING_LOCK"
"""The number of the open lock that the process is handed."""


class NoFollower:
    """For a run that nobody watches."""

    def settle(self, run: Run, *, progress: Progress) -> None:
        """Do nothing."""

    def start(self, run: Run, *, progress: Progress) -> None:
        """Do nothing."""

    def finish(self, *, exit_code: int) -> None:
        """Do nothing."""


class FollowerProcess:
    """Runs ``doors track follow`` while the training goes on."""

    def __init__(self, environment: Mapping[str, str], *, patience_s: float = PATIENCE_S) -> None:
        """Prepare.

        Args:
            environment: What the process sees beside its own of our environment, such as a key.
            patience_s: How long :meth:`finish` waits at most.
        """
        self._environment = dict(environment)
        self._patience_s = patience_s
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        self._run: Run | None = None
        self._progress: Progress | None = None

    def see(self, environment: Mapping[str, str]) -> None:
        """Let the process see this as well."""
        self._environment |= environment

    def settle(self, run: Run, *, progress: Progress) -> None:
        """Wait until the follower of a killed training has ended, which takes it a moment."""
        with alone(run, wait_s=0) as is_settled:
            if is_settled:
                return
        progress.say("waiting for the trackers of the run that was cut off")
        with alone(run, wait_s=self._patience_s):
            pass

    def start(self, run: Run, *, progress: Progress) -> None:
        """Start the process; what it says, the person and the log hear."""
        self._run, self._progress = run, progress
        seen = environment_for("wandb") | self._environment
        seen.pop("WANDB_SERVICE", None)  # another program's client, of which we are no part
        # Python that the client starts imports nothing from the working folder, either.
        seen |= {"PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
        try:
            run.tracking.mkdir(parents=True, exist_ok=True)
            with (
                (run.tracking / "follower.log").open("a", encoding="utf-8") as log,
                open_lock(run.tracking_lock) as lock,
            ):
                # From now on, and not when the process is up, which may be after a next attempt.
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
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def finish(self, *, exit_code: int) -> None:
        """Pass on how the run ended, and wait; after ``patience_s`` the process is ended."""
        if self._process is None or self._process.stdin is None or self._run is None:
            return
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._process.stdin.write(f"{exit_code}\n")
            self._process.stdin.close()
        try:
            code = self._process.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            code = None
            _kill_with_children(self._process)
        if self._listener is not None:
            self._listener.join(_SECOND_LOOK_S)
            if self._process.stdout is not None and not self._listener.is_alive():
                self._process.stdout.close()
        if code != 0:
            why = "did not end in time" if code is None else f"ended with exit code {code}"
            self._say(
                f"tracking: its process {why} (see {self._run.tracking}/follower.log); "
                f"upload the run: doors track sync {self._run.name}"
            )
        _LOG.info("waited %.1f s for the trackers", time.monotonic() - began)
        self._process = None

    def _listen(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        for line in self._process.stdout:
            self._say(line.rstrip("\n"))

    def _say(self, line: str) -> None:
        _LOG.info("%s", line)
        if self._progress is not None:
            self._progress.say(line)


def _kill_with_children(process: subprocess.Popen[str]) -> None:
    """End it and the client's own processes, which are in sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.wait()


def is_started_by_trainer() -> bool:
    """Tell a follower from a process that a person started, which no training tells its end."""
    return _LOCK in os.environ  # not its parent's number: that may have been killed since


def ended_when_told(pipe: IO[str], *, wait_s: float = 1.0) -> Callable[[], int | None]:
    """Make the follower's question to its parent: has the run ended, and how?"""
    parent = os.getppid()

    def ended() -> int | None:
        readable, _, _ = select.select([pipe], [], [], wait_s)
        if readable:
            said = pipe.readline().strip()
            return int(said) if said else KILLED
        # Loader processes of a killed training may hold the pipe open for some seconds.
        return None if os.getppid() == parent else KILLED

    return ended


@contextmanager
def alone(run: Run, *, wait_s: float) -> Iterator[bool]:
    """Hold the right to show ``run``; false if somebody else still has it after ``wait_s``.

    The follower of a training that was killed takes a moment to end it properly.
    """
    run.root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with _open_lock(run) as file:
        while not (is_ours := try_lock(file)) and time.monotonic() < deadline:
            time.sleep(0.2)
        yield is_ours


def _open_lock(run: Run) -> IO[str]:
    """Take the lock that came with this process, or open it."""
    handed = os.environ.pop(_LOCK, None)
    if handed is None:
        return open_lock(run.tracking_lock)
    os.set_inheritable(int(handed), False)
    return os.fdopen(int(handed), "w")
