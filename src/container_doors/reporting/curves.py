"""The run as one picture: losses, mAP and learning rate, epoch by epoch."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from container_doors.records import Epoch

# Okabe and Ito's palette, which colour-blind people can tell apart; the dashes say it again.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
_INK = "#222222"

_LOSSES = {"box": "Box loss", "cls": "Class loss", "dfl": "Distribution focal loss"}
_MAP = {"val/mAP50": ("mAP@50", _BLUE, "-"), "val/mAP50-95": ("mAP@50-95", _ORANGE, "--")}
_FOUND = {"val/precision": ("precision", _GREEN, "-"), "val/recall": ("recall", _GREY, "--")}


def draw_curves(history: Sequence[Epoch], best_epoch: int | None, path: Path) -> None:
    """Draw a run's history as a PNG of 1650 x 990 pixels.

    Args:
        history: The finished epochs, in order.
        best_epoch: The epoch that ``best.pt`` holds, marked in every panel.
        path: Where the PNG goes.
    """
    figure = Figure(figsize=(15, 9), dpi=110, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.14)
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 3)
    for axes, (loss, title) in zip(panels[0], _LOSSES.items(), strict=True):
        series = {
            f"train/{loss}_loss": ("training", _BLUE, "-"),
            f"val/{loss}_loss": ("validation", _ORANGE, "--"),
        }
        _panel(axes, title, history, series, best_epoch=best_epoch)
    _panel(panels[1][0], "Validation mAP", history, _MAP, best_epoch=best_epoch)
    _panel(panels[1][1], "Precision and recall", history, _FOUND, best_epoch=best_epoch)
    rate = {"lr/pg0": ("learning rate", _BLUE, "-")}
    _panel(panels[1][2], "Learning rate", history, rate, best_epoch=best_epoch)
    for axes in panels[1][:2]:
        axes.set_ylim(0, 1.03)
    panels[1][2].yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    _name_the_best(panels[1][0], history, best_epoch)
    figure.savefig(path, metadata={"Software": None})


Series = dict[str, tuple[str, str, str]]
"""A metric's name to its label, colour and dashes."""


def _panel(
    axes: Axes, title: str, history: Sequence[Epoch], series: Series, *, best_epoch: int | None
) -> None:
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=_INK)
    axes.set_xlabel("epoch", color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
    drawn = [_line(axes, history, name, *look) for name, look in series.items()]
    if not any(drawn):
        axes.set_yticks([])
        axes.text(
            0.5,
            0.5,
            "not measured",
            transform=axes.transAxes,
            ha="center",
            color=_GREY,
            fontsize=12,
        )
        return
    if best_epoch is not None:
        axes.axvline(best_epoch, color=_INK, linewidth=1, linestyle=":", label="best epoch")
    axes.legend(frameon=False, fontsize=10)


def _name_the_best(axes: Axes, history: Sequence[Epoch], best_epoch: int | None) -> None:
    """Write what the best epoch scored beside the point."""
    best = next((epoch for epoch in history if epoch.number == best_epoch), None)
    if best is None:
        return
    on_the_right = best.number > history[len(history) // 2].number
    for name, (_, colour, _) in _MAP.items():
        value = best.metrics.get(name, math.nan)
        if math.isfinite(value):
            axes.plot(best.number, value, "o", color=colour, markersize=7)
            axes.annotate(
                f"{value:.3f} in epoch {best.number}",
                (best.number, value),
                xytext=(-8 if on_the_right else 8, -9),
                textcoords="offset points",
                ha="right" if on_the_right else "left",
                va="top",
                color=colour,
                fontsize=11,
            )


def _line(
    axes: Axes, history: Sequence[Epoch], name: str, label: str, colour: str, dashes: str
) -> bool:
    """Draw one metric; a missing or infinite value is a gap, never a zero."""
    points = [(epoch.number, epoch.metrics.get(name, math.nan)) for epoch in history]
    points = [(number, value if math.isfinite(value) else math.nan) for number, value in points]
    measured = sum(not math.isnan(value) for _, value in points)
    if not measured:
        return False
    axes.plot(
        [number for number, _ in points],
        [value for _, value in points],
        label=label,
        color=colour,
        linestyle=dashes,
        linewidth=2,
        marker="o" if len(points) <= 20 else None,
        markersize=4,
    )
    return True
