"""Ending a training early in a good way: after an epoch, with everything kept.

Whoever wishes it, a signal or a time limit, a training ends where it can be gone on from. With
several GPUs the training happens in other processes, so the wish is a file.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from container_doors.errors import ToBeContinued

GRACE_S = 20.0
"""From SIGTERM until an epoch is given up; whoever sends it usually kills 30 s later."""

_MARGIN = 1.1
"""An epoch may take so much longer than the longest so far."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """A :class:`ports.Stopping`: by a file, and by the time of day.

    Args:
        request: A file that is there as soon as someone wishes it; it holds the reason.
        deadline: The time of day, as :func:`time.time` counts, that no epoch may cross.
    """

    request: Path
    deadline: float | None = None

    def wish(self, epoch_s: float) -> str | None:
        """Say why to stop rather than begin an epoch of ``epoch_s``."""
        if self.request.exists():
            return self.request.read_text(encoding="utf-8") or "asked to"
        if self.deadline is not None and time.time() + _MARGIN * epoch_s > self.deadline:
            return "no further epoch fits into the time limit"
        return None

    def ask(self, reason: str) -> None:
        """Wish it."""
        self.request.write_text(reason, encoding="utf-8")


@contextmanager
def heeding_sigterm(stopping: Wishes, *, grace_s: float = GRACE_S) -> Iterator[None]:
    """Take SIGTERM as a wish while inside; after ``grace_s`` whatever is going on is given up.

    Raises:
        ToBeContinued: In the main thread, wherever it is then.
    """

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        stopping.ask("SIGTERM")
        # Again and again, because Python swallows what is raised while an object is deleted.
        signal.setitimer(signal.ITIMER_REAL, grace_s, 1.0)

    def give_up(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise ToBeContinued("SIGTERM, and the epoch took too long")

    stopping.request.unlink(missing_ok=True)
    before = signal.signal(signal.SIGTERM, ask), signal.signal(signal.SIGALRM, give_up)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGALRM, before[1])
        stopping.request.unlink(missing_ok=True)
