import json
import math

import pytest

from container_doors.core.records import Epoch
from container_doors.reporting.curve_table import (
    ABSENT,
    COLUMNS,
    as_json,
    headline,
    plain_lines,
    table,
)
from tests.builders import a_history, a_record

WHOLE = {
    "train/box_loss": 1.25,
    "train/cls_loss": 3.5,
    "train/dfl_loss": 0.875,
    "val/box_loss": 1.5,
    "val/cls_loss": 4.0,
    "val/dfl_loss": 1.25,
    "val/precision": 0.96,
    "val/recall": 0.94,
    "val/mAP50": 0.951,
    "val/mAP50-95": 0.742,
    "lr/pg0": 0.000952,
    "perf/epoch_s": 12.34,
}


def cells(metrics: dict[str, float]) -> dict[str, str]:
    (row,) = table([Epoch(1, metrics)], None)
    return dict(zip(COLUMNS, row.cells, strict=True))


def test_an_epoch_is_a_row_and_its_validation_losses_are_one_sum():
    """1.5 + 4.0 + 1.25 = 6.75."""
    assert cells(WHOLE) == {
        "epoch": "1",
        "mAP50-95": "0.742",
        "mAP50": "0.951",
        "precision": "0.960",
        "recall": "0.940",
        "box_loss": "1.250",
        "cls_loss": "3.500",
        "dfl_loss": "0.8750",
        "val_loss": "6.750",
        "lr": "0.000952",
        "seconds": "12.3",
    }


@pytest.mark.parametrize(
    ("metric", "column"),
    [
        pytest.param("val/mAP50", "mAP50", id="a score"),
        pytest.param("train/cls_loss", "cls_loss", id="a loss"),
        pytest.param("val/dfl_loss", "val_loss", id="a part of a sum"),
        pytest.param("lr/pg0", "lr", id="the learning rate"),
        pytest.param("perf/epoch_s", "seconds", id="the time"),
    ],
)
def test_a_missing_metric_is_a_dash_and_the_others_stay(metric: str, column: str):
    rest = {name: value for name, value in WHOLE.items() if name != metric}

    assert cells(rest) == cells(WHOLE) | {column: ABSENT}


def test_a_measured_zero_is_not_a_dash():
    assert cells({"val/mAP50": 0.0, "lr/pg0": 0.0})["mAP50"] == "0.000"
    assert cells({"val/mAP50": 0.0, "lr/pg0": 0.0})["lr"] == "0.00"


def test_a_large_loss_does_not_end_in_a_point():
    assert cells({"train/box_loss": 1234.4})["box_loss"] == "1234"


def test_the_best_epoch_has_a_star():
    rows = table(a_history(3), 2)

    assert [row.cells[0] for row in rows] == ["1", "2*", "3"]
    assert [row.is_best for row in rows] == [False, True, False]


@pytest.mark.parametrize(
    "extreme",
    [
        pytest.param(0.0, id="zero"),
        pytest.param(123456.789, id="a loss that explodes"),
        pytest.param(0.000012345, id="a loss that vanishes"),
        pytest.param(9999.96, id="about to gain a digit"),
        pytest.param(math.nan, id="nan"),
        pytest.param(math.inf, id="infinity"),
    ],
)
def test_lines_have_at_most_100_characters_and_aligned_columns(extreme: float):
    losses = {name: extreme for name in WHOLE if name.endswith("_loss")}
    lines = plain_lines(table([Epoch(1, WHOLE), Epoch(1000, WHOLE | losses)], 1000))

    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 100
    assert {len(line.split()) for line in lines} == {len(COLUMNS)}


def test_json_has_every_metric_and_null_for_nan():
    history = [Epoch(1, WHOLE), Epoch(2, {"train/box_loss": math.nan})]

    read = json.loads(json.dumps(as_json(history, 1), allow_nan=False))

    assert read == [
        {"epoch": 1, "is_best": True, **WHOLE},
        {"epoch": 2, "is_best": False, "train/box_loss": None},
    ]


def test_the_headline_has_the_progress_of_a_running_training():
    record = a_record(status="running", epochs_finished=None, best_epoch=None)

    assert headline("detection_exp001~1", record, a_history(7), 5) == (
        "detection_exp001~1: running, 7 of 30 epochs, the best 5, on AMD EPYC 7B13"
    )
    assert headline("detection_exp001", record, [], None) == (
        "detection_exp001: running, 0 of 30 epochs, on AMD EPYC 7B13"
    )
