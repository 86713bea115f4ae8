"""The story, told with fakes for what is outside and the real thing for everything else."""

import json
import logging
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from container_doors import pipeline
from container_doors.adapters.git.repository import GitRepository, run_git
from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.core.config import Data, Params, Training, Wandb
from container_doors.core.errors import (
    DatasetError,
    RunError,
    SignatureError,
    ToBeContinued,
    VersioningError,
)
from container_doors.core.ports import Remote
from container_doors.core.records import FITNESS, Epoch, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.pointers import read_pointer
from container_doors.publishing.publication import published_sources
from container_doors.publishing.signatures import ALLOWED_SIGNERS, SignaturePolicy
from container_doors.publishing.signed_checkpoints import SignedCheckpoints
from container_doors.steps import start
from container_doors.steps.data.validate import fit_data
from container_doors.steps.detections import EVALUATED_SPLITS
from container_doors.steps.metadata import regenerate_metadata
from container_doors.steps.start import epoch_to_resume_after
from container_doors.steps.summary import summarise
from container_doors.steps.track import follow_run, sync_tracking
from container_doors.steps.version import version_model
from container_doors.training.checkpoint import make_newest, rewind, stage
from container_doors.training.claim import claim
from container_doors.training.fetch_checkpoints import RunChoice
from container_doors.training.lease import own_lease, watch
from tests.builders import a_small_dataset
from tests.fakes import (
    FakeCheckpoints,
    FakeDetector,
    FakeFollower,
    FakeProgress,
    FakeRepository,
    FakeServer,
    FakeStore,
    FakeTracker,
    FakeTrainer,
    FakeWorld,
)

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(epochs=3, batch_size=2, learning_rate=0.001),
)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    a_small_dataset(tmp_path / PARAMS.data.path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_params_and_data_are_warned_of_stands_in_the_log(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's send it to its main process
    labels = workspace / PARAMS.data.path / "labels/train"
    label = min(labels.iterdir())
    label.unlink()
    fake = FakeWorld()
    training = PARAMS.training.model_copy(update={"patience": 20})

    pipeline.train(PARAMS.model_copy(update={"training": training}), Run("exp1"), world=fake.world)

    log = Run("exp1").train_log.read_text(encoding="utf-8").splitlines()
    found = [line for line in log if " WARNING container_doors: " in line]
    assert [line for line in found if "detection.training.patience" in line]
    assert [line for line in found if label.stem in line and "expected a label file" in line]
    said = [line for line in fake.progress.lines if "1 warning(s), the first: " in line]
    assert said
    assert "doors data validate" in said[0]


@pytest.mark.parametrize("path", [PARAMS.data.path, "photos/doors"])
def test_photographs_and_outputs_are_no_change_of_the_code(workspace: Path, path: str):
    """The second training finds what the first has left, beside the photographs."""
    shutil.move(workspace / PARAMS.data.path, workspace / "elsewhere")
    shutil.rmtree(workspace / "data")
    Path("params.yaml").touch()
    for command in ("init", "add params.yaml", "commit --message params"):
        run_git(workspace, *command.split())
    (workspace / path).parent.mkdir(parents=True)
    (workspace / "elsewhere").rename(workspace / path)
    params = PARAMS.model_copy(update={"data": PARAMS.data.model_copy(update={"path": path})})
    world = replace(FakeWorld().world, repository=GitRepository(workspace))

    for run in (Run("exp1"), Run("exp2")):
        pipeline.train(params, run, world=world)
        assert RunRecord.read(run.record).code.clean is True


def test_training_publishes_what_it_measured():
    outside = FakeWorld()

    metadata = pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert metadata.version.startswith("detection_v1.0_")
    assert metadata.best_epoch == 2
    assert metadata.evaluation.splits["test"].background_images == 1
    assert metadata.metrics["test_mAP50"] == 0.995
    assert (PUBLISHED / "best.pt").read_text() == "weights of epoch 2, run 1"
    assert Metadata.read(PUBLISHED / "metadata.json") == metadata
    assert RunRecord.read(Run("exp1").record).status == "finished"
    assert json.loads(Path("reports/metrics.json").read_text())
    assert outside.follower.followed == ["exp1"]
    assert outside.follower.exit_codes == [0]


def test_the_confusion_matrix_is_of_the_model_in_use():
    """The detector draws none here; where Ultralytics drew its own, it is replaced."""
    run = Run("exp1")

    pipeline.train(PARAMS, run, world=FakeWorld().world)

    for split in EVALUATED_SPLITS:
        assert (run.evaluation_dir(split) / "confusion_matrix.png").is_file()
    assert published_sources(run)["confusion_matrix.png"].parent == run.evaluation_dir("val")


def test_photographs_of_one_name_in_two_folders_have_a_picture_each(workspace: Path):
    for number, folder in enumerate("ab"):
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            old = workspace / PARAMS.data.path / kind / "test" / f"{number}.{suffix}"
            (old.parent / folder).mkdir()
            old.rename(old.parent / folder / f"img_1.{suffix}")

    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    summarise(Run("exp1"), workspace / "summary.md")

    made = {path.relative_to(Run("exp1").predictions) for path in Path("runs").rglob("img_1.jpg")}
    assert made == {Path("a/img_1.jpg"), Path("b/img_1.jpg")}
    summary = (workspace / "summary.md").read_text()
    assert {"a/img_1", "b/img_1"} <= set(re.findall(r"!\[(.*?)\]", summary))


def test_a_finished_run_is_refused_and_kept():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    with pytest.raises(RunError, match="finished already"):
        pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    assert (PUBLISHED / "best.pt").read_text() == "weights of epoch 2, run 1"


def test_replacing_a_run_keeps_the_old_one_and_takes_the_next_version():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    metadata = pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world, replace=True)

    assert metadata.version.startswith("detection_v1.1_")
    assert Path("runs/exp1~1/run.json").exists()


@pytest.mark.parametrize(
    ("error", "status", "exit_code"),
    [
        pytest.param(KeyboardInterrupt(), "interrupted", 130, id="Ctrl-C"),
        pytest.param(RunError("out of memory", hint="less"), "failed", 1, id="failure"),
    ],
)
def test_a_run_that_ends_badly_leaves_the_last_model(
    error: BaseException, status: str, exit_code: int
):
    def end() -> None:
        raise error

    pipeline.train(PARAMS, Run("good"), world=FakeWorld().world)
    before = Metadata.read(PUBLISHED / "metadata.json")
    outside = FakeWorld(trainer=FakeTrainer(then=end))

    with pytest.raises(type(error)):
        pipeline.train(PARAMS, Run("bad"), world=outside.world)

    assert RunRecord.read(Run("bad").record).status == status
    assert Metadata.read(PUBLISHED / "metadata.json") == before
    assert outside.follower.exit_codes == [exit_code]


def test_after_a_bad_end_the_same_command_works():
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.train(PARAMS, Run("exp1"), world=FakeWorld(trainer=FakeTrainer(then=stop)).world)
    outside = FakeWorld()

    pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    said = "an earlier attempt, without a checkpoint, is kept in runs/exp1~1"
    assert said in outside.progress.lines


def test_a_run_that_was_trained_and_not_published_is_not_trained_again():
    broken = FakeWorld()
    broken.detector.broken = True
    with pytest.raises(OSError, match="No space left"):
        pipeline.train(PARAMS, Run("exp1"), world=broken.world)
    assert RunRecord.read(Run("exp1").record).status == "trained"
    assert broken.follower.exit_codes == [1]
    outside = FakeWorld()

    metadata = pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert outside.trainer.trained == 0
    assert metadata.best_epoch == 2


def test_a_run_trained_with_other_params_is_not_passed_off_as_what_was_asked_for():
    broken = FakeWorld()
    broken.detector.broken = True
    with pytest.raises(OSError, match="No space left"):
        pipeline.train(PARAMS, Run("exp1"), world=broken.world)
    other = PARAMS.model_copy(
        update={"training": PARAMS.training.model_copy(update={"epochs": 30})}
    )
    outside = FakeWorld()

    metadata = pipeline.train(other, Run("exp1"), world=outside.world)

    assert outside.trainer.trained == 1
    assert metadata.hyperparameters["training"]["epochs"] == 30


def test_how_a_run_is_watched_does_not_make_it_another():
    broken = FakeWorld()
    broken.detector.broken = True
    with pytest.raises(OSError, match="No space left"):
        pipeline.train(PARAMS, Run("exp1"), world=broken.world)
    watched = PARAMS.model_copy(update={"wandb": Wandb(mode="online")})
    outside = FakeWorld()

    pipeline.train(watched, Run("exp1"), world=outside.world)

    assert outside.trainer.trained == 0


def test_a_run_trained_on_other_data_is_not_passed_off_as_what_was_asked_for(workspace: Path):
    broken = FakeWorld()
    broken.detector.broken = True
    with pytest.raises(OSError, match="No space left"):
        pipeline.train(PARAMS, Run("exp1"), world=broken.world)
    label = workspace / PARAMS.data.path / "labels/train/0.txt"
    label.write_text("0 0.5 0.5 0.4 0.75\n")
    outside = FakeWorld()

    pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert outside.trainer.trained == 1


def test_faulty_data_costs_no_training(workspace: Path):
    label = workspace / PARAMS.data.path / "labels/train/0.txt"
    label.write_text("0 320 0.5 0.5 0.5\n")
    outside = FakeWorld()

    with pytest.raises(DatasetError, match=r"1 error\(s\), the first: labels/train/0.txt:1"):
        pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert outside.trainer.trained == 0
    assert not Run("exp1").directory.exists()


def test_the_data_set_is_not_touched(workspace: Path):
    def snapshot() -> dict[Path, tuple[bytes, int]]:
        return {
            path: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in (workspace / PARAMS.data.path).rglob("*")
            if path.is_file()
        }

    before = snapshot()
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    assert snapshot() == before


def described_again(*, major: bool) -> Metadata:
    return regenerate_metadata(
        PUBLISHED, repository=FakeRepository(), runs_root=Path("runs"), major=major
    )


def test_describing_a_model_again_keeps_its_version():
    first = pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    assert described_again(major=False) == first


def test_a_major_version_is_asked_for_once_however_often_it_is_said():
    for name, map50_95 in (("exp1", 0.5), ("exp2", 0.6)):
        detector = FakeDetector(map50_95=map50_95)
        world = FakeWorld(trainer=FakeTrainer(trained=1), detector=detector).world
        pipeline.train(PARAMS, Run(name), world=world)

    for _ in range(2):
        version = described_again(major=True).version
        assert version.startswith("detection_v2.0_")
        assert json.loads(Path("reports/metrics.json").read_text())["version"] == version


def test_a_published_model_can_be_described_when_its_run_was_set_aside():
    first = pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    def fail() -> None:
        raise RunError("out of memory", hint="less")

    with pytest.raises(RunError, match="out of memory"):
        pipeline.train(
            PARAMS, Run("exp1"), world=FakeWorld(trainer=FakeTrainer(then=fail)).world, replace=True
        )

    assert described_again(major=False) == first


def test_a_tagged_version_is_never_given_twice():
    outside = FakeWorld()
    outside.repository.known_tags = ["detection@v3.4.0+20261123.exp0", "v0.1.0"]

    metadata = pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert metadata.version.startswith("detection_v3.5_")


def test_versioning_pushes_the_three_artifacts():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    store = FakeStore()

    metadata, pointers = version_model("exp1", store=store, progress=FakeProgress())

    assert [path.name for path in pointers] == ["best.pt.dvc", "last.pt.dvc", "metadata.json.dvc"]
    for pointer in pointers:
        read = read_pointer(pointer)
        assert store.objects[read.md5] == (PUBLISHED / read.path).read_bytes()
        assert read.version == metadata.version


def test_a_push_that_fails_leaves_no_pointer():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    before = sorted(PUBLISHED.rglob("*"))

    with pytest.raises(VersioningError, match="the remote is down"):
        version_model("exp1", store=FakeStore(broken=True), progress=FakeProgress())

    assert sorted(PUBLISHED.rglob("*")) == before


def test_versioning_another_experiment_than_the_published_one_is_refused():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    with pytest.raises(RunError, match="has the model of 'exp1', and 'exp2' was asked for"):
        version_model("exp2", store=FakeStore(), progress=FakeProgress())


def test_the_report_is_written_for_a_run(workspace: Path):
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    for _ in range(2):
        output = summarise(Run("exp1"), workspace / "summary.md")

    assert "detection_v1.0_" in output.read_text()


def test_the_report_replaces_no_file_that_is_not_one(workspace: Path):
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    (workspace / "params.yaml").write_text("mine")

    with pytest.raises(RunError, match="exists already, and is not a report"):
        summarise(Run("exp1"), workspace / "params.yaml")

    assert (workspace / "params.yaml").read_text() == "mine"


def test_what_a_run_leaves_is_what_its_trackers_show(workspace: Path):
    metadata = pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    tracker = FakeTracker()

    follow_run(Run("exp1"), {"": tracker}, poll_exit=lambda: 0, say=print)

    assert tracker.epochs == [1, 2, 3]
    assert tracker.best == [1, 2]
    assert tracker.results is not None
    assert tracker.results.metadata == metadata
    door, nothing = tracker.results.predictions.pictures
    assert (door.image, len(door.found), door.missed) == ("images/test/0.png", 1, 0)
    assert (tracker.results.images / door.image).exists()
    assert nothing.labelled_xyxy == []


def sync(server: FakeServer) -> tuple[Remote | None, Remote]:
    return sync_tracking(
        Run("exp1"), server=server, follower=FakeFollower(), progress=FakeProgress()
    )


def test_a_server_that_knows_nothing_is_sent_everything():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    server = FakeServer()

    before, now = sync(server)

    assert before is None
    assert now.last_epoch == 3
    assert server.recordings == [0]
    assert server.shown.exit_codes == [0]


def test_a_server_is_sent_what_it_lacks():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    server = FakeServer(remote=Remote(url="", last_epoch=2, results_of=None, is_over=False))

    sync(server)

    assert server.shown.epochs == [3]
    assert server.shown.results is not None


def test_a_server_that_has_everything_is_sent_nothing():
    metadata = pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    weights = metadata.artifacts["best.pt"].sha256
    remote = Remote(url="", last_epoch=3, results_of=weights, is_over=True)
    server = FakeServer(remote=remote)

    assert sync(server) == (remote, remote)
    assert server.shown.exit_codes == []


def test_a_run_that_is_being_trained_is_not_sent():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    with claim(Run("exp1")), pytest.raises(RunError, match="is being trained"):
        sync(FakeServer())


def test_nothing_can_be_resumed_before_the_first_epoch():
    with pytest.raises(RunError, match="no epoch was finished there"):
        pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world, resume=True)


def test_a_run_takes_no_name_of_a_sweep_or_a_cross_validation():
    for name, document, what in (
        ("exp1", Run("exp1").sweep_db, "exp1 is a sweep"),
        ("exp2", Run("exp2").crossval, "exp2 is a cross-validation; the run of this name"),
    ):
        document.parent.mkdir(parents=True)
        document.touch()
        with pytest.raises(RunError, match=what):
            pipeline.train(PARAMS, Run(name), world=FakeWorld().world)
        assert [path.name for path in document.parent.iterdir()] == [document.name]


def test_where_nothing_can_be_resumed_the_other_runs_are_named():
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    with pytest.raises(RunError, match="no epoch was finished there; other runs here: exp1"):
        pipeline.train(PARAMS, Run("exp2"), world=FakeWorld().world, resume=True)


def cut_off(checkpoints: FakeCheckpoints | None = None, *, replace: bool = False) -> Run:
    """Leave what a training leaves that was stopped after its first epoch."""
    run = Run("exp1")

    def stop() -> None:
        (run.trainer_dir / "results.csv").write_text("epoch\n1\n")
        staged = stage(run, save=a_state, previous_has_best=False, is_last=False)
        make_newest(run, staged, Epoch(1, {FITNESS: 0.2, "perf/epoch_s": 1.0}), is_last=False)
        rewind(run)
        raise ToBeContinued("SIGTERM")

    outside = FakeWorld(trainer=FakeTrainer(then=stop), checkpoints=checkpoints)
    with pytest.raises(ToBeContinued, match="exp1 has 1 of 3 epochs: SIGTERM"):
        pipeline.train(PARAMS, run, world=outside.world, replace=replace)
    assert outside.follower.exit_codes == [0]
    return run


def a_state(path: Path) -> None:
    with ZipFile(path, "w") as file:
        file.writestr("state", "")


def test_a_training_that_was_wished_to_stop_goes_on_by_itself():
    record = RunRecord.read(cut_off().record)
    assert (record.status, record.message) == ("stopped", "SIGTERM")
    outside = FakeWorld()

    pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    went_on = RunRecord.read(Run("exp1").record)
    assert (went_on.run_id, went_on.resumed_after) == (record.run_id, [1])
    assert went_on.status == "finished"
    assert any(
        line.startswith("resuming exp1 after epoch 1 of 3") for line in outside.progress.lines
    )


def test_with_other_params_another_run_begins():
    cut_off()
    training = PARAMS.training.model_copy(update={"learning_rate": 0.01})
    outside = FakeWorld()

    pipeline.train(
        PARAMS.model_copy(update={"training": training}), Run("exp1"), world=outside.world
    )

    said = "an earlier attempt, of other params or other data, is kept in runs/exp1~1"
    assert said in outside.progress.lines


def test_a_resume_that_is_refused_names_what_is_other():
    cut_off()
    training = PARAMS.training.model_copy(update={"learning_rate": 0.01})
    params = PARAMS.model_copy(update={"training": training})
    (Path(PARAMS.data.path) / "labels/val/0.txt").write_text("0 0.5 0.5 0.5 0.5\n")

    with pytest.raises(
        RunError,
        match=r"or other data: training.learning_rate 0.001 -> 0.01, labels/val/0.txt\n",
    ):
        pipeline.train(params, Run("exp1"), world=FakeWorld().world, resume=True)


def test_a_checkpoint_that_nobody_signed_is_refused_and_nothing_is_begun(tmp_path: Path):
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    cut_off(checkpoints)
    shutil.rmtree("runs")
    repository = FakeRepository(files={("HEAD", ALLOWED_SIGNERS): "nobody"})
    policy = SignaturePolicy(SshSignatures(), repository, is_required=True)
    outside = FakeWorld()
    world = replace(outside.world, checkpoints=SignedCheckpoints(checkpoints, policy))

    with pytest.raises(SignatureError, match=r"is not signed, and params\.yaml asks for it"):
        pipeline.train(PARAMS, Run("exp1"), world=world)

    assert not Run("exp1").directory.exists()
    assert len(checkpoints.names("exp1")) == 1


def test_a_training_goes_on_where_another_machine_was_lost(tmp_path: Path):
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    record = RunRecord.read(cut_off(checkpoints).record)
    shutil.rmtree("runs")
    outside = FakeWorld(checkpoints=checkpoints)

    pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    went_on = RunRecord.read(Run("exp1").record)
    assert (went_on.run_id, went_on.resumed_after) == (record.run_id, [1])
    assert "fetching the checkpoint of epoch 1 from a far place" in outside.progress.lines
    (left,) = checkpoints.names("exp1")
    assert left.endswith(".tar"), "it goes when the model is kept"
    version_model("exp1", store=FakeStore(), progress=FakeProgress(), checkpoints=checkpoints)
    (left,) = checkpoints.names("exp1")
    assert left.endswith("-finished")


def test_a_damaged_checkpoint_on_the_storage_is_a_warning_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's send it to its main process
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    run = cut_off(checkpoints)
    (whole,) = (checkpoints.folder / "exp1").iterdir()
    whole.with_name(whole.name.replace("-000001-", "-000002-")).write_bytes(b"PK")

    pipeline.train(PARAMS, run, world=FakeWorld(checkpoints=checkpoints).world)

    log = run.train_log.read_text(encoding="utf-8").splitlines()
    (line,) = [one for one in log if "skipped the stored checkpoint of epoch 2" in one]
    assert " WARNING " in line


def elsewhere(
    checkpoints: FakeCheckpoints, trainer: FakeTrainer | None = None, **how: Any
) -> FakeWorld:
    """Train the same experiment in a clone that has nothing but the storage."""
    shutil.rmtree("runs")
    outside = FakeWorld(checkpoints=checkpoints, trainer=trainer or FakeTrainer())
    pipeline.train(PARAMS, Run("exp1"), world=outside.world, **how)
    return outside


def run_here() -> RunRecord:
    return RunRecord.read(Run("exp1").record)


def test_a_replacement_is_not_undone_by_a_clock_that_goes_wrong(tmp_path: Path):
    """Begun on a machine whose clock is years behind, and killed before anything was sent."""
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    first = RunRecord.read(cut_off(checkpoints).record)
    cut_off(None, replace=True)
    record = run_here()
    assert record.replaces == [first.run_id[:8]]
    record.model_copy(update={"started_at": datetime(2020, 1, 1, tzinfo=UTC)}).write(
        Run("exp1").record
    )
    outside = FakeWorld(checkpoints=checkpoints)

    pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert run_here().run_id == record.run_id
    assert not any("fetching" in line for line in outside.progress.lines)


def test_a_clone_that_has_only_the_storage_goes_on_with_the_replacement(tmp_path: Path):
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    cut_off(checkpoints)
    shutil.rmtree("runs")
    cut_off(checkpoints, replace=True)
    second = run_here().run_id

    elsewhere(checkpoints)

    assert run_here().run_id == second
    version_model("exp1", store=FakeStore(), progress=FakeProgress(), checkpoints=checkpoints)
    assert not [name for name in checkpoints.names("exp1") if name.endswith(".tar")]


def test_two_that_replaced_the_same_run_are_both_kept_until_one_is_chosen(tmp_path: Path):
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    cut_off(checkpoints)
    shutil.copytree(checkpoints.folder, tmp_path / "before")
    runs: list[str] = []
    for _ in range(2):
        shutil.rmtree("runs")
        clone = FakeCheckpoints(tmp_path / f"seen-{len(runs)}")
        shutil.copytree(tmp_path / "before", clone.folder)
        cut_off(clone, replace=True)
        runs.append(run_here().run_id[:8])
        shutil.copytree(clone.folder, checkpoints.folder, dirs_exist_ok=True)

    with pytest.raises(RunError, match="several runs of exp1, and none replaces the other"):
        elsewhere(checkpoints)
    elsewhere(checkpoints, choice=RunChoice(run=runs[1]), resume=True)

    assert run_here().run_id[:8] == runs[1]
    assert runs[0] in run_here().replaces
    assert len([name for name in checkpoints.names("exp1") if name.endswith(".tar")]) == 3
    elsewhere(checkpoints)
    assert run_here().run_id[:8] == runs[1], "the choice holds for every clone"


def test_another_machine_is_told_and_the_same_clone_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(start, "watch", partial(watch, pause=lambda _: None))
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    cut_off(checkpoints)
    killed = own_lease(Run("exp1"), run_here().run_id)
    (checkpoints.folder / "exp1" / killed.name).write_text("lease")
    outside = FakeWorld(checkpoints=checkpoints)

    pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert not any("started to train" in line for line in outside.progress.lines)
    (checkpoints.folder / "exp1" / killed.name).write_text("lease")
    said = elsewhere(checkpoints).progress.lines
    assert any("started to train exp1" in line for line in said)
    assert "no heartbeat for 150 s: taking over" in said
    assert not [name for name in checkpoints.names("exp1") if name.startswith("lease")]


def test_a_damaged_checkpoint_without_another_is_not_begun_anew_in_silence():
    run = cut_off()
    run.resumable.write_bytes(b"PK")

    with pytest.raises(RunError, match=r"no intact checkpoint of exp1 is left: resume\.pt") as told:
        pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)

    assert "--replace" in told.value.hint
    assert not Path("runs/exp1~1").exists()


def test_a_checkpoint_that_cannot_be_loaded_is_not_begun_anew_in_silence_either(tmp_path: Path):
    """Neither here nor on a machine that fetches it."""
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    run = cut_off(checkpoints)
    trainer = FakeTrainer(refusal=lambda _: "it is a program")

    with pytest.raises(RunError, match=r"no intact checkpoint of exp1 is left.*it is a program"):
        pipeline.train(PARAMS, run, world=FakeWorld(trainer=trainer).world)
    with pytest.raises(RunError, match=r"is left, here or on a far place: .*it is a program"):
        elsewhere(checkpoints, trainer)


def test_weights_that_changed_before_they_were_published_are_trained_to_the_end_again():
    run = cut_off()
    (run.trainer_dir / "weights").mkdir(exist_ok=True, parents=True)
    pipeline.train(PARAMS, run, world=FakeWorld().world)
    record = RunRecord.read(run.record).model_copy(update={"status": "trained"})
    record.write(run.record)
    run.best_weights.write_text("flipped")
    outside = FakeWorld()

    pipeline.train(PARAMS, run, world=outside.world)

    assert outside.trainer.trained == 1
    assert RunRecord.read(run.record).run_id == record.run_id


def test_a_remote_out_of_reach_keeps_nobody_from_beginning(tmp_path: Path):
    outside = FakeWorld(checkpoints=FakeCheckpoints(tmp_path, is_down=True))

    pipeline.train(PARAMS, Run("exp1"), world=outside.world)

    assert "checkpoints of other machines were not checked: a far place cannot be reached" in (
        outside.progress.lines
    )
    with pytest.raises(VersioningError, match="a far place cannot be reached"):
        pipeline.train(PARAMS, Run("exp2"), world=outside.world, resume=True)


def test_a_run_that_was_asked_for_is_never_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The storage is out of reach when it is asked first, and not any more afterwards."""
    checkpoints = FakeCheckpoints(tmp_path / "remote")
    run = cut_off(checkpoints)
    answers, names = iter([True, False]), checkpoints.names

    def names_at_last(experiment: str) -> list[str]:
        checkpoints.is_down = next(answers, False)
        return names(experiment)

    monkeypatch.setattr(checkpoints, "names", names_at_last)
    outside = FakeWorld(checkpoints=checkpoints)

    with pytest.raises(VersioningError, match="a far place cannot be reached"):
        pipeline.train(
            PARAMS, run, world=outside.world, resume=True, choice=RunChoice(run="12345678")
        )


def test_a_machine_without_git_trains_and_evaluates(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    outside = replace(FakeWorld().world, repository=GitRepository(Path.cwd()))

    pipeline.train(PARAMS, Run("exp1"), world=outside)

    assert run_here().status == "finished"
    assert run_here().code.commit is None


def test_a_cut_off_run_may_move_to_other_gpus():
    run = cut_off()
    report = fit_data(PARAMS, progress=FakeProgress())

    def after(**training: object) -> int | None:
        asked = PARAMS.training.model_copy(update=training)
        params = PARAMS.model_copy(update={"training": asked})
        return epoch_to_resume_after(params, run, report)

    assert (after(), after(device="0,1"), after(learning_rate=0.1)) == (1, 1, None)
