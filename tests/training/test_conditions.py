"""Hard conditions on training photographs: drawn from the seed, and as in robustness to the eye."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from container_doors.core.conditions import ROBUST, Conditions
from container_doors.evaluation import corruptions
from container_doors.scenes.write import draw_picture
from container_doors.training import conditions
from container_doors.training.conditions import draw_conditions, render
from container_doors.training.draws import Draw, Draws

ALL = Conditions.model_validate({name: {"probability": 1.0} for name in ROBUST})
SOME = Conditions.model_validate({name: {"probability": p} for name, p in ROBUST.items()})
NO_DOORS = np.zeros((0, 4))


@cache
def picture() -> corruptions.Picture:
    drawn = draw_picture(2, "train", 0, image_size_px=(320, 240))
    return np.ascontiguousarray(drawn.bgr[..., ::-1])


@pytest.mark.parametrize(
    ("ours", "theirs", "severity"),
    [
        pytest.param(conditions.back_light, corruptions.back_light, 0.5, id="back light"),
        pytest.param(conditions.rain, corruptions.rain, 0.8, id="rain"),
        pytest.param(conditions.dirt, corruptions.lens_dirt, 0.2, id="lens dirt"),
        pytest.param(conditions.motion_blur, corruptions.motion, 0.04, id="motion"),
    ],
)
def test_the_same_random_numbers_draw_what_robustness_draws(
    ours: Callable[..., Any], theirs: Callable[..., Any], severity: float
):
    """Two levels of 255 on average, where the picture itself is changed by far more."""
    drawn, expected = (
        one(picture(), severity, np.random.default_rng(5)).astype(float) for one in (ours, theirs)
    )

    assert np.abs(drawn - expected).mean() < 2
    assert np.abs(expected - picture()).mean() > 4


@pytest.mark.parametrize("exposure", [0.03, 0.25])
def test_darkness_has_the_light_and_the_noise_of_robustness(exposure: float):
    dark, expected = (
        one(picture(), exposure, np.random.default_rng(5)).astype(float)
        for one in (conditions.darkness, corruptions.darkness)
    )

    assert dark.mean() == pytest.approx(expected.mean(), rel=0.01)
    assert dark.std() == pytest.approx(expected.std(), rel=0.02)
    assert np.diff(dark, axis=1).std() == pytest.approx(np.diff(expected, axis=1).std(), rel=0.02)


def test_noise_has_the_deviation_of_the_library():
    grey = np.full((200, 200, 3), 128, np.uint8)

    noisy = conditions.noise(grey, 1.0, np.random.default_rng(0)).astype(float)

    assert noisy.std() == pytest.approx(0.08 * 255, rel=0.02)
    assert conditions.noise(grey, 0.5, np.random.default_rng(0)).std() < noisy.std()


def test_every_condition_can_be_drawn_on_the_smallest_picture():
    tiny = np.ascontiguousarray(picture()[:32, :32])
    before = tiny.copy()

    for name, condition in ALL.each():
        for severity in (condition.low, condition.high):
            changed, _ = render(
                tiny, np.array([[2.0, 2, 30, 30]]), [conditions.DrawnCondition(name, severity)], 7
            )
            assert changed.shape == tiny.shape
            assert (changed != tiny).any()
    assert (tiny == before).all()


def epoch_draws(number: int = 2, **changed: Any) -> dict[int, Draw]:
    draws = Draws(**{"size": 40, "batch_size": 8, "seed": 3, "conditions": SOME, **changed})
    return {one.photograph: one for batch in draws.batches(number) for one in batch}


def test_a_photograph_gets_the_same_in_whatever_process_and_batch():
    whole = epoch_draws()
    parts = epoch_draws(rank=0, ranks=2) | epoch_draws(rank=1, ranks=2, batch_size=5)

    assert {number: one.conditions for number, one in parts.items()} == {
        number: one.conditions for number, one in whole.items()
    }


def test_another_epoch_and_another_seed_draw_others():
    drawn = [one.conditions for one in epoch_draws().values()]

    assert drawn != [one.conditions for one in epoch_draws(3).values()]
    assert drawn != [one.conditions for one in epoch_draws(seed=4).values()]


def test_conditions_come_as_often_and_as_severe_as_asked():
    drawn = [dict(draw_conditions(SOME, seed)) for seed in range(2000)]

    for name, condition in SOME.each():
        severities = [one[name] for one in drawn if name in one]
        assert len(severities) / 2000 == pytest.approx(condition.probability, abs=0.025)
        assert condition.low <= min(severities) < max(severities) <= condition.high
    assert 0.35 < sum(not one for one in drawn) / 2000 < 0.47


def test_a_condition_that_is_turned_on_changes_no_other():
    without = SOME.model_copy(update={"rain": Conditions().rain})

    for seed in range(200):
        drawn = draw_conditions(SOME, seed)
        assert draw_conditions(without, seed) == tuple(one for one in drawn if one.name != "rain")


def test_an_occluder_covers_the_asked_fraction_and_its_label_stays():
    grey = np.full((100, 100, 3), 128, np.uint8)
    doors = np.array([[10.0, 10, 60, 60]])

    covered, is_seen = conditions.occlude(grey, doors, 0.6, np.random.default_rng(0))

    assert (covered != grey).any(axis=2).mean() == pytest.approx(0.6 * 0.25, abs=0.01)
    assert is_seen.all()


def test_a_door_that_the_occluders_of_others_hide_loses_its_label():
    grey = np.full((100, 100, 3), 128, np.uint8)
    large, inside = [0.0, 0, 100, 100], [44.0, 80, 56, 96]

    for seed in range(40):
        covered, is_seen = conditions.occlude(
            grey, np.array([large, inside]), 0.8, np.random.default_rng(seed)
        )
        hidden = (covered[80:96, 44:56] != 128).any(axis=2).mean()
        assert is_seen.tolist() == [True, bool(hidden <= 0.81)]
        if not is_seen.all():
            return
    pytest.fail("no occluder of the large door hid the small one")


def test_a_photograph_without_conditions_stays_as_it_is():
    assert draw_conditions(Conditions(), 1) == ()
    same, is_seen = render(picture(), NO_DOORS, [], 1)
    assert same is picture()
    assert is_seen.shape == (0,)
