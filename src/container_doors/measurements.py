"""Measured values with how surely they are known, and the documents that hold them.

What is undefined (a recall without a door, a false-alarm rate without a photograph to raise one
on) is absent, never zero.
"""

import math
from statistics import NormalDist

from pydantic import BaseModel, ConfigDict

CONFIDENCE_LEVEL = 0.95


def wilson(hits: float, total: float, *, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    """Bound a fraction by the score interval: doi.org/10.1080/01621459.1927.10502953.

    Args:
        hits: May be fractional, where it is of an effective sample.
        total: Above 0.
        level: How often the interval should hold the true fraction.
    """
    z = normal_quantile(level)
    fraction, square = hits / total, z**2
    centre = (fraction + square / (2 * total)) / (1 + square / total)
    spread = math.sqrt(fraction * (1 - fraction) / total + square / (4 * total**2))
    half = z * spread / (1 + square / total)
    return max(0.0, centre - half), min(1.0, centre + half)


def normal_quantile(level: float) -> float:
    """How many standard deviations each way hold a share of ``level``.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return NormalDist().inv_cdf((1 + level) / 2)


class Value(BaseModel):
    """Frozen, and closed: an unknown field is a damaged document."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Value):
    """A measured value, its interval, and how much it was measured on."""

    value: float
    low: float
    high: float
    n: int
    of: str
    """What ``n`` counts: ``doors``, ``detections``, ``photographs``."""
    level: float = CONFIDENCE_LEVEL

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}, n = {self.n} {self.of})"
