"""Months of a model in use, drawn by chance: photographs, what it finds in them, and the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.25


@dataclass(frozen=True)
class Month:
    """One door at most in each photograph; all arrays have the shape (photographs,)."""

    has_door: NDArray[np.bool_]
    is_found: NDArray[np.bool_]
    """Whether the door is found."""
    confidence: NDArray[np.float64]
    """Of the only detection; 0 if nothing is found."""
    area_share: NDArray[np.float64]
    brightness: NDArray[np.float64]

    @property
    def recall(self) -> float:
        return float(self.is_found.sum() / self.has_door.sum())


def month(
    dealer: np.random.Generator,
    *,
    photographs: int = 200,
    recall: float = 0.95,
    without_door: float = 0.2,
    false_alarms: float = 0.05,
    brightness: float = 0.0,
) -> Month:
    """Draw one.

    Args:
        dealer: Draws.
        photographs: How many.
        recall: The probability that a door is found.
        without_door: The proportion of photographs without a door.
        false_alarms: The proportion of these that have a detection.
        brightness: How much brighter it is than on the test, from 0 to 1.
    """
    has_door = dealer.random(photographs) >= without_door
    is_found = has_door & (dealer.random(photographs) < recall)
    is_alarm = ~has_door & (dealer.random(photographs) < false_alarms)
    of_door = THRESHOLD + 0.75 * dealer.beta(6, 1.5, photographs)
    of_alarm = THRESHOLD + 0.75 * dealer.beta(1, 4, photographs)
    return Month(
        has_door,
        is_found,
        np.where(is_found, of_door, np.where(is_alarm, of_alarm, 0.0)),
        0.1 + 0.5 * dealer.beta(2, 2, photographs),
        np.clip(0.4 + 0.5 * dealer.beta(4, 2, photographs) + brightness, 0, 1),
    )
