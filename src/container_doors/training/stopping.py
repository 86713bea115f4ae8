"""Ending a training early in a good way: after an epoch, with everything kept.

Whoever wishes it, a signal or a time limit, a training ends where it can be gone on from. With
several GPUs the training happens in other processes, so the wish is a file.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from container_doors.core.errors import ToBeContinued

GRACE_S = 15.0
"""From SIGTERM until an epoch is given up. Whoever sends it usually kills 30 s later, and the
checkpoint has to leave the machine in between."""

_MARGIN = 1.1
"""An epoch may take so much longer than the longest so far."""

_AGAIN_S = 0.1


class Wishes:
    """A :class:`ports.Stopping`: by a file, by the time of day, and by SIGTERM."""

    def __init__(
        self, request: Path, *, deadline: float | None = None, grace_s: float = GRACE_S
    ) -> None:
        """Wish for nothing yet.

        Args:
            request: A file that is there as soon as someone wishes it; it holds the reason.
            deadline: The time of day, as :func:`time.time` counts, that no epoch may cross.
            grace_s: See :data:`GRACE_S`.
        """
        self._request = request
        self._deadline = deadline
        self._grace_s = grace_s
        self._is_training = False

    def wish(self, epoch_s: float) -> str | None:
        """Say why to stop rather than begin an epoch of ``epoch_s``."""
        if self._request.exists():
            return self._request.read_text(encoding="utf-8") or "asked to"
        if self._deadline is not None and time.time() + _MARGIN * epoch_s > self._deadline:
            return "no further epoch fits into the time limit"
        return None

    @contextmanager
    def training(self) -> Iterator[None]:
        """While inside, SIGTERM is a wish for the end of the epoch; elsewhere it is one for now."""
        self._is_training = True
        try:
            yield
        finally:
            self._is_training = False
            if signal.getsignal(signal.SIGALRM) == self._give_up:
                signal.setitimer(signal.ITIMER_REAL, 0)

    @contextmanager
    def heeding_sigterm(self) -> Iterator[None]:
        """Take SIGTERM as a wish while inside; to be used in the main thread.

        Raises:
            ToBeContinued: In the middle of whatever cannot end in time.
        """
        self._request.unlink(missing_ok=True)
        before = (
            signal.signal(signal.SIGTERM, self._ask), signal.signal(signal.SIGALRM, self._give_up)
        )  # fmt: skip
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGTERM, before[0])
            signal.signal(signal.SIGALRM, before[1])
            self._request.unlink(missing_ok=True)

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self._is_training:
            raise ToBeContinued("SIGTERM")
        if not self._request.exists():
            self._request.write_text("SIGTERM", encoding="utf-8")
            signal.setitimer(signal.ITIMER_REAL, self._grace_s)

    def _give_up(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Raise, but not where Python swallows it: while an object is deleted."""
        while frame is not None:
            if frame.f_code.co_name == "__del__":
                signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
                return
            frame = frame.f_back
        raise ToBeContinued("SIGTERM, and the epoch took too long")
