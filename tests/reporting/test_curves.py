"""Check the picture of a run's curves, with and without each metric."""

import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from container_doors.core.records import Epoch
from container_doors.reporting import curves
from container_doors.reporting.curves import draw_curves
from tests.builders import a_history


def drawn(history: list[Epoch], best_epoch: int | None, path: Path) -> np.ndarray:
    draw_curves(history, best_epoch, path)
    return pixels(path)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def count(picture: np.ndarray, colour: str) -> int:
    red_green_blue = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return int((picture == red_green_blue).all(axis=-1).sum())


def has(picture: np.ndarray, colour: str) -> bool:
    return count(picture, colour) > 0


def without(history: list[Epoch], prefix: str) -> list[Epoch]:
    return [
        Epoch(epoch.number, {k: v for k, v in epoch.metrics.items() if not k.startswith(prefix)})
        for epoch in history
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a run with all metrics and the best epoch 24."""
    path = tmp_path_factory.mktemp("curves") / "curves.png"
    draw_curves(a_history(), 24, path)
    return path


@pytest.mark.parametrize(
    ("history", "best_epoch"),
    [
        pytest.param(a_history(1), 1, id="one epoch"),
        pytest.param(a_history(31), 24, id="many epochs"),
        pytest.param(a_history(3), None, id="no best epoch"),
        pytest.param(a_history(3), 7, id="a best epoch that is not there"),
        pytest.param(without(a_history(3), "lr/"), 2, id="no learning rate"),
        pytest.param(without(a_history(3), "val/"), 2, id="no validation"),
        pytest.param([Epoch(1, {}), Epoch(2, {})], 2, id="nothing measured"),
        pytest.param([], None, id="no epoch"),
        pytest.param([*a_history(2), Epoch(3, {"val/mAP50": math.nan,
                     "train/box_loss": math.inf})], 3, id="not finite"),
        pytest.param([Epoch(1, {"val/cls_loss": 400.0}), Epoch(2, {"val/cls_loss": 0.5})], 2,
                     id="a loss that explodes"),
        pytest.param([Epoch(1, {"train/box_loss": 0.0, "lr/pg0": 0.0})], 1, id="zeros"),
    ],
)  # fmt: skip
def test_every_history_gives_a_picture_of_one_size(history, best_epoch, tmp_path: Path):
    assert drawn(history, best_epoch, tmp_path / "curves.png").shape == (1080, 1500, 3)


def test_a_metric_that_is_absent_is_not_drawn(whole: Path, tmp_path: Path):
    colour_of_recall = "#CC79A7"
    path = tmp_path / "curves.png"

    assert has(pixels(whole), colour_of_recall)
    assert not has(drawn(without(a_history(), "val/recall"), 24, path), colour_of_recall)


def test_the_best_epoch_has_a_star_and_a_line(whole: Path, tmp_path: Path):
    colour_of_star = "#D55E00"
    unmarked = drawn(a_history(), None, tmp_path / "curves.png")
    learning_rate = np.s_[540:, 750:]

    assert count(pixels(whole), colour_of_star) > count(unmarked, colour_of_star)
    assert (pixels(whole)[learning_rate] != unmarked[learning_rate]).any()


@pytest.mark.parametrize(
    ("rates", "labels"),
    [
        pytest.param((0.1, 0.1, 0.1), ["weights, normalization layers, biases"], id="one rate"),
        pytest.param((0.1, 0.1, 0.2), ["weights, normalization layers", "biases"], id="two"),
        pytest.param((0.1, 0.2), ["weights", "normalization layers"], id="not all measured"),
        pytest.param((0.1, 0.2, 0.1, 0.1),
                     ["parameter group 0, parameter group 2, parameter group 3",
                      "parameter group 1"], id="other groups"),
    ],
)  # fmt: skip
def test_learning_rates_have_the_names_of_their_parameter_groups(rates, labels):
    """Ultralytics' ``build_optimizer``: 0 weights, 1 normalization, 2 biases."""
    panel = Figure().subplots()
    curves._draw_learning_rate(
        panel, [Epoch(1, {f"lr/pg{number}": rate for number, rate in enumerate(rates)})]
    )

    assert panel.get_legend_handles_labels()[1] == labels


def test_equal_histories_give_equal_files_with_any_matplotlib_settings(whole: Path, tmp_path: Path):
    with mpl.rc_context({"figure.facecolor": "red", "font.size": 30, "axes.grid": False}):
        before = dict(mpl.rcParams)
        draw_curves(a_history(), 24, tmp_path / "curves.png")
        assert dict(mpl.rcParams) == before

    assert (tmp_path / "curves.png").read_bytes() == whole.read_bytes()
