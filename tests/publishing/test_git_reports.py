import csv
import json
import math
from pathlib import Path

from container_doors.core.records import Epoch, OperatingPoint, Version
from container_doors.publishing.git_reports import write_reports
from container_doors.publishing.metadata import build_metadata
from container_doors.training.history import format_epochs
from tests.builders import a_trained_run, an_evaluation, split_scores

VERSION = Version(major=1, minor=0, date="20261123", experiment="exp001")


def test_metrics_are_flat_and_hold_only_what_was_measured(tmp_path: Path):
    run, record, _ = a_trained_run(tmp_path)
    evaluation = an_evaluation(
        run_id=record.run_id,
        weights_sha256=record.artifacts["best.pt"].sha256,
        splits={
            "val": split_scores(),
            "test": split_scores(
                ultralytics={},
                coco={},
                latency=None,
                operating_point=OperatingPoint(
                    conf_threshold=0.25,
                    iou_threshold=0.45,
                    true_positives=0,
                    false_positives=0,
                    missed=4,
                    precision=None,
                    recall=0.0,
                ),
            ),
        },
    )

    write_reports(run, build_metadata(record, evaluation, VERSION), evaluation, tmp_path / "r")

    figures = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert figures["experiment"] == "detection_exp001"
    assert figures["version"] == "detection_v1.0_20261123_exp001"
    assert figures["val_mAP50"] == 0.951
    assert figures["val_coco_AP"] == 0.731
    assert figures["val_latency_median_ms"] == 87.4
    assert figures["val_operating_precision"] == 72 / 75
    assert figures["val_operating_recall"] == 72 / 76
    assert figures["test_missed"] == 4
    assert figures["test_operating_recall"] == 0.0
    assert "test_operating_precision" not in figures
    assert "test_mAP50" not in figures
    assert "test_latency_median_ms" not in figures
    assert not [value for value in figures.values() if isinstance(value, dict | list)]


def test_curves_have_a_row_per_finished_epoch(tmp_path: Path):
    run, record, evaluation = a_trained_run(tmp_path)
    record = record.model_copy(update={"epochs_finished": 2, "best_epoch": 2})
    run.metrics_jsonl.write_text(
        format_epochs(
            [
                Epoch(1, {"train/box_loss": 1.5}),
                Epoch(2, {"train/box_loss": math.nan, "val/mAP50": 0.5}),
            ]
        )
        + '{"epoch": 3, "train/box'
    )

    write_reports(run, build_metadata(record, evaluation, VERSION), evaluation, tmp_path / "r")

    with (tmp_path / "r" / "curves.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"epoch": "1", "train/box_loss": "1.5", "val/mAP50": ""},
            {"epoch": "2", "train/box_loss": "", "val/mAP50": "0.5"},
        ]


def test_writing_again_leaves_equal_files_and_nothing_else(tmp_path: Path):
    run, record, evaluation = a_trained_run(tmp_path)
    metadata = build_metadata(record, evaluation, VERSION)

    def written() -> dict[str, bytes]:
        write_reports(run, metadata, evaluation, tmp_path / "r")
        return {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}

    first = written()

    assert first.keys() == {"metrics.json", "curves.csv"}
    assert written() == first
