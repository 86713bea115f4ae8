"""How often doors monitor raises an alarm: in months without a change, and after a loss of recall.

    uv run python benchmarks/monitor.py [--months 1000]

Each month has 200 photographs, of which 30 are labelled; the test set has 100. The alternative is
to label 30 photographs by simple random sampling, and to use Wilson's interval.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
from tests.months import Month, month

from container_doors.core.measurements import wilson
from container_doors.evaluation.drift import Compared, Sample, find_drifts
from container_doors.evaluation.label_sample import (
    STRATA,
    Labelled,
    draw,
    estimate_recall,
    stratum_of,
)

BUDGET, TARGET, LOSS, ALPHA = 30, 0.95, 0.10, 0.025


def main() -> None:
    """Print the proportions of months with an alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=1000)
    months = parser.parse_args().months
    print(f"{'recall':>8} {'any alarm':>10} {'photographs':>12} {'labels':>8} {'simple':>8}")
    for recall in (TARGET, TARGET - LOSS):
        dealer = np.random.default_rng(42)
        counts = np.zeros(4)
        for _ in range(months):
            tested = month(dealer, photographs=100, recall=TARGET)
            now = month(dealer, recall=recall)
            drifted = _has_drifted(tested, now)
            by_labels = _is_missed(tested, now, dealer)
            counts += (drifted or by_labels, drifted, by_labels, _is_missed_simply(now, dealer))
        rates = counts / months
        print(f"{recall:8.2f} {rates[0]:10.3f} {rates[1]:12.3f} {rates[2]:8.3f} {rates[3]:8.3f}")
    print(f"labels see a loss of {LOSS:.2f} {rates[2] / max(rates[3], 1e-9):.2f} times as often "
          "as a simple random sample of the same size")  # fmt: skip


def _has_drifted(tested: Month, now: Month) -> bool:
    before, after = tested.confidence > 0, now.confidence > 0
    pairs = {
        "confidence": (tested.confidence[before], now.confidence[after]),
        "box size": (tested.area_share[before], now.area_share[after]),
        "brightness": (tested.brightness[before], now.brightness[after]),
        "without a door": (np.where(before, 0.0, 1.0), np.where(after, 0.0, 1.0)),
    }
    compared = [
        Compared(
            name,
            Sample(first, np.arange(len(first))),
            Sample(second, np.arange(len(second))),
            is_proportion=name == "without a door",
        )
        for name, (first, second) in pairs.items()
    ]
    return any(one.has_changed for one in find_drifts(compared, alpha=ALPHA))


def _is_missed(tested: Month, now: Month, dealer: np.random.Generator) -> bool:
    usual = float(np.median(tested.confidence[tested.confidence > 0]))
    strata = [stratum_of([one] if one else [], usual) for one in now.confidence.tolist()]
    labelled = [
        Labelled(strata[i], int(now.is_found[i]), int(now.has_door[i] & ~now.is_found[i]))
        for i in draw(strata, BUDGET, seed=int(dealer.integers(2**31)))
    ]
    sizes = {name: strata.count(name) for name in STRATA}
    found = estimate_recall(labelled, sizes, level=1 - 2 * ALPHA)
    return found is not None and found.high < TARGET


def _is_missed_simply(now: Month, dealer: np.random.Generator) -> bool:
    drawn = dealer.choice(len(now.has_door), BUDGET, replace=False)
    doors = int(now.has_door[drawn].sum())
    return bool(doors) and wilson(int(now.is_found[drawn].sum()), doors)[1] < TARGET


if __name__ == "__main__":
    main()
