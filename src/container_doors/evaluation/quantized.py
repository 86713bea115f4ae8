"""Whether a network with whole numbers of eight bits finds what the original one finds."""

from collections.abc import Sequence
from typing import NamedTuple

from container_doors.core.measurements import Estimate
from container_doors.evaluation.matched import MatchedPhotograph
from container_doors.evaluation.paired import FALSE_ALARMS, count_alarms, differences

MOST_LOST = 0.005
"""Of AP50-95, by COCO's definition, on val."""


class Judgement(NamedTuple):
    """Whether something is accepted, and why."""

    accepted: bool
    why: str


def judge_quantized(
    original: Sequence[MatchedPhotograph],
    quantized: Sequence[MatchedPhotograph],
    *,
    conf_threshold: float,
) -> Judgement:
    """Accept a network with almost the same AP50-95, and neither recall nor alarms proven worse.

    Args:
        original: Photographs of val, matched for the network of float32.
        quantized: The same photographs in the same order.
        conf_threshold: That they were matched at.
    """
    by = differences(original, quantized)
    if "recall" not in by:
        return Judgement(False, "val has doors in fewer than four scenes: nothing can be compared")
    recall, precision, alarms = by["recall"], by["AP50-95"], by[FALSE_ALARMS]
    accepted = recall.high >= 0 and alarms.low <= 0 and precision.value >= -MOST_LOST
    return Judgement(
        accepted,
        f"{_found(quantized)} of {recall.n} doors found at a confidence of {conf_threshold:g}, "
        f"{_found(original)} in float32: recall {_with_bounds(recall)}; {count_alarms(quantized)} "
        f"false alarms, {count_alarms(original)} in float32: {_with_bounds(alarms)} per photograph;"
        f" neither may be proven worse; AP50-95 {_with_bounds(precision)}, at most {MOST_LOST} may "
        f"be lost; on {len(original)} photographs of val",
    )


def _found(matched: Sequence[MatchedPhotograph]) -> int:
    return sum(one.hits for one in matched)


def _with_bounds(by: Estimate) -> str:
    """Write a difference.

    >>> _with_bounds(Estimate(value=-0.01, low=-0.03, high=0.01, n=75, of="doors"))
    '-0.0100 (-0.030 to +0.010)'
    """
    return f"{by.value:+.4f} ({by.low:+.3f} to {by.high:+.3f})"
