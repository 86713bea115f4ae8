"""The parts that charts are drawn from: axes, grids, lines, dots, legends, as SVG.

Positions are percentages of the picture, so that its width can change while its text keeps its
size. Polylines cannot use percentages, so they are in an inner picture that is stretched.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Point = tuple[float, float]
"""x to the right and y up, each from 0 to 1."""

FROM_0_TO_1 = tuple((value, f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1))

_MOST_TICKS = 6
_WIDE_RANGE = 20
"""From this ratio of the largest to the smallest value on, the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values to heights, from the bottom to the top of a chart."""

    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> "Axis":
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
        """Return the height of a value, from 0 to 1."""
        position = math.log10(value) if self.is_log else value
        return (position - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the heights of round values, each with its text."""
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


FROM_0_TO_1_AXIS = Axis(0, 1, is_log=False)


def _nice(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten.

    >>> _nice(0.13), _nice(3), _nice(0.5)
    (0.2, 5.0, 0.5)
    """
    power = 10.0 ** math.floor(math.log10(step))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= step * (1 - 1e-9))


def epochs_across(numbers: Sequence[int]) -> list[float]:
    """Return where each epoch is, from the left to the right."""
    if len(numbers) == 1:
        return [0.5]
    first, last = numbers[0], numbers[-1]
    return [(number - first) / (last - first) for number in numbers]


def epoch_ticks(numbers: Sequence[int]) -> list[int]:
    """Choose the round epoch numbers, and the first epoch."""
    step = max(1, int(_nice(max(1.0, len(numbers) / _MOST_TICKS))))
    round_ones = [number for number in numbers if number % step == 0]
    if not round_ones or round_ones[0] - numbers[0] > step / 2:
        return [numbers[0], *round_ones]
    return round_ones


def frame(across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]]) -> Markup:
    """Draw a grid, with numbers below and on the left."""
    return joined(
        (
            *(level("grid", y) for y, _ in up),
            *(
                Markup('<text x="0" dx="-8" y="{}" dy="4" text-anchor="end">{}</text>').format(
                    percent(1 - y), label
                )
                for y, label in up
            ),
            *(
                Markup('<text x="{}" y="100%" dy="18" text-anchor="middle">{}</text>').format(
                    percent(x), label
                )
                for x, label in across
            ),
        )
    )


def polylines(classes: str, pieces: Sequence[Sequence[Point]]) -> Markup:
    """Draw a line in pieces, with gaps between them."""
    drawn = joined(
        Markup('<polyline class="line {}" points="{}"/>').format(
            classes, " ".join(f"{1000 * x:.1f},{1000 * (1 - y):.1f}" for x, y in piece)
        )
        for piece in pieces
        if piece
    )
    return Markup(
        '<svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none">'
        "{}</svg>"
    ).format(drawn)


def dot(point: Point, words: str, *, radius: int = 5) -> Markup:
    """Draw a dot; its words are shown beside the pointer."""
    return Markup('<circle class="dot" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
        percent(point[0]), percent(1 - point[1]), radius, words
    )


def legend_entry(classes: str, label: str) -> Markup:
    """Draw a piece of a line, and what it is."""
    return Markup(
        '<li><svg class="key" aria-hidden="true">'
        '<line class="line {}" x1="0" x2="100%" y1="50%" y2="50%"/></svg>{}</li>'
    ).format(classes, label)


def upright(classes: str, x: float) -> Markup:
    """Draw a line from the top to the bottom."""
    return Markup('<line class="{0}" x1="{1}" x2="{1}" y1="0" y2="100%"/>').format(
        classes, percent(x)
    )


def level(classes: str, y: float) -> Markup:
    """Draw a line from the left to the right."""
    return Markup('<line class="{0}" x1="0" x2="100%" y1="{1}" y2="{1}"/>').format(
        classes, percent(1 - y)
    )


def picture(parts: Sequence[Markup], title: str, *, classes: str) -> Markup:
    """Put the parts into one picture; its title is for screen readers."""
    return Markup(
        '<div class="plot"><svg class="{}" role="img" aria-label="{}">{}</svg></div>'
    ).format(classes, title, joined(parts))


def percent(fraction: float) -> str:
    """Write a position from 0 to 1 as SVG does."""
    return f"{100 * fraction:.2f}%"


def joined(parts: Sequence[Markup] | Iterator[Markup]) -> Markup:
    """Join parts into one."""
    return Markup("").join(parts)
