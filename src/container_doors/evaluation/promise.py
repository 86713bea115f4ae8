"""The threshold for a promise, such as to find 98 % of the doors."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from container_doors.errors import ConfigError, RunError
from container_doors.evaluation.alarms import alarm_rate
from container_doors.evaluation.outcome import outcomes, recall
from container_doors.measurements import Estimate, Photograph

_SPELLING = re.compile(
    r"(?:(?P<recall>recall)\s*>=|(?P<alarms>false-alarms)\s*<=)"
    r"\s*(?P<bound>\d*\.?\d+)\s*@\s*(?P<level>\d*\.?\d+)\s*%"
)
_PER = 1000

RECALL_TARGET = 0.90
"""Where no recall was promised."""


@dataclass(frozen=True, slots=True)
class Promise:
    """At least so many of the doors, or at most so many false alarms, with such confidence."""

    text: str
    is_of_recall: bool
    bound: float
    """A share of the doors; or false alarms per photograph without a door."""
    level: float

    def estimate(
        self, photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
    ) -> Estimate | None:
        """Measure what is promised, at a threshold; None if it is undefined there."""
        if self.is_of_recall:
            return recall(
                outcomes(photographs, scenes, conf_threshold=conf_threshold), level=self.level
            )
        return alarm_rate(photographs, scenes, conf_threshold=conf_threshold, level=self.level)

    def price(
        self, photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
    ) -> Estimate | None:
        """Measure what is given for it: the false alarms of a recall, or the recall without them.

        None if it is undefined.
        """
        if self.is_of_recall:
            return alarm_rate(photographs, scenes, conf_threshold=conf_threshold)
        return recall(outcomes(photographs, scenes, conf_threshold=conf_threshold))

    def is_kept(self, estimate: Estimate) -> bool:
        """Tell whether the worse end of the interval keeps it."""
        return estimate.low >= self.bound if self.is_of_recall else estimate.high <= self.bound

    def verdict(self, estimate: Estimate) -> str:
        """Say what an estimate says of the promise: kept, broken, or neither is proven."""
        if self.is_kept(estimate):
            return "kept"
        broken = estimate.high < self.bound if self.is_of_recall else estimate.low > self.bound
        return "broken" if broken else f"unproven, n = {estimate.n}"


def parse_promise(text: str) -> Promise:
    """Read ``recall>=0.98@95%``, or ``false-alarms<=20@95%`` per 1,000 photographs without a door.

    Raises:
        ConfigError: If it is neither.
    """
    match = _SPELLING.fullmatch(text.strip())
    bound, level = (float(match["bound"]), float(match["level"]) / 100) if match else (0.0, 0.0)
    is_of_recall = bool(match and match["recall"])
    if not 0 < level < 1 or bound <= 0 or (is_of_recall and bound >= 1):
        raise ConfigError(
            f"--promise: expected such as recall>=0.98@95%, found {text!r}",
            hint="or false-alarms<=20@95%, of 1,000 photographs without a door; both in quotes",
        )
    return Promise(text.strip(), is_of_recall, bound if is_of_recall else bound / _PER, level)


def recall_target(promise: Promise | None) -> float:
    """Say what the recall of a part is held against: what is promised, or else 0.90."""
    return promise.bound if promise is not None and promise.is_of_recall else RECALL_TARGET


def choose_threshold(
    promise: Promise, photographs: Sequence[Photograph], scenes: Sequence[int]
) -> tuple[float, Estimate]:
    """Choose the threshold that keeps a promise and costs least of the other kind.

    For a recall the highest that keeps it, because that has the fewest false alarms. For false
    alarms the lowest, because that finds the most doors; every higher one keeps it too.

    Raises:
        RunError: If no threshold keeps it: the photographs are too few, or the model too weak.
    """
    choose = _highest_kept if promise.is_of_recall else _lowest_kept
    confidences = sorted({c for one in photographs for c in one.used_confidences} or {1.0})
    at = promise.estimate(photographs, scenes, conf_threshold=confidences[0])
    if at is None:
        what = "door" if promise.is_of_recall else "photograph without a door"
        raise RunError(
            f"{promise.text} is undefined on val: it has no {what}", hint=f"add a {what} to val"
        )

    def kept_at(threshold: float) -> Estimate | None:
        estimate = promise.estimate(photographs, scenes, conf_threshold=threshold)
        return estimate if estimate is not None and promise.is_kept(estimate) else None

    best = choose(confidences, kept_at)
    if best is None:
        strictest = confidences[0 if promise.is_of_recall else -1]
        last = promise.estimate(photographs, scenes, conf_threshold=strictest)
        raise RunError(
            f"no threshold keeps {promise.text} on val: the best has {last}",
            hint="more photographs in val narrow the interval; or promise less",
        )
    price = promise.price(photographs, scenes, conf_threshold=best[0])
    if not promise.is_of_recall and price is not None and not price.value:
        raise RunError(
            f"{promise.text} is kept on val only where no door is found",
            hint="more photographs without a door in val narrow the interval; or promise less",
        )
    return best


_KeptAt = Callable[[float], Estimate | None]


def _highest_kept(confidences: Sequence[float], kept_at: _KeptAt) -> tuple[float, Estimate] | None:
    """Search by halves, because what is found only falls with the threshold."""
    best, low, high = None, 0, len(confidences) - 1
    while low <= high:
        middle = (low + high) // 2
        estimate = kept_at(confidences[middle])
        if estimate is None:
            high = middle - 1
        else:
            best, low = (confidences[middle], estimate), middle + 1
    return best


def _lowest_kept(confidences: Sequence[float], kept_at: _KeptAt) -> tuple[float, Estimate] | None:
    """Go down until it is broken, because the bound of a rate can fall where alarms come."""
    best = None
    for threshold in reversed(confidences):
        estimate = kept_at(threshold)
        if estimate is None:
            break
        best = threshold, estimate
    return best
