"""Check whether a model may be released: section 10.3's targets, at each interval's worse end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container_doors.core.measurements import FOLDS, Assessment
from container_doors.core.records import RunRecord
from container_doors.reporting.figures import NOT_MEASURED, count
from container_doors.reporting.verdicts import LATENCY_BELOW_MS, TargetRow, milliseconds, size

TARGETS = (("val", "mAP50", 0.90), ("val", "mAP50-95", 0.70), ("test", "mAP50", 0.88))
"""Split, score, and the value that it should exceed."""

ABOVE = {(split, name): bound for split, name, bound in TARGETS}


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One target, and whether it holds."""

    what: str
    target: str
    measured: str
    holds: bool
    is_reached: bool
    """Whether the measured value reaches it, without its interval."""
    is_known: bool = True
    """Whether it was measured and is defined."""

    @property
    def status(self) -> str:
        """Return its status in one or two words."""
        if not self.is_known:
            return NOT_MEASURED
        return "holds" if self.holds else "not proven" if self.is_reached else "missed"


def check_targets(
    record: RunRecord, assessments: Mapping[str, Assessment], *, at_the_point: bool
) -> list[TargetResult]:
    """Compare a run with every target.

    Args:
        record: Of the run.
        assessments: By split: test, and val or the folds of its cross-validation. The folds take
            the place of val: they are all photographs of both train and val.
        at_the_point: Compare the measured values, not the worse ends of their intervals.
    """
    size_row = size(record)
    instead = {"val": FOLDS} if FOLDS in assessments else {}
    return [
        *(
            _above(
                assessments.get(instead.get(split, split)),
                name,
                what=f"{instead.get(split, split)} {name}",
                bound=bound,
                at_the_point=at_the_point,
            )
            for split, name, bound in TARGETS
        ),
        _latency(assessments["test"], at_the_point),
        *(
            []
            if size_row.verdict == "n/a"  # this architecture has no target
            else [_size(size_row)]
        ),
    ]


def in_one_sentence(rows: Sequence[TargetResult]) -> str:
    """Return how many targets hold, then which are missed, not proven and not measured.

    >>> missed = TargetResult("test mAP50", "> 0.88", "0.800", holds=False, is_reached=False)
    >>> in_one_sentence([missed])
    '0 of 1 target hold. Missed: test mAP50 0.800, target > 0.88'
    """
    if all(row.holds for row in rows):
        return _all_hold(rows)
    of_status = {
        status: [row for row in rows if not row.holds and row.status == status]
        for status in ("missed", "not proven", NOT_MEASURED)
    }
    each = (
        f"{status.capitalize()}: "
        + "; ".join(f"{row.what} {row.measured}, target {row.target}" for row in members)
        for status, members in of_status.items()
        if members
    )
    return ". ".join([_holding(rows), *each])


def in_one_line(rows: Sequence[TargetResult]) -> str:
    """Count the targets by their status; a table beside it has their names and values.

    >>> missed = TargetResult("test mAP50", "> 0.88", "0.800", holds=False, is_reached=False)
    >>> in_one_line([missed]), in_one_line([])
    ('0 of 1 target hold: 1 missed', 'no target is known')
    """
    if not rows:
        return "no target is known"
    failed = Counter(row.status for row in rows if not row.holds)
    if not failed:
        return _all_hold(rows)
    each = ", ".join(f"{many} {status}" for status, many in sorted(failed.items()))
    return f"{_holding(rows)}: {each}"


def _all_hold(rows: Sequence[TargetResult]) -> str:
    return f"all {len(rows)} targets hold" if len(rows) > 1 else "the target holds"


def _holding(rows: Sequence[TargetResult]) -> str:
    holding = sum(row.holds for row in rows)
    verb = "holds" if holding == 1 else "hold"
    return f"{holding} of {count(len(rows), 'target')} {verb}"


def _size(row: TargetRow) -> TargetResult:
    is_met, is_known = row.verdict == "met", row.verdict != NOT_MEASURED
    return TargetResult("model size", row.target, row.measured, is_met, is_met, is_known)


def _above(
    assessment: Assessment | None, name: str, *, what: str, bound: float, at_the_point: bool
) -> TargetResult:
    target = f"> {bound:.2f}"
    estimate = assessment.scores.get(name) if assessment else None
    if estimate is None:
        found = "undefined" if assessment else NOT_MEASURED
        return TargetResult(what, target, found, holds=False, is_reached=False, is_known=False)
    is_reached = estimate.value > bound
    holds = is_reached if at_the_point else estimate.low > bound
    return TargetResult(what, target, str(estimate), holds, is_reached)


def _latency(test: Assessment, at_the_point: bool) -> TargetResult:
    what, target = "latency, median", f"< {LATENCY_BELOW_MS} ms"
    if test.latency is None:
        return TargetResult(
            what, target, NOT_MEASURED, holds=False, is_reached=False, is_known=False
        )
    median, interval = test.latency.median_ms, test.latency_ms
    n = f"n = {test.latency.images}"
    bounds = f"{interval.bounds(1)}, {n}" if interval else f"{n}: too few for an interval"
    measured = f"{milliseconds(median)} ({bounds}) on {test.device}"
    is_reached = median < LATENCY_BELOW_MS
    holds = is_reached if at_the_point else bool(interval and interval.high < LATENCY_BELOW_MS)
    return TargetResult(what, target, measured, holds, is_reached)
