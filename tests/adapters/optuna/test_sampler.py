"""Which trial comes next, with the real Optuna."""

from collections.abc import Sequence

from container_doors.adapters.optuna.sampler import importance, suggest
from container_doors.core.sweeps import Choice, Range, Scalar, Space, Trial

SPACE: Space = {
    "rate": Range(low=1e-4, high=1e-2, is_whole=False, is_log=True),
    "warmup": Range(low=0, high=4, is_whole=True, step=1),
    "optimizer": Choice(of=["SGD", "AdamW"]),
}
SMALL: Space = {"warmup": Range(low=0, high=2, is_whole=True, step=1), "flag": Choice(of=[True, 1])}


def anything(_: dict[str, Scalar]) -> bool:
    return True


def ended(number: int, values: dict[str, Scalar], score: float | None, **more: object) -> Trial:
    outcome = "failed" if score is None else "finished"
    fields = {"number": number, "run": "x", "values": values, "chosen_after": number}
    return Trial.model_validate({**fields, "outcome": outcome, "score": score, **more})


def searched(trials: int, *, seed: int = 0, space: Space = SPACE) -> list[Trial]:
    found: list[Trial] = []
    while len(found) < trials:
        values = suggest(space, found, len(found), seed, anything)
        assert values is not None
        found.append(ended(len(found), values, _score(values)))
    return found


def _score(values: dict[str, Scalar]) -> float:
    return -abs(float(values.get("rate") or 0) - 0.004) - 0.0001 * float(values["warmup"] or 0)


def test_the_next_trial_follows_from_the_results_and_the_seed_alone():
    trials = searched(12)

    assert searched(12) == trials
    assert searched(12, seed=1) != trials
    again = [one.model_copy(update={"training_s": 1.0, "run": "y"}) for one in trials]
    assert suggest(SPACE, again, 12, 0, anything) == suggest(SPACE, trials, 12, 0, anything)


def test_a_result_that_is_not_known_yet_decides_nothing():
    """Trials that train side by side are chosen together: a faster one changes nothing."""
    trials = searched(8)
    other = [*trials[:7], ended(7, trials[7].values, 5.0, curve={1: 0.5})]

    assert suggest(SPACE, other, 7, 0, anything) == suggest(SPACE, trials, 7, 0, anything)
    assert suggest(SPACE, trials, 7, 0, anything) != suggest(SPACE, trials[:7], 7, 0, anything)


def test_no_trial_is_repeated_and_a_small_space_ends():
    trials: list[Trial] = [ended(0, {"warmup": 1, "flag": True}, 0.5)]
    while (values := suggest(SMALL, trials, len(trials), 0, anything)) is not None:
        trials.append(ended(len(trials), values, 0.1))

    assert len({repr(sorted(one.values.items())) for one in trials}) == len(trials) == 6


def test_what_params_do_not_allow_together_is_no_trial():
    trials: list[Trial] = []
    while values := suggest(SMALL, trials, len(trials), 0, lambda one: one["flag"] is True):
        trials.append(ended(len(trials), values, 0.1))

    assert {one.values["warmup"] for one in trials} == {0, 1, 2}
    assert len(trials) == 3


def test_a_search_comes_closer_to_the_best_and_away_from_what_fails():
    def best(trials: Sequence[Trial]) -> float:
        return max(one.score for one in trials if one.score is not None)

    assert best(searched(25)) > best(searched(5))
    failing: list[Trial] = []
    for number in range(25):
        values = suggest(SPACE, failing, number, 0, anything)
        assert values is not None
        fails = values["optimizer"] == "SGD"
        failing.append(ended(number, values, None if fails else _score(values)))
    assert sum(one.outcome == "failed" for one in failing[10:]) <= 5


def test_a_baseline_outside_of_the_space_is_no_obstacle():
    outside = ended(0, {"rate": 0.5, "warmup": 9, "optimizer": "Adam"}, 0.9)

    assert suggest(SPACE, [outside], 1, 0, anything) is not None


def test_the_importance_is_that_of_the_key_that_matters_or_absent():
    trials = searched(20)
    found = importance(SPACE, trials)

    assert found is not None
    assert max(found.by, key=found.by.__getitem__) == "rate"
    assert abs(sum(found.by.values()) - 1) < 1e-9
    assert found.trials == 20
    assert importance(SPACE, trials[:9]) is None
    assert importance(SPACE, [ended(n, one.values, 0.5) for n, one in enumerate(trials)]) is None
