import json
import math
from pathlib import Path

import pytest

from container_doors.core.errors import RunError
from container_doors.core.records import CodeState, Metadata, Version
from container_doors.publishing.metadata import build_metadata
from tests.builders import a_record, an_evaluation, split_scores

VERSION = Version(major=1, minor=2, date="20261123", experiment="exp001")


def test_every_field_of_the_specification_is_there_under_its_name():
    written = json.loads(build_metadata(a_record(), an_evaluation(), VERSION).to_json())

    assert written["experiment_name"] == "detection_exp001"
    assert written["model_architecture"] == "yolov11s"
    assert written["trained_on"] == "2026-11-23T09:42:30Z"
    assert written["training_duration_hours"] == pytest.approx(4350 / 3600)
    assert written["hyperparameters"]["training"]["epochs"] == 30
    assert written["metrics"]["val_mAP50"] == 0.951
    assert written["metrics"]["val_mAP50_95"] == 0.742
    assert written["metrics"]["test_mAP50"] == 0.951
    assert written["metrics"]["test_mAP50_95"] == 0.742
    assert written["dataset_info"]["train_images"] == 352
    assert written["dataset_info"]["val_images"] == 75
    assert written["dataset_info"]["test_images"] == 75
    assert written["version"] == "detection_v1.2_20261123_exp001"
    assert written["git_tag"] == "detection@v1.2.0+20261123.exp001"


def test_both_definitions_of_a_score_are_kept_apart():
    metrics = build_metadata(a_record(), an_evaluation(), VERSION).metrics

    assert metrics["test_mAP50"] == 0.951
    assert metrics["test_coco_AP50"] == 0.956
    assert metrics["test_precision"] == 0.96


def test_a_score_that_is_undefined_is_absent():
    no_doors = split_scores(doors=0, ultralytics={}, coco={"AP": math.nan})
    evaluation = an_evaluation(splits={"val": split_scores(), "test": no_doors})

    metadata = build_metadata(a_record(), evaluation, VERSION)

    assert not [name for name in metadata.metrics if name.startswith("test_")]
    assert "val_mAP50" in metadata.metrics


def test_it_is_read_back_as_it_was_written(tmp_path: Path):
    metadata = build_metadata(a_record(), an_evaluation(), VERSION)

    metadata.write(tmp_path / "metadata.json")

    assert Metadata.read(tmp_path / "metadata.json") == metadata


@pytest.mark.parametrize(
    "changes", [{"weights_sha256": "9" * 64}, {"run_id": "another"}], ids=["weights", "run"]
)
def test_an_evaluation_of_something_else_is_refused(changes: dict[str, str]):
    with pytest.raises(RunError, match="is of other weights"):
        build_metadata(a_record(), an_evaluation(**changes), VERSION)


@pytest.mark.parametrize(
    "changes",
    [
        {"artifacts": {}},
        {"finished_at": None},
        {"duration_s": None},
        {"epochs_finished": None},
        {"best_epoch": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_run_that_did_not_end_is_refused(changes: dict[str, object]):
    with pytest.raises(RunError, match="not been trained to the end"):
        build_metadata(a_record(**changes), an_evaluation(), VERSION)


def test_code_outside_of_git_is_unknown_and_not_made_up():
    record = a_record(code=CodeState(commit=None, clean=None))

    assert build_metadata(record, an_evaluation(), VERSION).code.commit is None
