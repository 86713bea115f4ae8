import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from container_doors.core.errors import RunError
from container_doors.prediction import exports
from container_doors.publishing.publication import EXPORTS, publish, read_published, recover
from tests.publishing.killing import RANDOM_KILLS, Model, beside, published, two_models, whole

SECTION_5_3 = {
    "weights/best.pt", "weights/last.pt", "args.yaml", "results.csv", "results.png",
    "confusion_matrix.png", "F1_curve.png", "P_curve.png", "R_curve.png", "PR_curve.png",
}  # fmt: skip
BESIDE = {"best.pt", "last.pt", "metadata.json", "model.json", "train.log"}


@pytest.fixture
def models(tmp_path: Path) -> list[Model]:
    return two_models(tmp_path, size=1000)


@pytest.fixture
def destination(tmp_path: Path, models: list[Model]) -> Path:
    """Where the first model is published, with git's files."""
    published(models, tmp_path / "weights" / "detection")
    return tmp_path / "weights" / "detection"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_first_publication_has_exactly_the_specified_structure(
    tmp_path: Path, models: list[Model]
):
    destination = tmp_path / "deep" / "weights" / "detection"

    publish(*models[0], destination)

    assert files(destination) == SECTION_5_3 | BESIDE
    assert beside(destination) == ["detection"]


def test_exports_stay_while_the_weights_are_the_same(destination: Path, models: list[Model]):
    assert EXPORTS == exports.EXPORTS
    (destination / EXPORTS / "onnx").mkdir(parents=True)
    (destination / EXPORTS / "onnx/model.onnx").write_text("an export")

    publish(*models[0], destination)
    assert (destination / EXPORTS / "onnx/model.onnx").read_text() == "an export"

    publish(*models[1], destination)
    assert not (destination / EXPORTS).exists()


def test_the_next_model_replaces_everything_but_what_git_keeps(
    destination: Path, models: list[Model]
):
    (destination / "best.onnx").write_text("an export of the old model")

    publish(*models[1], destination)

    assert whole(destination) == "model_b"
    assert files(destination) == SECTION_5_3 | BESIDE | {"best.pt.dvc", ".gitignore"}


def test_publishing_again_changes_nothing(destination: Path, models: list[Model]):
    before = {name: (destination / name).read_bytes() for name in files(destination)}

    publish(*models[0], destination)

    assert {name: (destination / name).read_bytes() for name in files(destination)} == before


def test_what_is_published_is_a_copy_that_the_trainer_cannot_reach(
    destination: Path, models: list[Model]
):
    models[0][0].best_weights.write_bytes(b"rewritten in place")

    assert whole(destination) == "model_a"


def test_a_plot_that_the_trainer_did_not_leave_is_absent(destination: Path, models: list[Model]):
    run, metadata = models[1]
    (run.trainer_dir / "BoxF1_curve.png").unlink()
    run.train_log.unlink()

    publish(run, metadata, destination)

    assert "F1_curve.png" not in files(destination)
    assert "train.log" not in files(destination)


def test_the_names_of_older_ultralytics_are_found_too(destination: Path, models: list[Model]):
    run, metadata = models[1]
    (run.trainer_dir / "BoxF1_curve.png").rename(run.trainer_dir / "F1_curve.png")

    publish(run, metadata, destination)

    assert "F1_curve.png" in files(destination)


@pytest.mark.parametrize("name", ["weights/best.pt", "weights/last.pt", "args.yaml", "results.csv"])
def test_without_a_required_file_the_previous_model_stays(
    name: str, destination: Path, models: list[Model]
):
    (models[1][0].trainer_dir / name).unlink()

    with pytest.raises(RunError, match="is missing"):
        publish(*models[1], destination)

    assert whole(destination) == "model_a"
    assert beside(destination) == ["detection"]


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
def test_weights_that_the_metadata_does_not_describe_are_never_published(
    name: str, destination: Path, models: list[Model]
):
    (models[1][0].trainer_dir / "weights" / name).write_bytes(b"changed after training")

    with pytest.raises(RunError, match="does not match its metadata"):
        publish(*models[1], destination)

    assert whole(destination) == "model_a"


def test_a_link_stays_a_link_and_its_target_is_replaced(
    tmp_path: Path, destination: Path, models: list[Model]
):
    link = tmp_path / "elsewhere" / "detection"
    link.parent.mkdir()
    link.symlink_to(destination, target_is_directory=True)

    publish(*models[1], link)

    assert link.is_symlink()
    assert whole(destination) == "model_b"
    assert beside(link) == ["detection"]


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where fsync costs nothing: a kill, unlike a power cut, does not care for it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.parametrize("swap", ["exchange", "two-renames"])
def test_a_kill_at_every_single_step_leaves_one_whole_model(
    swap: str, in_memory: Path, repository_root: Path
):
    found = _killed(in_memory, "every-step", swap, repository_root)

    assert found["kills"] > 60
    assert found["model_a"] > 30
    assert found["model_b"] > 3
    assert found["leftovers"] > 30
    # Only where there is no exchange, and only between the two renames, is there no folder.
    assert found.get("absent", 0) == (1 if swap == "two-renames" else 0)


@pytest.mark.parametrize("swap", ["exchange", "two-renames"])
def test_a_kill_at_any_moment_leaves_one_whole_model(
    swap: str, in_memory: Path, repository_root: Path
):
    found = _killed(in_memory, "random", swap, repository_root)

    # That one whole model is left each time is asserted beside each kill; which one is chance.
    assert found["kills"] == RANDOM_KILLS
    if swap == "exchange":
        assert "absent" not in found


def _killed(folder: Path, how: str, swap: str, repository_root: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.publishing.killing", folder, how, swap],
        cwd=repository_root,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_previous_model_whole(tmp_path: Path, small_disk: Path):
    small, big = two_models(tmp_path / "s", size=30_000), two_models(tmp_path / "b", size=200_000)
    destination = small_disk / "weights" / "detection"
    published(small, destination)

    with pytest.raises(RunError, match="No space left on device"):
        publish(*big[1], destination)

    assert whole(destination) == "model_a"
    assert beside(destination) == ["detection"]
    publish(*small[1], destination)
    assert whole(destination) == "model_b"


def test_a_write_that_fails_leaves_the_previous_model_whole(
    tmp_path: Path, destination: Path, repository_root: Path
):
    """Files may not grow beyond 100 KB here, which needs no mount and no root."""
    big = two_models(tmp_path / "big", size=200_000)[1]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(RunError, match="File too large"):
            publish(*big, destination)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert whole(destination) == "model_a"
    assert beside(destination) == ["detection"]


def _only_the_first_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".staged"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr("container_doors.core.files._exchange", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", refuse)


def _no_exchange_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(one: Path, other: Path) -> bool:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr("container_doors.core.files._exchange", refuse)


@pytest.mark.parametrize("fault", [_only_the_first_rename, _no_exchange_at_all])
def test_a_swap_that_fails_is_undone(
    fault: Callable[[pytest.MonkeyPatch], None],
    destination: Path,
    models: list[Model],
    monkeypatch: pytest.MonkeyPatch,
):
    fault(monkeypatch)

    with pytest.raises(RunError, match="could not be replaced, and is unchanged"):
        publish(*models[1], destination)

    assert whole(destination) == "model_a"
    assert beside(destination) == ["detection"]


def _refusing(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP], ids=["EINVAL", "ENOTSUP"])
def test_a_file_system_that_forces_nothing_to_the_disk_is_published_to(
    code: int, destination: Path, models: list[Model], monkeypatch: pytest.MonkeyPatch
):
    _refusing(code, monkeypatch)

    publish(*models[1], destination)

    assert whole(destination) == "model_b"


def test_a_disk_that_fails_leaves_the_previous_model_whole(
    destination: Path, models: list[Model], monkeypatch: pytest.MonkeyPatch
):
    _refusing(errno.EIO, monkeypatch)

    with pytest.raises(RunError, match="could not be replaced, and is unchanged"):
        publish(*models[1], destination)

    assert whole(destination) == "model_a"
    assert beside(destination) == ["detection"]


def test_two_publications_at_once_end_in_one_whole_model(destination: Path, models: list[Model]):
    with ThreadPoolExecutor(max_workers=4) as pool:
        for done in [pool.submit(publish, *models[turn % 2], destination) for turn in range(20)]:
            done.result()

    assert whole(destination) in {"model_a", "model_b"}
    assert beside(destination) == ["detection"]


def test_a_reader_heals_what_a_kill_between_two_renames_left(destination: Path):
    destination.rename(destination.with_name(".detection.previous"))

    metadata = read_published(destination)

    assert metadata is not None
    assert metadata.experiment_name == "model_a"
    assert whole(destination) == "model_a"


def test_before_the_first_publication_there_is_nothing_to_read(tmp_path: Path):
    recover(tmp_path / "weights" / "detection")

    assert read_published(tmp_path / "weights" / "detection") is None
    assert list(tmp_path.iterdir()) == []
