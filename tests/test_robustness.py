"""Ladders of hard conditions, climbed with a fake model."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from container_doors.adapters.corruptions import KINDS, SLOW_KINDS, corrupt
from container_doors.cli.robustness import _lines as lines_of
from container_doors.core.errors import DatasetError
from container_doors.core.measurements import (
    CorruptionScores,
    Estimate,
    Evaluated,
    Robustness,
    SeverityScores,
)
from container_doors.core.records import RunRecord
from container_doors.evaluation.corruptions import SEVERITIES
from container_doors.evaluation.robustness import unseen_retention
from container_doors.evaluation.targets import parse_target
from container_doors.steps.robustness import RobustnessSettings, measure_robustness
from tests.fakes import Blinded, FakeDetector, FakeProgress
from tests.trained import RUN, forget_detections, train_in, train_others


@pytest.fixture(autouse=True)
def _trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_in(tmp_path, monkeypatch)
    forget_detections()


def climbed(detector: FakeDetector, **asked) -> Robustness:
    return measure_robustness(
        RUN,
        "test",
        settings=RobustnessSettings(corrupt=corrupt, **asked),
        open_detector=lambda weights, params: detector,
        progress=FakeProgress(),
    )


def test_a_model_that_is_blind_in_bad_conditions_falls_at_the_first_step():
    found = climbed(Blinded(), is_quick=True)

    assert found == Evaluated.read(RUN.evaluation).robustness["test"]
    assert {ladder.name for ladder in found.ladders} == set(SEVERITIES)
    assert all(ladder.falls_at == SEVERITIES[ladder.name][0] for ladder in found.ladders)
    assert found.clean.ap50 is not None
    assert (found.clean.ap50.value, found.mean_ap50, found.retention) == (1, 0, 0)
    assert str(found.looks) == "2", "the training, and this"


def test_what_there_was_no_time_for_is_named_and_done_the_next_time():
    detector = Blinded()
    first = climbed(detector, is_quick=True, budget_s=-1)
    before = detector.looked_at

    second = climbed(detector, is_quick=True)

    assert Evaluated.read(RUN.evaluation).robustness["test"] == second
    assert second.mean_ap50 is not None
    assert len(first.not_measured) == 3 * len(SEVERITIES)
    assert (first.ladders, first.mean_ap50, first.retention) == ([], None, None)
    assert second.not_measured == []
    assert detector.looked_at - before == 3 * len(SEVERITIES)
    climbed(detector, is_quick=True)
    assert detector.looked_at - before == 3 * len(SEVERITIES)


def test_a_mean_waits_for_every_step():
    """Of the steps so far it would read like one of all."""
    detector = Blinded()
    climbed(detector, is_quick=True)
    next(RUN.evaluation_dir("test").glob("robustness/*.json")).unlink()

    found = climbed(detector, is_quick=True, budget_s=-1)

    assert len(found.not_measured) == 1
    assert (found.mean_ap50, found.retention) == (None, None)
    assert sum(len(ladder.steps) for ladder in found.ladders) == 3 * len(SEVERITIES) - 1


def test_what_is_below_on_photographs_as_they_are_falls_at_no_step():
    class Blind(Blinded):
        def detect(self, images, *, conf_threshold, iou_threshold):
            found = super().detect(images, conf_threshold=0, iou_threshold=0)
            return [replace(one, boxes_xyxy=[], confidences=[], is_door=[]) for one in found]

    found = climbed(Blind(), is_quick=True)

    assert found.clean.recall is not None
    assert found.clean.recall.value == 0
    assert {ladder.falls_at for ladder in found.ladders} == {None}


def test_a_target_chooses_the_threshold_and_what_each_severity_is_compared_with():
    found = climbed(Blinded(), is_quick=True, operating_target=parse_target("recall>=0.02@95%"))

    assert found.promise == "recall>=0.02@95%"
    assert (found.recall_target, found.conf_threshold) == (0.02, 0.9)


def test_other_weights_are_climbed_anew():
    detector = Blinded()
    climbed(detector, is_quick=True)
    before = detector.looked_at
    train_others(RUN)

    climbed(detector, is_quick=True)

    assert (
        detector.looked_at - before == 3 * len(SEVERITIES) + 4
    )  # and the two photographs of test, found and timed


def test_what_was_trained_on_is_marked_and_the_rest_has_a_mean_of_its_own():
    assert climbed(Blinded(), is_quick=True).unseen_retention is None
    record = RunRecord.read(RUN.record)
    for name in ("darkness", "motion_blur"):
        record.params["augmentation"]["conditions"][name]["probability"] = 0.1
    record.write(RUN.record)

    found = climbed(Blinded(), is_quick=True, common=("motion_blur", "fog"))

    trained_on = {ladder.name for ladder in found.ladders if ladder.is_trained_on}
    assert trained_on == {"darkness", "motion", "motion_blur"}
    assert found.unseen_retention == 0
    shown = "\n".join(lines_of(RUN, found))
    assert re.search("darkness, .*trained on", shown)
    assert not re.search("rain, .*trained on", shown)
    assert "over those that it was not trained on: 0% of the clean AP50" in shown


def test_the_mean_of_the_rest_leaves_out_what_was_trained_on():
    """0.9 was trained on; 0.6 and 0.4 are half of a clean 1."""

    def scores(ap50: float) -> SeverityScores:
        estimate = Estimate(value=ap50, low=0, high=1, n=9, of="doors")
        return SeverityScores(severity=1, ap50=estimate, recall=None)

    corruptions = [
        CorruptionScores(
            name=name, unit="", steps=[scores(ap50)], falls_at=None, is_trained_on=seen
        )
        for name, ap50, seen in (("a", 0.9, True), ("b", 0.6, False), ("c", 0.4, False))
    ]

    assert unseen_retention(scores(1), corruptions) == pytest.approx(0.5)
    assert unseen_retention(scores(1), corruptions[1:]) is None
    assert unseen_retention(scores(1), corruptions[:1]) is None


def test_common_corruptions_are_climbed_when_they_are_asked_for():
    found = climbed(Blinded(), is_quick=True, common=("brightness", "pixelate"))

    assert {"brightness", "pixelate"} < {ladder.name for ladder in found.ladders}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, *SLOW_KINDS])
@pytest.mark.filterwarnings("default")
def test_a_corruption_is_the_same_each_time(kind: str):
    picture = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    state = np.random.get_state(legacy=False)["state"]["key"].tolist()

    one, other = (corrupt(kind, 3, "a.jpg", picture) for _ in range(2))

    assert (one == other).all()
    assert one.shape == picture.shape
    assert not (one == picture).all()
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == state


def test_a_picture_that_is_too_small_to_be_corrupted_is_refused():
    with pytest.raises(DatasetError, match=r"a\.jpg: expected 32 px a side at least, found 8"):
        corrupt("fog", 1, "a.jpg", np.zeros((8, 64, 3), dtype=np.uint8))
