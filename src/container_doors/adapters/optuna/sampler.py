"""Chooses the next trial of a sweep with Optuna's TPE, from the results of those before it.

Nothing but its arguments decides: the sampler is made anew for each trial, with a seed of its own,
and is shown the earlier trials in order of their numbers. So a sweep that was killed goes on with
the trials that it would have had. TPE: doi.org/10.48550/arXiv.2304.11127.
"""

import hashlib
import itertools
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from container_doors.core.sweeps import Choice, Importance, Range, Scalar, Space, Trial
from container_doors.sweeps.space import contains
from container_doors.sweeps.trials import IsUsable

_STARTUP_TRIALS = 5
"""With fewer results the values are drawn by chance. Optuna's default, 10, would be most of a
sweep of 20."""

_MOST_ATTEMPTS = 20
_DIGITS = 4
"""Significant digits of a value without a step."""

_FEWEST_EXPLAINED = 10
"""With fewer finished trials an importance is mostly chance."""


def suggest(
    space: Space, before: Sequence[Trial], known: int, seed: int, is_usable: IsUsable
) -> dict[str, Scalar] | None:
    """Choose the values of the trial after ``before``.

    Args:
        space: What is searched.
        before: All earlier trials; none of them is repeated.
        known: So many of them, the first, have a known result; the others count as bad ones, so
            that trials that train side by side differ.
        seed: Of the sweep.
        is_usable: A combination that is not is no trial.

    Returns:
        None if every usable combination was tried.
    """
    tried = {_key(one.values) for one in before}
    for attempt in range(_MOST_ATTEMPTS):
        values = _suggested(space, before, known, f"{seed}:{len(before)}:{attempt}")
        if _key(values) not in tried and is_usable(values):
            return values
    left = (one for one in _combinations(space) if _key(one) not in tried)
    return next(filter(is_usable, left), None)


def importance(space: Space, trials: Sequence[Trial]) -> Importance | None:
    """Calculate which proportion of the variance of the scores each key explains, by fANOVA.

    A random forest is fitted to the scores of the finished trials, and its variance is decomposed:
    proceedings.mlr.press/v32/hutter14.html.

    Returns:
        None with fewer than ten finished trials in the space, or without a difference.
    """
    finished = [one for one in trials if one.outcome == "finished" and _is_inside(space, one)]
    if len(finished) < _FEWEST_EXPLAINED or len({one.score for one in finished}) == 1:
        return None
    with _quiet() as optuna:
        study = _study(optuna, None)
        for one in finished:
            study.add_trial(_frozen(optuna, space, one))
        try:
            found = optuna.importance.get_param_importances(
                study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
            )
        except RuntimeError:  # no variance in any tree of the forest
            return None
    total = sum(found.values())
    if not math.isfinite(total) or total <= 0:
        return None
    return Importance(
        method="fANOVA",
        trials=len(finished),
        by={key: float(value) / float(total) for key, value in found.items()},
    )


def distributions(space: Space) -> dict[str, Any]:
    """Write a space in Optuna's classes, in order of the keys: values are drawn in this order."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, Any] = {}
    for key, axis in sorted(space.items()):
        if isinstance(axis, Choice):
            found[key] = CategoricalDistribution(axis.of)
        elif axis.is_whole:
            low, high = int(axis.low), int(axis.high)
            found[key] = IntDistribution(low, high, log=axis.is_log, step=int(axis.step or 1))
        else:
            found[key] = FloatDistribution(axis.low, axis.high, log=axis.is_log, step=axis.step)
    return found


@contextmanager
def _quiet() -> Iterator[Any]:
    """Import Optuna; its notices, and its warnings of what is experimental, are not for people."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna

        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(logging.ERROR)
        try:
            yield optuna
        finally:
            optuna.logging.set_verbosity(before)


def _suggested(space: Space, before: Sequence[Trial], known: int, seed: str) -> dict[str, Scalar]:
    with _quiet() as optuna:
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=_STARTUP_TRIALS,
            constant_liar=True,
            seed=int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]),
        )
        study = _study(optuna, sampler)
        for number, one in enumerate(before):
            if _is_inside(space, one):
                as_known = one if number < known else one.model_copy(update=_UNKNOWN)
                study.add_trial(_frozen(optuna, space, as_known))
        chosen = study.ask(distributions(space)).params
    return {key: _tidy(space[key], chosen[key]) for key in space}


_UNKNOWN: dict[str, Any] = {"outcome": "running", "score": None, "curve": {}}


def _study(optuna: Any, sampler: Any) -> Any:  # noqa: ANN401 - a vendor's
    return optuna.create_study(direction="maximize", sampler=sampler)


def _frozen(optuna: Any, space: Space, trial: Trial) -> Any:  # noqa: ANN401 - a vendor's
    """Write a trial as Optuna's; one that failed counts as pruned before its first epoch.

    Optuna would forget it, and might choose the same again.
    """
    states = optuna.trial.TrialState
    state = {"running": states.RUNNING, "finished": states.COMPLETE}.get(
        trial.outcome, states.PRUNED
    )
    return optuna.trial.create_trial(
        state=state,
        value=trial.score,
        params=trial.values,
        distributions=distributions(space),
        intermediate_values=trial.curve,
    )


def _is_inside(space: Space, trial: Trial) -> bool:
    """Return whether a trial is in the space; the baseline may be outside."""
    return all(contains(axis, trial.values[key]) for key, axis in space.items())


def _tidy(axis: Range | Choice, value: Any) -> Scalar:  # noqa: ANN401 - a vendor's
    """Round to few digits, so that a value can be read and typed."""
    if isinstance(axis, Choice):
        return next(one for one in axis.of if type(one) is type(value) and one == value)
    if axis.is_whole:
        return int(value)
    digits = _DIGITS if axis.step is None else 12
    return min(max(float(f"{value:.{digits}g}"), axis.low), axis.high)


def _combinations(space: Space) -> Iterator[dict[str, Scalar]]:
    """Yield every combination of a space; none if a range has no step."""
    if any(isinstance(axis, Range) and axis.step is None for axis in space.values()):
        return
    for values in itertools.product(*map(_values, space.values())):
        yield dict(zip(space, values, strict=True))


def _values(axis: Range | Choice) -> list[Scalar]:
    if isinstance(axis, Choice):
        return axis.of
    step = axis.step or 1.0
    return [
        _tidy(axis, axis.low + step * number)
        for number in range(round((axis.high - axis.low) / step) + 1)
    ]


def _key(values: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, repr(value)) for key, value in values.items()))
