"""The threshold for a promise, such as to find 98 % of the doors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from container_doors.core.errors import ConfigError, RunError
from container_doors.core.measurements import Estimate, Photograph
from container_doors.evaluation.alarms import alarm_rate
from container_doors.evaluation.matched import match_photographs, recall

_SPELLING = re.compile(
    r"(?:(?P<recall>recall)\s*>=|(?P<alarms>false-alarms)\s*<=)"
    r"\s*(?P<bound>\d*\.?\d+)\s*@\s*(?P<level>\d*\.?\d+)\s*%"
)
_PER = 1000

RECALL_TARGET = 0.90
"""Where no recall was promised."""


@dataclass(frozen=True, slots=True)
class OperatingTarget:
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
                match_photographs(photographs, scenes, conf_threshold=conf_threshold),
                level=self.level,
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
        return recall(match_photographs(photographs, scenes, conf_threshold=conf_threshold))

    def is_kept(self, estimate: Estimate) -> bool:
        """Tell whether the worse end of the interval keeps it."""
        return estimate.low >= self.bound if self.is_of_recall else estimate.high <= self.bound

    def said(self, estimate: Estimate | None) -> str:
        """Write an estimate in the unit of the promise."""
        if estimate is None or self.is_of_recall:
            return str(estimate)
        per = {"value": _PER * estimate.value, "low": _PER * estimate.low}
        many = estimate.model_copy(update=per | {"high": _PER * estimate.high})
        return f"{many.value:.0f} of 1,000 ({many.bounds(0)}, n = {many.n} {many.of})"

    def verdict(self, estimate: Estimate) -> str:
        """Say what an estimate says of the promise: kept, broken, or neither is proven."""
        if self.is_kept(estimate):
            return "kept"
        broken = estimate.high < self.bound if self.is_of_recall else estimate.low > self.bound
        return "broken" if broken else f"unproven, n = {estimate.n}"


def parse_target(text: str) -> OperatingTarget:
    """Read ``recall>=0.98@95%``, or ``false-alarms<=20@95%`` per 1,000 photographs without a door.

    Raises:
        ConfigError: If it is neither.
    """
    match = _SPELLING.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"--promise: expected such as recall>=0.98@95%, found {text!r}",
            hint="or false-alarms<=20@95%, of 1,000 photographs without a door; both in quotes",
        )
    bound, level, is_of_recall = (
        float(match["bound"]),
        float(match["level"]) / 100,
        bool(match["recall"]),
    )
    if not 0 < level < 1:
        raise ConfigError(
            f"--promise: expected a confidence between 0 and 100 %, found {text!r}",
            hint="95 is usual; nothing is proven for certain",
        )
    if bound <= 0 or (is_of_recall and bound >= 1):
        expected = "a share of the doors between 0 and 1" if is_of_recall else "more than 0"
        raise ConfigError(
            f"--promise: expected {expected}, found {text!r}",
            hint="0.98 is 98 of 100; all, or none, is proven by no number of photographs",
        )
    return OperatingTarget(
        text.strip(), is_of_recall, bound if is_of_recall else bound / _PER, level
    )


def recall_target(promise: OperatingTarget | None) -> float:
    """Say what the recall of a part is held against: what is promised, or else 0.90."""
    return promise.bound if promise is not None and promise.is_of_recall else RECALL_TARGET


def choose_threshold(
    promise: OperatingTarget, photographs: Sequence[Photograph], scenes: Sequence[int]
) -> tuple[float, Estimate]:
    """Choose the threshold that keeps a promise and costs least of the other kind.

    For a recall the highest, because that has the fewest false alarms; every lower one keeps it
    too. For false alarms the lowest, because that finds the most doors; every higher one keeps it.

    Raises:
        RunError: If no threshold keeps it: the photographs are too few, or the model too weak.
    """
    best: tuple[float, Estimate] | None = None
    at: Estimate | None = None
    for threshold in _safest_first(promise, photographs, scenes):
        at = promise.estimate(photographs, scenes, conf_threshold=threshold)
        if at is None:
            what = "door" if promise.is_of_recall else "photograph without a door"
            raise RunError(
                f"{promise.text} is undefined on val: it has no {what}", hint=f"add a {what} to val"
            )
        if not promise.is_kept(at):
            break
        best = threshold, at
    if best is None:
        raise RunError(
            f"no threshold keeps {promise.text} on val: the safest has {promise.said(at)}",
            hint="more photographs in val narrow the interval; or promise less",
        )
    price = promise.price(photographs, scenes, conf_threshold=best[0])
    if not promise.is_of_recall and price is not None and not price.value:
        raise RunError(
            f"{promise.text} is kept on val only where no door is found",
            hint="more photographs without a door in val narrow the interval; or promise less",
        )
    return best


def _safest_first(
    promise: OperatingTarget, photographs: Sequence[Photograph], scenes: Sequence[int]
) -> list[float]:
    """List the thresholds at which something changes, the one first that promises most.

    A recall changes where a door is lost, and false alarms wherever something is detected.
    """
    if promise.is_of_recall:
        seen = match_photographs(photographs, scenes, conf_threshold=0.0)
        sure = {confidence for one in seen for confidence in one.confidences if confidence > 0}
        return sorted(sure or {1.0})
    return sorted({c for one in photographs for c in one.used_confidences} or {1.0}, reverse=True)
