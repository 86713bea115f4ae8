"""``doors robustness``."""

import argparse
import math

from container_doors.adapters.corruptions import KINDS, SLOW_KINDS, corrupt
from container_doors.cli import console
from container_doors.cli.evaluate import open_detector, say_measured, warn_of_lost_uses
from container_doors.core.measurements import CorruptionScores, Robustness, format_fraction
from container_doors.core.run import Run
from container_doors.evaluation.targets import parse_target
from container_doors.reporting.which_run import named_or_only
from container_doors.steps.robustness import RobustnessSettings, measure_robustness

_QUICK, _MOST = 16, 100

_COMMON = {None: (), "usual": KINDS, "all": (*KINDS, *SLOW_KINDS)}


def robustness(arguments: argparse.Namespace) -> int:
    """Print where each corruption falls below the target, and the fraction of the clean AP50."""
    run = named_or_only(arguments.experiment, "robustness --experiment")
    settings = RobustnessSettings(
        corrupt=corrupt,
        common=_COMMON[arguments.common],
        is_quick=arguments.quick,
        photographs=_QUICK if arguments.quick else _MOST,
        operating_target=None if arguments.target is None else parse_target(arguments.target),
        budget_s=math.inf if arguments.minutes is None else arguments.minutes * 60,
    )
    warn_of_lost_uses()
    with console.progress(quiet=arguments.json) as progress:
        found = measure_robustness(
            run, arguments.split, settings=settings, open_detector=open_detector, progress=progress
        )
    say_measured(run, found, _lines(run, found), as_json=arguments.json)
    return 0


def _lines(run: Run, found: Robustness) -> list[str]:
    lines = [
        f"{run.label} on {found.photographs} photographs of {found.split} with a door, "
        f"{found.doors} doors",
        f"  clean: AP50 {found.clean.ap50}, recall {found.clean.recall} "
        f"at a confidence of {found.conf_threshold:.3g}",
        *_clean_below(found),
        *(_corruption(one, found) for one in found.ladders),
    ]
    if found.mean_ap50 is not None and found.retention is not None:
        lines.append(
            f"  mean over the corruptions: AP50 {found.mean_ap50:.3f}, "
            f"{found.retention:.0%} of the clean one"
        )
    if found.unseen_retention is not None:
        lines.append(
            "  over those that it was not trained on: "
            f"{found.unseen_retention:.0%} of the clean AP50"
        )
    if found.looks is not None:
        lines.append(f"uses of this test set, with this one: {found.looks}")
    if found.not_measured:
        lines.append(f"  not measured yet, no time left: {', '.join(found.not_measured)}")
        lines.append("  the mean over the corruptions needs these: run the same command again")
    return lines


def _clean_below(found: Robustness) -> list[str]:
    recall = found.clean.recall
    if recall is None or recall.value >= found.recall_target:
        return []
    return [
        f"  recall is below {format_fraction(found.recall_target)} already on the clean photographs"
    ]


def _corruption(corruption: CorruptionScores, found: Robustness) -> str:
    recalls = "  ".join(
        f"{one.severity:g}: {one.recall.value:.2f}"
        for one in corruption.steps
        if one.recall is not None
    )
    line = f"  {corruption.name + ', ' + corruption.unit:32} recall {recalls}"
    if corruption.falls_at is not None:
        line += f"  below {format_fraction(found.recall_target)} from {corruption.falls_at:g}"
    return f"{line}  (trained on)" if corruption.is_trained_on else line
