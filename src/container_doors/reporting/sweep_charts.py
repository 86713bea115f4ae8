"""Draw a sweep: its trials over all keys at once, their curves, and how much each key matters."""

import math

from markupsafe import Markup

from container_doors.core.sweeps import Choice, Range, Scalar, Sweep, Trial
from container_doors.reporting.chart_parts import (
    Axis,
    Point,
    dot,
    epoch_ticks,
    frame,
    joined,
    legend_entry,
    percent,
    picture,
    polylines,
    upright,
)

_BASELINE, _BEST, _OTHER, _PRUNED = "c0 dashed", "c1 solid", "other", "other dashed"
_MOST_AXES_ON_A_PHONE = 6


def parallel_coordinates(sweep: Sweep) -> Markup:
    """Draw each trial as a line over one axis per key, and the objective as the last axis.

    A value outside of the space, as the baseline may have, is a gap. A pruned trial has no score.
    """
    keys = list(sweep.space)
    across = {key: index / len(keys) for index, key in enumerate(keys)}
    scores = [one.score for one in sweep.trials if one.score is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    parts = [upright("grid", x) for x in (*across.values(), 1.0)]
    texts = [_below(1.0, "score"), _beside(1.0, 1.0, f"{high:.3f}", "end")]
    for number, (key, x) in enumerate(across.items(), start=1):
        texts += [*_ticks(sweep.space[key], x), _below(x, str(number))]
    if high > low:
        texts.append(_beside(1.0, 0.0, f"{low:.3f}", "end"))
    for trial in _best_last(sweep):
        pieces: list[list[Point]] = [[]]
        for key, x in across.items():
            y = _height(sweep.space[key], trial.values[key])
            if y is not None:
                pieces[-1].append((x, y))
            elif pieces[-1]:
                pieces.append([])
        if trial.score is not None:
            y = (trial.score - low) / (high - low) if high > low else 0.5
            pieces[-1].append((1.0, y))
        parts.append(polylines(_classes(sweep, trial), pieces))
    words = "; ".join(_words(one) for one in sweep.trials if one.score is not None)
    classes = "tall parallel" + (" wide" if len(keys) > _MOST_AXES_ON_A_PHONE else "")
    return picture(
        [*parts, *texts],
        f"{sweep.objective} and the values of each trial: {words}",
        classes=classes,
    )


def curves(sweep: Sweep) -> Markup:
    """Draw the mAP50-95 on val of all trials, by epoch."""
    trials = [one for one in _best_last(sweep) if one.curve]
    numbers = list(range(1, max(max(one.curve) for one in trials) + 1))
    up = Axis.of([0.0, *(value for one in trials for value in one.curve.values())])
    span = max(len(numbers) - 1, 1)

    def place(epoch: int, value: float) -> Point:
        x = (epoch - 1) / span if len(numbers) > 1 else 0.5
        return x, up.place(value)

    ticks = [(place(one, 0.0)[0], str(one)) for one in epoch_ticks(numbers)]
    parts = [frame(ticks, up.ticks())]
    for trial in trials:
        classes = _classes(sweep, trial)
        points = [place(epoch, value) for epoch, value in sorted(trial.curve.items())]
        parts.append(polylines(classes, [points]))
        if len(points) == 1:
            words = f"trial {trial.number}: {next(iter(trial.curve.values())):.4f}"
            parts.append(Markup('<g class="{}">{}</g>').format(classes, dot(points[0], words)))
    best = {one.number: max(one.curve.values()) for one in sweep.trials if one.curve}
    words = "; ".join(f"trial {number} up to {value:.3f}" for number, value in best.items())
    return picture(parts, f"mAP50-95 on val, by epoch: {words}", classes="tall")


def legend(sweep: Sweep) -> Markup:
    """Say which line is which."""
    best = sweep.best
    entries = []
    if best is not None and not best.is_baseline:
        entries.append(legend_entry(_BEST, f"trial {best.number}, the winner"))
    name = "the baseline, the winner" if best is not None and best.is_baseline else "the baseline"
    entries.append(legend_entry(_BASELINE, name))
    entries.append(legend_entry(_OTHER, "other trials"))
    if any(one.outcome == "pruned" for one in sweep.trials):
        entries.append(legend_entry(_PRUNED, "pruned"))
    return Markup('<ul class="legend">{}</ul>').format(joined(entries))


def axes(sweep: Sweep) -> list[str]:
    """Describe each axis, in order."""
    return [f"{_short(key)}: {_extent(axis)}" for key, axis in sweep.space.items()]


def proportion_bar(proportion: float) -> Markup:
    """Draw a proportion as a bar; the number is beside it."""
    return Markup(
        '<svg class="range c0" aria-hidden="true"><line class="span" x1="0" x2="{}" y1="50%" '
        'y2="50%"/></svg>'
    ).format(percent(max(0.0, min(proportion, 1.0))))


def value_text(value: Scalar) -> str:
    """Write a value as YAML has it, with few digits.

    >>> value_text(0.00012), value_text(True), value_text(None), value_text("SGD")
    ('0.00012', 'true', 'null', 'SGD')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, int | float) else value


def _classes(sweep: Sweep, trial: Trial) -> str:
    if trial.number == sweep.winner and not trial.is_baseline:
        return _BEST
    if trial.is_baseline:
        return _BASELINE
    return _PRUNED if trial.outcome == "pruned" else _OTHER


def _best_last(sweep: Sweep) -> list[Trial]:
    """Return the trials in the order in which they are drawn, those that failed left out."""
    drawn = [one for one in sweep.trials if one.outcome in ("finished", "pruned")]
    return sorted(drawn, key=lambda one: (one.number == sweep.winner, one.is_baseline, -one.number))


def _height(axis: Range | Choice, value: Scalar) -> float | None:
    """Return where a value is on its axis, from 0 to 1; None outside."""
    if isinstance(axis, Choice):
        at = [
            index for index, one in enumerate(axis.of) if type(one) is type(value) and one == value
        ]
        return at[0] / (len(axis.of) - 1) if at else None
    if not isinstance(value, int | float) or not axis.low <= value <= axis.high:
        return None
    if axis.is_log:
        return math.log(value / axis.low) / math.log(axis.high / axis.low)
    return (value - axis.low) / (axis.high - axis.low)


def _ticks(axis: Range | Choice, x: float) -> list[Markup]:
    if isinstance(axis, Choice):
        last = len(axis.of) - 1
        return [_beside(x, index / last, value_text(one)) for index, one in enumerate(axis.of)]
    return [_beside(x, 0.0, value_text(axis.low)), _beside(x, 1.0, value_text(axis.high))]


def _beside(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    """Write at an axis; the first axis is at the edge, so its texts are to the right of it."""
    return Markup('<text x="{}" dx="{}" y="{}" dy="4" text-anchor="{}">{}</text>').format(
        percent(x), 6 if anchor == "start" else -6, percent(1 - y), anchor, text
    )


def _below(x: float, text: str) -> Markup:
    return Markup(
        '<text class="wanted" x="{}" y="100%" dy="24" text-anchor="middle">{}</text>'
    ).format(percent(x), text)


def _extent(axis: Range | Choice) -> str:
    if isinstance(axis, Choice):
        return ", ".join(map(value_text, axis.of))
    scale = ", logarithmic" if axis.is_log else ""
    return f"{value_text(axis.low)} to {value_text(axis.high)}{scale}"


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def _words(trial: Trial) -> str:
    values = [f"{_short(key)} {value_text(one)}" for key, one in trial.values.items()]
    return f"trial {trial.number}, {trial.score:.4f}: {', '.join(values)}"
