"""Check the model card with Hugging Face's own library."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from container_doors.core.errors import RunError
from container_doors.core.measurements import Evaluated
from container_doors.core.records import RunRecord
from container_doors.steps.summary import model_card
from tests.fakes import FakeDetector, FakeProgress
from tests.trained import RUN, train_in

CARD = Path("card.md")


@pytest.fixture(autouse=True)
def _trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_in(tmp_path, monkeypatch)


def card() -> str:
    model_card(
        RUN, CARD, open_detector=lambda weights, params: FakeDetector(), progress=FakeProgress()
    )
    return CARD.read_text()


def test_hugging_face_reads_the_measured_scores():
    """``validate`` would need their server; their pages are made from ``eval_results``."""
    data: Any = ModelCard(card()).data
    measured = Evaluated.read(RUN.evaluation).splits["test"]

    assert (data.license, data.pipeline_tag) == ("agpl-3.0", "object-detection")
    started = RunRecord.read(RUN.record).started_at
    assert data.model_name == f"detection_v1.0_{started:%Y%m%d}_exp1"
    test = [one for one in data.eval_results if one.dataset_split == "test"]
    assert {one.metric_type: one.metric_value for one in test} == pytest.approx(
        {name: score.value for name, score in measured.scores.items()}, abs=1e-6
    )
    (recall,) = (one for one in test if one.metric_type == "recall")
    assert recall.metric_name == (
        "recall (in use, at a confidence of 0.25), 95 % interval 0.025 to 1.000, n = 1 doors"
    )
    (best_f1,) = (one for one in test if one.metric_type == "mR")
    assert best_f1.metric_name.startswith("mR (Ultralytics, at the best F1), 95 % interval")
    assert {one.dataset_split for one in data.eval_results} == {"val", "test"}


def test_the_text_has_the_same_scores_and_what_is_not_proven():
    text = card()

    assert "**0 of 5 targets hold. Missed: model size" in text
    assert "| recall | 1.000 (0.025 to 1.000, n = 1 doors) |" in text
    assert "unproven, n = 1" in text
    assert "False alarms per photograph without a door: 0.000" in text


def test_the_card_has_no_path_of_this_machine(tmp_path: Path):
    assert str(tmp_path) not in card()


def test_the_same_run_gives_the_same_card():
    assert card() == card()


def test_a_file_that_is_not_a_card_is_not_replaced():
    CARD.write_text("---\nmine: true\n---\n")

    with pytest.raises(RunError, match=r"card\.md exists already, and is not a card"):
        card()
