"""What a sweep has found, in one sentence."""

from container_doors.core.sweeps import Sweep

HOLDS, NOT_PROVEN, MISSED, NOT_MEASURED = "holds", "not proven", "missed", "not measured"


def verdict(sweep: Sweep) -> str:
    """Write whether the winner is better than the baseline, or why that is not known."""
    best = sweep.best
    if best is None:
        return f"no trial has finished; {sweep.not_confirmed or 'some are left'}"
    if sweep.end is None:
        return f"not at its end: the best trial so far is {best.number}"
    found = sweep.confirmation
    if found is None:
        stays = (
            "the baseline stays" if best.is_baseline else f"trial {best.number} is not confirmed"
        )
        return f"{stays}: {sweep.not_confirmed}"
    name = f"trial {best.number}"
    difference = found.by.get("AP50-95")
    if difference is None:
        return f"{name} cannot be told from the baseline on {found.split}: they find the same"
    by = f"{abs(difference.value):.3f}"
    bounds = f"{difference.low:+.3f} to {difference.high:+.3f}"
    if found.verdict == "cannot be told":
        return (
            f"{name} cannot be told from the baseline: AP50-95 on {found.split} differs by "
            f"{difference.value:+.3f} [{bounds}]"
        )
    higher = "higher" if found.verdict == "better" else "lower"
    return (
        f"{name} is {found.verdict} than the baseline: AP50-95 on {found.split} is {higher} by "
        f"{by} [{bounds}]"
    )


def state(sweep: Sweep) -> str:
    """Return the state that a page shows: ``holds``, ``not proven``, ``missed``, ..."""
    if sweep.confirmation is None:
        return NOT_MEASURED
    states = {"better": HOLDS, "worse": MISSED, "cannot be told": NOT_PROVEN}
    return states[sweep.confirmation.verdict]
