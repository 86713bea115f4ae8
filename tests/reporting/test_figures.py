"""Check numbers written for people."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.core.measurements import wilson
from container_doors.reporting import figures


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718), (29, 29, 0.8830, 1.0)],
)  # fmt: skip
def test_wilsons_interval_equals_the_published_one(hits, total, low, high):
    """Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.

    29/29 is worked out by hand: n / (n + z^2) = 29 / 32.8415 = 0.8830.
    """
    assert wilson(hits, total) == pytest.approx((low, high), abs=5e-5)


@given(st.floats(0, 1), st.sampled_from([0.70, 0.88, 0.90]))
def test_a_number_is_shown_on_its_own_side_of_the_target(value: float, target: float):
    assert (float(figures.format_near_target(value, target, digits=3)) > target) == (value > target)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_missing_value_is_not_a_number(value: float | None):
    assert figures.score(value) == "not measured"
    assert figures.duration(value) == "not measured"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(59.6, "1 min 00 s"), (3599.7, "1 h 00 min"), (0.2, "0 s")]
)
def test_a_duration_never_has_sixty_of_a_unit(seconds: float, shown: str):
    assert figures.duration(seconds) == shown
