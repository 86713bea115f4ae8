"""Draw the curves of a training: losses, average precision, precision and recall, learning rate."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from container_doors.core.records import Epoch

TARGET_MAP50 = 0.90
"""What validation mAP50 should exceed (specification, section 10.3)."""

_BLUE, _VERMILION, _GREEN, _PURPLE, _GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#5A5A5A"
"""Okabe and Ito's colours, safe for colour-blind people: https://jfly.uni-koeln.de/color/"""

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#B0B0B0",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "font.size": 11,
    "grid.color": "#E6E6E6",
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "xtick.color": "#404040",
    "ytick.color": "#404040",
}
_GROUPS = {"lr/pg0": "weights", "lr/pg1": "normalization layers", "lr/pg2": "biases"}
"""The parameter groups of Ultralytics' ``BaseTrainer.build_optimizer`` (8.4.190). Its MuSGD has
eight other groups, so with more than these three they keep their numbers."""

_MOST_EPOCHS_WITH_DOTS = 30
_WIDE_RANGE = 20
"""From this ratio of the largest to the smallest loss on, the axis is logarithmic."""


def draw_curves(history: list[Epoch], best_epoch: int | None, path: Path) -> None:
    """Draw every finished epoch as a PNG at ``path``; a panel without data shows "not measured"."""
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(12.5, 9), dpi=120)
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
        FigureCanvasAgg(figure)
        (losses, precision), (rates, learning_rate) = figure.subplots(2, 2)
        _draw_losses(losses, history)
        _draw_average_precision(precision, history, best_epoch)
        _draw_rates(rates, history)
        _draw_learning_rate(learning_rate, history)
        for panel in (losses, precision, rates, learning_rate):
            _finish(panel, history, best_epoch)
        figure.savefig(path, format="png")


def _draw_losses(panel: Axes, history: Sequence[Epoch]) -> None:
    panel.set_title("Loss")
    values = []
    for name, colour in (("box", _BLUE), ("cls", _VERMILION), ("dfl", _GREEN)):
        for split, label, line in (("train", "training", "-"), ("val", "validation", "--")):
            metric = f"{split}/{name}_loss"
            values += _plot(panel, history, metric, f"{name}, {label}", colour, line)
    if values and min(values) > 0 and max(values) > _WIDE_RANGE * min(values):
        panel.set_yscale("log")
        panel.set_title("Loss (logarithmic)")
    elif values:
        panel.set_ylim(bottom=min(0.0, *values))


def _draw_average_precision(panel: Axes, history: Sequence[Epoch], best_epoch: int | None) -> None:
    panel.set_title("Average precision on validation")
    if _plot(panel, history, "val/mAP50", "mAP50", _BLUE):
        panel.axhline(
            TARGET_MAP50, color=_BLUE, linestyle=":", linewidth=1.4,
            label=f"mAP50 target: above {TARGET_MAP50:.2f}",
        )  # fmt: skip
    _plot(panel, history, "val/mAP50-95", "mAP50-95", _VERMILION)
    if panel.lines:
        panel.set_ylim(0, 1.03)
    for epoch in history:
        value = epoch.metrics.get("val/mAP50-95", math.nan)
        if epoch.number == best_epoch and math.isfinite(value):
            panel.plot(
                epoch.number, value, marker="*", markersize=15, color=_VERMILION,
                markeredgecolor="white", linestyle="none", zorder=5, clip_on=False,
                label=f"epoch {best_epoch}, the best: {value:.3f}",
            )  # fmt: skip


def _draw_rates(panel: Axes, history: Sequence[Epoch]) -> None:
    panel.set_title("Precision and recall on validation, at the best F1")
    _plot(panel, history, "val/precision", "precision", _GREEN)
    _plot(panel, history, "val/recall", "recall", _PURPLE, "--")
    if panel.lines:
        panel.set_ylim(0, 1.03)


def _draw_learning_rate(panel: Axes, history: Sequence[Epoch]) -> None:
    """Draw the parameter groups under their names; groups of equal rates share one line."""
    panel.set_title("Learning rate")
    names = sorted({name for epoch in history for name in epoch.metrics if name.startswith("lr/")})
    groups: dict[str, list[str]] = {}
    for name in names:  # as text, because nan differs from itself
        groups.setdefault(str(_values(history, name)), []).append(name)
    styles = ((_BLUE, "-"), (_VERMILION, "--"), (_GREEN, "-."), (_PURPLE, ":"))
    for index, members in enumerate(groups.values()):
        label = ", ".join(_group(name, names) for name in members)
        _plot(panel, history, members[0], label, *styles[index % len(styles)])
    if panel.lines:
        panel.set_ylim(bottom=0)
        panel.yaxis.set_major_formatter("{x:.3g}")


def _group(name: str, names: Sequence[str]) -> str:
    if set(names) <= _GROUPS.keys():
        return _GROUPS[name]
    return name.replace("lr/pg", "parameter group ").removeprefix("lr/")


def _plot(
    panel: Axes, history: Sequence[Epoch], name: str, label: str, colour: str, line: str = "-"
) -> list[float]:
    """Draw one metric, with gaps for missing values; return the finite values."""
    values = _values(history, name)
    measured = [value for value in values if math.isfinite(value)]
    if measured:
        marker = "o" if len(history) <= _MOST_EPOCHS_WITH_DOTS else ""
        numbers = [epoch.number for epoch in history]
        panel.plot(
            numbers, values, label=label, color=colour, linestyle=line, marker=marker,
            markerfacecolor=colour if line == "-" else "white",
        )  # fmt: skip
    return measured


def _values(history: Sequence[Epoch], name: str) -> list[float]:
    return [epoch.metrics.get(name, math.nan) for epoch in history]


def _finish(panel: Axes, history: Sequence[Epoch], best_epoch: int | None) -> None:
    """Label the epochs, mark the best, and write "not measured" on an empty panel."""
    if not panel.lines:
        panel.text(
            0.5, 0.5, "not measured", transform=panel.transAxes, ha="center", color=_GREY, size=13
        )
        panel.set_xticks([])
        panel.set_yticks([])
        return
    numbers = [epoch.number for epoch in history]
    panel.set_xlim(numbers[0] - 0.5, numbers[-1] + max(0.5, 0.02 * len(numbers)))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.set_xlabel("epoch")
    if best_epoch in numbers:
        panel.axvline(best_epoch, color=_GREY, linestyle=(0, (2, 3)), linewidth=1, zorder=1)
    # Below the panel, so that it hides no line; filled by column, so that pairs stay together.
    entries = len(panel.get_legend_handles_labels()[0])
    panel.legend(loc="upper left", bbox_to_anchor=(0, -0.15), ncols=(entries + 1) // 2)
