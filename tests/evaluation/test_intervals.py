import pytest

from container_doors.evaluation.intervals import f1, rate, share


def test_doors_that_are_strangers_have_wilsons_interval():
    """One door a photograph, 75 of 76: published as 0.929 to 0.998."""
    estimate = share([1] * 75 + [0], [1] * 76, range(76), of="doors")

    assert estimate is not None
    assert (estimate.low, estimate.high) == pytest.approx((0.9293, 0.9977), abs=2e-4)
    assert (estimate.n, estimate.of) == (76, "doors")


def test_doors_of_one_scene_say_less_than_doors_of_many():
    hits, totals = [1] * 80 + [0] * 20, [1] * 100
    strangers = share(hits, totals, range(100), of="doors")
    scenes = share(hits, totals, [number // 20 for number in range(100)], of="doors")

    assert strangers is not None
    assert scenes is not None
    assert scenes.high - scenes.low > 2 * (strangers.high - strangers.low)


def test_a_scene_whose_doors_are_all_found_counts_once():
    """20 of 20 in four scenes prove what 4 of 4 prove: a recall of at least 0.51."""
    estimate = share([1] * 20, [1] * 20, [number // 5 for number in range(20)], of="doors")

    assert estimate is not None
    assert estimate.low == pytest.approx(0.5101, abs=1e-3)
    assert estimate.n == 20


def test_a_share_of_nothing_is_absent():
    assert share([0, 0], [0, 0], [0, 1], of="doors") is None
    assert rate([], [], of="photographs") is None


def test_f1_is_the_usual_one():
    """2 * 8 / (2 * 8 + 1 false alarm + 2 missed) = 16 / 19."""
    estimate = f1([1] * 8 + [0] * 3, [0] * 8 + [1] * 3, range(11))

    assert estimate is not None
    assert estimate.value == pytest.approx(16 / 19)
    assert estimate.low < 16 / 19 < estimate.high


def test_no_false_alarm_on_nine_photographs_proves_little():
    """z^2 / 9 = 0.43: up to that many a photograph may be, and none was seen."""
    estimate = rate([0] * 9, range(9), of="photographs")

    assert estimate is not None
    assert (estimate.value, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(0.427, abs=1e-3)


def test_false_alarms_in_a_crowd_say_less_of_the_rate():
    spread_out = rate([1] * 10 + [0] * 30, range(40), of="photographs")
    in_a_crowd = rate([10] + [0] * 39, range(40), of="photographs")

    assert spread_out is not None
    assert in_a_crowd is not None
    assert spread_out.value == in_a_crowd.value
    assert in_a_crowd.high > spread_out.high
