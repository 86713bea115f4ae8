"""Stop a training early, after an epoch, so that it can be resumed.

A signal or a time limit can request it. With several GPUs the training happens in other processes,
so the request is a file.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from container_doors.core.errors import ToBeContinued

GRACE_S = 15.0
"""Time from SIGTERM until the current epoch is given up. The sender usually kills the process 30 s
after SIGTERM, and the checkpoint has to be uploaded before that."""

_MARGIN = 1.1
"""The next epoch may take so many times as long as the longest so far."""

_RETRY_S = 0.1


class StopRequests:
    """A :class:`ports.Stopping`: by a file, by a deadline, and by SIGTERM."""

    def __init__(
        self, request: Path, *, deadline: float | None = None, grace_s: float = GRACE_S
    ) -> None:
        """Start without a request.

        Args:
            request: A file that exists as soon as a stop is requested; it contains the reason.
            deadline: The time, as of :func:`time.time`, by which every epoch must end.
            grace_s: See :data:`GRACE_S`.
        """
        self._request = request
        self._deadline = deadline
        self._grace_s = grace_s
        self._is_training = False

    def reason_to_stop(self, epoch_s: float) -> str | None:
        """Return why to stop instead of starting an epoch of ``epoch_s``; None to continue."""
        if self._request.exists():
            is_file = self._request.is_file()
            return (self._request.read_text(encoding="utf-8") if is_file else "") or "asked to"
        if self._deadline is not None and time.time() + _MARGIN * epoch_s > self._deadline:
            return "no further epoch fits into the time limit"
        return None

    @contextmanager
    def training(self) -> Iterator[None]:
        """Let SIGTERM stop after the epoch while inside; elsewhere it stops at once."""
        self._is_training = True
        try:
            yield
        finally:
            self._is_training = False
            if signal.getsignal(signal.SIGALRM) == self._on_timeout:
                signal.setitimer(signal.ITIMER_REAL, 0)

    @contextmanager
    def handling_sigterm(self) -> Iterator[None]:
        """Handle SIGTERM as a stop request until the block ends; use it in the main thread.

        Raises:
            ToBeContinued: In the middle of work that cannot end in time.
        """
        self._request.unlink(missing_ok=True)
        before = (
            signal.signal(signal.SIGTERM, self._on_sigterm),
            signal.signal(signal.SIGALRM, self._on_timeout),
        )
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGTERM, before[0])
            signal.signal(signal.SIGALRM, before[1])
            self._request.unlink(missing_ok=True)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self._is_training:
            raise ToBeContinued("SIGTERM")
        if not self._request.exists():
            self._request.write_text("SIGTERM", encoding="utf-8")
            signal.setitimer(signal.ITIMER_REAL, self._grace_s)

    def _on_timeout(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Raise, but not inside ``__del__``, where Python ignores exceptions."""
        while frame is not None:
            if frame.f_code.co_name == "__del__":
                signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
                return
            frame = frame.f_back
        raise ToBeContinued("SIGTERM, and the epoch took too long")
