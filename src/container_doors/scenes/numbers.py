"""Container numbers with a valid check digit, after ISO 6346 (https://www.bic-code.org)."""

import string
from dataclasses import dataclass

import numpy as np

OWNERS = ("NDS", "TLX", "BRG", "OCV", "HMR", "KLD", "SVA", "PQL", "ZEL", "MRN", "GTW", "AXC")
"""Invented owner codes."""

_LETTER_VALUES = dict(
    zip(string.ascii_uppercase, (n for n in range(10, 39) if n % 11), strict=True)
)
"""A = 10 and so on, without 11, 22 and 33."""


@dataclass(frozen=True, slots=True)
class ContainerNumber:
    """The number at the top of the right leaf: ``CSQU 305438 [3]``, and ``22G1`` below."""

    owner: str
    """Three letters; the category letter U (freight container) follows them."""
    serial: str
    """Six digits."""
    size_type: str

    @property
    def check_digit(self) -> int:
        """The digit that is painted in a box."""
        return check_digit(f"{self.owner}U{self.serial}")


def check_digit(ten: str) -> int:
    """Compute the check digit of four letters and six digits.

    Each character's value is weighted by two to the power of its position; the sum modulo 11 is
    the digit, and a remainder of 10 is written 0.

    >>> check_digit("CSQU305438")
    3
    """
    values = (_LETTER_VALUES[c] if c in _LETTER_VALUES else int(c) for c in ten)
    return sum(value << place for place, value in enumerate(values)) % 11 % 10


def draw_number(rng: np.random.Generator, *, size_type: str) -> ContainerNumber:
    """Draw a number for a container of the given size and type."""
    owner = OWNERS[rng.integers(len(OWNERS))]
    return ContainerNumber(owner, f"{rng.integers(100_000, 1_000_000)}", size_type)
