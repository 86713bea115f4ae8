"""Trainings beside one another: a ``doors train`` of its own for each, on a GPU of its own."""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

from container_doors.adapters.processes import command_tied_to_us, end_child
from container_doors.core.child_environment import full_environment

_GRACE_S = 25.0
"""From SIGTERM until a training is killed: more than it needs to end an epoch or give it up."""

_JOIN_S = 5.0
_MOST_LINES = 50
"""Of its output, so many lines are kept to explain an error."""


class TrainingProcess:
    """A ``doors train`` that ends with this process."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        say: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, in the folder of this process.

        It is the same program for the same person: it gets our whole environment, as if it had
        been typed.

        Args:
            arguments: Those after ``doors train``.
            say: Receives each line of its output.
            environment: Variables besides ours.
        """
        self._say = say
        self._lines: list[str] = []
        command = ["-P", "-m", "container_doors", "train", *arguments]
        self._process = subprocess.Popen(
            command_tied_to_us(sys.executable, command),
            env={**full_environment(), **(environment or {}), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we end it
        )
        self._relay_thread = threading.Thread(target=self._relay, daemon=True)
        self._relay_thread.start()

    def exit_code(self) -> int | None:
        """Return its exit code; None while it trains."""
        code = self._process.poll()
        if code is not None:
            self._relay_thread.join(_JOIN_S)
        return code

    def complaint(self) -> tuple[str, str] | None:
        """Return the last error that it printed, with its hint; None if it printed none."""
        starts = [at for at, line in enumerate(self._lines) if line.startswith("error: ")]
        if not starts:
            return None
        lines = self._lines[starts[-1] :]
        hints = [line.partition("hint: ")[2] for line in lines if line.startswith("  hint: ")]
        return lines[0].removeprefix("error: "), hints[0] if hints else "see its output above"

    def ask_to_stop(self) -> None:
        """Ask it to stop after the present epoch, as SIGTERM does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Wait until it has ended; after some seconds end it with its children."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        end_child(self._process)
        self._relay_thread.join(_JOIN_S)

    def _relay(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as output:
            for raw in output:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                self._lines = [*self._lines[1 - _MOST_LINES :], line]
                self._say(line)
