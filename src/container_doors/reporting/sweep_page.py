"""Write a sweep as one HTML page that needs no network."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

from container_doors.core.files import replace_text
from container_doors.core.sweeps import Sweep, Trial
from container_doors.reporting import sweep_charts
from container_doors.reporting.escaping import page_templates, printable_text
from container_doors.reporting.figures import count, duration
from container_doors.reporting.offline import policy
from container_doors.reporting.sweep_verdict import state, verdict

_BEGINS = "<!doctype html><!-- doors sweep -->"

_MOST_SHOWN = 10
"""Trials in the first table; the others are folded up."""

_ORDER = ("finished", "running", "pruned", "failed")


def write_sweep(output: Path, sweep: Sweep) -> None:
    """Write the page: the verdict, all trials, their values and curves, and what matters."""
    style = files("container_doors.reporting").joinpath("page.css").read_text("utf-8")
    text = _template().render(
        policy=policy(style),
        style=style,
        sweep=sweep,
        verdict=verdict(sweep),
        state=state(sweep),
        most=_MOST_SHOWN,
        trials=_best_first(sweep),
        counts={one: sum(t.outcome == one for t in sweep.trials) for one in _ORDER},
        training_s=sum(one.training_s for one in sweep.trials),
        has_curves=any(one.curve and one.outcome != "failed" for one in sweep.trials),
        charts=sweep_charts,
    )
    replace_text(output, f"{_BEGINS}{text}")


def _best_first(sweep: Sweep) -> list[Trial]:
    """Return the winner, the baseline, and the others: the best score first, then without one."""

    def rank(one: Trial) -> tuple[bool, bool, int, float, int]:
        is_winner = one.number == sweep.winner
        outcome = _ORDER.index(one.outcome)
        return not is_winner, not one.is_baseline, outcome, -(one.score or 0.0), one.number

    return sorted(sweep.trials, key=rank)


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def _breakable(key: str) -> Markup:
    """Let a long name break after an underscore."""
    return Markup("_<wbr>").join(key.split("_"))


@cache
def _template() -> Template:
    environment = page_templates(printable_text)
    environment.filters |= {
        "count": count,
        "duration": duration,
        "short": _short,
        "breakable": _breakable,
        "value": sweep_charts.value_text,
    }
    return environment.get_template("sweep.html.j2")
