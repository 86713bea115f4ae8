"""Check the charts of a page: positions, legends and descriptions."""

import re

import pytest

from container_doors.core.measurements import Estimate
from container_doors.core.records import Epoch
from container_doors.reporting import charts
from tests.builders import a_history


def drawn(history: list[Epoch], best_epoch: int | None = None) -> dict[str, charts.Panel]:
    return {one.title: one for one in charts.training(history, best_epoch)}


def lines(panel: charts.Panel) -> list[list[tuple[float, float]]]:
    """Return each line's points; x and y (downwards) are from 0 to 1000."""
    return [
        [(float(x), float(y)) for x, y in (point.split(",") for point in points.split())]
        for points in re.findall(r'points="([^"]*)"', panel.chart)
    ]


def epochs(*values: float | None, name: str = "val/mAP50") -> list[Epoch]:
    return [
        Epoch(number=number, metrics={} if value is None else {name: value})
        for number, value in enumerate(values, start=1)
    ]


def test_every_measured_panel_is_drawn_from_the_first_epoch_to_the_last():
    panels = drawn(a_history(30), best_epoch=20)

    assert list(panels) == [
        "Loss (box + cls + dfl)", "mAP on validation",
        "Precision and recall on validation, at the best F1", "Learning rate",
    ]  # fmt: skip
    for panel in panels.values():
        assert "epoch 20, the best" in panel.legend
        for line in lines(panel):
            assert (line[0][0], line[-1][0], len(line)) == (0, 1000, 30)
            assert all(0 <= y <= 1000 for _, y in line)


def test_a_panel_without_measurements_is_absent():
    assert list(drawn(epochs(0.5, 0.6))) == ["mAP on validation"]
    assert drawn([]) == {}
    assert drawn(epochs(None, float("nan"))) == {}


def test_values_have_the_positions_of_the_axis():
    (line,) = lines(drawn(epochs(0.2, 0.95, 0.5))["mAP on validation"])

    assert line == [(0, 800), (500, 50), (1000, 500)]


def test_an_epoch_without_a_value_is_a_gap_in_the_line():
    first, second = lines(drawn(epochs(0.2, 0.3, None, float("nan"), 0.5))["mAP on validation"])

    assert (len(first), len(second)) == (2, 1)


def test_one_epoch_is_a_dot_in_the_middle():
    panel = drawn(epochs(0.2))["mAP on validation"]

    assert 'cx="50.00%" cy="80.00%"' in panel.chart
    assert "mAP50 0.2 in epoch 1" in panel.chart


def test_the_target_belongs_to_the_metric_that_is_drawn():
    assert "mAP50 target: 0.90" in drawn(epochs(0.2))["mAP on validation"].legend
    other = drawn(epochs(0.2, name="val/mAP50-95"))["mAP on validation"]
    assert "target" not in other.legend
    assert 'class="target"' not in other.chart


def test_a_loss_that_explodes_leaves_the_others_readable():
    history = [
        Epoch(number=number, metrics={f"train/{one}_loss": loss for one in ("box", "cls", "dfl")})
        for number, loss in enumerate((1000.0, 2.0, 1.0), start=1)
    ]

    panel = drawn(history)["Loss (box + cls + dfl), logarithmic"]

    (line,) = lines(panel)
    assert line[1][1] - line[2][1] < -50, "2 and 1 are still distinct"
    assert re.findall(">([^<]+)</text>", panel.chart)[:4] == [
        "1", "10", "100", "1000",
    ]  # fmt: skip


def test_losses_are_not_added_up_if_one_is_missing():
    history = [Epoch(number=1, metrics={"train/box_loss": 1.0, "train/cls_loss": 1.0})]

    assert drawn(history) == {}


@pytest.mark.parametrize("many", [1, 2, 7, 30, 99, 300])
def test_epoch_numbers_are_round_and_do_not_overlap(many: int):
    panel = drawn(epochs(*[0.5] * many))["mAP on validation"]

    numbers = [int(one) for one in re.findall(r'y="100%"[^>]*>(\d+)</text>', panel.chart)]
    assert 1 <= len(numbers) <= 8
    assert numbers == sorted(set(numbers))
    assert all(1 <= one <= many for one in numbers)


def test_an_interval_is_drawn_to_its_ends():
    recall = Estimate(value=0.8, low=0.6, high=0.9, n=9, of="doors")

    chart = charts.interval(recall, target=0.9)

    assert '<line class="span" x1="60.00%" x2="90.00%"' in chart
    assert 'cx="80.00%"' in chart
    assert '<line class="target" x1="90.00%"' in chart
    assert "target" not in charts.interval(recall, target=None)


def test_names_from_outside_are_escaped():
    title = '"><script>'

    assert "<script>" not in charts.precision_recall([(0.5, 0.5)], in_use=None, title=title)
