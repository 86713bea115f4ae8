"""A model that was trained elsewhere arrives whole or not at all, and replaces no other unasked."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from container_doors import pipeline
from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.core.config import Data, Params, Training
from container_doors.core.errors import DoorsError, SignatureError, VersioningError, WeightsError
from container_doors.core.ports import Detector, LoadDetector, Remote, TrackingServer, Upstream
from container_doors.core.records import Check, Hardware, Metadata
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.checklist import (
    history_check,
    metrics_check,
    size_check,
    tracking_check,
)
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.pointers import TRACKED, pointer_name, pointer_to
from container_doors.publishing.signatures import SignaturePolicy
from container_doors.steps.checklist import check_synced, check_weights_only
from container_doors.steps.release import is_released, release_model
from container_doors.steps.sync import sync_model, sync_weights
from container_doors.steps.version import version_model
from tests.builders import a_small_dataset
from tests.fakes import (
    FakeDetector,
    FakeProgress,
    FakeRepository,
    FakeServer,
    FakeStore,
    FakeTrainer,
    FakeWorld,
)

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(epochs=3, batch_size=2, learning_rate=0.001),
)
KAGGLE = Path("kaggle_output")
POINTERS = [PUBLISHED / pointer_name(name) for name in TRACKED]


@dataclass
class Laptop:
    """A machine where nothing was trained."""

    store: FakeStore
    metadata: Metadata
    """Of what was trained elsewhere."""
    repository: FakeRepository = field(default_factory=FakeRepository)
    progress: FakeProgress = field(default_factory=FakeProgress)
    try_weights: Callable[[Path], None] = lambda _: None

    def sync(self, outputs: Path | None = None) -> Metadata:
        return sync_model(
            outputs,
            store=self.store,
            repository=self.repository,
            progress=self.progress,
            policy=SignaturePolicy(SshSignatures(), self.repository, is_required=False),
            try_weights=self.try_weights,
        )

    def follow(self) -> None:
        """Let the pointers be in the branch's upstream."""
        self.repository.upstream = Upstream("origin/main", "f" * 40)
        self.repository.files |= {
            ("f" * 40, PUBLISHED / path.name): path.read_text()
            for path in (KAGGLE / PUBLISHED).glob("*.dvc")
        }


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    a_small_dataset(tmp_path / "kaggle" / PARAMS.data.path)
    monkeypatch.chdir(tmp_path / "kaggle")
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    store = FakeStore()
    metadata, _ = version_model("exp1", store=store, progress=FakeProgress())
    here = tmp_path / "laptop"
    shutil.copytree(PUBLISHED, here / KAGGLE / PUBLISHED)
    shutil.copytree("reports", here / KAGGLE / "reports")
    monkeypatch.chdir(here)
    for name in ("best.pt", "last.pt", "weights"):  # Kaggle's outputs, without what is large
        path = KAGGLE / PUBLISHED / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Laptop(store, metadata)


def published() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in PUBLISHED.iterdir() if path.is_file()}


def test_downloaded_pointers_bring_the_model(laptop: Laptop):
    assert laptop.sync(KAGGLE) == laptop.metadata

    assert (PUBLISHED / "best.pt").read_text() == "weights of epoch 2, run 1"
    assert (PUBLISHED / "weights/best.pt").read_text() == "weights of epoch 2, run 1"
    assert (PUBLISHED / "results.csv").exists()
    assert all(path.exists() for path in POINTERS)
    assert laptop.metadata.version in Path("reports/metrics.json").read_text()


def test_loose_pointers_bring_the_model_too(laptop: Laptop):
    loose = Path("loose")
    loose.mkdir()
    for pointer in (KAGGLE / PUBLISHED).glob("*.dvc"):
        shutil.copy(pointer, loose)

    assert laptop.sync(loose) == laptop.metadata


def alone(laptop: Laptop, *names: str, is_required: bool = False) -> list[Check] | None:
    """Sync from a folder that has these files and nothing else."""
    folder = Path("alone")
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(KAGGLE / PUBLISHED / name, folder)
    weights = sync_weights(
        folder,
        store=laptop.store,
        repository=laptop.repository,
        progress=laptop.progress,
        policy=SignaturePolicy(SshSignatures(), laptop.repository, is_required=is_required),
        try_weights=laptop.try_weights,
    )
    if weights is None:
        return None
    return check_weights_only(
        weights, Path("none"), load_detector=FakeDetector(), hardware=laptop.metadata.hardware
    )


def test_the_pointer_of_the_weights_alone_brings_them_and_says_what_is_missing(laptop: Laptop):
    checks = alone(laptop, "best.pt.dvc")

    assert checks is not None
    assert sorted(published()) == ["best.pt", "best.pt.dvc"]
    assert (PUBLISHED / "best.pt").read_text() == "weights of epoch 2, run 1"
    assert [(check.name, check.is_ok) for check in checks] == [
        ("arrived", True), ("loads", True), ("inference", True), ("metrics", None),
    ]  # fmt: skip
    assert "metadata.json.dvc was not among" in (checks[-1].not_checked or "")
    # With the others, later, it is the model that it is.
    assert laptop.sync(KAGGLE) == laptop.metadata


def test_weights_alone_replace_no_model_that_is_described(laptop: Laptop):
    laptop.sync(KAGGLE)
    before = published()

    with pytest.raises(VersioningError, match=r"only best.pt.dvc, .* would replace detection_v1"):
        alone(laptop, "best.pt.dvc")

    assert published() == before


def test_weights_alone_cannot_be_signed(laptop: Laptop):
    with pytest.raises(SignatureError, match=r"best\.pt\.dvc alone cannot have one"):
        alone(laptop, "best.pt.dvc", is_required=True)

    assert not PUBLISHED.exists()


def test_what_was_downloaded_whole_needs_no_remote(laptop: Laptop):
    for name, content in zip(TRACKED, laptop.store.objects.values(), strict=True):
        (KAGGLE / PUBLISHED / name).write_bytes(content)
    laptop.store.broken = True

    assert laptop.sync(KAGGLE) == laptop.metadata


def test_the_pointers_of_git_bring_the_model(laptop: Laptop):
    laptop.follow()

    assert laptop.sync() == laptop.metadata

    assert laptop.repository.upstream.commit is None
    assert "git: origin/main is ahead, at ffffffffffff" in laptop.progress.lines


def test_syncing_again_fetches_nothing(laptop: Laptop):
    laptop.sync(KAGGLE)
    before = published()
    laptop.store.broken = True

    assert laptop.sync() == laptop.metadata
    assert published() == before
    assert "git: the branch tracks no remote, so there is nothing to fetch" in (
        laptop.progress.lines
    )


def test_a_remote_that_fails_changes_nothing(laptop: Laptop):
    laptop.follow()
    laptop.store.broken = True

    with pytest.raises(VersioningError, match="the remote is down"):
        laptop.sync()

    assert not PUBLISHED.exists()
    assert laptop.repository.upstream.commit is not None


def lose_a_pointer() -> None:
    (KAGGLE / PUBLISHED / "metadata.json.dvc").unlink()


def mix_versions() -> None:
    pointer = KAGGLE / PUBLISHED / "last.pt.dvc"
    pointer.write_text(pointer.read_text().replace("_v1.0_", "_v1.1_"))


def swap_pointers() -> None:
    shutil.copy(KAGGLE / PUBLISHED / "last.pt.dvc", KAGGLE / PUBLISHED / "best.pt.dvc")


def break_a_pointer() -> None:
    (KAGGLE / PUBLISHED / "best.pt.dvc").write_text("<<<<<<< HEAD\n")


def break_a_file() -> None:
    (KAGGLE / PUBLISHED / "metadata.json").write_text("{}")


def point_to_other_weights() -> None:
    """Both are good files, and not of one model."""
    best, last = ((KAGGLE / PUBLISHED / name) for name in ("best.pt.dvc", "last.pt.dvc"))
    best.write_text(last.read_text().replace("path: last.pt", "path: best.pt"))


def change_metadata(**values: object) -> None:
    """Change the document, with a pointer that agrees."""
    path = KAGGLE / PUBLISHED / "metadata.json"
    before = pointer_to(path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | values))
    after, pointer = pointer_to(path), path.with_name("metadata.json.dvc")
    text = pointer.read_text().replace(before.md5, after.md5)
    pointer.write_text(text.replace(f"size: {before.size_bytes}", f"size: {after.size_bytes}"))


def name_another_tag() -> None:
    """Git and a shell would get it."""
    change_metadata(git_tag="x; touch pwned #")


def name_a_file_outside() -> None:
    change_metadata(files={"../../pwned": file_sha256(KAGGLE / PUBLISHED / "results.csv")})
    shutil.copy(KAGGLE / PUBLISHED / "results.csv", KAGGLE / "pwned")


def name_an_artifact_outside() -> None:
    path = KAGGLE / PUBLISHED / "metadata.json"
    artifacts = json.loads(path.read_text())["artifacts"]
    change_metadata(artifacts=artifacts | {"../../x": artifacts["best.pt"]})


def name_no_experiment() -> None:
    change_metadata(experiment_name="../" * 100)


def evaluate_at_no_size() -> None:
    path = KAGGLE / PUBLISHED / "metadata.json"
    evaluation = json.loads(path.read_text())["evaluation"]
    change_metadata(evaluation=evaluation | {"image_size_px": 10**9})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (name_another_tag, "names another git tag: expected detection@"),
        (name_a_file_outside, r"files.* would be written outside"),
        (name_an_artifact_outside, r"artifacts.* would be written outside"),
        (name_no_experiment, r"\.\.\. \(302 characters\) cannot name an experiment"),
        (evaluate_at_no_size, "image_size_px: Input should be less than or equal to 4096"),
        (lose_a_pointer, "expected metadata.json.dvc, found none"),
        (mix_versions, "expected pointers of one version"),
        (swap_pointers, "expected a pointer to best.pt"),
        (break_a_pointer, "expected a pointer to best.pt"),
        (break_a_file, "metadata.json: expected md5"),
        (point_to_other_weights, "best.pt of exp1 does not match its metadata"),
    ],
)
def test_a_download_that_is_not_whole_is_refused(
    spoil: Callable[[], None], said: str, laptop: Laptop
):
    spoil()

    with pytest.raises(DoorsError, match=said):
        laptop.sync(KAGGLE)

    assert not PUBLISHED.exists()
    assert not Path("pwned").exists()


def lose_the_version() -> None:
    for path in (KAGGLE / PUBLISHED).glob("*.dvc"):
        path.write_text(path.read_text().partition("meta:")[0])


def state_another_size() -> None:
    pointer = KAGGLE / PUBLISHED / "best.pt.dvc"
    pointer.write_text(re.sub("size: [0-9]+", "size: 7", pointer.read_text()))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda: change_metadata(run_id=1), "metadata.json cannot be read: run_id: "),
        (lose_the_version, "expected pointers of detection_v1.0_.*, found some without a version"),
        (lambda: change_metadata(version="x"), "expected pointers of x, .*, found some of 'detec"),
        (state_another_size, "best.pt: expected md5 .* and 7 bytes, as its pointer says"),
    ],
    ids=["metadata", "no version", "another version", "size"],
)
def test_what_would_arrive_again_as_it_is_is_to_be_versioned_again_where_it_was_trained(
    spoil: Callable[[], None], said: str, laptop: Laptop
):
    spoil()

    with pytest.raises(DoorsError, match=said) as refused:
        laptop.sync(KAGGLE)

    assert refused.value.problem.startswith(str(KAGGLE / PUBLISHED))
    assert "where the model was trained, run doors version" in refused.value.hint
    assert "staged" not in str(refused.value)
    assert "doors verify" not in refused.value.hint
    assert not PUBLISHED.exists()


def test_metadata_brings_no_files_but_those_of_a_model(laptop: Laptop):
    """With its hash it would replace the pointer, which DVC might execute a command of."""
    hostile = KAGGLE / PUBLISHED / "best.pt.dvc"
    hostile.write_text(f"cmd: touch pwned\n{hostile.read_text()}")
    (KAGGLE / PUBLISHED / ".gitattributes").write_text("* filter=x\n")
    names = ("best.pt.dvc", ".gitattributes", "results.csv")
    change_metadata(files={name: file_sha256(KAGGLE / PUBLISHED / name) for name in names})

    laptop.sync(KAGGLE)

    assert "cmd" not in (PUBLISHED / "best.pt.dvc").read_text()
    assert not (PUBLISHED / ".gitattributes").exists()
    assert (PUBLISHED / "results.csv").exists()


def no_detector(weights: Path) -> None:
    raise WeightsError(f"{weights} is no working detector: NaN", hint="fetch it again")


@pytest.mark.parametrize("names", [None, ("best.pt.dvc",)], ids=["whole", "weights alone"])
def test_weights_that_do_not_work_replace_nothing(names: tuple[str, ...] | None, laptop: Laptop):
    if names is None:
        train_here(laptop)
        mine, _ = version_model("mine", store=laptop.store, progress=FakeProgress())
        release_model(mine, laptop.repository)
    before = published() if PUBLISHED.exists() else None
    laptop.try_weights = no_detector

    with pytest.raises(WeightsError) as caught:
        alone(laptop, *names) if names else laptop.sync(KAGGLE)

    assert (published() if PUBLISHED.exists() else None) == before
    assert "/" not in caught.value.problem.partition(": ")[2].partition(";")[0]
    assert caught.value.problem.endswith(
        f": best.pt is no working detector: NaN; {PUBLISHED} is unchanged"
    )
    assert "would bring the same file" in caught.value.hint


def test_pointers_of_git_are_not_followed_to_weights_that_do_not_work(laptop: Laptop):
    laptop.follow()
    laptop.try_weights = no_detector

    with pytest.raises(WeightsError, match=r"origin/main: .*no working detector"):
        laptop.sync()

    assert not PUBLISHED.exists()
    assert laptop.repository.upstream.commit is not None


def train_here(laptop: Laptop) -> None:
    a_small_dataset(Path(PARAMS.data.path))
    world = FakeWorld(trainer=FakeTrainer(trained=5))
    pipeline.train(PARAMS, Run("mine"), world=world.world)


def test_a_model_that_was_never_versioned_is_not_replaced(laptop: Laptop):
    train_here(laptop)
    before = published()

    with pytest.raises(VersioningError, match="is of a model that was never versioned"):
        laptop.sync(KAGGLE)

    assert published() == before


@pytest.mark.parametrize("name", TRACKED)
def test_a_file_that_is_damaged_is_not_taken_for_a_model(name: str, laptop: Laptop):
    laptop.sync(KAGGLE)
    content = bytearray((PUBLISHED / name).read_bytes())
    content[-3] ^= 1
    (PUBLISHED / name).write_bytes(content)

    with pytest.raises(VersioningError, match=f"{name} is damaged: it does not match") as caught:
        laptop.sync()

    assert caught.value.hint.startswith(f"dvc pull --force {PUBLISHED / name}.dvc, ")


def test_what_is_released_is_told_from_what_is_not(laptop: Laptop):
    metadata = laptop.sync(KAGGLE)
    before = is_released(metadata, laptop.repository)

    release_model(metadata, laptop.repository)

    assert (before, is_released(metadata, laptop.repository)) == (False, True)


def test_a_version_that_was_never_committed_is_not_replaced(laptop: Laptop):
    train_here(laptop)
    mine, _ = version_model("mine", store=laptop.store, progress=FakeProgress())

    with pytest.raises(VersioningError, match="is of a version that was never committed"):
        laptop.sync(KAGGLE)

    release_model(mine, laptop.repository)
    assert laptop.sync(KAGGLE) == laptop.metadata
    assert (PUBLISHED / "best.pt").read_text() == "weights of epoch 2, run 1"


def test_a_release_is_committed_and_tagged_once(laptop: Laptop):
    metadata = laptop.sync(KAGGLE)

    first = release_model(metadata, laptop.repository)
    again = release_model(metadata, laptop.repository)

    assert (first, again) == ("1" * 40, None)
    assert laptop.repository.known_tags == [metadata.git_tag]
    committed = {path for of, path in laptop.repository.files if of == "HEAD"}
    assert committed >= {*POINTERS, Path("reports/metrics.json")}


def test_a_tag_of_another_model_is_no_tag_of_this_one(laptop: Laptop):
    metadata = laptop.sync(KAGGLE)
    release_model(metadata, laptop.repository)
    laptop.repository.files[metadata.git_tag, POINTERS[0]] = "another"

    with pytest.raises(VersioningError, match=r"exists already, with another best\.pt\.dvc"):
        release_model(metadata, laptop.repository)


def checked(
    laptop: Laptop, *, load: LoadDetector, server: TrackingServer | str = "there is no key"
) -> dict[str, Check]:
    checks = check_synced(
        laptop.sync(KAGGLE),
        Path("nothing here"),
        load_detector=load,
        hardware=FakeTrainer().describe_hardware(PARAMS),
        server=server,
    )
    return {check.name: check for check in checks}


class Looking(FakeDetector):
    def detect(self, images, *, conf_threshold, iou_threshold):
        assert all(image.stat().st_size > 1000 for image in images)
        a_small_dataset(Path("small"))
        return super().detect(
            [Path("small/images/test/0.png")],
            conf_threshold=conf_threshold,
            iou_threshold=iou_threshold,
        )

    def __call__(self, weights: Path, *, image_size_px: int, hardware: Hardware) -> "Looking":
        return self


def test_the_checklist_says_what_it_saw(laptop: Laptop):
    checks = checked(laptop, load=Looking())

    assert list(checks) == ["size", "loads", "inference", "metrics", "history", "tracking"]
    assert checks["inference"].holds == "1 door(s) found in a drawn picture"
    assert checks["size"].is_ok is False  # a fake weighs nothing
    assert checks["tracking"].not_checked == "there is no key"


def test_weights_that_do_not_load_are_said(laptop: Laptop):
    def load(weights: Path, *, image_size_px: int, hardware: Hardware) -> Detector:
        raise WeightsError(f"{weights} cannot be read", hint="fetch it again")

    checks = checked(laptop, load=load)

    (mismatch,) = checks["loads"].mismatches
    assert mismatch.found == "one that cannot be read"
    assert "would bring the same file" in mismatch.remedy
    assert checks["inference"].not_checked == "the model does not load"


def test_tables_and_names_that_nobody_can_read_are_no_traceback(laptop: Laptop):
    """Their hashes agree: whoever wrote them wrote the metadata as well."""
    table = KAGGLE / PUBLISHED / "results.csv"
    table.write_bytes(b"\xff\xfe\n1\n2\n3\n")
    evaluation = json.loads((KAGGLE / PUBLISHED / "metadata.json").read_text())["evaluation"]
    change_metadata(
        files={"results.csv": file_sha256(table)}, model_architecture="",
        evaluation=evaluation | {"splits": {"val": evaluation["splits"]["val"]}},
    )  # fmt: skip

    checks = checked(laptop, load=Looking())

    assert checks["history"].is_ok
    assert checks["inference"].is_ok
    assert checks["size"].is_ok is None


def test_weights_that_differ_are_not_opened(laptop: Laptop):
    def load(weights: Path, *, image_size_px: int, hardware: Hardware) -> Detector:
        raise AssertionError("opened")

    metadata = laptop.sync(KAGGLE)
    (PUBLISHED / "best.pt").write_text("others")
    found = check_synced(
        metadata,
        Path("nothing here"),
        load_detector=load,
        hardware=FakeTrainer().describe_hardware(PARAMS),
        server="there is no key",
    )
    checks = {check.name: check for check in found}

    assert checks["loads"].is_ok is False
    assert checks["inference"].not_checked == "it is another model"


def test_a_server_is_asked_for_the_whole_history(laptop: Laptop):
    best = laptop.metadata.artifacts["best.pt"].sha256
    whole = Remote(url="url", last_epoch=3, results_of=best, is_over=True)

    checks = checked(laptop, load=Looking(), server=FakeServer(remote=whole))

    assert checks["tracking"].is_ok


@pytest.mark.parametrize(
    "remote",
    [
        None,
        Remote(url="url", last_epoch=2, results_of=None, is_over=False),
        Remote(url="url", last_epoch=3, results_of="0" * 64, is_over=True),
    ],
    ids=["unknown", "cut off", "another model's"],
)
def test_a_history_that_is_not_whole_is_said(remote: Remote | None, laptop: Laptop):
    assert tracking_check(laptop.metadata, remote).is_ok is False


@pytest.mark.parametrize(
    ("architecture", "size", "is_ok"),
    [
        ("yolov11s", 19_200_000, True),
        ("yolov11s", 45_000_000, False),
        ("yolov11n", 5_300_000, True),
    ],
)
def test_a_model_has_the_size_of_its_network(
    architecture: str, size: int, is_ok: bool, laptop: Laptop, tmp_path: Path
):
    weights = tmp_path / "best.pt"
    with weights.open("wb") as file:
        file.truncate(size)
    metadata = laptop.metadata.model_copy(update={"model_architecture": architecture})

    assert size_check(metadata, weights).is_ok is is_ok


def test_a_figure_that_is_missing_is_named(laptop: Laptop):
    metrics = {name: 0.9 for name in laptop.metadata.metrics if name != "test_mAP50_95"}
    metadata = laptop.metadata.model_copy(update={"metrics": metrics})

    (mismatch,) = metrics_check(metadata).mismatches

    assert mismatch.expected == "test_mAP50_95"


def test_epochs_that_are_missing_are_counted(laptop: Laptop):
    assert history_check(laptop.metadata, [(Path("curves.csv"), 3)]).is_ok
    assert history_check(laptop.metadata, [(Path("curves.csv"), 2)]).is_ok is False
    assert history_check(laptop.metadata, []).is_ok is None
