"""The order of trials: which are chosen together, which is the best."""

from collections.abc import Callable, Sequence
from typing import Protocol

from container_doors.core.sweeps import Importance, Scalar, Space, Trial

IsUsable = Callable[[dict[str, Scalar]], bool]
"""Returns whether params allow these values together."""

Suggest = Callable[[Space, Sequence[Trial], int, int, IsUsable], dict[str, Scalar] | None]
"""Chooses the values of the next trial from a space, the trials before it, how many of these have
a known result (the others are being trained), a seed, and what params allow. Equal arguments give
equal values; None if every usable combination was tried."""

Explain = Callable[[Space, Sequence[Trial]], Importance | None]
"""Calculates how much each key matters."""


class Ledger(Protocol):
    """The trials of a sweep, on disk: each is there before its training begins."""

    def definition(self) -> dict[str, object] | None:
        """Return what the sweep was begun with; None if it is new."""

    def define(self, definition: dict[str, object]) -> None:
        """Keep what the sweep is begun with."""

    def trials(self) -> list[Trial]:
        """Return all trials, in order of their numbers."""

    def begin(self, trial: Trial, space: Space) -> None:
        """Add a trial; after a kill it is there as a whole, or not at all."""

    def end(self, trial: Trial) -> None:
        """Keep how a trial ended; this may be repeated."""


def winner(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial with the highest score, the first of equals; None without one."""
    scored = [one for one in trials if one.outcome == "finished" and one.score is not None]
    return max(scored, key=lambda one: (one.score or 0.0, -one.number), default=None)


def batch_start(trials: Sequence[Trial]) -> int:
    """Return from how many results the next trial is chosen.

    Trials that train side by side are chosen together, after all trials before them: so the choice
    depends on no speed. While one of a batch is unfinished, the next trial belongs to this batch.
    """
    unfinished = [one.chosen_after for one in trials if not is_over(one)]
    return max(unfinished, default=len(trials))


def is_over(trial: Trial) -> bool:
    """Return whether a trial has ended, in whatever way."""
    return trial.outcome != "running"
