from dataclasses import replace

import pytest

from container_doors.evaluation.matched import MatchedPhotograph, match_photographs
from container_doors.evaluation.paired import count_alarms, differences, sentence
from tests.evaluation.test_targets import photographs


def test_a_model_that_finds_more_is_better():
    """The second finds 40 of 40 doors and the first 20, at a confidence of 0.5 and at all."""
    every = photographs(*[0.9] * 40)
    sharp = [one.model_copy(update={"scored_xyxy": one.used_xyxy, "scored_confidences": [0.9]})
             for one in every]  # fmt: skip
    blind = [one.model_copy(update={"scored_xyxy": [], "scored_confidences": []}) for one in every]
    seen = match_photographs(sharp, range(40), conf_threshold=0.5)
    half = [
        replace(one, found=(False,), photograph=blind[number]) if number < 20 else one
        for number, one in enumerate(seen)
    ]

    by = differences(half, seen)

    assert by["recall"].value == 0.5
    assert by["recall"].low > 0.3
    assert by["AP50"].low > 0
    assert sentence(("a", "b"), by, (0, 0)).startswith(
        "b is better than a: AP50-95 higher by 0.495 ("
    )
    assert by["precision"].value == by["false alarms"].value == 0


def test_the_interval_is_not_zero_for_two_equal_models():
    seen = match_photographs(photographs(*[0.9] * 40), range(40), conf_threshold=0.5)

    recall = differences(seen, seen)["recall"]

    assert recall.value == 0
    assert recall.low == pytest.approx(-recall.high)
    assert recall.high > 0.02


def test_one_scene_cannot_compare_two_models():
    seen = match_photographs(photographs(*[0.9] * 30), [0] * 30, conf_threshold=0.5)
    worse = [replace(one, found=(False,)) if number < 8 else one for number, one in enumerate(seen)]

    assert differences(worse, seen) == {}


def test_the_interval_is_wide_for_equal_models_on_few_photographs():
    """Both find all four doors; a fifth door may show a difference, in AP50 and in recall."""
    every = photographs(*[0.9] * 4)
    sharp = [one.model_copy(update={"scored_xyxy": one.used_xyxy, "scored_confidences": [0.9]})
             for one in every]  # fmt: skip
    seen = match_photographs(sharp, range(4), conf_threshold=0.5)

    by = differences(seen, seen)

    assert by["AP50"].high > 0.3
    assert all(-1 <= one.low <= one.value <= one.high <= 1 for one in by.values())


def with_alarms(*alarms: int, found: int) -> list[MatchedPhotograph]:
    """Match as many photographs with one door each; the first ``found`` doors are found."""
    many_photographs = photographs(*[0.9] * len(alarms))
    matched = match_photographs(many_photographs, range(len(alarms)), conf_threshold=0.5)
    return [
        replace(one, found=(number < found,), alarms=(0.9,) * many)
        for number, (one, many) in enumerate(zip(matched, alarms, strict=True))
    ]  # fmt: skip


def test_a_model_with_more_doors_and_more_false_alarms_is_better_and_worse():
    """34 of 40 doors instead of 4, with 80 false alarms instead of 4."""
    careful = with_alarms(*[1] * 4, *[0] * 36, found=4)
    eager = with_alarms(*[2] * 40, found=34)

    by = differences(careful, eager)
    text = sentence(("a", "b"), by, (count_alarms(careful), count_alarms(eager)))

    assert by["recall"].value == 0.75
    assert by["precision"].value == pytest.approx(34 / 114 - 4 / 8)
    assert by["false alarms"].value == 76 / 40
    assert by["false alarms"].low > 1.4
    assert text.startswith(
        "b is better than a in some metrics and worse in others. Better: recall higher by 0.750 ("
    )
    assert "Worse: 80 instead of 4 false alarms, 1.900 (" in text
    assert ". Worse as measured, but not proven: precision lower by 0.202 (" in text
    assert "no difference" not in text

    reverse = sentence(("b", "a"), differences(eager, careful), (80, 4))
    assert "Better: 4 instead of 80 false alarms, 1.900 (" in reverse
    assert "Worse: recall lower by 0.750 (" in reverse


def test_differences_that_are_not_proven_are_listed_as_measured():
    """21 and 27 false alarms; 20 and 21 of 40 doors."""
    first = with_alarms(*[1] * 21, *[0] * 19, found=20)
    second = with_alarms(*[0] * 13, *[1] * 27, found=21)

    text = sentence(("a", "b"), differences(first, second), (21, 27))

    assert text.startswith("no difference between a and b is proven, on the same 40 photographs")
    tail = text.split(". Better as measured, but not proven: ")[1]
    better, worse = tail.split(". Worse as measured, but not proven: ")
    assert better.startswith("recall higher by 0.025 (-")
    assert "27 instead of 21 false alarms, 0.150 (-" in worse
    assert worse.startswith("precision lower by ")


def test_the_interval_of_false_alarms_uses_the_variance_between_scenes():
    """4 of 8 photographs have one more: 8 residuals of 0.5, sum of squares 2, times 8/7, widened by
    1.15, is 0.217. The Poisson deviation sqrt(4 + 1) / 8 = 0.280 is larger. Student's quantile for
    7 is 2.365."""
    by = differences(with_alarms(*[0] * 8, found=8), with_alarms(*[1, 0] * 4, found=8))

    alarms = by["false alarms"]
    assert (alarms.value, alarms.n, alarms.of) == (0.5, 8, "photographs")
    assert alarms.high - alarms.value == pytest.approx(2.3646 * 0.27951, abs=1e-4)


def test_false_alarms_in_one_scene_prove_less_than_in_many():
    spread_out = differences(with_alarms(*[0] * 40, found=40), with_alarms(*[0, 2] * 20, found=40))
    in_one_scene = differences(
        with_alarms(*[0] * 40, found=40), with_alarms(*[0] * 39, 40, found=40)
    )

    assert spread_out["false alarms"].value == in_one_scene["false alarms"].value == 1
    assert spread_out["false alarms"].low > 0 > in_one_scene["false alarms"].low


def test_the_precision_of_a_model_that_detects_nothing_is_not_compared():
    silent = with_alarms(*[0] * 20, found=0)

    assert "precision" not in differences(silent, with_alarms(*[0] * 20, found=20))
    text = sentence(("a", "b"), differences(silent, silent), (0, 0))
    assert text == "no difference between a and b is proven, on the same 20 photographs"
