from dataclasses import replace

import pytest

from container_doors.evaluation.outcome import outcomes
from container_doors.evaluation.paired import differences, sentence
from tests.evaluation.test_promise import photographs


def test_a_model_that_finds_more_is_better():
    """Of 40 doors the second finds 40 and the first 20, at a confidence of 0.5 and over all."""
    every = photographs(*[0.9] * 40)
    sharp = [one.model_copy(update={"scored_xyxy": one.used_xyxy, "scored_confidences": [0.9]})
             for one in every]  # fmt: skip
    blind = [one.model_copy(update={"scored_xyxy": [], "scored_confidences": []}) for one in every]
    seen = outcomes(sharp, range(40), conf_threshold=0.5)
    half = [
        replace(one, found=(False,), photograph=blind[number]) if number < 20 else one
        for number, one in enumerate(seen)
    ]

    by = differences(half, seen)

    assert by["recall"].value == 0.5
    assert by["recall"].low > 0.3
    assert by["AP50"].low > 0
    assert sentence(("a", "b"), by["AP50"], "AP50").startswith("b is better than a: AP50 higher")


def test_two_models_that_find_the_same_may_still_differ_a_little():
    seen = outcomes(photographs(*[0.9] * 40), range(40), conf_threshold=0.5)

    recall = differences(seen, seen)["recall"]

    assert recall.value == 0
    assert recall.low == pytest.approx(-recall.high)
    assert recall.high > 0.02


def test_one_scene_tells_nothing_of_two_models():
    seen = outcomes(photographs(*[0.9] * 30), [0] * 30, conf_threshold=0.5)
    worse = [replace(one, found=(False,)) if number < 8 else one for number, one in enumerate(seen)]

    assert differences(worse, seen) == {}


def test_models_that_agree_on_few_photographs_may_still_differ():
    """All of four are found by both: a fifth may tell them apart, by AP50 as well as by recall."""
    every = photographs(*[0.9] * 4)
    sharp = [one.model_copy(update={"scored_xyxy": one.used_xyxy, "scored_confidences": [0.9]})
             for one in every]  # fmt: skip
    seen = outcomes(sharp, range(4), conf_threshold=0.5)

    by = differences(seen, seen)

    assert by["AP50"].high > 0.3
    assert all(-1 <= one.low <= one.value <= one.high <= 1 for one in by.values())
