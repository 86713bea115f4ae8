"""Whether a model may be released: the targets of section 10.3, at the worse end of an interval."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container_doors.measurements import Assessment, Estimate
from container_doors.records import RunRecord
from container_doors.reporting.verdicts import LATENCY_BELOW_MS, size

TARGETS = (("val", "mAP50", 0.90), ("val", "mAP50-95", 0.70), ("test", "mAP50", 0.88))
"""Split, score, and what it should exceed."""


@dataclass(frozen=True, slots=True)
class Held:
    """One target, and whether it holds."""

    what: str
    target: str
    measured: str
    holds: bool


def held(
    record: RunRecord, assessments: Mapping[str, Assessment], *, at_the_point: bool
) -> list[Held]:
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
            else [Held("model size", weight.target, weight.measured, weight.verdict == "met")]
        ),
    ]


def in_one_sentence(rows: Sequence[Held]) -> str:
    """Say whether all of them hold, and name those that do not."""
    missed = [f"{row.what} {row.measured}, target {row.target}" for row in rows if not row.holds]
    if not missed:
        return f"all {len(rows)} targets hold"
    return f"{len(missed)} of {len(rows)} targets do not hold: {'; '.join(missed)}"


def _above(estimate: Estimate | None, what: str, bound: float, at_the_point: bool) -> Held:
    target = f"> {bound:.2f}"
    if estimate is None:
        return Held(what, target, "undefined", False)
    return Held(
        what, target, str(estimate), (estimate.value if at_the_point else estimate.low) > bound
    )


def _latency(test: Assessment, at_the_point: bool) -> Held:
    what, target = "latency, median", f"< {LATENCY_BELOW_MS} ms"
    if test.latency is None:
        return Held(what, target, "not measured", False)
    median, bounded = test.latency.median_ms, test.latency_ms
    n = f"n = {test.latency.images}"
    bounds = f"{bounded.bounds(1)}, {n}" if bounded else f"{n}: too few to bound it"
    reached = median if at_the_point else bounded.high if bounded else math.inf
    measured = f"{median:.1f} ms ({bounds}) on {test.device}"
    return Held(what, target, measured, reached < LATENCY_BELOW_MS)
