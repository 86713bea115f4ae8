"""Check that every target is met, missed, or reported as not measured."""

import math

import pytest

from container_doors.core.records import Artifact, Evaluation, Latency, RunRecord, SplitScores
from container_doors.reporting.verdicts import TargetRow, compare, in_one_sentence
from tests.builders import a_record, an_evaluation, split_scores


def row(what: str, *, record: RunRecord | None = None, **splits: SplitScores) -> TargetRow:
    evaluation = an_evaluation(splits=splits or {"val": split_scores(), "test": split_scores()})
    return next(row for row in compare(record or a_record(), evaluation) if row.what == what)


@pytest.mark.parametrize(
    ("what", "split", "name", "value", "shown", "verdict"),
    [
        ("Validation mAP@50", "val", "mAP50", 0.95, "0.950", "met"),
        ("Validation mAP@50", "val", "mAP50", 0.90, "0.900", "NOT MET"),
        ("Validation mAP@50", "val", "mAP50", 0.90004, "0.90004", "met"),
        ("Validation mAP@50", "val", "mAP50", 0.89996, "0.89996", "NOT MET"),
        ("Validation mAP@50", "val", "mAP50", 0.0, "0.000", "NOT MET"),
        ("Validation mAP@50", "val", "mAP50", math.nan, "not measured", "not measured"),
        ("Validation mAP@50-95", "val", "mAP50-95", 0.71, "0.710", "met"),
        ("Validation mAP@50-95", "val", "mAP50-95", 0.70, "0.700", "NOT MET"),
        ("Test mAP@50", "test", "mAP50", 0.89, "0.890", "met"),
        ("Test mAP@50", "test", "mAP50", 0.88, "0.880", "NOT MET"),
    ],
)
def test_a_score_is_compared_with_its_own_target(what, split, name, value, shown, verdict):
    splits = {split: split_scores(ultralytics={name: value})}
    found = next(
        row for row in compare(a_record(), an_evaluation(splits=splits)) if row.what == what
    )

    assert (found.measured, found.verdict) == (shown, verdict)


@pytest.mark.parametrize("what", ["Validation mAP@50", "Validation mAP@50-95", "Test mAP@50"])
def test_a_score_has_its_sample_size(what: str):
    assert row(what).on == "75 photographs, 76 doors"


@pytest.mark.parametrize("what", ["Validation mAP@50", "Validation mAP@50-95", "Test mAP@50"])
def test_a_split_without_doors_has_no_score_instead_of_zero(what: str):
    empty = split_scores(images=3, doors=0, ultralytics={}, coco={})

    found = row(what, val=empty, test=empty)

    assert (found.measured, found.verdict) == ("not measured", "not measured")
    assert found.on == "3 photographs, 0 doors"


def test_a_missing_split_is_reported_as_not_measured():
    found = row("Test mAP@50", val=split_scores())

    assert (found.on, found.verdict) == ("no test split", "not measured")


@pytest.mark.parametrize(
    ("median_ms", "shown", "verdict"),
    [
        (31.24, "31.2 ms", "met"),
        (49.98, "49.98 ms", "met"),
        (50.0, "50.0 ms", "NOT MET"),
        (87.4, "87.4 ms", "NOT MET"),
        (math.nan, "not measured", "not measured"),
    ],
)
def test_the_median_inference_time_is_compared_with_its_target(
    median_ms: float, shown: str, verdict: str
):
    latency = Latency(median_ms=median_ms, p95_ms=99, images=1, method="a watch")

    found = row("Inference time", test=split_scores(latency=latency))

    assert (found.measured, found.verdict) == (shown, verdict)


def test_an_untimed_model_has_no_inference_time():
    found = row("Inference time", test=split_scores(latency=None))

    assert (found.measured, found.verdict) == ("not measured", "not measured")


def test_timings_on_test_are_preferred_to_those_on_validation():
    def timed(median_ms: float) -> SplitScores:
        return split_scores(latency=Latency(median_ms=median_ms, p95_ms=9, images=4, method=""))

    assert row("Inference time", val=timed(1), test=timed(2)).measured == "2.0 ms"
    assert row("Inference time", val=timed(1), test=split_scores(latency=None)).measured == "1.0 ms"


@pytest.mark.parametrize(
    ("size_bytes", "verdict"),
    [
        pytest.param(19_117_594, "met", id="the size of YOLO11s"),
        pytest.param(17_000_000, "NOT MET", id="too small"),
        pytest.param(38_000_000, "NOT MET", id="in float32"),
        pytest.param(57_000_000, "NOT MET", id="with its optimizer"),
    ],
)
def test_the_size_of_the_model_is_compared_with_its_target(size_bytes: int, verdict: str):
    best = Artifact(sha256="b" * 64, size_bytes=size_bytes)

    assert row("Model size", record=a_record(artifacts={"best.pt": best})).verdict == verdict


def test_another_architecture_has_no_target_for_its_size():
    params = a_record().params | {"model": {"architecture": "yolov11n"}}

    found = row("Model size", record=a_record(params=params))

    assert (found.target, found.measured, found.verdict) == ("n/a", "19.1 MB", "n/a")


def test_a_missing_model_has_no_size():
    found = row("Model size", record=a_record(artifacts={}))

    assert (found.measured, found.verdict) == ("not measured", "not measured")


@pytest.mark.parametrize(("seconds", "shown"), [(4350.0, "1 h 12 min"), (None, "not measured")])
def test_the_training_time_is_information(seconds: float | None, shown: str):
    found = row("Training time", record=a_record(duration_s=seconds))

    assert (found.measured, found.verdict) == (shown, "information")


def verdict_sentence(evaluation: Evaluation) -> str:
    return in_one_sentence(compare(a_record(), evaluation))


def test_the_sentence_names_missed_and_unknown_targets():
    val = split_scores(ultralytics={"mAP50": 0.8}, latency=None)
    evaluation = an_evaluation(splits={"val": val, "test": split_scores(latency=None)})

    assert verdict_sentence(evaluation) == (
        "As measured, 2 of 5 targets met. NOT MET: Validation mAP@50 (0.800, target > 0.90). "
        "Not measured: Validation mAP@50-95, Inference time."
    )


def test_the_sentence_of_a_good_model_is_short():
    fast = split_scores(latency=Latency(median_ms=9, p95_ms=9, images=9, method=""))

    assert (
        verdict_sentence(an_evaluation(splits={"val": fast, "test": fast}))
        == "As measured, 5 of 5 targets met."
    )
