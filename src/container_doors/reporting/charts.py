"""Draw charts as SVG in a page: in its colours and its width, with a text for screen readers.

Positions are percentages of the picture, so that its width can change while its text keeps its
size. Polylines cannot use percentages, so they are in an inner picture that is stretched.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from container_doors.core.measurements import CorruptionScores, Estimate, format_fraction
from container_doors.core.records import Epoch
from container_doors.reporting.gate import ABOVE

Point = tuple[float, float]
"""x to the right and y up, each from 0 to 1."""

_FROM_0_TO_1 = tuple((value, f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1))
_DASHES = ("solid", "dashed")
_LOSSES = ("box_loss", "cls_loss", "dfl_loss")
_APART = 0.16
"""The smallest distance of two numbers of a scale, so that they do not overlap on a narrow page."""

_MOST_EPOCHS_WITH_DOTS = 30
_MOST_TICKS = 6
_WIDE_RANGE = 20
"""From this ratio of the largest to the smallest loss on, the axis is logarithmic."""


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
    parts = [_upright("grid", value) for value, _ in _FROM_0_TO_1]
    if target is not None:
        parts.append(_upright("target", target))
    parts.append(
        Markup(
            '<line class="span" x1="{}" x2="{}" y1="50%" y2="50%"/>'
            '<circle class="dot" cx="{}" cy="50%" r="5"><title>{}</title></circle>'
        ).format(_at(one.low), _at(one.high), _at(one.value), one)
    )
    return Markup('<svg class="range c0" aria-hidden="true">{}</svg>').format(_all(parts))


def scale(*, target: float | None) -> Markup:
    """Draw the scale above a column of intervals."""
    parts = [
        Markup('<text x="{}" y="12" text-anchor="middle">{}</text>').format(_at(value), label)
        for value, label in _FROM_0_TO_1
        if target is None or abs(value - target) > _APART
    ]
    if target is not None:
        parts.append(
            Markup('<text class="wanted" x="{}" y="12" text-anchor="middle">{}</text>').format(
                _at(target), format_fraction(target)
            )
        )
    return Markup('<svg class="scale" aria-hidden="true">{}</svg>').format(_all(parts))


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
    dot, words = Markup(""), ""
    if in_use is not None:
        words = f"; {at}recall {in_use[0]:.3f}, precision {in_use[1]:.3f}"
        dot = _dot(in_use, words.removeprefix("; "))
    return _chart(
        [
            _frame(_FROM_0_TO_1, _FROM_0_TO_1),
            _lines("c0 solid", [line]),
            dot,
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
        _frame([(x, f"{severity:g}") for x, (severity, _) in zip(across, steps, strict=True)],
               ((0, "0"), (0.5, "0.5"), (1, "1"))),
        _level("target", target),
        *(
            Markup('<line class="span thin" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
                _at(x), _at(1 - recall.low), _at(1 - recall.high)
            )
            for x, (_, recall) in zip(across, steps, strict=True)
        ),
        _lines("c0 solid", [points]),
        *(
            _dot((x, recall.value), f"{severity:g}: recall {recall}")
            for x, (severity, recall) in zip(across, steps, strict=True)
        ),
    ]  # fmt: skip
    words = ", ".join(f"{severity:g}: {recall.value:.2f}" for severity, recall in steps)
    return _chart(parts, f"{title}, {one.name}, {one.unit}: {words}", classes="small c0")


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
        _panel(title, history, best_epoch, series, up=None if title in _FREE else _FROM_0_TO_1_AXIS)
        for title, series in measured.items()
        if series
    ]


def _panel(
    title: str,
    history: Sequence[Epoch],
    best_epoch: int | None,
    series: Sequence[_Series],
    *,
    up: "_Axis | None",
) -> Panel:
    numbers = [epoch.number for epoch in history]
    up = up or _Axis.of([one for each in series for one in each.values if math.isfinite(one)])
    x_of = dict(zip(numbers, _epochs_across(numbers), strict=True))
    parts = [_frame([(x_of[one], str(one)) for one in _epoch_ticks(numbers)], up.ticks())]
    if best_epoch in x_of:
        parts.append(_upright("best", x_of[best_epoch]))
    judged = next((one for one in series if one.target is not None), None)
    if judged is not None and judged.target is not None:
        parts.append(_level("target", judged.target))
    for number, one in enumerate(series):
        parts.append(_draw_series((f"c{number}", _DASHES[number % 2]), numbers, one, x_of, up))
    logarithmic = ", logarithmic" if up.is_log else ""
    words = "; ".join(_describe(one, numbers) for one in series)
    legend = [_key(f"c{number} {_DASHES[number % 2]}", one.label)
              for number, one in enumerate(series)]  # fmt: skip
    if judged is not None and judged.target is not None:
        legend.append(_key("target", f"{judged.label} target: {format_fraction(judged.target)}"))
    if best_epoch in x_of:
        legend.append(_key("best", f"epoch {best_epoch}, the best"))
    return Panel(
        title + logarithmic,
        Markup('<ul class="legend">{}</ul>').format(_all(legend)),
        _chart(parts, f"{title}{logarithmic}, by epoch: {words}", classes="tall"),
    )


def _draw_series(
    classes: tuple[str, str],
    numbers: Sequence[int],
    one: _Series,
    x_of: dict[int, float],
    up: "_Axis",
) -> Markup:
    colour, dash = classes
    pieces: list[list[Point]] = [[]]
    for number, value in zip(numbers, one.values, strict=True):
        if math.isfinite(value):
            pieces[-1].append((x_of[number], up.place(value)))
        elif pieces[-1]:
            pieces.append([])
    lines = _lines(f"{colour} {dash}", pieces)
    if len(numbers) > _MOST_EPOCHS_WITH_DOTS:
        return lines
    dots = _all(
        _dot((x_of[number], up.place(value)), f"epoch {number}: {one.label} {value:.4g}", radius=3)
        for number, value in zip(numbers, one.values, strict=True)
        if math.isfinite(value)
    )
    return Markup('{}<g class="{}">{}</g>').format(lines, colour, dots)


def _describe(one: _Series, numbers: Sequence[int]) -> str:
    measured = [(number, value) for number, value in zip(numbers, one.values, strict=True)
                if math.isfinite(value)]  # fmt: skip
    (first, start), (last, end) = measured[0], measured[-1]
    if first == last:
        return f"{one.label} {start:.3g} in epoch {first}"
    return f"{one.label} from {start:.3g} in epoch {first} to {end:.3g} in epoch {last}"


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values to heights, from the bottom to the top of a chart."""

    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Axis":
        """Return an axis for all values, from 0 on; logarithmic if their range is too wide."""
        least, most = min(values), max(values)
        if least > 0 and most > _WIDE_RANGE * least:
            powers = math.floor(math.log10(least)), math.ceil(math.log10(most))
            return cls(*powers, is_log=True)
        low, high = min(0.0, least), max(0.0, most)
        step = _nice((high - low) / (_MOST_TICKS - 1)) if high > low else 1.0
        return cls(step * math.floor(low / step), step * max(1, math.ceil(high / step - 1e-9)),
                   is_log=False)  # fmt: skip

    def place(self, value: float) -> float:
        position = math.log10(value) if self.is_log else value
        return (position - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        if self.is_log:
            every = math.ceil((self.high - self.low) / (_MOST_TICKS - 1))
            powers = range(int(self.low), int(self.high) + 1, every)
            return [
                (self.place(10.0**power), f"{10.0**power:g}".replace("e-0", "e-"))
                for power in powers
            ]
        step = _nice((self.high - self.low) / (_MOST_TICKS - 1))
        many = round((self.high - self.low) / step)
        return [
            (self.place(value), f"{value:.6g}")
            for value in (self.low + step * number for number in range(many + 1))
            if value <= self.high * (1 + 1e-9)
        ]


_FROM_0_TO_1_AXIS = _Axis(0, 1, is_log=False)
_FREE = ("Loss (box + cls + dfl)", "Learning rate")
"""Panels whose axis depends on the measured values."""


def _nice(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten.

    >>> _nice(0.13), _nice(3), _nice(0.5)
    (0.2, 5.0, 0.5)
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= step * (1 - 1e-9))


def _metric(history: Sequence[Epoch], name: str) -> list[float]:
    return [epoch.metrics.get(name, math.nan) for epoch in history]


def _sums(history: Sequence[Epoch], split: str) -> list[float]:
    """Add up the losses of each epoch; nan if one of them is missing."""
    return [
        sum(epoch.metrics.get(f"{split}/{loss}", math.nan) for loss in _LOSSES) for epoch in history
    ]


def _epochs_across(numbers: Sequence[int]) -> list[float]:
    if len(numbers) == 1:
        return [0.5]
    first, last = numbers[0], numbers[-1]
    return [(number - first) / (last - first) for number in numbers]


def _epoch_ticks(numbers: Sequence[int]) -> list[int]:
    """Choose the round epoch numbers, and the first epoch."""
    step = max(1, int(_nice(max(1.0, len(numbers) / _MOST_TICKS))))
    round_ones = [number for number in numbers if number % step == 0]
    if not round_ones or round_ones[0] - numbers[0] > step / 2:
        return [numbers[0], *round_ones]
    return round_ones


def _spread(many: int) -> list[float]:
    return [0.5] if many == 1 else [index / (many - 1) for index in range(many)]


def _frame(across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]]) -> Markup:
    """Draw a grid, with numbers below and on the left."""
    return _all(
        (
            *(_level("grid", y) for y, _ in up),
            *(
                Markup('<text x="0" dx="-8" y="{}" dy="4" text-anchor="end">{}</text>').format(
                    _at(1 - y), label
                )
                for y, label in up
            ),
            *(
                Markup('<text x="{}" y="100%" dy="18" text-anchor="middle">{}</text>').format(
                    _at(x), label
                )
                for x, label in across
            ),
        )
    )


def _lines(classes: str, pieces: Sequence[Sequence[Point]]) -> Markup:
    polylines = _all(
        Markup('<polyline class="line {}" points="{}"/>').format(
            classes, " ".join(f"{1000 * x:.1f},{1000 * (1 - y):.1f}" for x, y in piece)
        )
        for piece in pieces
        if piece
    )
    return Markup(
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        "{}</svg>"
    ).format(polylines)


def _dot(point: Point, words: str, *, radius: int = 5) -> Markup:
    return Markup('<circle class="dot" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
        _at(point[0]), _at(1 - point[1]), radius, words
    )


def _key(classes: str, label: str) -> Markup:
    return Markup(
        '<li><svg class="key" aria-hidden="true">'
        '<line class="line {}" x1="0" x2="100%" y1="50%" y2="50%"/></svg>{}</li>'
    ).format(classes, label)


def _upright(classes: str, x: float) -> Markup:
    return Markup('<line class="{0}" x1="{1}" x2="{1}" y1="0" y2="100%"/>').format(classes, _at(x))


def _level(classes: str, y: float) -> Markup:
    return Markup('<line class="{0}" x1="0" x2="100%" y1="{1}" y2="{1}"/>').format(
        classes, _at(1 - y)
    )


def _chart(parts: Sequence[Markup], title: str, *, classes: str) -> Markup:
    return Markup(
        '<div class="plot"><svg class="{}" role="img" aria-label="{}">{}</svg></div>'
    ).format(classes, title, _all(parts))


def _at(fraction: float) -> str:
    return f"{100 * fraction:.2f}%"


def _all(parts: Sequence[Markup] | Iterator[Markup]) -> Markup:
    return Markup("").join(parts)
