"""``doors robustness``."""

import argparse
import math

from container_doors import assessment
from container_doors.adapters.corruptions import KINDS, corrupt
from container_doors.cli import console
from container_doors.cli.evaluate import opened
from container_doors.measurements import Ladder, Robustness
from container_doors.run import Run

_QUICK, _MOST = 16, 100


def robustness(arguments: argparse.Namespace) -> int:
    """Print where each ladder falls below the target, and what is kept of the clean score."""
    run = Run(arguments.experiment)
    asked = assessment.Climb(
        corrupt=corrupt,
        common=KINDS if arguments.common else (),
        is_quick=arguments.quick,
        photographs=_QUICK if arguments.quick else _MOST,
        budget_s=math.inf if arguments.minutes is None else arguments.minutes * 60,
    )
    with console.progress(quiet=arguments.json) as progress:
        found = assessment.climb_ladders(
            run, arguments.split, asked=asked, open_detector=opened, progress=progress
        )
    if arguments.json:
        print(found.to_json(), end="")
    else:
        print("\n".join([*_lines(found), f"wrote {run.robustness_json(arguments.split)}"]))
    return 0


def _lines(found: Robustness) -> list[str]:
    lines = [
        f"{found.experiment} on {found.photographs} photographs of {found.split} with a door, "
        f"{found.doors} doors",
        f"  clean: AP50 {found.clean.ap50}",
        *(_ladder(one, found) for one in found.ladders),
    ]
    if found.mean_ap50 is not None and found.retention is not None:
        lines.append(
            f"  mean over the ladders: AP50 {found.mean_ap50:.3f}, "
            f"{found.retention:.0%} of the clean one"
        )
    if found.not_measured:
        lines.append(f"  not measured yet, for want of time: {', '.join(found.not_measured)}")
    return lines


def _ladder(ladder: Ladder, found: Robustness) -> str:
    recalls = "  ".join(
        f"{one.severity:g}: {one.recall.value:.2f}"
        for one in ladder.steps
        if one.recall is not None
    )
    falls = (
        "" if ladder.falls_at is None else f"  below {found.recall_target} at {ladder.falls_at:g}"
    )
    return f"  {ladder.name:18} recall {recalls}{falls}"
