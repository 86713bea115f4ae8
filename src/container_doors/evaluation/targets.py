"""Choose the confidence threshold for an operating target, such as a recall of 0.98."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np

from container_doors.core.errors import ConfigError, RunError
from container_doors.core.measurements import FOLDS, Estimate, Photograph
from container_doors.evaluation.alarms import WITHOUT_DOOR, alarm_rate, without_door
from container_doors.evaluation.intervals import proportion, rate
from container_doors.evaluation.matched import door_icc, match_photographs, recall, renumber

_SPELLING = re.compile(
    r"(?:(?P<recall>recall)\s*>=|(?P<alarms>false-alarms)\s*<=)"
    r"\s*(?P<bound>\d*\.?\d+)\s*@\s*(?P<level>\d*\.?\d+)\s*%"
)
_PER = 1000

RECALL_TARGET = 0.90
"""Without an operating target for the recall."""


@dataclass(frozen=True, slots=True)
class OperatingTarget:
    """A smallest recall, or a largest rate of false alarms, at a confidence level."""

    text: str
    is_of_recall: bool
    bound: float
    """A recall; or false alarms per photograph without a door."""
    level: float

    def estimate(
        self, photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
    ) -> Estimate | None:
        """Estimate the target's metric at a threshold; None if it is undefined."""
        if self.is_of_recall:
            return recall(
                match_photographs(photographs, scenes, conf_threshold=conf_threshold),
                level=self.level,
            )
        return alarm_rate(photographs, scenes, conf_threshold=conf_threshold, level=self.level)

    def price(
        self, photographs: Sequence[Photograph], scenes: Sequence[int], *, conf_threshold: float
    ) -> Estimate | None:
        """Estimate the cost: the false alarms of a target recall, or the recall of target alarms.

        Return None if it is undefined.
        """
        if self.is_of_recall:
            return alarm_rate(photographs, scenes, conf_threshold=conf_threshold)
        return recall(match_photographs(photographs, scenes, conf_threshold=conf_threshold))

    def is_met(self, estimate: Estimate) -> bool:
        """Return whether the worse end of the interval meets the target."""
        return estimate.low >= self.bound if self.is_of_recall else estimate.high <= self.bound

    def describe(self, estimate: Estimate | None) -> str:
        """Write an estimate in the unit of the target."""
        if estimate is None or self.is_of_recall:
            return str(estimate)
        per = {"value": _PER * estimate.value, "low": _PER * estimate.low}
        many = estimate.model_copy(update=per | {"high": _PER * estimate.high})
        return f"{many.value:.0f} of 1,000 ({many.bounds(0)}, n = {many.n} {many.of})"

    def verdict(self, estimate: Estimate) -> str:
        """Return whether the target is met or missed, or that neither is proven."""
        if self.is_met(estimate):
            return "met"
        is_missed = estimate.high < self.bound if self.is_of_recall else estimate.low > self.bound
        return "missed" if is_missed else f"unproven, n = {estimate.n}"


def parse_target(text: str) -> OperatingTarget:
    """Read ``recall>=0.98@95%``, or ``false-alarms<=20@95%`` per 1,000 photographs without a door.

    Raises:
        ConfigError: If it is neither.
    """
    match = _SPELLING.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"--target: expected a target such as recall>=0.98@95%, found {text!r}",
            hint="or false-alarms<=20@95%, per 1,000 photographs without a door; in quotes",
        )
    bound, level, is_of_recall = (
        float(match["bound"]),
        float(match["level"]) / 100,
        bool(match["recall"]),
    )
    if not 0 < level < 1:
        raise ConfigError(
            f"--target: expected a confidence between 0 and 100 %, found {text!r}",
            hint="95 is usual; no number of photographs proves 100 %",
        )
    if bound <= 0 or (is_of_recall and bound >= 1):
        expected = "a recall between 0 and 1" if is_of_recall else "more than 0"
        raise ConfigError(
            f"--target: expected {expected}, found {text!r}",
            hint="0.98 is 98 of 100; no number of photographs proves that it is all, or none",
        )
    return OperatingTarget(
        text.strip(), is_of_recall, bound if is_of_recall else bound / _PER, level
    )


def recall_target(target: OperatingTarget | None) -> float:
    """Return the recall that each slice should reach: that of the target, or 0.90."""
    return target.bound if target is not None and target.is_of_recall else RECALL_TARGET


def choose_threshold(
    target: OperatingTarget,
    photographs: Sequence[Photograph],
    scenes: Sequence[int],
    *,
    split: str = "val",
) -> tuple[float, Estimate]:
    """Choose the threshold that meets a target at the least cost.

    For a recall it is the highest, with the fewest false alarms; every lower one meets it too. For
    false alarms it is the lowest, with the highest recall; every higher one meets it too.

    Raises:
        RunError: If no threshold meets it: the photographs are too few, or the model too weak.
    """
    of_split = "train and val" if split == FOLDS else split
    best: tuple[float, Estimate] | None = None
    at: Estimate | None = None
    of_recall = target.is_of_recall
    estimates = _recalls if of_recall else _alarm_rates
    for threshold, at in estimates(photographs, scenes, target.level):
        if not target.is_met(at):
            break
        best = threshold, at
    if at is None:
        what = "door" if of_recall else "photograph without a door"
        raise RunError(
            f"{target.text} is undefined on {split}: it has no {what}",
            hint=f"add a {what} to {of_split}",
        )
    if best is None:
        raise RunError(
            f"no threshold meets {target.text} on {split}: the safest has {target.describe(at)}",
            hint=f"more photographs in {of_split} narrow the interval; or choose an easier target",
        )
    price = target.price(photographs, scenes, conf_threshold=best[0])
    if not target.is_of_recall and price is not None and not price.value:
        raise RunError(
            f"{target.text} is met on {split} only where no door is found",
            hint="more photographs without a door in val narrow the interval; "
            "or choose an easier target",
        )
    return best


def _recalls(
    photographs: Sequence[Photograph], scenes: Sequence[int], level: float
) -> Iterator[tuple[float, Estimate]]:
    """Estimate the recall at each threshold that loses a door, the lowest first.

    Nothing without a door. The photographs are matched once: a threshold changes no match above it.
    """
    matched = match_photographs(photographs, scenes, conf_threshold=0.0)
    doors = np.array([len(one.found) for one in matched])
    if not doors.sum():
        return
    icc, groups = door_icc(matched), np.array(renumber(scenes))
    hits = np.array([one.hits for one in matched])
    found: list[tuple[float, int | None]] = sorted(
        (confidence, number)
        for number, one in enumerate(matched)
        for confidence in one.confidences
        if confidence > 0
    )
    lost: list[int] = []
    for threshold, pairs in groupby(found or [(1.0, None)], key=itemgetter(0)):
        np.subtract.at(hits, lost, 1)
        lost = [number for _, number in pairs if number is not None]
        at = proportion(hits, doors, groups, of="doors", icc=icc, level=level)
        if at is not None:
            yield threshold, at


def _alarm_rates(
    photographs: Sequence[Photograph], scenes: Sequence[int], level: float
) -> Iterator[tuple[float, Estimate]]:
    """Estimate the false alarms at the threshold of each detection, the highest first.

    Nothing without a photograph without a door; only on these a detection changes the estimate.
    """
    empty, groups, icc = without_door(photographs, scenes)
    counts, of_scene = np.zeros(len(empty), dtype=np.int64), np.array(groups)
    found = [
        (confidence, number)
        for number, one in enumerate(empty)
        for confidence in one.used_confidences
    ]
    with_doors = [(c, None) for one in photographs if one.doors_xyxy for c in one.used_confidences]
    at: Estimate | None = None
    every = sorted([*found, *with_doors], key=itemgetter(0), reverse=True) or [(1.0, None)]
    for threshold, pairs in groupby(every, key=itemgetter(0)):
        more = [number for _, number in pairs if number is not None]
        if more or at is None:
            np.add.at(counts, more, 1)
            at = rate(counts, of_scene, of=WITHOUT_DOOR, icc=icc, level=level)
        if at is not None:
            yield threshold, at
