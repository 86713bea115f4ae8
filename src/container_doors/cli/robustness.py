"""``doors robustness``."""

import argparse
import math

from container_doors.adapters.corruptions import KINDS, SLOW_KINDS, corrupt
from container_doors.cli import console
from container_doors.cli.evaluate import opened, say_measured, warn_of_lost_uses, where_kept
from container_doors.cli.output import say
from container_doors.core.measurements import Ladder, Robustness, said
from container_doors.core.run import Run
from container_doors.evaluation.targets import parse_target
from container_doors.reporting.which_run import named_or_only
from container_doors.steps.robustness import RobustnessSettings, measure_robustness

_QUICK, _MOST = 16, 100

_COMMON = {None: (), "usual": KINDS, "all": (*KINDS, *SLOW_KINDS)}


def robustness(arguments: argparse.Namespace) -> int:
    """Print where each ladder falls below the target, and what is kept of the clean score."""
    run = named_or_only(arguments.experiment, "robustness --experiment")
    asked = RobustnessSettings(
        corrupt=corrupt,
        common=_COMMON[arguments.common],
        is_quick=arguments.quick,
        photographs=_QUICK if arguments.quick else _MOST,
        promise=None if arguments.promise is None else parse_target(arguments.promise),
        budget_s=math.inf if arguments.minutes is None else arguments.minutes * 60,
    )
    warn_of_lost_uses()
    with console.progress(quiet=arguments.json) as progress:
        found = measure_robustness(
            run, arguments.split, asked=asked, open_detector=opened, progress=progress
        )
    if arguments.json:
        say_measured(run, found)
    else:
        say(*_lines(run, found), *where_kept(run, found))
    return 0


def _lines(run: Run, found: Robustness) -> list[str]:
    lines = [
        f"{run.name} on {found.photographs} photographs of {found.split} with a door, "
        f"{found.doors} doors",
        f"  clean: AP50 {found.clean.ap50}, recall {found.clean.recall} "
        f"at a confidence of {found.conf_threshold:.3g}",
        *_already_below(found),
        *(_ladder(one, found) for one in found.ladders),
    ]
    if found.mean_ap50 is not None and found.retention is not None:
        lines.append(
            f"  mean over the ladders: AP50 {found.mean_ap50:.3f}, "
            f"{found.retention:.0%} of the clean one"
        )
    if found.looks is not None:
        lines.append(f"looks at this test split, with this one: {found.looks}")
    if found.not_measured:
        lines.append(f"  not measured yet, for want of time: {', '.join(found.not_measured)}")
        lines.append("  the mean over the ladders waits for these: the same command goes on")
    return lines


def _already_below(found: Robustness) -> list[str]:
    recall = found.clean.recall
    if recall is None or recall.value >= found.recall_target:
        return []
    return [f"  it is below {said(found.recall_target)} on these already, as they are"]


def _ladder(ladder: Ladder, found: Robustness) -> str:
    recalls = "  ".join(
        f"{one.severity:g}: {one.recall.value:.2f}"
        for one in ladder.steps
        if one.recall is not None
    )
    line = f"  {ladder.name + ', ' + ladder.unit:32} recall {recalls}"
    if ladder.falls_at is None:
        return line
    return f"{line}  measured below {said(found.recall_target)} from {ladder.falls_at:g}"
