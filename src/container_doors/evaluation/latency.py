"""Latency in milliseconds per photograph."""

import math
import statistics
from collections.abc import Sequence

from container_doors.core.measurements import CONFIDENCE_LEVEL, Estimate, normal_quantile
from container_doors.core.records import Latency


def latency(durations_ms: Sequence[float], *, method: str) -> Latency | None:
    """Summarise timings; None without a timing.

    The 95th percentile is by nearest rank: the smallest timing that at least 95 % of the timings do
    not exceed. So it is a timing that was measured.
    """
    if not durations_ms:
        return None
    ordered = sorted(durations_ms)
    return Latency(
        median_ms=statistics.median(ordered),
        p95_ms=ordered[math.ceil(0.95 * len(ordered)) - 1],
        images=len(ordered),
        method=method,
    )


def median(durations_ms: Sequence[float], *, level: float = CONFIDENCE_LEVEL) -> Estimate | None:
    """Estimate the median; two of the timings are its bounds (binomial, at one half).

    None if even the smallest and the largest do not contain the median often enough: for 95 %, of
    five timings or fewer.
    """
    if 2 * 0.5 ** len(durations_ms) > 1 - level:
        return None
    ordered = sorted(durations_ms)
    many = len(ordered)
    reach = normal_quantile(level) * math.sqrt(many) / 2
    return Estimate(
        value=statistics.median(ordered),
        low=ordered[max(0, math.floor(many / 2 - reach))],
        high=ordered[min(many - 1, math.ceil(many / 2 + reach))],
        n=many,
        of="photographs",
        level=level,
    )
