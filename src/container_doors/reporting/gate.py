"""Whether a model may be released: the targets of section 10.3, at the worse end of an interval."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container_doors.core.measurements import Assessment, Estimate
from container_doors.core.records import RunRecord
from container_doors.reporting.figures import NOT_MEASURED, count
from container_doors.reporting.verdicts import LATENCY_BELOW_MS, Compared, milliseconds, size

TARGETS = (("val", "mAP50", 0.90), ("val", "mAP50-95", 0.70), ("test", "mAP50", 0.88))
"""Split, score, and what it should exceed."""

ABOVE = {(split, name): bound for split, name, bound in TARGETS}


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One target, and whether it holds."""

    what: str
    target: str
    measured: str
    holds: bool
    is_reached: bool
    """As measured, whatever its interval."""
    is_known: bool = True
    """Whether it was measured, and is defined."""

    @property
    def said(self) -> str:
        """Say it in a word or two."""
        if not self.is_known:
            return NOT_MEASURED
        return "holds" if self.holds else "not proven" if self.is_reached else "missed"


def held(
    record: RunRecord, assessments: Mapping[str, Assessment], *, at_the_point: bool
) -> list[TargetResult]:
    """Compare with every target.

    Args:
        record: Of the run that was assessed.
        assessments: By split: val and test.
        at_the_point: Take each value as it is, not the worse end of its interval.
    """
    weight = size(record)
    return [
        *(
            _above(assessments[split].scores.get(name), f"{split} {name}", bound, at_the_point)
            for split, name, bound in TARGETS
        ),
        _latency(assessments["test"], at_the_point),
        *(
            []
            if weight.verdict == "n/a"  # no target is known for the architecture
            else [_size(weight)]
        ),
    ]


def in_one_sentence(rows: Sequence[TargetResult]) -> str:
    """Say whether all of them hold, and name those that do not."""
    lacking = [row for row in rows if not row.holds]
    if not lacking:
        return f"all {len(rows)} targets hold"
    each = [f"{row.what} {row.measured}, target {row.target}: {row.said}" for row in lacking]
    return f"{len(lacking)} of {len(rows)} targets do not hold: {'; '.join(each)}"


def in_one_line(rows: Sequence[TargetResult]) -> str:
    """Count them by what became of them; a table beside it has their names and figures.

    >>> missed = Held("test mAP50", "> 0.88", "0.800", holds=False, is_reached=False)
    >>> in_one_line([missed]), in_one_line([])
    ('0 of 1 target hold: 1 missed', 'no target is known')
    """
    if not rows:
        return "no target is known"
    held = sum(row.holds for row in rows)
    lacking = Counter(row.said for row in rows if not row.holds)
    if not lacking:
        return f"all {len(rows)} targets hold" if held > 1 else "the target holds"
    each = ", ".join(f"{many} {said}" for said, many in sorted(lacking.items()))
    return f"{held} of {count(len(rows), 'target')} {'holds' if held == 1 else 'hold'}: {each}"


def _size(weight: Compared) -> TargetResult:
    is_met, is_known = weight.verdict == "met", weight.verdict != NOT_MEASURED
    return TargetResult("model size", weight.target, weight.measured, is_met, is_met, is_known)


def _above(estimate: Estimate | None, what: str, bound: float, at_the_point: bool) -> TargetResult:
    target = f"> {bound:.2f}"
    if estimate is None:
        return TargetResult(
            what, target, "undefined", holds=False, is_reached=False, is_known=False
        )
    reached = estimate.value > bound
    holds = reached if at_the_point else estimate.low > bound
    return TargetResult(what, target, str(estimate), holds, reached)


def _latency(test: Assessment, at_the_point: bool) -> TargetResult:
    what, target = "latency, median", f"< {LATENCY_BELOW_MS} ms"
    if test.latency is None:
        return TargetResult(
            what, target, NOT_MEASURED, holds=False, is_reached=False, is_known=False
        )
    median, bounded = test.latency.median_ms, test.latency_ms
    n = f"n = {test.latency.images}"
    bounds = f"{bounded.bounds(1)}, {n}" if bounded else f"{n}: too few to bound it"
    measured = f"{milliseconds(median)} ({bounds}) on {test.device}"
    reached = median < LATENCY_BELOW_MS
    holds = reached if at_the_point else bool(bounded and bounded.high < LATENCY_BELOW_MS)
    return TargetResult(what, target, measured, holds, reached)
