import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.evaluation.intervals import f1, intraclass_correlation, proportion, rate

CONFIDENCES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_independent_doors_have_wilsons_interval():
    """One door per photograph, 75 of 76: published as 0.929 to 0.998."""
    estimate = proportion([1] * 75 + [0], [1] * 76, range(76), of="doors", icc=0.0)

    assert estimate is not None
    assert (estimate.low, estimate.high) == pytest.approx((0.9293, 0.9977), abs=2e-4)
    assert (estimate.n, estimate.of) == (76, "doors")


def test_the_intraclass_correlation_equals_a_published_example():
    """Shrout and Fleiss, Psychological Bulletin 86, 1979: six targets, four ratings, ICC(1) 0.17.

    Mean squares of 11.24 between and 6.26 within: (11.24 - 6.26) / (11.24 + 3 * 6.26) = 0.166.
    """
    ratings = [9, 2, 5, 8, 6, 1, 3, 2, 8, 4, 6, 8, 7, 1, 2, 6, 10, 5, 6, 9, 6, 2, 4, 7]

    assert intraclass_correlation(ratings, [number // 4 for number in range(24)]) == pytest.approx(
        0.166, abs=1e-3
    )


@pytest.mark.parametrize(
    ("values", "scenes", "icc"),
    [
        ([0.9, 0.1, 0.5], [0, 1, 2], 0.0),
        ([], [], 0.0),
        ([0.9, 0.9, 0.1, 0.1], [0, 0, 1, 1], 1.0),
        ([0.9, 0.1, 0.9, 0.1], [0, 0, 1, 1], 0.0),
        ([0.9, 0.8], [3, 3], 1.0),
        ([0.9] * 4, [0, 0, 1, 1], 1.0),
    ],
    ids=["independent", "empty", "equal within", "different within", "one scene", "no variance"],
)
def test_the_extremes_of_the_correlation(values: list[float], scenes: list[int], icc: float):
    assert intraclass_correlation(values, scenes) == icc


def test_doors_with_a_correlation_of_one_count_once_per_scene():
    """20 of 20 in four scenes: Student's quantile for 3, 3.182, over that for 19, 2.093, is 1.5205,
    so the normal one is 2.980, beyond which are 0.00144. Of that the fourth root is 0.195, and the
    20th 0.721; Wilson's bound for 20 is 20 / (20 + 2.980 ** 2) = 0.692, and lower."""
    scenes = [number // 5 for number in range(20)]
    correlated = proportion([1] * 20, [1] * 20, scenes, of="doors", icc=1.0)
    independent = proportion([1] * 20, [1] * 20, scenes, of="doors", icc=0.0)

    assert correlated is not None
    assert independent is not None
    assert correlated.low == pytest.approx(0.195, abs=1e-3)
    assert independent.low == pytest.approx(0.692, abs=1e-3)
    assert correlated.n == independent.n == 20


def test_one_more_found_door_never_proves_less():
    """Ten scenes of ten: the bounds rise from 90 of 100 to 100 of 100, step by step."""
    scenes = [number // 10 for number in range(100)]
    bounds = [
        proportion([1] * hits + [0] * (100 - hits), [1] * 100, scenes, of="doors", icc=0.1)
        for hits in range(90, 101)
    ]

    lows = [one.low for one in bounds if one is not None]
    assert lows == sorted(lows)
    assert lows[-2] < lows[-1] < 0.963  # the bound for 100 independent doors


@given(st.data())
def test_no_result_proves_more_than_finding_all_doors(data: st.DataObject):
    """A higher threshold finds fewer of the same doors in the same scenes."""
    confidences = data.draw(CONFIDENCES)
    doors = len(confidences)
    scenes = data.draw(st.lists(st.integers(0, 4), min_size=doors, max_size=doors))
    icc = intraclass_correlation(confidences, scenes)
    lows = [
        proportion([int(c >= t) for c in confidences], [1] * doors, scenes, of="doors", icc=icc)
        for t in sorted(set(confidences))
    ]

    every, *fewer = [one.low for one in lows if one is not None]
    assert all(low <= every + 1e-12 for low in fewer)


@pytest.mark.parametrize("scenes", [200, 1000])
def test_a_value_is_in_the_middle_of_its_interval_if_large_scenes_are_harder(scenes: int):
    """Half of the scenes have one door, with a recall of 0.98; half have ten, with 0.80."""
    half = scenes // 2
    hits = [1] * (half * 49 // 50) + [0] * (half // 50) + [8] * half
    totals = [1] * half + [10] * half

    estimate = proportion(hits, totals, range(scenes), of="doors", icc=0.5)

    assert estimate is not None
    assert estimate.value == pytest.approx(8.98 / 11)
    assert estimate.value - estimate.low == pytest.approx(estimate.high - estimate.value, rel=0.3)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=20),
    st.floats(0, 1),
    st.sampled_from([0.01, 0.5, 0.95, 0.9999, 1 - 1e-12]),
    st.booleans(),
)
def test_a_value_lies_in_its_own_interval(
    sizes: list[int], icc: float, level: float, is_one_scene: bool
):
    hits = [max(0, size - 1) for size in sizes]
    scenes = [0] * len(sizes) if is_one_scene else list(range(len(sizes)))
    estimate = proportion(hits, sizes, scenes, of="doors", icc=icc, level=level)
    alarms = rate(hits, scenes, of="photographs", icc=icc, level=level)
    none = rate([0] * len(sizes), scenes, of="photographs", icc=icc, level=level)

    for one in (estimate, alarms, none):
        if one is not None:
            assert 0 <= one.low <= one.value <= one.high
            assert one.high <= 1 or one.of == "photographs"


def test_a_proportion_of_nothing_is_none():
    assert proportion([0, 0], [0, 0], [0, 1], of="doors", icc=0.0) is None
    assert f1(None) is None
    assert rate([], [], of="photographs", icc=0.0) is None


def test_f1_has_the_usual_definition():
    """2 * 8 / (2 * 8 + 1 false alarm + 2 missed) = 16 / 19."""
    estimate = f1(proportion([1] * 8 + [0] * 3, [1] * 11, range(11), of="both", icc=0.0))

    assert estimate is not None
    assert estimate.value == pytest.approx(16 / 19)
    assert estimate.low < 16 / 19 < estimate.high


def test_no_false_alarm_on_nine_photographs_proves_little():
    """z^2 / 9 = 0.43: the rate may be up to that, though none was counted."""
    estimate = rate([0] * 9, range(9), of="photographs", icc=0.0)

    assert estimate is not None
    assert (estimate.value, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(0.427, abs=1e-3)


def test_nine_photographs_of_one_scene_prove_even_less():
    independent = rate([0] * 9, range(9), of="photographs", icc=0.0)
    correlated = rate([0] * 9, [0] * 9, of="photographs", icc=1.0)

    assert independent is not None
    assert correlated is not None
    assert correlated.high > 9 * independent.high


def test_overdispersed_mistakes_widen_the_interval_of_a_proportion():
    """30 of 130 detections are wrong: one in each of 30 photographs, or six in each of five."""
    hits = [1] * 95 + [1] * 5
    spread_out = proportion(hits, [1] * 70 + [2] * 30, range(100), of="detections", icc=0.0)
    overdispersed = proportion(hits, [1] * 95 + [7] * 5, range(100), of="detections", icc=0.0)

    assert spread_out is not None
    assert overdispersed is not None
    assert spread_out.value == overdispersed.value
    assert overdispersed.high - overdispersed.low > 1.5 * (spread_out.high - spread_out.low)


def test_overdispersed_false_alarms_widen_the_interval_of_a_rate():
    spread_out = rate([1] * 10 + [0] * 30, range(40), of="photographs", icc=0.0)
    overdispersed = rate([10] + [0] * 39, range(40), of="photographs", icc=0.0)

    assert spread_out is not None
    assert overdispersed is not None
    assert spread_out.value == overdispersed.value
    assert overdispersed.high > spread_out.high


def test_scenes_may_be_numbered_with_gaps():
    assert rate([1, 0], [0, 7], of="photographs", icc=0.0) == rate(
        [1, 0], [0, 1], of="photographs", icc=0.0
    )
    assert intraclass_correlation(
        np.array([1.0, 2, 3, 4]).tolist(), [5, 5, 9, 9]
    ) == intraclass_correlation([1, 2, 3, 4], [0, 0, 1, 1])
