"""Charts as SVG within a page: they follow its colours, and say in words what they show."""

from collections.abc import Sequence

from markupsafe import Markup

from container_doors.measurements import Estimate, Ladder, said

_ROW, _LEFT, _WIDTH, _TOP = 38, 12, 400, 24
"""In a width that a phone has, so that the words can be read there; each is above its line."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def intervals(rows: Sequence[tuple[str, Estimate]], *, target: float, title: str) -> Markup:
    """Draw each value as a dot on its interval, from 0 to 1, with the target as a line."""
    height = _TOP + _ROW * len(rows) + 10
    span = _WIDTH - 2 * _LEFT
    parts = [_grid(_LEFT, span, height)]
    at = _LEFT + span * target
    parts.append(
        Markup('<line class="target" x1="{0:.1f}" x2="{0:.1f}" y1="18" y2="{1}"/>').format(
            at, height
        )
    )
    for number, (name, one) in enumerate(rows):
        y = _TOP + _ROW * number + _ROW - 8
        low, value, high = (_LEFT + span * share for share in (one.low, one.value, one.high))
        parts.append(
            Markup(
                '<text x="{0}" y="{1:.1f}" dy="-10">{2}</text>'
                '<line class="span" x1="{3:.1f}" x2="{4:.1f}" y1="{1:.1f}" y2="{1:.1f}"/>'
                '<circle cx="{5:.1f}" cy="{1:.1f}" r="5"><title>{2}: {6}</title></circle>'
            ).format(_LEFT, y, f"{name} (n = {one.n})", low, high, value, one)
        )
    return _svg(height, title, parts)


def precision_recall(
    points: Sequence[tuple[float, float]], *, in_use: tuple[float, float] | None, title: str
) -> Markup:
    """Draw precision over recall, each from 0 to 1, and where the model is used as a dot."""
    side, left, top = 260, 34, 10

    def at(recall: float, precision: float) -> str:
        return f"{left + side * recall:.1f},{top + side * (1 - precision):.1f}"

    line = " ".join(at(*point) for point in ((0.0, points[0][1]), *points)) if points else ""
    grid = Markup("").join(
        Markup(
            '<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
            '<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<text x="{x:.1f}" y="{below}" text-anchor="middle">{share:g}</text>'
            '<text x="{before}" y="{y:.1f}" dy="4" text-anchor="end">{share:g}</text>'
        ).format(
            x=left + side * share, y=top + side * (1 - share), top=top, bottom=top + side,
            left=left, right=left + side, below=top + side + 16, before=left - 5, share=share,
        )
        for share in (0, 0.25, 0.5, 0.75, 1)
    )  # fmt: skip
    dot, said = Markup(""), ""
    if in_use is not None:
        said = f"; in use recall {in_use[0]:.3f}, precision {in_use[1]:.3f}"
        x, y = at(*in_use).split(",")
        dot = Markup('<circle cx="{}" cy="{}" r="5"><title>{}</title></circle>').format(x, y, said)
    return Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}{said}">{grid}'
        '<polyline class="curve" points="{line}"/>{dot}'
        '<text x="{middle}" y="{foot}" text-anchor="middle">recall</text></svg>'
    ).format(
        width=left + side + 14, height=top + side + 38, title=title, said=said, grid=grid,
        line=line, dot=dot, middle=left + side / 2, foot=top + side + 32,
    )  # fmt: skip


def ladders(climbed: Sequence[Ladder], *, target: float, title: str) -> Markup:
    """Draw the recall of each ladder, a small chart each, mildest step to the left."""
    width, high, left = 300, 110, 34
    cells = []
    for number, ladder in enumerate(climbed):
        steps = [(step.severity, step.recall) for step in ladder.steps if step.recall is not None]
        gap = (width - left - 14) / max(1, len(steps) - 1)
        points = [(left + gap * index, 14 + high * (1 - one.value), severity, one)
                  for index, (severity, one) in enumerate(steps)]  # fmt: skip
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in points)
        colour = _COLOURS[number % len(_COLOURS)]
        dots = Markup("").join(
            Markup(
                '<line x1="{0:.1f}" x2="{0:.1f}" y1="{4:.1f}" y2="{5:.1f}" stroke="{6}"/>'
                '<circle cx="{0:.1f}" cy="{1:.1f}" r="4" fill="{6}">'
                "<title>{2:g}: recall {3}</title></circle>"
                '<text x="{0:.1f}" y="{7}" text-anchor="middle">{2:g}</text>'
            ).format(
                x, y, severity, one, 14 + high * (1 - one.low), 14 + high * (1 - one.high),
                colour, high + 34,
            )
            for x, y, severity, one in points
        )  # fmt: skip
        at = 14 + high * (1 - target)
        falls = (
            ""
            if ladder.falls_at is None
            else f": measured below {said(target)} from {ladder.falls_at:g}"
        )
        words = ", ".join(f"{severity:g}: {one.value:.2f}" for severity, one in steps)
        cells.append(
            Markup(
                '<figure><figcaption><span class="kind">{name}</span>, {unit}{falls}</figcaption>'
                '<svg viewBox="0 0 {width} {height}" '
                'role="img" aria-label="{title}, {name}, {unit}{falls}: {words}">'
                '<text x="{axis}" y="18" text-anchor="end">1</text>'
                '<text x="{axis}" y="{bottom}" text-anchor="end">0</text>'
                '<line class="target" x1="{left}" x2="{width}" y1="{at:.1f}" y2="{at:.1f}"/>'
                '<polyline fill="none" stroke="{colour}" stroke-width="2" points="{line}"/>{dots}'
                "</svg></figure>"
            ).format(
                name=ladder.name, unit=ladder.unit, falls=falls, width=width,
                height=high + 42, title=title, words=words, axis=left - 8, bottom=high + 18,
                left=left, at=at, colour=colour, line=line, dots=dots,
            )
        )  # fmt: skip
    return Markup("").join(cells)


def _grid(left: int, span: int, height: int) -> Markup:
    return Markup("").join(
        Markup(
            '<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="18" y2="{1}"/>'
            '<text x="{0:.1f}" y="12" text-anchor="middle">{2:g}</text>'
        ).format(left + span * step / 4, height, step / 4)
        for step in range(5)
    )


def _svg(height: int, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, height, title, Markup("").join(parts)
    )
