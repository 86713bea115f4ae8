from dataclasses import replace

import pytest

from container_doors.evaluation.matched import MatchedPhotograph, match_photographs
from container_doors.evaluation.paired import alarms_of, differences, sentence
from tests.evaluation.test_targets import photographs


def test_a_model_that_finds_more_is_better():
    """Of 40 doors the second finds 40 and the first 20, at a confidence of 0.5 and over all."""
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


def test_two_models_that_find_the_same_may_still_differ_a_little():
    seen = match_photographs(photographs(*[0.9] * 40), range(40), conf_threshold=0.5)

    recall = differences(seen, seen)["recall"]

    assert recall.value == 0
    assert recall.low == pytest.approx(-recall.high)
    assert recall.high > 0.02


def test_one_scene_tells_nothing_of_two_models():
    seen = match_photographs(photographs(*[0.9] * 30), [0] * 30, conf_threshold=0.5)
    worse = [replace(one, found=(False,)) if number < 8 else one for number, one in enumerate(seen)]

    assert differences(worse, seen) == {}


def test_models_that_agree_on_few_photographs_may_still_differ():
    """All of four are found by both: a fifth may tell them apart, by AP50 as well as by recall."""
    every = photographs(*[0.9] * 4)
    sharp = [one.model_copy(update={"scored_xyxy": one.used_xyxy, "scored_confidences": [0.9]})
             for one in every]  # fmt: skip
    seen = match_photographs(sharp, range(4), conf_threshold=0.5)

    by = differences(seen, seen)

    assert by["AP50"].high > 0.3
    assert all(-1 <= one.low <= one.value <= one.high <= 1 for one in by.values())


def with_alarms(*alarms: int, found: int) -> list[MatchedPhotograph]:
    """Of as many photographs with a door each, the first ``found`` are found."""
    many_photographs = photographs(*[0.9] * len(alarms))
    matched = match_photographs(many_photographs, range(len(alarms)), conf_threshold=0.5)
    return [
        replace(one, found=(number < found,), alarms=(0.9,) * many)
        for number, (one, many) in enumerate(zip(matched, alarms, strict=True))
    ]  # fmt: skip


def test_a_model_that_finds_more_and_alarms_more_is_better_and_worse():
    """Of 40 doors 34 and not 4, for 80 false alarms and not 4."""
    careful = with_alarms(*[1] * 4, *[0] * 36, found=4)
    eager = with_alarms(*[2] * 40, found=34)

    by = differences(careful, eager)
    said = sentence(("a", "b"), by, (alarms_of(careful), alarms_of(eager)))

    assert by["recall"].value == 0.75
    assert by["precision"].value == pytest.approx(34 / 114 - 4 / 8)
    assert by["false alarms"].value == 76 / 40
    assert by["false alarms"].low > 1.4
    assert said.startswith(
        "b is better than a in one sense and worse in another. Better: recall higher by 0.750 ("
    )
    assert "Worse: false alarms: 80 and not 4, 1.900 (" in said
    assert "as measured, and no more than that, worse: precision lower by 0.202 (" in said.lower()
    assert "cannot be told" not in said

    back = sentence(("b", "a"), differences(eager, careful), (80, 4))
    assert "Better: false alarms: 4 and not 80, 1.900 (" in back
    assert "Worse: recall lower by 0.750 (" in back


def test_what_cannot_be_told_is_still_said_in_which_sense_it_was_measured():
    """21 false alarms and 27, 20 doors and 21, of 40."""
    first = with_alarms(*[1] * 21, *[0] * 19, found=20)
    second = with_alarms(*[0] * 13, *[1] * 27, found=21)

    said = sentence(("a", "b"), differences(first, second), (21, 27))

    assert said.startswith("it cannot be told whether b is better than a, on the same 40 photo")
    better, worse = said.split("As measured, and no more than that, better: ")[1].split("worse: ")
    assert better.startswith("recall higher by 0.025 (-")
    assert "false alarms: 27 and not 21, 0.150 (-" in worse
    assert worse.startswith("precision lower by ")


def test_the_interval_of_false_alarms_is_that_of_the_scenes():
    """Of 8 photographs 4 have one more: 8 residuals of 0.5, their sum 2, times 8/7, widened by 1.15
    is 0.217; single events leave sqrt(4 + 1) / 8 = 0.280 open, which is more. t of 7, to
    the first order: 2.299."""
    by = differences(with_alarms(*[0] * 8, found=8), with_alarms(*[1, 0] * 4, found=8))

    alarms = by["false alarms"]
    assert (alarms.value, alarms.n, alarms.of) == (0.5, 8, "photographs")
    assert alarms.high - alarms.value == pytest.approx(2.2989 * 0.27951, abs=1e-4)


def test_false_alarms_of_one_scene_are_one_piece_of_evidence():
    apart = differences(with_alarms(*[0] * 40, found=40), with_alarms(*[0, 2] * 20, found=40))
    crowd = differences(with_alarms(*[0] * 40, found=40), with_alarms(*[0] * 39, 40, found=40))

    assert apart["false alarms"].value == crowd["false alarms"].value == 1
    assert apart["false alarms"].low > 0 > crowd["false alarms"].low


def test_the_precision_of_a_model_that_detects_nothing_is_not_compared():
    silent = with_alarms(*[0] * 20, found=0)

    assert "precision" not in differences(silent, with_alarms(*[0] * 20, found=20))
    said = sentence(("a", "b"), differences(silent, silent), (0, 0))
    assert said == "it cannot be told whether b is better than a, on the same 20 photographs"
