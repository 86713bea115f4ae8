"""One flipped byte, in anything that a model stands on, is found and named."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from container_doors.cli.checklist import exit_code
from container_doors.core.config import dump, load_params
from container_doors.core.errors import RunError
from container_doors.core.records import Check, Metadata, StartingWeights
from container_doors.core.run import PUBLISHED
from container_doors.publishing.evidence import pointers_check, starting_weights_check
from container_doors.publishing.pointers import TRACKED, pointer_name, read_pointer
from container_doors.steps.verify import measure_again, verify_model
from tests.fakes import (
    FakeDetector,
    FakeProgress,
    FakeRepository,
    FakeStore,
    FakeTrainer,
)
from tests.trained import PARAMS, RUN, train_and_version_in

DATA = Path(PARAMS.data.path)


@dataclass
class Model:
    """A model that was trained, published and versioned here."""

    store: FakeStore = field(default_factory=FakeStore)
    repository: FakeRepository = field(default_factory=FakeRepository)

    def verify(self) -> list[Check]:
        return self.verify_as(None)

    def verify_as(self, name: str | None) -> list[Check]:
        _, checks = verify_model(
            name,
            load_params(Path("params.yaml")),
            store=self.store,
            repository=self.repository,
            progress=FakeProgress(),
        )
        return checks

    def amiss(self) -> list[str]:
        return [mismatch.where for check in self.verify() for mismatch in check.mismatches]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.chdir(tmp_path)
    return Model(*train_and_version_in(tmp_path))


def flip(path: Path, at: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def flip_digit(path: Path, after: str) -> None:
    """Flip a byte of what follows, so that the document can still be read."""
    content = path.read_bytes()
    flip(path, content.index(after.encode()) + len(after))


def test_a_model_that_nobody_touched_holds(model: Model):
    checks = model.verify()

    assert [(check.name, check.mismatches, check.not_checked) for check in checks] == [
        (name, (), None)
        for name in (
            "data set", "data pointers", "params", "code", "starting weights", "records",
            "weights", "metadata", "model file", "reports", "pointers", "remote", "remote data",
        )
    ]  # fmt: skip
    reports = next(check for check in checks if check.name == "reports")
    assert reports.holds.endswith(" in reports/"), "the output shows it from the person's folder"
    assert exit_code(checks) == 0


INPUTS: dict[str, tuple[Callable[[], None], str]] = {
    "an image": (lambda: flip(DATA / "images/test/0.png", -20), f"{DATA}/images/test/0.png"),
    "a label": (lambda: flip_digit(DATA / "labels/val/0.txt", "0 0."), f"{DATA}/labels/val/0.txt"),
    "data.yaml": (lambda: flip(DATA / "data.yaml", -3), f"{DATA}/data.yaml"),
    "data.yaml, broken": (lambda: flip(DATA / "data.yaml", 5), f"{DATA}/data.yaml"),
    "params.yaml": (
        lambda: flip_digit(Path("params.yaml"), "epochs: "),
        "params.yaml: detection.training.epochs",
    ),
    "the recorded params": (
        lambda: flip_digit(RUN.record, '"batch_size": '),
        "runs/exp1/run.json: hyperparameters.training.batch_size",
    ),
    "the published params": (
        lambda: flip_digit(PUBLISHED / "metadata.json", '"batch_size": '),
        "metadata.json: hyperparameters",
    ),
    "when it began": (lambda: flip_digit(RUN.record, '"started_at": "202'), "runs/exp1/run.json"),
    "a record's syntax": (lambda: flip(RUN.record), "runs/exp1"),
    "best.pt": (lambda: flip(PUBLISHED / "best.pt"), f"{PUBLISHED}/best.pt"),
    "last.pt": (lambda: flip(PUBLISHED / "last.pt"), f"{PUBLISHED}/last.pt"),
    "weights/best.pt": (
        lambda: flip(PUBLISHED / "weights/best.pt"), f"{PUBLISHED}/weights/best.pt",
    ),
    "a table": (lambda: flip(PUBLISHED / "results.csv"), f"{PUBLISHED}/results.csv"),
    "the log": (lambda: flip(PUBLISHED / "train.log"), f"{PUBLISHED}/train.log"),
    "metadata.json, broken": (
        lambda: flip(PUBLISHED / "metadata.json"), f"{PUBLISHED}/metadata.json",
    ),
    "a metric": (
        lambda: flip_digit(PUBLISHED / "metadata.json", '"test_mAP50": 0.'),
        f"{PUBLISHED}/metadata.json: metrics",
    ),
    "a pointer": (
        lambda: flip_digit(PUBLISHED / "best.pt.dvc", "md5: "), f"{PUBLISHED}/best.pt.dvc",
    ),
    "the evaluation": (
        lambda: flip_digit(RUN.scores, '"mAP50": 0.'), "runs/exp1/scores.json",
    ),
    "a prediction": (
        lambda: flip_digit(RUN.predictions_json("test"), '"confidence": 0.'),
        "runs/exp1/evaluation/test/predictions.json",
    ),
    "another": (
        lambda: flip(RUN.predictions_json("val")), "runs/exp1/evaluation/val/predictions.json",
    ),
    "an epoch": (lambda: flip_digit(RUN.metrics_jsonl, '0.'), "runs/exp1/metrics.jsonl"),
    "the list of the data": (
        lambda: flip_digit(RUN.dataset, 'data.yaml": "'), "runs/exp1/dataset.json",
    ),
    "a report": (lambda: flip(Path("reports/metrics.json"), -4), "reports/metrics.json"),
    "the curves": (lambda: flip(Path("reports/curves.csv"), -4), "reports/curves.csv"),
}  # fmt: skip


@pytest.mark.parametrize("name", INPUTS)
def test_one_flipped_byte_is_found_and_named(name: str, model: Model):
    change, where = INPUTS[name]
    change()

    checks = model.verify()

    assert where in [mismatch.where for check in checks for mismatch in check.mismatches]
    assert exit_code(checks) == 1


def test_the_label_that_changed_is_named_and_no_other(model: Model):
    flip_digit(DATA / "labels/val/0.txt", "0 0.")

    assert model.amiss() == [f"{DATA}/labels/val/0.txt"]


@pytest.mark.parametrize("name", TRACKED)
def test_a_flipped_byte_in_an_object_of_the_remote_is_found(name: str, model: Model):
    md5 = read_pointer(PUBLISHED / pointer_name(name)).md5
    content = bytearray(model.store.objects[md5])
    content[-1] ^= 1
    model.store.objects[md5] = bytes(content)

    assert model.amiss() == [f"storage: {name}"]


def test_an_object_that_the_remote_has_lost_is_found(model: Model):
    model.store.objects.popitem()

    assert model.amiss() == ["storage: metadata.json"]


def test_any_flipped_byte_of_a_pointer_is_found(model: Model):
    metadata = Metadata.read(PUBLISHED / "metadata.json")
    pointer = PUBLISHED / "best.pt.dvc"
    content = pointer.read_bytes()

    for at in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[at] ^= 1 << bit
            pointer.write_bytes(changed)
            assert pointers_check(metadata, PUBLISHED, {}, {}).is_ok is False, bytes(changed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [PUBLISHED / "metadata.json", RUN.record, RUN.dataset, DATA / "data.yaml"], ids=str
)
def test_any_flipped_byte_of_a_document_is_found(path: Path, model: Model):
    content = path.read_bytes()

    for at in range(0, len(content), 17):
        changed = bytearray(content)
        changed[at] ^= 1 << (at % 7)
        path.write_bytes(changed)
        assert model.amiss(), bytes(changed[max(0, at - 30) : at + 30])


def test_a_flipped_byte_in_data_yaml_accuses_no_other_file(model: Model):
    text = (DATA / "data.yaml").read_text()
    (DATA / "data.yaml").write_text(text.replace("images/val", "images/vam"))

    assert model.amiss() == [f"{DATA}/data.yaml"]


def test_metadata_that_cannot_be_read_hides_no_other_fault(model: Model):
    flip(PUBLISHED / "metadata.json")
    flip(PUBLISHED / "last.pt")

    assert model.amiss() == [f"{PUBLISHED}/last.pt", f"{PUBLISHED}/metadata.json"]


def test_metadata_of_which_there_is_no_copy_is_said_to_hide_the_rest(model: Model):
    flip(PUBLISHED / "metadata.json")
    RUN.metadata.unlink()
    model.store.broken = True

    checks = model.verify()

    assert [(check.name, check.is_ok) for check in checks] == [
        ("metadata", False),
        ("everything else", None),
    ]


def test_a_file_that_has_changed_does_not_accuse_its_pointer(model: Model):
    for name in TRACKED:
        path = PUBLISHED / pointer_name(name)
        model.repository.files["HEAD", path] = path.read_text()
    flip(PUBLISHED / "best.pt")

    assert model.amiss() == [f"{PUBLISHED}/best.pt"]


def test_a_pointer_that_is_not_the_tagged_one_is_found(model: Model):
    metadata = Metadata.read(PUBLISHED / "metadata.json")
    path = PUBLISHED / "last.pt.dvc"
    model.repository.files[metadata.git_tag, path] = path.read_text().replace("md5: ", "md5: 0")

    assert model.amiss() == [f"{path}, against the tag {metadata.git_tag}"]


def test_a_commit_that_is_lost_is_found(model: Model):
    metadata = Metadata.read(PUBLISHED / "metadata.json")
    gone = metadata.code.model_copy(update={"commit": "1" * 40})
    for path in (PUBLISHED / "metadata.json", RUN.metadata):
        metadata.model_copy(update={"code": gone}).write(path)

    assert "git" in model.amiss()


@pytest.mark.parametrize(
    ("take_away", "check"),
    [
        pytest.param(lambda model: DATA.rename("elsewhere"), "data set", id="data"),
        pytest.param(lambda model: Path("runs").rename("elsewhere"), "records", id="runs"),
        pytest.param(lambda model: setattr(model.store, "broken", True), "remote", id="remote"),
    ],
)
def test_what_is_not_here_is_not_checked_and_no_fault(
    take_away: Callable[[Model], None], check: str, model: Model
):
    take_away(model)

    checks = model.verify()

    assert check in {one.name for one in checks if one.is_ok is None}
    assert exit_code(checks) == 2


def test_metadata_of_an_earlier_release_is_read_and_says_what_it_lacks(model: Model):
    metadata = Metadata.read(PUBLISHED / "metadata.json")
    document = metadata.to_json()
    for key in ("files", "records"):
        start = document.index(f'  "{key}": {{')
        document = document[:start] + document[document.index("  },\n", start) + 5 :]

    assert Metadata.model_validate_json(document).records == {}


@pytest.mark.parametrize(
    ("official", "remedy"),
    [
        (True, "mv start.pt start.pt.changed: it is downloaded again when it is needed"),
        (False, "put back the file that the training of exp1 started from"),
        (None, "put back the file that the training of exp1 started from"),
    ],
)
def test_starting_weights_that_nobody_offers_are_not_to_be_deleted(
    model: Model, official: bool | None, remedy: str
):
    Path("start.pt").write_bytes(b"others")
    start = StartingWeights(source="file", path="start.pt", sha256="0" * 64, official=official)
    metadata = Metadata.read(PUBLISHED / "metadata.json")

    check = starting_weights_check(metadata.model_copy(update={"starting_weights": start}))

    assert [one.remedy for one in check.mismatches] == [remedy]


def test_a_later_training_is_no_model_of_another_name(model: Model):
    with pytest.raises(RunError, match="has the model of 'exp1', and 'exp2' was asked for"):
        model.verify_as("exp2")


def test_nothing_published_cannot_be_verified(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    Path("params.yaml").write_text(dump(PARAMS))

    with pytest.raises(RunError, match="nothing has been published"):
        model.verify()


def measured_again(detector: FakeDetector) -> Check:
    hardware = FakeTrainer().describe_hardware(PARAMS)
    return measure_again(
        Metadata.read(PUBLISHED / "metadata.json"),
        DATA,
        load_detector=detector,
        hardware=hardware,
        progress=FakeProgress(),
    )


def test_figures_measured_again_are_the_same(model: Model):
    before = sorted(Path("runs").rglob("*"))

    assert measured_again(FakeDetector()).is_ok
    assert sorted(Path("runs").rglob("*")) == before


def test_figures_that_cannot_be_measured_again_are_found(model: Model):
    (DATA / "labels/test/0.txt").write_text("0 0.2 0.2 0.1 0.1\n0 0.5 0.5 0.5 0.75\n")
    metadata = Metadata.read(PUBLISHED / "metadata.json")
    metrics = metadata.metrics | {"val_mAP50": 0.5}
    metadata.model_copy(update={"metrics": metrics}).write(PUBLISHED / "metadata.json")

    (mismatch,) = measured_again(FakeDetector()).mismatches

    assert mismatch.where == "metadata.json: metrics.val_mAP50"
    assert (mismatch.expected, mismatch.found) == ("0.5", "0.995")


def test_weights_that_differ_are_not_opened_to_be_measured_again(model: Model):
    (PUBLISHED / "best.pt").write_text("others")
    failing = FakeDetector(broken=True)  # as soon as it is used

    assert "not the published file" in (measured_again(failing).not_checked or "")
