"""An unchanged model is seldom said to have changed, and one that has lost recall is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from container_doors.core.measurements import wilson
from container_doors.evaluation.drift import Compared, Sample, find_drifts, holm
from container_doors.evaluation.label_sample import (
    STRATA,
    Labelled,
    allocate,
    draw,
    estimate_recall,
    stratum_of,
)
from tests.months import Month, month


def sample(values: NDArray[np.float64], *, per_group: int = 1) -> Sample:
    return Sample(values, np.arange(len(values)) // per_group)


def measures(tested: Month, now: Month) -> list[Compared]:
    found_before, found_now = tested.confidence > 0, now.confidence > 0
    of_doors = {
        "confidence": (tested.confidence, now.confidence),
        "box size": (tested.area_share, now.area_share),
        "brightness": (tested.brightness, now.brightness),
    }
    return [
        *(
            Compared(name, sample(before[found_before]), sample(after[found_now]))
            for name, (before, after) in of_doors.items()
        ),
        Compared(
            "without a door",
            sample(np.where(found_before, 0.0, 1.0)),
            sample(np.where(found_now, 0.0, 1.0)),
            is_proportion=True,
        ),
    ]


def alarms(months: int, alpha: float, **changed: float) -> int:
    dealer = np.random.default_rng(5)
    return sum(
        any(
            one.has_changed
            for one in find_drifts(
                measures(month(dealer, photographs=80), month(dealer, photographs=100, **changed)),
                alpha=alpha,
            )
        )
        for _ in range(months)
    )


def test_of_months_without_a_change_few_are_an_alarm():
    assert alarms(60, 0.05) <= 8  # of which 3 are expected; 9 or more with a chance below 0.5 %


def test_months_that_are_brighter_are_an_alarm():
    assert alarms(10, 0.05, brightness=0.2) == 10


def test_a_month_in_which_doors_are_often_not_found_is_an_alarm():
    assert alarms(10, 0.05, recall=0.5) >= 9


def test_frames_of_one_video_do_not_count_as_many_photographs():
    dealer = np.random.default_rng(2)
    tested = dealer.normal(size=60)
    of_a_video = np.repeat(dealer.normal(size=4), 50)

    apart = Compared("x", sample(tested), sample(of_a_video))
    together = Compared("x", sample(tested), sample(of_a_video, per_group=50))

    assert find_drifts([apart], alpha=0.05)[0].p_value < 0.01
    assert find_drifts([together], alpha=0.05)[0].p_value > 0.05


def test_equal_photographs_have_no_distance():
    values = np.array([0.2, 0.4, 0.4, 0.9])

    (found,) = find_drifts([Compared("x", sample(values), sample(np.tile(values, 3)))], alpha=0.05)

    assert found.distance == pytest.approx(0, abs=1e-12)
    assert not found.has_changed


def test_a_small_difference_of_very_many_photographs_changes_nothing():
    tested = np.linspace(0, 1, 4000)
    now = tested + 0.04

    (found,) = find_drifts([Compared("x", sample(tested), sample(now))], alpha=0.05)

    assert found.p_value < 0.05
    assert not found.has_changed


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_an_adjusted_p_value_is_no_smaller_and_keeps_the_order(raw: list[float]):
    adjusted = holm(raw)

    assert all(0 <= before <= after <= 1 for before, after in zip(raw, adjusted, strict=True))
    order = sorted(range(len(raw)), key=lambda index: raw[index])
    assert [adjusted[index] for index in order] == sorted(adjusted)


# The labelled sample


@given(
    st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300)).filter(any),
    st.integers(1, 400),
)
def test_the_budget_is_used_and_no_stratum_is_left_out(sizes: tuple[int, ...], budget: int):
    allotted = allocate(by_stratum := dict(zip(STRATA, sizes, strict=True)), budget)

    assert sum(allotted.values()) == min(budget, sum(sizes))
    assert all(0 <= allotted[name] <= by_stratum[name] for name in STRATA)
    if budget >= len(STRATA):
        assert all(allotted[name] for name in STRATA if by_stratum[name])


def label(one: Month, dealer: np.random.Generator, budget: int):
    strata = [stratum_of([c] if c else [], usual=0.87) for c in one.confidence.tolist()]
    drawn = draw(strata, budget, seed=int(dealer.integers(2**31)))
    labelled = [
        Labelled(strata[i], int(one.is_found[i]), int(one.has_door[i] & ~one.is_found[i]))
        for i in drawn
    ]
    sizes = {name: strata.count(name) for name in STRATA}
    return estimate_recall(labelled, sizes, level=0.95)


@pytest.mark.parametrize("recall", [0.95, 0.85, 0.5])
def test_the_estimate_is_right_on_average_and_its_interval_holds_it(recall: float):
    dealer = np.random.default_rng(11)
    errors, missed = [], 0
    for _ in range(50):
        one = month(dealer, recall=recall)
        found = label(one, dealer, 30)
        assert found is not None
        errors.append(found.value - one.recall)
        missed += not found.low <= recall <= found.high

    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(len(errors)) + 0.005
    assert missed <= 7  # of 50; at most 2.5 are expected, and 8 with a chance below 0.5 %


def test_a_month_of_an_unchanged_model_is_seldom_an_alarm_even_by_bad_luck():
    """300 months: 2.5 % of them are 7 or 8; if only the month's own doors counted, 15."""
    dealer = np.random.default_rng(3)
    uppers = []
    for _ in range(300):
        found = label(month(dealer, recall=0.95), dealer, 30)
        assert found is not None
        uppers.append(found.high)

    assert sum(upper < 0.95 for upper in uppers) <= 8


def test_where_all_are_labelled_it_is_the_recall_of_these_and_the_interval_is_of_the_model():
    one = month(np.random.default_rng(3), photographs=60, recall=0.9)

    found = label(one, np.random.default_rng(2), 60)

    assert found is not None
    assert found.value == pytest.approx(one.recall)
    low, high = wilson(int(one.is_found.sum()), int(one.has_door.sum()))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05)


def test_a_stratum_without_a_label_gives_no_estimate():
    labelled = [Labelled("certain", 1, 0)]

    assert estimate_recall(labelled, {"certain": 5, "no door": 3}, level=0.95) is None
    assert estimate_recall([Labelled("no door", 0, 0)], {"no door": 3}, level=0.95) is None
