"""What travels with the weights: the thresholds that they were tested at, and their source."""

from pathlib import Path

import pytest

from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.core.config import load_params
from container_doors.core.errors import RunError
from container_doors.core.predictions import ModelFile
from container_doors.core.records import Metadata, RunRecord
from container_doors.core.run import PUBLISHED
from container_doors.evaluation.targets import parse_target
from container_doors.publishing.model_file import model_file_check, model_file_of, read_model_file
from container_doors.publishing.signatures import SignaturePolicy
from container_doors.steps.evaluate import evaluate_split
from container_doors.steps.metadata import regenerate_metadata
from container_doors.steps.publish import publish_run
from container_doors.steps.published import Outside
from container_doors.steps.release import release_model
from container_doors.steps.sync import pointers_here, put_in_place
from tests.fakes import FakeDetector, FakeProgress
from tests.trained import PARAMS, RUN, train_and_version_in

TARGET = "recall>=0.2@50%"  # which the one door of val can prove
PATH = PUBLISHED / "model.json"


class Clone:
    """A clone whose model is published, and versioned but not tagged."""

    def __init__(self, folder: Path) -> None:
        self.store, self.repository = train_and_version_in(folder)

    def choose_threshold(self) -> float:
        found = evaluate_split(
            RUN,
            "test",
            target=parse_target(TARGET),
            open_detector=lambda *_: FakeDetector(),
            progress=FakeProgress(),
        )
        assert found.promise is not None
        return found.promise.conf_threshold

    def publish(self) -> str:
        outside = Outside(self.repository, lambda *_: FakeDetector(), FakeProgress())
        return publish_run(RUN, anyway=False, outside=outside)[1]

    def metadata_again(self, *, minor: bool = False) -> Metadata:
        return regenerate_metadata(
            PUBLISHED, repository=self.repository, runs_root=Path("runs"), major=False, minor=minor
        )


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.chdir(tmp_path)
    return Clone(tmp_path)


def test_a_published_model_says_how_it_was_tested(clone: Clone):
    metadata, model = Metadata.read(PUBLISHED / "metadata.json"), ModelFile.read(PATH)

    used_at = PARAMS.validation
    assert (model.version, model.classes) == (metadata.version, ["container_door"])
    assert (model.conf_threshold.value, model.iou_threshold) == (
        used_at.conf_threshold,
        used_at.iou_threshold,
    )
    assert model.conf_threshold.source == "params"
    assert model.weights["best.pt"] == metadata.artifacts["best.pt"].sha256
    assert {one.split: one.photographs for one in model.tested} == {
        split: scores.images for split, scores in metadata.evaluation.splits.items()
    }
    assert "AGPL-3.0" in model.licence.text


def test_the_threshold_of_an_operating_target_travels_with_the_weights(clone: Clone):
    threshold = clone.choose_threshold()

    outcome = clone.publish()

    chosen = ModelFile.read(PATH).conf_threshold
    assert (chosen.value, chosen.target, chosen.source) == (threshold, TARGET, "operating target")
    assert threshold != PARAMS.validation.conf_threshold
    assert TARGET in outcome
    assert read_model_file(PUBLISHED).conf_threshold == chosen


def test_a_target_measured_on_other_weights_is_not_used(clone: Clone):
    clone.choose_threshold()
    measured = RUN.evaluation.read_text()
    record = RunRecord.read(RUN.record)
    RUN.evaluation.write_text(measured.replace(record.artifacts["best.pt"].sha256, "0" * 64))

    clone.publish()

    assert ModelFile.read(PATH).conf_threshold.source == "params"


def test_a_released_version_keeps_its_threshold_until_it_gets_a_new_number(clone: Clone):
    release_model(Metadata.read(PUBLISHED / "metadata.json"), clone.repository)
    before = (PUBLISHED / "metadata.json").read_bytes()
    clone.choose_threshold()

    outcome = clone.publish()
    assert "doors metadata --minor" in outcome
    clone.metadata_again()
    assert (PUBLISHED / "metadata.json").read_bytes() == before

    clone.metadata_again(minor=True)
    model = ModelFile.read(PATH)
    assert (model.version or "").startswith("detection_v1.1")
    assert model.conf_threshold.target == TARGET


@pytest.mark.parametrize("is_lost", [True, False])
def test_what_arrives_has_it_too(clone: Clone, is_lost: bool):
    clone.choose_threshold()
    clone.publish()
    clone.metadata_again()
    written = PATH.read_bytes()
    version(clone)
    for name in ("best.pt", *(["model.json"] if is_lost else [])):
        (PUBLISHED / name).unlink()

    put_in_place(
        pointers_here(),
        "HEAD",
        store=clone.store,
        policy=SignaturePolicy(SshSignatures(), clone.repository, is_required=False),
        try_weights=lambda _: None,
        progress=FakeProgress(),
    )

    assert PATH.read_bytes() == written


def version(clone: Clone) -> None:
    from container_doors.steps.version import version_model

    version_model(None, store=clone.store, progress=FakeProgress())


def test_a_document_of_an_earlier_release_is_written_as_it_was(clone: Clone):
    path = PUBLISHED / "metadata.json"
    assert "operating_target" not in path.read_text()

    assert Metadata.read(path).to_json() == path.read_text()


def test_without_the_file_it_is_as_the_metadata_says(clone: Clone):
    model = ModelFile.read(PATH)
    PATH.unlink()

    assert read_model_file(PUBLISHED) == model
    assert model_file_check(Metadata.read(PUBLISHED / "metadata.json"), PUBLISHED).is_ok is None


def test_a_threshold_changed_by_hand_is_refused_and_written_again(clone: Clone):
    good = PATH.read_text()
    PATH.write_text(good.replace('"value": 0.25', '"value": 0.9'))
    assert PATH.read_text() != good

    with pytest.raises(RunError, match=r"conf_threshold.*expected 0\.25.*found 0\.9") as caught:
        read_model_file(PUBLISHED)
    check = model_file_check(Metadata.read(PUBLISHED / "metadata.json"), PUBLISHED)
    assert [one.where for one in check.mismatches] == [f"{PATH}: conf_threshold.value"]

    assert "doors metadata" in caught.value.hint
    clone.metadata_again()
    assert PATH.read_text() == good


def test_the_params_of_the_model_not_of_today_count(clone: Clone):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("conf_threshold: 0.25", "conf_threshold: 0.6"))
    assert load_params(Path("params.yaml")).validation.conf_threshold == 0.6

    assert model_file_of(Metadata.read(PUBLISHED / "metadata.json")).conf_threshold.value == 0.25
