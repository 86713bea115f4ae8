import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.evaluation.intervals import f1, intraclass_correlation, proportion, rate

CONFIDENCES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_doors_that_are_strangers_have_wilsons_interval():
    """One door a photograph, 75 of 76: published as 0.929 to 0.998."""
    estimate = proportion([1] * 75 + [0], [1] * 76, range(76), of="doors", icc=0.0)

    assert estimate is not None
    assert (estimate.low, estimate.high) == pytest.approx((0.9293, 0.9977), abs=2e-4)
    assert (estimate.n, estimate.of) == (76, "doors")


def test_likeness_is_that_of_a_published_example():
    """Shrout and Fleiss, Psychological Bulletin 86, 1979: six targets, four ratings, ICC(1) 0.17.

    Mean squares of 11.24 between and 6.26 within: (11.24 - 6.26) / (11.24 + 3 * 6.26) = 0.166.
    """
    ratings = [9, 2, 5, 8, 6, 1, 3, 2, 8, 4, 6, 8, 7, 1, 2, 6, 10, 5, 6, 9, 6, 2, 4, 7]

    assert intraclass_correlation(ratings, [number // 4 for number in range(24)]) == pytest.approx(
        0.166, abs=1e-3
    )


@pytest.mark.parametrize(
    ("values", "scenes", "alike"),
    [
        ([0.9, 0.1, 0.5], [0, 1, 2], 0.0),
        ([], [], 0.0),
        ([0.9, 0.9, 0.1, 0.1], [0, 0, 1, 1], 1.0),
        ([0.9, 0.1, 0.9, 0.1], [0, 0, 1, 1], 0.0),
        ([0.9, 0.8], [3, 3], 1.0),
        ([0.9] * 4, [0, 0, 1, 1], 1.0),
    ],
    ids=["strangers", "nothing", "one thing", "as apart as can be", "one scene", "no variance"],
)
def test_the_ends_of_likeness(values: list[float], scenes: list[int], icc: float):
    assert intraclass_correlation(values, scenes) == icc


def test_things_that_are_all_alike_count_once_a_scene():
    """20 of 20 in four scenes prove 0.26, hardly more than three strangers do: 0.025 ** (1 / 3)."""
    scenes = [number // 5 for number in range(20)]
    as_one = proportion([1] * 20, [1] * 20, scenes, of="doors", icc=1.0)
    effective_n = proportion([1] * 20, [1] * 20, scenes, of="doors", icc=0.0)

    assert as_one is not None
    assert effective_n is not None
    assert as_one.low == pytest.approx(0.264, abs=1e-3)
    assert effective_n.low == pytest.approx(0.832, abs=1e-3)
    assert as_one.n == effective_n.n == 20


def test_finding_one_door_more_never_proves_less():
    """Ten scenes of ten: the bounds rise from 90 of 100 to 100 of 100, step by step."""
    scenes = [number // 10 for number in range(100)]
    bounds = [
        proportion([1] * hits + [0] * (100 - hits), [1] * 100, scenes, of="doors", icc=0.1)
        for hits in range(90, 101)
    ]

    lows = [one.low for one in bounds if one is not None]
    assert lows == sorted(lows)
    assert lows[-2] < lows[-1] < 0.963  # of 100 strangers


@given(st.data())
def test_nothing_proves_more_than_finding_all_of_them(data: st.DataObject):
    """At whatever threshold: the same doors of the same scenes, and fewer that are found."""
    sure = data.draw(CONFIDENCES)
    scenes = data.draw(st.lists(st.integers(0, 4), min_size=len(sure), max_size=len(sure)))
    icc = intraclass_correlation(sure, scenes)
    lows = [
        proportion([int(one >= t) for one in sure], [1] * len(sure), scenes, of="doors", icc=icc)
        for t in sorted(set(sure))
    ]

    every, *fewer = [one.low for one in lows if one is not None]
    assert all(low <= every + 1e-12 for low in fewer)


@pytest.mark.parametrize("scenes", [200, 1000])
def test_a_value_is_not_at_the_end_of_its_interval_where_large_scenes_are_harder(scenes: int):
    """Half of the scenes have one door of which 0.98 are found, half have ten and 0.80."""
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


def test_a_share_of_nothing_is_absent():
    assert proportion([0, 0], [0, 0], [0, 1], of="doors", icc=0.0) is None
    assert f1(None) is None
    assert rate([], [], of="photographs", icc=0.0) is None


def test_f1_is_the_usual_one():
    """2 * 8 / (2 * 8 + 1 false alarm + 2 missed) = 16 / 19."""
    estimate = f1(proportion([1] * 8 + [0] * 3, [1] * 11, range(11), of="both", icc=0.0))

    assert estimate is not None
    assert estimate.value == pytest.approx(16 / 19)
    assert estimate.low < 16 / 19 < estimate.high


def test_no_false_alarm_on_nine_photographs_proves_little():
    """z^2 / 9 = 0.43: up to that many a photograph may be, and none was seen."""
    estimate = rate([0] * 9, range(9), of="photographs", icc=0.0)

    assert estimate is not None
    assert (estimate.value, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(0.427, abs=1e-3)


def test_nine_photographs_of_one_scene_prove_less_still():
    effective_n = rate([0] * 9, range(9), of="photographs", icc=0.0)
    as_one = rate([0] * 9, [0] * 9, of="photographs", icc=1.0)

    assert effective_n is not None
    assert as_one is not None
    assert as_one.high > 9 * effective_n.high


def test_mistakes_in_a_crowd_say_less_of_a_share():
    """30 of 130 detections are wrong: one in each of 30 photographs, or six in each of five."""
    hits = [1] * 95 + [1] * 5
    spread_out = proportion(hits, [1] * 70 + [2] * 30, range(100), of="detections", icc=0.0)
    in_a_crowd = proportion(hits, [1] * 95 + [7] * 5, range(100), of="detections", icc=0.0)

    assert spread_out is not None
    assert in_a_crowd is not None
    assert spread_out.value == in_a_crowd.value
    assert in_a_crowd.high - in_a_crowd.low > 1.5 * (spread_out.high - spread_out.low)


def test_false_alarms_in_a_crowd_say_less_of_the_rate():
    spread_out = rate([1] * 10 + [0] * 30, range(40), of="photographs", icc=0.0)
    in_a_crowd = rate([10] + [0] * 39, range(40), of="photographs", icc=0.0)

    assert spread_out is not None
    assert in_a_crowd is not None
    assert spread_out.value == in_a_crowd.value
    assert in_a_crowd.high > spread_out.high


def test_scenes_may_be_numbered_with_gaps():
    assert rate([1, 0], [0, 7], of="photographs", icc=0.0) == rate(
        [1, 0], [0, 1], of="photographs", icc=0.0
    )
    assert intraclass_correlation(
        np.array([1.0, 2, 3, 4]).tolist(), [5, 5, 9, 9]
    ) == intraclass_correlation([1, 2, 3, 4], [0, 0, 1, 1])
