"""When a trial is stopped early: what it must have reached by each epoch.

The floors of a trial are calculated once, from the trials before it, so that a sweep that was
killed stops the same trials after the same epochs.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import median

from container_doors.core.sweeps import Trial
from container_doors.sweeps.plan import Pruning


def floors(before: Sequence[Trial], pruning: Pruning) -> dict[int, float]:
    """Return the least val mAP50-95, the best so far, that a trial needs after each epoch.

    The rule is Optuna's ``MedianPruner``: worse than the median of the finished trials at the same
    epoch. A trial that stopped early by its patience keeps its best.

    Args:
        before: The trials whose results were known when it was chosen.
        pruning: The rule.

    Returns:
        By epoch; empty if it is never stopped.
    """
    curves = [so_far(one.curve) for one in before if one.outcome == "finished" and one.curve]
    if pruning.rule == "none" or len(curves) < pruning.after_trials:
        return {}
    last = max(max(curve) for curve in curves)
    return {
        epoch: median(_at(curve, epoch) for curve in curves)
        for epoch in range(pruning.after_epochs, last)
    }


def so_far(curve: Mapping[int, float]) -> dict[int, float]:
    """Return the best value up to each epoch.

    >>> so_far({1: 0.2, 2: 0.1, 3: 0.4})
    {1: 0.2, 2: 0.2, 3: 0.4}
    """
    epochs = sorted(curve)
    return dict(zip(epochs, accumulate((curve[one] for one in epochs), max), strict=True))


def _at(best: Mapping[int, float], epoch: int) -> float:
    return best[max((one for one in best if one <= epoch), default=min(best))]
