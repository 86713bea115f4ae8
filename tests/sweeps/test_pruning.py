"""The floors of a trial, worked out by hand."""

from container_doors.core.sweeps import Trial
from container_doors.sweeps.plan import Pruning
from container_doors.sweeps.pruning import floors


def a_trial(number: int, *curve: float, outcome: str = "finished") -> Trial:
    return Trial.model_validate(
        {
            "number": number,
            "run": f"s-trial{number:03}",
            "values": {},
            "chosen_after": number,
            "outcome": outcome,
            "curve": dict(enumerate(curve, start=1)),
        }
    )


def test_the_floor_is_the_median_of_the_best_so_far_and_the_last_epoch_has_none():
    """Best so far: 1, 3, 3, 4 and 2, 2, 2 (it stopped early, and stays 2) and 5, 5, 6, 9, tenths.

    Medians: after epoch 2 of 3, 2 and 5: 3; after epoch 3 of 3, 2 and 6: 3. After epoch 4, the
    longest, there is nothing to stop.
    """
    before = [
        a_trial(0, 0.1, 0.3, 0.2, 0.4),
        a_trial(1, 0.2, 0.1, 0.1),
        a_trial(2, 0.5, 0.4, 0.6, 0.9),
        a_trial(3, 0.9, outcome="pruned"),
    ]

    assert floors(before, Pruning(after_epochs=2, after_trials=3)) == {2: 0.3, 3: 0.3}


def test_without_enough_finished_trials_none_is_pruned():
    before = [a_trial(0, 0.1, 0.3), a_trial(1, 0.1, 0.2), a_trial(2, 0.9, outcome="failed")]

    assert floors(before, Pruning(after_epochs=1, after_trials=3)) == {}
    assert floors(before, Pruning(after_epochs=1, after_trials=2)) == {1: 0.1}
    assert floors(before, Pruning.model_validate("none")) == {}
