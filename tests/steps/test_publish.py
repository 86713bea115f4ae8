"""What a training, ``doors publish`` and a run from elsewhere put in place, and what they keep."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors import pipeline
from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.core.config import Params, Publishing
from container_doors.core.errors import DoorsError, RunError, VersioningError, WeightsError
from container_doors.core.ports import Detections
from container_doors.core.records import Hardware, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.pointers import read_pointer
from container_doors.publishing.signatures import SignaturePolicy
from container_doors.steps import publish as step
from container_doors.steps.metadata import regenerate_metadata
from container_doors.steps.publish import adopt, publish_run
from container_doors.steps.published import Outside, Verdict
from container_doors.steps.release import release_model
from container_doors.steps.restore import restore_version
from container_doors.steps.summary import summarise
from container_doors.steps.sync import pointers_here, put_in_place
from container_doors.steps.verify import verify_model
from container_doors.steps.version import version_model
from tests.builders import a_small_dataset
from tests.fakes import (
    FakeDetector,
    FakeProgress,
    FakeRepository,
    FakeStore,
    FakeTrainer,
    FakeWorld,
)
from tests.trained import PARAMS

LABEL = Path(PARAMS.data.path) / "labels/val/0.txt"
ALWAYS = PARAMS.model_copy(update={"publishing": Publishing(when="always")})
NEVER = PARAMS.model_copy(update={"publishing": Publishing(when="never")})


@dataclass
class Scores(FakeDetector):
    """Scores by what the opened weights hold; remembers what was opened."""

    by_weights: dict[str, float] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)

    def __call__(self, weights: Path, *, image_size_px: int, hardware: Hardware) -> "Scores":
        self.opened.append(str(weights))
        self.map50_95 = self.by_weights[weights.read_text()]
        return self

    def open(self, weights: Path, image_size_px: int) -> "Scores":
        return self(weights, image_size_px=image_size_px, hardware=None)  # type: ignore[arg-type]

    def validate(
        self, *, data_yaml: Path, split: str, plots_dir: Path
    ) -> tuple[dict[str, float], list[Detections]]:
        assert (data_yaml.parent / "images" / split).is_dir()
        return super().validate(data_yaml=data_yaml, split=split, plots_dir=plots_dir)


@dataclass
class Clone:
    """A clone where runs are trained whose scores are given."""

    scores: Scores = field(default_factory=Scores)
    repository: FakeRepository = field(default_factory=FakeRepository)
    store: FakeStore = field(default_factory=FakeStore)
    progress: FakeProgress = field(default_factory=FakeProgress)
    try_weights: Callable[[Path], None] = lambda _: None
    trained: int = 0

    def train(
        self,
        name: str,
        map50_95: float,
        *,
        params: Params = PARAMS,
        fetches: bool = False,
        replacing: bool = False,
    ) -> Metadata:
        self.trained += 1
        weights = f"weights of epoch 2, run {self.trained}"
        self.scores.by_weights[weights] = map50_95
        outside = FakeWorld(
            trainer=FakeTrainer(trained=self.trained - 1),
            detector=self.scores,
            repository=self.repository,
            progress=self.progress,
        )
        world = replace(outside.world, fetch_published=self.fetch if fetches else None)
        return pipeline.train(params, Run(name), world=world, replace=replacing)

    def fetch(self) -> None:
        policy, store = self.policy, self.store
        put_in_place(
            pointers_here(), "HEAD", store=store, policy=policy, try_weights=self.try_weights,
            progress=self.progress,
        )  # fmt: skip

    @property
    def policy(self) -> SignaturePolicy:
        return SignaturePolicy(SshSignatures(), self.repository, is_required=False)

    @property
    def outside(self) -> Outside:
        return Outside(self.repository, self.scores.open, self.progress)

    def publish(self, label: str, *, anyway: bool = False) -> str:
        return publish_run(Run.named(label), anyway=anyway, outside=self.outside)[1]

    def restore_version(self, name: str) -> Metadata:
        return restore_version(
            name,
            store=self.store,
            repository=self.repository,
            policy=self.policy,
            try_weights=self.try_weights,
            progress=self.progress,
        )

    def release(self) -> Metadata:
        metadata, _ = version_model(None, store=self.store, progress=self.progress)
        release_model(metadata, self.repository)
        return metadata

    @property
    def said(self) -> str:
        return self.progress.lines[-1]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    a_small_dataset(tmp_path / PARAMS.data.path)
    monkeypatch.chdir(tmp_path)
    return Clone()


def published() -> str:
    metadata = Metadata.read(PUBLISHED / "metadata.json")
    assert (PUBLISHED / "best.pt").read_bytes() == (PUBLISHED / "weights/best.pt").read_bytes()
    return f"{metadata.experiment_name} {metadata.version.split('_')[1]}"


def status(label: str) -> str:
    return RunRecord.read(Run.named(label).record).status


def everything(folder: Path = PUBLISHED) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


# What a training does


def test_a_worse_training_keeps_what_is_published_and_is_complete_all_the_same(clone: Clone):
    clone.train("exp1", 0.216)
    before, reports = everything(), everything(Path("reports"))

    metadata = clone.train("exp2", 0.156)

    assert everything() == before
    reports.pop("reports/test_looks.jsonl")
    assert reports.items() <= everything(Path("reports")).items()
    version = Metadata.read(PUBLISHED / "metadata.json").version
    assert clone.said == (
        f"kept {version} in weights/detection: val mAP50-95 0.156 of exp2 against 0.216 of "
        f"{version}; to publish exp2 anyway: doors publish exp2 --anyway"
    )
    assert clone.said in Run("exp2").train_log.read_text()
    assert status("exp2") == "finished"
    assert Metadata.read(Run("exp2").metadata) == metadata
    assert metadata.version.startswith("detection_v1.1_")
    report = summarise(Run("exp2"), Path("summary.md")).read_text()
    assert f"{metadata.version}</code>, not published |" in report
    assert "doors publish exp2\n" in report


def test_a_better_training_is_published_and_both_figures_are_said(clone: Clone):
    first = clone.train("exp1", 0.216)

    second = clone.train("exp2", 0.3)

    assert published() == "exp2 v1.1"
    assert clone.said == (
        f"published {second.version} in weights/detection, in place of {first.version}: "
        f"val mAP50-95 0.300 of exp2 against 0.216 of {first.version}"
    )


def test_of_equal_models_the_published_one_stays(clone: Clone):
    clone.train("exp1", 0.5)

    clone.train("exp2", 0.5)

    assert published() == "exp1 v1.0"
    assert "exp2 has the same val mAP50-95, 0.500; to publish" in clone.said


def test_figures_that_differ_late_are_shown_as_far_as_they_do(clone: Clone):
    clone.train("exp1", 0.50001)

    clone.train("exp2", 0.5)

    assert "val mAP50-95 0.50000 of exp2 against 0.50001 of" in clone.said


def test_whoever_says_always_gets_every_training_published(clone: Clone):
    clone.train("exp1", 0.9)

    clone.train("exp2", 0.1, params=ALWAYS)

    assert published() == "exp2 v1.1"
    assert "in place of" in clone.said


def test_when_to_publish_does_not_make_a_run_another(clone: Clone):
    clone.scores.broken = True
    with pytest.raises(OSError, match="No space left"):
        clone.train("exp1", 0.9)
    clone.scores.broken = False
    before = RunRecord.read(Run("exp1").record)

    clone.train("exp1", 0.9, params=ALWAYS)

    assert RunRecord.read(Run("exp1").record).run_id == before.run_id


def test_the_same_run_is_published_again_after_a_kill_in_between(clone: Clone):
    clone.train("exp1", 0.9)
    record = RunRecord.read(Run("exp1").record)
    record.model_copy(update={"status": "trained"}).write(Run("exp1").record)
    Run("exp1").metadata.unlink()

    clone.train("exp1", 0.9)

    assert (published(), status("exp1")) == ("exp1 v1.0", "finished")


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=6))
def test_whatever_is_trained_in_whichever_order_the_first_of_the_best_is_published(
    scores: list[float],
):
    """The rule alone: what is published is the best so far, and of equals the first."""
    best = None
    for number, score in enumerate(scores):
        if best is None or step._is_wanted(_verdict(score, scores[best]), "better"):
            best = number

    assert best == scores.index(max(scores))


def _verdict(new: float, old: float) -> Verdict:
    return Verdict("better" if new > old else "equal" if new == old else "worse")


# What it is compared on


def test_where_val_has_changed_the_published_model_is_measured_on_it_first(clone: Clone):
    clone.train("exp1", 0.9)
    LABEL.write_text("0 0.5 0.5 0.4 0.75\n")
    clone.scores.by_weights["weights of epoch 2, run 1"] = 0.3
    clone.scores.opened.clear()

    clone.train("exp2", 0.4)

    assert published() == "exp2 v1.1"
    assert clone.scores.opened == ["runs/exp2/trainer/weights/best.pt", "weights/detection/best.pt"]
    assert "0.400 of exp2 against 0.300 of" in clone.said
    assert clone.said.endswith(", on val as it is today")


def test_where_val_has_changed_a_worse_training_is_still_not_published(clone: Clone):
    clone.train("exp1", 0.3)
    LABEL.write_text("0 0.5 0.5 0.4 0.75\n")
    clone.scores.by_weights["weights of epoch 2, run 1"] = 0.6

    clone.train("exp2", 0.5)

    assert published() == "exp1 v1.0"
    assert "0.500 of exp2 against 0.600 of" in clone.said


def test_where_only_other_splits_have_changed_nothing_is_measured_anew(clone: Clone):
    clone.train("exp1", 0.9)
    (Path(PARAMS.data.path) / "labels/train/0.txt").write_text("0 0.5 0.5 0.4 0.75\n")
    clone.scores.opened.clear()

    clone.train("exp2", 0.4)

    assert clone.scores.opened == ["runs/exp2/trainer/weights/best.pt"]
    assert published() == "exp1 v1.0"


def test_what_val_was_is_not_believed_of_a_list_that_was_changed(clone: Clone):
    clone.train("exp1", 0.3)
    (Path(PARAMS.data.path) / "labels/train/0.txt").write_text("0 0.5 0.5 0.4 0.75\n")
    Run("exp1").dataset.write_text(Run("exp1").dataset.read_text().replace("train/1", "train/9"))
    clone.scores.opened.clear()

    clone.train("exp2", 0.4)

    assert "weights/detection/best.pt" in clone.scores.opened


def test_a_published_model_whose_run_is_not_here_is_measured_where_the_data_differ(clone: Clone):
    clone.train("exp1", 0.9)
    clone.release()
    shutil.rmtree(Run("exp1").directory)
    (Path(PARAMS.data.path) / "labels/train/0.txt").write_text("0 0.5 0.5 0.4 0.75\n")

    clone.train("exp2", 0.4)

    assert "weights/detection/best.pt" in clone.scores.opened
    assert published() == "exp1 v1.0"


def test_two_runs_of_an_older_val_are_compared_by_what_both_scored_on_it(clone: Clone):
    clone.train("exp1", 0.9)
    clone.train("exp2", 0.4)
    LABEL.write_text("0 0.5 0.5 0.4 0.75\n")
    clone.scores.opened.clear()

    with pytest.raises(RunError, match=r"0\.400 of exp2 against 0\.900"):
        clone.publish("exp2")

    assert clone.scores.opened == []


# What cannot be compared


def flip(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


UNKNOWN: dict[str, tuple[Callable[[], object], str]] = {
    "other weights": (lambda: flip(PUBLISHED / "best.pt"), "does not match its metadata"),
    "no weights": ((PUBLISHED / "best.pt").unlink, "found no file"),
    "a torn document": (
        lambda: (PUBLISHED / "metadata.json").write_text("{"), "metadata.json cannot be read",
    ),
    "a later release": (
        lambda: (PUBLISHED / "metadata.json").write_text('{"schema_version": 9}'), "needs schema 9",
    ),
    "no document": (
        (PUBLISHED / "metadata.json").unlink, "best.pt has no metadata.json beside it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", UNKNOWN)
def test_what_cannot_be_compared_is_kept_and_not_opened_and_can_be_replaced(clone: Clone, how: str):
    damage, why = UNKNOWN[how]
    clone.train("exp1", 0.1)
    damage()
    before = everything()
    clone.scores.opened.clear()

    clone.train("exp2", 0.9)

    assert everything() == before
    assert why in clone.said
    assert "doors publish exp2 --anyway" in clone.said
    assert "weights/detection/best.pt" not in clone.scores.opened
    assert status("exp2") == "finished"
    with pytest.raises(RunError, match=r"exp2 does not replace") as raised:
        clone.publish("exp2")
    assert raised.value.hint.endswith("doors publish exp2 --anyway")
    clone.publish("exp2", anyway=True)
    assert published().startswith("exp2")


def test_a_val_that_is_nowhere_any_more_compares_nothing(clone: Clone):
    clone.train("exp1", 0.1)
    LABEL.write_text("0 0.5 0.5 0.4 0.75\n")
    clone.train("exp2", 0.9, params=ALWAYS)
    shutil.rmtree(PARAMS.data.path)

    with pytest.raises(RunError, match=r"measured on other data, and .* is not here"):
        clone.publish("exp1")


def test_pointers_without_a_model_bring_it_here_before_it_is_compared(clone: Clone):
    clone.train("exp1", 0.9)
    clone.release()
    for path in [one for one in PUBLISHED.rglob("*") if one.suffix in {".pt", ".json"}]:
        path.unlink()
    shutil.rmtree("runs")

    clone.train("exp2", 0.4, fetches=True)

    assert published() == "exp1 v1.0"
    assert "0.400 of exp2 against 0.900 of" in clone.said


def test_a_model_of_which_only_pointers_can_be_had_is_not_replaced(clone: Clone):
    clone.train("exp1", 0.9)
    clone.release()
    pointers = [path.read_text() for path in sorted(PUBLISHED.glob("*.dvc"))]
    for path in [one for one in PUBLISHED.rglob("*") if one.suffix in {".pt", ".json"}]:
        path.unlink()
    clone.store.broken = True

    clone.train("exp2", 0.95, fetches=True)

    assert "only its pointers are here: the remote is down" in clone.said
    assert [path.read_text() for path in sorted(PUBLISHED.glob("*.dvc"))] == pointers
    assert not (PUBLISHED / "best.pt").exists()


# What is nowhere else


def test_nothing_replaces_a_model_that_is_nowhere_else(clone: Clone):
    clone.train("exp1", 0.2)
    shutil.rmtree(Run("exp1").directory)
    before = everything()

    clone.train("exp2", 0.9)

    assert everything() == before
    assert "never versioned and is in no run here" in clone.said
    assert "doors version keeps it; then: doors publish exp2" in clone.said
    for anyway in (False, True):
        with pytest.raises(VersioningError, match="never versioned"):
            clone.publish("exp2", anyway=anyway)
    assert everything() == before
    clone.release()
    clone.publish("exp2")
    assert published() == "exp2 v1.1"


def test_one_that_is_worse_as_well_is_said_to_be_worse(clone: Clone):
    clone.train("exp1", 0.9)
    shutil.rmtree(Run("exp1").directory)

    clone.train("exp2", 0.2)

    assert "0.200 of exp2 against 0.900" in clone.said
    assert "never versioned" not in clone.said


# doors publish


def test_any_finished_run_can_be_put_in_place_and_back(clone: Clone):
    first = clone.train("exp1", 0.216)
    clone.train("exp2", 0.156)
    model = everything()

    with pytest.raises(RunError, match=r"val mAP50-95 0\.156 of exp2 against 0\.216 of") as raised:
        clone.publish("exp2")
    assert raised.value.hint == "to publish it anyway: doors publish exp2 --anyway"
    assert everything() == model
    clone.publish("exp2", anyway=True)
    assert published() == "exp2 v1.1"
    assert '"exp2"' in Path("reports/metrics.json").read_text()

    clone.publish("exp1")

    assert everything() == model, "byte by byte what it was: its version is the same one"
    assert Metadata.read(PUBLISHED / "metadata.json").version == first.version


def test_a_run_that_was_set_aside_can_be_put_in_place(clone: Clone):
    clone.train("exp1", 0.2)
    clone.train("exp1", 0.9, replacing=True)
    assert published() == "exp1 v1.1"

    clone.publish("exp1~1", anyway=True)

    assert published() == "exp1 v1.0"
    assert Metadata.read(Path("runs/exp1~1/metadata.json")) == Metadata.read(
        PUBLISHED / "metadata.json"
    )


def test_publishing_what_is_published_changes_nothing(clone: Clone):
    clone.train("exp1", 0.2)
    (PUBLISHED / "metadata.json.sig").write_text("signed")
    before = everything()

    clone.publish("exp1")

    assert everything() == before


def test_publishing_heals_what_is_damaged_of_the_same_run(clone: Clone):
    clone.train("exp1", 0.2)
    before = everything()
    flip(PUBLISHED / "best.pt")
    (PUBLISHED / "weights/last.pt").unlink()

    clone.publish("exp1")

    assert everything() == before


def test_a_released_version_stays_the_same_bytes_when_it_is_published_again(clone: Clone):
    clone.train("exp1", 0.2)
    clone.release()
    pointers = {path: path.read_text() for path in PUBLISHED.glob("*.dvc")}
    clone.train("exp2", 0.9)
    clone.release()
    clone.publish("exp1", anyway=True)

    clone.release()

    assert {path: path.read_text() for path in PUBLISHED.glob("*.dvc")} == pointers


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        pytest.param(lambda run: flip(run.best_weights), "is not what exp2 trained", id="weights"),
        pytest.param(
            lambda run: flip(run.trainer_dir / "results.csv"), "results.csv of exp2 has changed",
            id="a table",
        ),
        pytest.param(lambda run: run.record.write_text("{"), "cannot be read", id="run.json"),
        pytest.param(lambda run: run.scores.write_text("{"), "cannot be read", id="scores.json"),
        pytest.param(lambda run: run.scores.unlink(), "no scores.json", id="no scores"),
    ],
)  # fmt: skip
def test_a_damaged_run_is_refused_and_leaves_the_model(
    clone: Clone, damage: Callable[[Run], object], why: str
):
    clone.train("exp1", 0.2)
    clone.train("exp2", 0.1)
    before = everything()
    damage(Run("exp2"))

    with pytest.raises(DoorsError, match=why):
        clone.publish("exp2", anyway=True)

    assert everything() == before


def test_a_run_that_has_not_ended_is_refused_with_the_way_on(clone: Clone):
    clone.train("exp1", 0.2)
    record = RunRecord.read(Run("exp1").record).model_copy(update={"status": "stopped"})
    record.write(Run("exp1").record)

    with pytest.raises(RunError, match=r"not finished yet \(status: stopped\)") as raised:
        clone.publish("exp1")

    assert raised.value.hint == "continue it: doors train --experiment exp1"
    Run("exp1").directory.rename("runs/exp1~1")
    with pytest.raises(RunError, match="was renamed before it was finished"):
        clone.publish("exp1~1")


def test_no_two_runs_of_a_clone_have_one_number(clone: Clone):
    clone.train("exp1", 0.9)
    versions = [clone.train(f"exp{number}", 0.1).version for number in (2, 3)]
    versions.append(clone.train("exp4", 0.95).version)

    assert [version.split("_")[1] for version in versions] == ["v1.1", "v1.2", "v1.3"]
    clone.publish("exp2", anyway=True)
    assert published() == "exp2 v1.1"


def test_a_number_that_others_have_released_meanwhile_is_not_taken_twice(clone: Clone):
    clone.train("exp1", 0.9)
    clone.train("exp2", 0.1)
    clone.repository.known_tags.append("detection@v1.1.0+20261123.theirs")

    clone.publish("exp2", anyway=True)

    assert published() == "exp2 v1.2"


# Versions


def test_a_released_version_comes_back_from_the_storage(clone: Clone):
    clone.train("exp1", 0.2)
    first = clone.release()
    model, reports = everything(), Path("reports/metrics.json").read_text()
    clone.train("exp2", 0.9)
    clone.release()
    shutil.rmtree("runs")

    assert clone.restore_version(first.version) == first

    now = everything()
    for name in ("best.pt", "weights/best.pt", "metadata.json", "best.pt.dvc", "last.pt.dvc"):
        assert now[f"{PUBLISHED}/{name}"] == model[f"{PUBLISHED}/{name}"]
    assert Path("reports/metrics.json").read_text() == reports
    assert read_pointer(PUBLISHED / "best.pt.dvc").version == first.version


def test_versions_can_be_gone_to_and_fro_without_a_commit_in_between(clone: Clone):
    clone.train("exp1", 0.2)
    first = clone.release()
    clone.train("exp2", 0.9)
    second = clone.release()

    for version in (first.version, second.version, first.version):
        assert clone.restore_version(version).version == version


def test_a_version_whose_object_is_damaged_changes_nothing(clone: Clone):
    clone.train("exp1", 0.2)
    first = clone.release()
    clone.train("exp2", 0.9)
    clone.release()
    before = everything()
    md5 = read_pointer_of(clone, first.git_tag)
    clone.store.objects[md5] += b"!"

    with pytest.raises(DoorsError, match=r"best\.pt"):
        clone.restore_version(first.version)

    assert everything() == before


def read_pointer_of(clone: Clone, tag: str) -> str:
    text = clone.repository.show(tag, PUBLISHED / "best.pt.dvc")
    assert text is not None
    Path("pointer.dvc").write_text(text)
    return read_pointer(Path("pointer.dvc")).md5


def test_a_version_does_not_replace_a_model_that_is_nowhere_else(clone: Clone):
    clone.train("exp1", 0.2)
    first = clone.release()
    clone.train("exp2", 0.9)
    clone.restore_version(first.version)  # exp2 is in runs/exp2
    clone.publish("exp2")
    shutil.rmtree(Run("exp2").directory)
    before = everything()

    with pytest.raises(VersioningError, match="never versioned, and another one would replace it"):
        clone.restore_version(first.version)

    assert everything() == before


def test_a_version_is_not_taken_from_whoever_may_not_sign(clone: Clone):
    clone.train("exp1", 0.2)
    first = clone.release()
    clone.train("exp2", 0.9)
    before = everything()
    policy = replace(clone.policy, is_required=True)
    get = partial(
        restore_version, first.version, store=clone.store, repository=clone.repository,
        try_weights=clone.try_weights, progress=clone.progress,
    )  # fmt: skip

    with pytest.raises(DoorsError, match=r"sign"):
        get(policy=policy)

    assert everything() == before


@pytest.mark.parametrize(
    ("name", "why", "hint"),
    [
        ("exp1", "expected a version such as", "no version is tagged here"),
        ("detection_v7.0_20261123_x", "no version .* here", "git fetch --tags"),
    ],
)
def test_a_version_that_nobody_knows_is_refused(clone: Clone, name: str, why: str, hint: str):
    with pytest.raises(VersioningError, match=why) as raised:
        clone.restore_version(name)

    assert hint in raised.value.hint


def test_a_version_may_be_named_by_its_number(clone: Clone):
    clone.train("exp1", 0.2)
    first = clone.release()
    clone.train("exp2", 0.9)
    second = clone.release()

    assert clone.restore_version("v1.0") == first
    with pytest.raises(VersioningError, match="expected a version such as") as raised:
        clone.restore_version("exp2")
    assert raised.value.hint == f"expected one of {second.version}"

    same_number = "detection@v1.0.0+20261123.theirs"
    clone.repository.known_tags.append(same_number)
    with pytest.raises(VersioningError, match="expected a version such as") as raised:
        clone.restore_version("v1.0")
    assert raised.value.hint == f"expected one of {first.version}, detection_v1.0_20261123_theirs"


def test_a_version_that_is_committed_without_a_tag_is_told_the_tag(clone: Clone):
    clone.train("exp1", 0.2)
    first = clone.release()
    clone.repository.known_tags.clear()
    shutil.rmtree("runs")

    with pytest.raises(VersioningError, match="was never released: its pointers") as raised:
        clone.restore_version(first.version)

    _, _, command = raised.value.hint.partition(": ")
    assert command == f"git tag -a {first.git_tag} -m {first.version}"


def test_a_number_or_name_without_a_release_leads_to_its_run(clone: Clone):
    clone.train("exp1", 0.2)
    for name in ("v1.0", "exp1"):
        with pytest.raises(VersioningError) as raised:
            clone.restore_version(name)
        assert raised.value.hint == "not released; its run: doors publish exp1"
    clone.release()

    assert clone.restore_version("v1.0").experiment_name == "exp1"


def test_a_version_that_was_never_released_is_found_in_its_run(clone: Clone):
    version = clone.train("exp1", 0.2).version

    with pytest.raises(VersioningError, match="was never released") as raised:
        clone.restore_version(version)

    assert raised.value.hint == "a run here has that version: doors publish exp1"


# Others that ask what is published


def test_versioning_a_run_that_is_not_published_says_what_to_type(clone: Clone):
    clone.train("exp1", 0.9)
    clone.train("exp2", 0.1)

    with pytest.raises(
        RunError, match="has the model of 'exp1', and 'exp2' was asked for"
    ) as raised:
        version_model("exp2", store=clone.store, progress=clone.progress)

    assert raised.value.hint.startswith("doors publish exp2 publishes exp2 if it is better")
    with pytest.raises(RunError, match="has the model of 'exp1', and 'exp2' was asked for"):
        regenerate_metadata(
            PUBLISHED, repository=clone.repository, runs_root=Path("runs"), major=False,
            experiment="exp2",
        )  # fmt: skip


def test_a_name_alone_does_not_make_another_run_the_published_one(clone: Clone):
    clone.train("exp1", 0.9)
    clone.train("exp1", 0.1, replacing=True)

    with pytest.raises(RunError, match="has the model of 'exp1~1', and 'exp1' was asked for"):
        version_model("exp1", store=clone.store, progress=clone.progress)

    metadata, _ = version_model("exp1~1", store=clone.store, progress=clone.progress)
    assert metadata.version.split("_")[1] == "v1.0"
    checks = verify_model(
        None, PARAMS, store=clone.store, repository=clone.repository, progress=clone.progress
    )[1]
    assert not [one for check in checks for one in check.mismatches]


def test_a_run_from_elsewhere_is_held_to_the_same_rule(clone: Clone):
    clone.train("exp1", 0.9)
    for name, score in (("exp2", 0.1), ("exp3", 0.95)):
        clone.train(name, score)
        Run(name).metadata.unlink()  # the machine there knew no versions
        if name == "exp3":
            clone.publish("exp1", anyway=True)

        metadata, outcome = adopt(Run(name), outside=clone.outside)

        assert status(name) == "finished"
        assert Metadata.read(Run(name).metadata) == metadata
        assert outcome.startswith("kept" if name == "exp2" else "published")
    assert published().startswith("exp3")


def test_a_run_from_elsewhere_whose_weights_do_not_work_is_not_published(clone: Clone):
    clone.train("exp1", 0.5)
    clone.train("exp2", 0.9)
    clone.publish("exp1", anyway=True)
    before = everything()

    def refuse(weights: Path, image_size_px: int) -> FakeDetector:
        raise WeightsError(f"{weights} is no working detector", hint="use another file")

    with pytest.raises(WeightsError, match=r"runs/exp2/.* is no working detector"):
        adopt(Run("exp2"), outside=replace(clone.outside, open_model=refuse))

    assert everything() == before


def test_a_training_that_never_publishes_is_published_by_its_own_command(clone: Clone):
    clone.train("exp1", 0.9, params=NEVER)
    assert not PUBLISHED.exists()
    assert "doors publish exp1" in clone.progress.lines[-1]

    clone.publish("exp1")
    clone.train("exp2", 0.95, params=NEVER)

    assert Metadata.read(PUBLISHED / "metadata.json").experiment_name == "exp1"


def test_a_damaged_version_of_a_run_hides_no_other(clone: Clone):
    clone.train("exp1", 0.2)
    second = clone.train("exp2", 0.3).version
    metadata = Metadata.read(Run("exp1").metadata)
    metadata.model_copy(update={"version": "damaged"}).write(Run("exp1").metadata)

    with pytest.raises(VersioningError) as raised:
        clone.restore_version(second.split("_")[1])
    assert raised.value.hint == "not released; its run: doors publish exp2"
