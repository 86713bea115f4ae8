"""The confusion matrix has the counts of the tables."""

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from PIL import Image

from container_doors.core.records import OperatingPoint
from container_doors.reporting.confusion import draw_confusion


def test_it_shows_the_counts_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown: dict[tuple[float, float], str] = {}
    text = Axes.text

    def remember(self, x, y, s, **named):
        shown[x, y] = s
        return text(self, x, y, s, **named)

    monkeypatch.setattr(Axes, "text", remember)
    point = OperatingPoint(
        conf_threshold=0.25,
        iou_threshold=0.45,
        true_positives=42,
        false_positives=3,
        missed=1,
        precision=None,
        recall=None,
    )

    draw_confusion(point, tmp_path / "confusion_matrix.png")

    # Columns are labels, rows predictions, as Ultralytics has them.
    assert shown == {(0, 0): "42", (1, 0): "3", (0, 1): "1", (1, 1): "not counted"}
    with Image.open(tmp_path / "confusion_matrix.png") as picture:
        assert picture.size == (720, 600)
