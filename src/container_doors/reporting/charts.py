"""Draw charts as SVG in a page: in its colours and its width, with a text for screen readers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from container_doors.core.measurements import CorruptionScores, Estimate, format_fraction
from container_doors.core.records import Epoch
from container_doors.reporting.chart_parts import (
    FROM_0_TO_1,
    FROM_0_TO_1_AXIS,
    Axis,
    Point,
    dot,
    epoch_ticks,
    epochs_across,
    frame,
    joined,
    legend_entry,
    level,
    percent,
    picture,
    polylines,
    upright,
)
from container_doors.reporting.gate import ABOVE

_DASHES = ("solid", "dashed")
_LOSSES = ("box_loss", "cls_loss", "dfl_loss")
_APART = 0.16
"""The smallest distance of two numbers of a scale, so that they do not overlap on a narrow page."""

_MOST_EPOCHS_WITH_DOTS = 30


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of a training, with its legend."""

    title: str
    legend: Markup
    chart: Markup


@dataclass(frozen=True, slots=True)
class _Series:
    label: str
    values: list[float]
    """By epoch; nan where it was not measured."""
    target: float | None = None


def interval(one: Estimate, *, target: float | None) -> Markup:
    """Draw a value as a dot on its interval, from 0 to 1, and the target as a line.

    It is hidden from screen readers, because the numbers are beside it.
    """
    parts = [upright("grid", value) for value, _ in FROM_0_TO_1]
    if target is not None:
        parts.append(upright("target", target))
    parts.append(
        Markup(
            '<line class="span" x1="{}" x2="{}" y1="50%" y2="50%"/>'
            '<circle class="dot" cx="{}" cy="50%" r="5"><title>{}</title></circle>'
        ).format(percent(one.low), percent(one.high), percent(one.value), one)
    )
    return Markup('<svg class="range c0" aria-hidden="true">{}</svg>').format(joined(parts))


def scale(*, target: float | None) -> Markup:
    """Draw the scale above a column of intervals."""
    parts = [
        Markup('<text x="{}" y="12" text-anchor="middle">{}</text>').format(percent(value), label)
        for value, label in FROM_0_TO_1
        if target is None or abs(value - target) > _APART
    ]
    if target is not None:
        parts.append(
            Markup('<text class="wanted" x="{}" y="12" text-anchor="middle">{}</text>').format(
                percent(target), format_fraction(target)
            )
        )
    return Markup('<svg class="scale" aria-hidden="true">{}</svg>').format(joined(parts))


def precision_recall(
    points: Sequence[Point], *, in_use: Point | None, title: str, at: str = ""
) -> Markup:
    """Draw precision over recall, each from 0 to 1, and the operating point as a dot.

    Args:
        points: Recall and precision, from the highest confidence to the lowest.
        in_use: The operating point.
        title: Of the chart, for screen readers.
        at: The confidence of the operating point.
    """
    line = [(0.0, points[0][1]), *points] if points else []
    operating_point, words = Markup(""), ""
    if in_use is not None:
        words = f"; {at}recall {in_use[0]:.3f}, precision {in_use[1]:.3f}"
        operating_point = dot(in_use, words.removeprefix("; "))
    return picture(
        [
            frame(FROM_0_TO_1, FROM_0_TO_1),
            polylines("c0 solid", [line]),
            operating_point,
            Markup('<text class="axis" x="0" y="0" dx="-30" dy="-12">precision</text>'),
            Markup('<text class="axis" x="100%" y="100%" dy="34" text-anchor="end">recall</text>'),
        ],
        f"{title}{words}",
        classes="square c0",
    )


def corruption(one: CorruptionScores, *, target: float, title: str) -> Markup:
    """Draw the recall at each severity of a corruption, the mildest on the left."""
    steps = [(step.severity, step.recall) for step in one.steps if step.recall is not None]
    across = _spread(len(steps))
    points = [(x, recall.value) for x, (_, recall) in zip(across, steps, strict=True)]
    parts = [
        frame([(x, f"{severity:g}") for x, (severity, _) in zip(across, steps, strict=True)],
               ((0, "0"), (0.5, "0.5"), (1, "1"))),
        level("target", target),
        *(
            Markup('<line class="span thin" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
                percent(x), percent(1 - recall.low), percent(1 - recall.high)
            )
            for x, (_, recall) in zip(across, steps, strict=True)
        ),
        polylines("c0 solid", [points]),
        *(
            dot((x, recall.value), f"{severity:g}: recall {recall}")
            for x, (severity, recall) in zip(across, steps, strict=True)
        ),
    ]  # fmt: skip
    words = ", ".join(f"{severity:g}: {recall.value:.2f}" for severity, recall in steps)
    return picture(parts, f"{title}, {one.name}, {one.unit}: {words}", classes="small c0")


def training(history: Sequence[Epoch], best_epoch: int | None) -> list[Panel]:
    """Draw the epochs of a training; a panel without a measurement is absent.

    Args:
        history: Every finished epoch, in order.
        best_epoch: Marked in each panel.
    """
    target = ABOVE["val", "mAP50"]
    panels = {
        "Loss (box + cls + dfl)": (
            _Series("training", _sums(history, "train")),
            _Series("validation", _sums(history, "val")),
        ),
        "mAP on validation": (
            _Series("mAP50", _metric(history, "val/mAP50"), target),
            _Series("mAP50-95", _metric(history, "val/mAP50-95")),
        ),
        "Precision and recall on validation, at the best F1": (
            _Series("precision", _metric(history, "val/precision")),
            _Series("recall", _metric(history, "val/recall")),
        ),
        "Learning rate": (_Series("first group", _metric(history, "lr/pg0")),),
    }
    measured = {
        title: [one for one in series if any(map(math.isfinite, one.values))]
        for title, series in panels.items()
    }
    return [
        _panel(title, history, best_epoch, series, up=None if title in _FREE else FROM_0_TO_1_AXIS)
        for title, series in measured.items()
        if series
    ]


def _panel(
    title: str,
    history: Sequence[Epoch],
    best_epoch: int | None,
    series: Sequence[_Series],
    *,
    up: "Axis | None",
) -> Panel:
    numbers = [epoch.number for epoch in history]
    up = up or Axis.of([one for each in series for one in each.values if math.isfinite(one)])
    x_of = dict(zip(numbers, epochs_across(numbers), strict=True))
    parts = [frame([(x_of[one], str(one)) for one in epoch_ticks(numbers)], up.ticks())]
    if best_epoch in x_of:
        parts.append(upright("best", x_of[best_epoch]))
    judged = next((one for one in series if one.target is not None), None)
    if judged is not None and judged.target is not None:
        parts.append(level("target", judged.target))
    for number, one in enumerate(series):
        parts.append(_draw_series((f"c{number}", _DASHES[number % 2]), numbers, one, x_of, up))
    logarithmic = ", logarithmic" if up.is_log else ""
    words = "; ".join(_describe(one, numbers) for one in series)
    legend = [legend_entry(f"c{number} {_DASHES[number % 2]}", one.label)
              for number, one in enumerate(series)]  # fmt: skip
    if judged is not None and judged.target is not None:
        legend.append(
            legend_entry("target", f"{judged.label} target: {format_fraction(judged.target)}")
        )
    if best_epoch in x_of:
        legend.append(legend_entry("best", f"epoch {best_epoch}, the best"))
    return Panel(
        title + logarithmic,
        Markup('<ul class="legend">{}</ul>').format(joined(legend)),
        picture(parts, f"{title}{logarithmic}, by epoch: {words}", classes="tall"),
    )


def _draw_series(
    classes: tuple[str, str],
    numbers: Sequence[int],
    one: _Series,
    x_of: dict[int, float],
    up: "Axis",
) -> Markup:
    colour, dash = classes
    pieces: list[list[Point]] = [[]]
    for number, value in zip(numbers, one.values, strict=True):
        if math.isfinite(value):
            pieces[-1].append((x_of[number], up.place(value)))
        elif pieces[-1]:
            pieces.append([])
    drawn = polylines(f"{colour} {dash}", pieces)
    if len(numbers) > _MOST_EPOCHS_WITH_DOTS:
        return drawn
    dots = joined(
        dot((x_of[number], up.place(value)), f"epoch {number}: {one.label} {value:.4g}", radius=3)
        for number, value in zip(numbers, one.values, strict=True)
        if math.isfinite(value)
    )
    return Markup('{}<g class="{}">{}</g>').format(drawn, colour, dots)


def _describe(one: _Series, numbers: Sequence[int]) -> str:
    measured = [(number, value) for number, value in zip(numbers, one.values, strict=True)
                if math.isfinite(value)]  # fmt: skip
    (first, start), (last, end) = measured[0], measured[-1]
    if first == last:
        return f"{one.label} {start:.3g} in epoch {first}"
    return f"{one.label} from {start:.3g} in epoch {first} to {end:.3g} in epoch {last}"


_FREE = ("Loss (box + cls + dfl)", "Learning rate")
"""Panels whose axis depends on the measured values."""


def _metric(history: Sequence[Epoch], name: str) -> list[float]:
    return [epoch.metrics.get(name, math.nan) for epoch in history]


def _sums(history: Sequence[Epoch], split: str) -> list[float]:
    """Add up the losses of each epoch; nan if one of them is missing."""
    return [
        sum(epoch.metrics.get(f"{split}/{loss}", math.nan) for loss in _LOSSES) for epoch in history
    ]


def _spread(many: int) -> list[float]:
    return [0.5] if many == 1 else [index / (many - 1) for index in range(many)]
