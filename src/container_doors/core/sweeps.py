"""``runs/NAME/sweep.json``: the trials of a sweep, its winner, and whether that is better."""

from typing import Literal

from pydantic import Field

from container_doors.core.measurements import Estimate, UseCounts, Value
from container_doors.core.records import Document

Scalar = bool | int | float | str | None
"""A value that one key of ``params.yaml`` may have."""

Outcome = Literal["running", "finished", "pruned", "failed"]
"""``running``: begun; it may have been interrupted, and is then resumed."""


class Range(Value):
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    is_whole: bool
    """Whether only whole numbers are meant."""
    is_log: bool = False
    """Whether ratios count instead of differences, as for a learning rate."""
    step: float | None = None
    """The distance of two neighbouring values, from ``low`` on; None: any number."""


class Choice(Value):
    """One of several values, without an order."""

    of: list[Scalar]


Space = dict[str, Range | Choice]
"""What is searched, by the keys of ``params.yaml``: ``detection.training.learning_rate``."""


class Trial(Value):
    """One training of a sweep: an ordinary run."""

    number: int
    """From 0; trial 0 is the baseline: ``params.yaml`` as it is."""
    run: str
    values: dict[str, Scalar]
    """By the keys of the search space."""
    chosen_after: int
    """Its values and its floors follow from the results of so many trials, those before it."""
    outcome: Outcome = "running"
    score: float | None = None
    """The objective; only a finished trial has one."""
    curve: dict[int, float] = Field(default_factory=dict)
    """The mAP50-95 on val, by epoch."""
    training_s: float = 0.0
    """The sum of its epochs."""
    reason: str | None = None
    """Why it was pruned or has failed."""

    @property
    def is_baseline(self) -> bool:
        """Whether it is ``params.yaml`` as it is."""
        return self.number == 0


class Confirmation(Value):
    """The winner and the baseline, compared on photographs that it was not chosen by."""

    split: str
    verdict: Literal["better", "worse", "cannot be told"]
    by: dict[str, Estimate]
    """The differences, winner minus baseline, by the names in ``docs/metrics.md``."""
    photographs: int
    doors: int
    looks: UseCounts | None
    """Uses of this test set."""


class Importance(Value):
    """How much of the differences between scores each key explains."""

    method: str
    trials: int
    """The finished trials that it was calculated from."""
    by: dict[str, float]
    """By key; they add up to 1."""


class Sweep(Document):
    """All that a sweep has found so far."""

    experiment: str
    objective: str
    """Such as ``val mAP50-95``; higher is better."""
    space: Space
    budget_trials: int
    budget_hours: float | None
    trials: list[Trial]
    winner: int | None = None
    """The number of the best finished trial; None before there is one."""
    end: str | None = None
    """Why no further trial will be begun; None while some are left."""
    confirmation: Confirmation | None = None
    """None if the winner is the baseline, or before the end; then see ``not_confirmed``."""
    not_confirmed: str | None = None
    """Why there is no comparison on test."""
    importance: Importance | None = None
    """None with too few trials, or without a difference between their scores."""

    @property
    def best(self) -> Trial | None:
        """The winner."""
        return next((one for one in self.trials if one.number == self.winner), None)
