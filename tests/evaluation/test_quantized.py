"""When a network with eight bits is as good as the original one."""

from dataclasses import replace

import pytest

from container_doors.evaluation.matched import MatchedPhotograph, match_photographs
from container_doors.evaluation.quantized import judge_quantized
from tests.evaluation.test_targets import photographs

MANY = 40


@pytest.fixture
def original() -> list[MatchedPhotograph]:
    """A door in each photograph, found at a confidence of 0.9."""
    every = [
        one.model_copy(update={"scored_xyxy": one.used_xyxy, "scored_confidences": [0.9]})
        for one in photographs(*[0.9] * MANY)
    ]
    return match_photographs(every, range(MANY), conf_threshold=0.5)


def below_the_threshold(one: MatchedPhotograph) -> MatchedPhotograph:
    """Found, but not at the threshold: average precision is the same."""
    return replace(one, found=(False,))


def not_at_all(one: MatchedPhotograph) -> MatchedPhotograph:
    lost = one.photograph.model_copy(update={"scored_xyxy": [], "scored_confidences": []})
    return replace(one, photograph=lost)


def test_the_same_doors_are_accepted(original: list[MatchedPhotograph]):
    accepted, why = judge_quantized(original, original, conf_threshold=0.5)

    assert accepted
    assert why.startswith("40 of 40 doors found at a confidence of 0.5, 40 in float32: recall")


def test_a_recall_that_is_proven_worse_is_refused(original: list[MatchedPhotograph]):
    worse = [*map(below_the_threshold, original[:12]), *original[12:]]

    accepted, why = judge_quantized(original, worse, conf_threshold=0.5)

    assert not accepted
    assert why.startswith("28 of 40 doors found")
    assert "AP50-95 +0.0000" in why


def test_false_alarms_that_are_proven_more_are_refused(original: list[MatchedPhotograph]):
    worse = [*(replace(one, alarms=(0.9,)) for one in original[:12]), *original[12:]]

    accepted, why = judge_quantized(original, worse, conf_threshold=0.5)

    assert not accepted
    assert "12 false alarms, 0 in float32: +0.3000" in why
    assert judge_quantized(worse, original, conf_threshold=0.5).accepted


def test_one_door_of_forty_proves_nothing(original: list[MatchedPhotograph]):
    worse = [below_the_threshold(original[0]), *original[1:]]

    assert judge_quantized(original, worse, conf_threshold=0.5).accepted


def test_a_loss_of_average_precision_is_refused(original: list[MatchedPhotograph]):
    """Without one box of 40, precision is 0 above a recall of 0.975: 3 of COCO's 101 points."""
    worse = [not_at_all(original[0]), *original[1:]]

    accepted, why = judge_quantized(original, worse, conf_threshold=0.5)

    assert not accepted
    assert f"AP50-95 {-3 / 101:+.4f}" in why


def test_few_scenes_prove_nothing(original: list[MatchedPhotograph]):
    one_scene = [replace(one, scene=0) for one in original]

    accepted, why = judge_quantized(one_scene, one_scene, conf_threshold=0.5)

    assert not accepted
    assert "fewer than four scenes" in why
