"""The output for a person: bars and tables on a terminal, plain lines elsewhere."""

import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from container_doors.cli.output import leave_pipe, say, shown
from container_doors.core.ports import Progress
from container_doors.core.records import Epoch

_NARROWEST = 40
"""Columns; some environments set COLUMNS=0 if the width is unknown."""

_USUAL = 80

_PLAIN_STEP_S = 10.0
"""How often a long step reports its progress without a terminal."""


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Choose a progress display for the output; bars are removed when the block ends.

    Args:
        quiet: Whether the output is a document, so that messages go to stderr.
    """
    if not is_terminal(sys.stderr if quiet else sys.stdout):
        yield PlainProgress(sys.stderr if quiet else None)
        return
    console = rich_console(stderr=quiet)
    with Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bars:
        yield TerminalProgress(bars)


def is_terminal(stream: TextIO | None = None) -> bool:
    """Return whether a stream is a terminal, whatever variables such as FORCE_COLOR are set."""
    return (sys.stdout if stream is None else stream).isatty()


def rich_console(*, stderr: bool = False) -> Console:
    """Make the console for tables and bars; it does not interpret text as markup."""
    columns = os.environ.get("COLUMNS", "")
    narrow = columns.isdigit() and int(columns) < _NARROWEST
    return Console(
        stderr=stderr,
        markup=False,
        highlight=False,
        emoji=False,
        width=_USUAL if narrow else None,
    )


class TerminalProgress:
    """A :class:`ports.Progress` with a bar under lines that stay."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=None, visible=False)
        self._at = ("", 0, 0)
        self._remaining = Remaining()

    def say(self, text: str) -> None:
        """Print above the bar."""
        with suppress(OSError):  # the terminal was closed
            self._bars.console.print(shown(text))

    def step(self, what: str, done: int, total: int) -> None:
        """Move the bar, or start a new one."""
        if is_new_step(self._at, what, done, total):
            self._bars.reset(self._task, total=total)
        self._at = (what, done, total)
        self._bars.update(
            self._task,
            description=shown(what),
            completed=done,
            total=total,
            visible=done < total,
        )

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        """Print one line for the epoch."""
        self.say(epoch_line(epoch, total=total, is_best=is_best, remaining=self._remaining))


class PlainProgress:
    """A :class:`ports.Progress` for logs, without bars."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output
        self._printed_at = self._began_at = monotonic()
        self._at = ("", 0, 0)
        self._remaining = Remaining()

    def say(self, text: str) -> None:
        """Print at once; ignore a closed pipe or a full disk."""
        try:
            say(text, file=self._output)
        except OSError:
            leave_pipe()

    def step(self, what: str, done: int, total: int) -> None:
        """Print the progress and the estimated time left, every ten seconds."""
        now = monotonic()
        is_new = is_new_step(self._at, what, done, total)
        self._at = (what, done, total)
        if is_new:
            self._printed_at = self._began_at = now
        elif done < total and now - self._printed_at >= _PLAIN_STEP_S:
            self._printed_at = now
            self.say(f"{what}: {done} of {total}{_eta(done, total, now - self._began_at)}")

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        """Print one line for the epoch."""
        self._printed_at = monotonic()
        self.say(epoch_line(epoch, total=total, is_best=is_best, remaining=self._remaining))


def is_new_step(before: tuple[str, int, int], what: str, done: int, total: int) -> bool:
    """Return whether this is another step, not the same one with a changed description.

    >>> is_new_step(("exp1, 0.1 h used", 2, 30), "exp1, 0.2 h used", 3, 30)
    False
    >>> is_new_step(("reading", 29, 30), "hashing", 0, 30)
    True
    """
    return what != before[0] and not (total == before[2] and done > before[1] > 0)


def _eta(done: int, total: int, elapsed_s: float) -> str:
    """Estimate the time left from the mean so far; empty if nothing is done yet.

    >>> _eta(120, 600, 60), _eta(0, 600, 60)
    (', ETA 0:04:00', '')
    """
    if not done:
        return ""
    return f", ETA {timedelta(seconds=round(elapsed_s / done * (total - done)))}"


class Remaining:
    """Estimates the time left from the last five epochs; the slow first one soon drops out."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=5)

    def after(self, epoch_s: float, *, epochs_left: int) -> timedelta:
        """Add one epoch, and return the time left."""
        self._seconds.append(epoch_s)
        mean = sum(self._seconds) / len(self._seconds)
        return timedelta(seconds=round(mean * epochs_left))


def epoch_line(epoch: Epoch, *, total: int, is_best: bool, remaining: Remaining) -> str:
    """Write one epoch in 80 columns; the loss is the sum of its parts."""
    losses = [value for name, value in epoch.metrics.items() if name.startswith("train/")]
    shown = [
        f"{label} {epoch.metrics[name]:.3f}"
        for label, name in (("mAP50-95", "val/mAP50-95"), ("mAP50", "val/mAP50"))
        if name in epoch.metrics
    ]
    figures = "  ".join([*shown, f"loss {sum(losses):.2f}"] if losses else shown)
    epoch_s = epoch.metrics["perf/epoch_s"]
    left = remaining.after(epoch_s, epochs_left=total - epoch.number)
    width = len(str(total))
    return (
        f"epoch {epoch.number:>{width}}/{total}  {figures}  {epoch_s:.{int(epoch_s < 100)}f} s  "
        f"ETA {left}{'  best' if is_best else ''}"
    )
