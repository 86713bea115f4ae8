"""Draw the confusion matrix of a model in use: the same counts as in the tables."""

from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from container_doors.core.records import OperatingPoint

_BLUE = (0, 0x72 / 255, 0xB2 / 255)  # Okabe and Ito's, as in the curves
_DARK = 0.5
"""From this strength of the blue on, the number in it is white."""


def draw_confusion(point: OperatingPoint, path: Path) -> None:
    """Draw a PNG at ``path``; its folder must exist.

    Ultralytics draws one too, of the boxes of its validation: these overlap more (their
    non-maximum suppression keeps more of them), so it shows more false alarms than the tables.
    """
    with style.context("default"):
        figure = Figure(figsize=(6, 5), dpi=120)
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
        FigureCanvasAgg(figure)
        _draw(figure.subplots(), point)
        figure.savefig(path, format="png")


def _draw(panel: Axes, point: OperatingPoint) -> None:
    counts = {
        (0, 0): point.true_positives,
        (1, 0): point.false_positives,
        (0, 1): point.missed,
    }
    most = max(*counts.values(), 1)
    for (column, row), count in counts.items():
        strength = count / most
        colour = (*_BLUE, 0.08 + 0.92 * strength)
        panel.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour))
        number = "white" if strength > _DARK else "black"
        panel.text(column, row, str(count), ha="center", va="center", fontsize=20, color=number)
    panel.text(1, 1, "not counted", ha="center", va="center", color="#5A5A5A")
    panel.set(
        xlim=(-0.5, 1.5),
        ylim=(1.5, -0.5),
        xticks=(0, 1),
        yticks=(0, 1),
        xticklabels=("door", "no door"),
        yticklabels=("door", "no door"),
        xlabel="labelled",
        ylabel="predicted",
        title=f"At a confidence of {point.conf_threshold:g}, NMS IoU {point.iou_threshold:g}",
    )
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
