import numpy as np
import pytest

from container_doors.core.errors import ConfigError, RunError
from container_doors.core.measurements import Estimate, Photograph, TargetCheck
from container_doors.evaluation.matched import renumber
from container_doors.evaluation.targets import choose_threshold, parse_target

DOOR = (0.0, 0.0, 10.0, 10.0)
FAR = (50.0, 50.0, 60.0, 60.0)


def photographs(*confidences: float, doors: int = 1) -> list[Photograph]:
    return [
        Photograph(
            image=f"images/val/{number}.jpg",
            width_px=100,
            height_px=100,
            doors_xyxy=[DOOR] * doors,
            scored_xyxy=[],
            scored_confidences=[],
            used_xyxy=[DOOR] if doors else [FAR],
            used_confidences=[confidence],
        )
        for number, confidence in enumerate(confidences)
    ]


def test_the_highest_threshold_that_meets_a_recall_is_chosen():
    """Of 100 doors 95 must be found: 95 of 100 prove 0.888 or more, 94 prove 0.875."""
    confidences = [number / 100 for number in range(100)]

    threshold, found = choose_threshold(
        parse_target("recall>=0.88@95%"), photographs(*confidences), range(100)
    )

    assert threshold == 0.05
    assert found.value == 0.95


def test_the_lowest_threshold_that_meets_the_false_alarms_is_chosen():
    """No alarm on 100 photographs proves 37 of 1,000 or less; one proves 56."""
    confidences = [number / 100 for number in range(100)]

    threshold, found = choose_threshold(
        parse_target("false-alarms<=60@95%"), photographs(*confidences, doors=0), range(100)
    )

    assert threshold == 0.99
    assert found.value == 0.01


def test_a_threshold_that_finds_no_door_is_refused():
    """One false alarm on 50 photographs meets it, two do not; both are above every door."""
    seen = [*photographs(*[0.1] * 48, 0.92, 0.95, doors=0), *photographs(0.9, 0.8)]

    with pytest.raises(RunError, match="met on val only where no door is found"):
        choose_threshold(parse_target("false-alarms<=120@95%"), seen, range(52))


def test_no_threshold_below_one_that_misses_the_target_is_chosen():
    """Two alarms at 0.6 miss it, even if a lower threshold would meet it again."""
    seen = [*photographs(*[0.0] * 98, 0.6, 0.6, doors=0), *photographs(0.9)]

    threshold, _ = choose_threshold(parse_target("false-alarms<=60@95%"), seen, range(101))

    assert threshold == 0.9


@pytest.mark.parametrize("text", ["recall>=0.6@95%", "false-alarms<=900@95%"])
@pytest.mark.parametrize("seed", range(4))
def test_the_chosen_threshold_is_that_of_trying_each_by_itself(text: str, seed: int):
    """Confidences repeat, scenes are mixed, and some photographs have several detections."""
    generator = np.random.default_rng(seed)
    drawn = [
        photographs(float(generator.integers(1, 15)) / 15, doors=int(generator.random() < 0.5))[0]
        for _ in range(60)
    ]
    seen = [
        one.model_copy(update={"used_xyxy": [*one.used_xyxy, FAR], "used_confidences": [*c, c[0]]})
        if number % 3
        else one
        for number, one in enumerate(drawn)
        for c in [one.used_confidences]
    ]
    scenes = renumber(generator.integers(0, 40, 60).tolist())
    target = parse_target(text)

    every = sorted({c for one in seen for c in one.used_confidences})
    met = []
    for threshold in every if target.is_of_recall else every[::-1]:
        found = target.estimate(seen, scenes, conf_threshold=threshold)
        assert found is not None
        if not target.is_met(found):
            break
        met.append((threshold, found))

    assert choose_threshold(target, seen, scenes) == met[-1]


def test_a_target_has_a_cost():
    seen = [*photographs(0.4, 0.9, doors=0), *photographs(0.9, 0.3)]
    of_recall, of_alarms = parse_target("recall>=0.9@95%"), parse_target("false-alarms<=60@95%")

    alarms = of_recall.price(seen, range(4), conf_threshold=0.5)
    recall = of_alarms.price(seen, range(4), conf_threshold=0.5)

    assert alarms is not None
    assert recall is not None
    assert (alarms.value, alarms.of) == (0.5, "photographs without a door")
    assert (recall.value, recall.of) == (0.5, "doors")


def test_false_alarms_are_undefined_where_every_photograph_has_a_door():
    with pytest.raises(RunError, match="undefined on val: it has no photograph without a door"):
        choose_threshold(parse_target("false-alarms<=60@95%"), photographs(0.5), range(1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recall>0.9", r"a target such as recall>=0\.98@95%"),
        ("precision>=0.9@95%", r"a target such as recall>=0\.98@95%"),
        ("recall<=0.9@95%", r"a target such as recall>=0\.98@95%"),
        ("", r"a target such as recall>=0\.98@95%"),
        ("recall>=1.0@95%", "a recall between 0 and 1"),
        ("recall>=98@95%", "a recall between 0 and 1"),
        ("false-alarms<=0@95%", "more than 0"),
        ("recall>=0.9@100%", "a confidence between 0 and 100 %"),
    ],
)
def test_an_invalid_target_is_refused(text: str, expected: str):
    with pytest.raises(ConfigError, match=f"--target: expected {expected}"):
        parse_target(text)


def test_an_error_about_false_alarms_has_the_unit_of_the_target():
    seen = photographs(*[0.001] * 3, 0.9, doors=0)

    with pytest.raises(RunError, match=r"the safest has 250 of 1,000 \(44 to 1417, n = 4 photo"):
        choose_threshold(parse_target("false-alarms<=500@95%"), seen, range(4))


@pytest.mark.parametrize(
    ("written", "read"),
    [("kept", "met"), ("broken", "missed"), ("met", "met"), ("unproven", "unproven")],
)
def test_verdicts_of_earlier_releases_are_read(written: str, read: str):
    estimate = Estimate(value=0.9, low=0.8, high=1.0, n=10, of="doors")

    check = TargetCheck(
        promise="recall>=0.8@95%",
        conf_threshold=0.5,
        chosen_on=estimate,
        checked_on=estimate,
        verdict=written,
    )

    assert check.verdict == read
