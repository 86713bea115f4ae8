import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from container_doors import files
from container_doors.errors import RunError
from container_doors.records import Epoch
from container_doors.run import Run
from container_doors.training.checkpoint import (
    Checkpoint,
    damaged,
    put_down,
    resumable_epoch,
    rewind,
    stage,
)
from container_doors.training.history import append_epoch, read_epochs, spelled


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run("a", root=tmp_path)
    run.last_weights.parent.mkdir(parents=True)
    return run


def weights(path: Path, text: str) -> None:
    """A file of the kind that PyTorch writes, which is a zip."""
    with ZipFile(path, "w") as file:
        file.writestr("text", text)


def text_of(path: Path) -> str:
    with ZipFile(path) as file:
        return file.read("text").decode()


def save(
    run: Run, number: int, *, is_best: bool = False, best_is_kept: bool = False,
    is_told: bool = True, is_last: bool = False,
) -> None:  # fmt: skip
    """Do what the trainer and we do after an epoch."""
    weights(run.last_weights, f"epoch {number}")
    if is_best:
        weights(run.best_weights, f"epoch {number}")
    table = "".join(f"{n},0.5\n" for n in range(1, number + 1))
    (run.trainer_dir / "results.csv").write_text(f"epoch,loss\n{table}")
    epoch = Epoch(number, {"val/mAP50": number / 10})
    staged = stage(run, save=state(number), best_is_kept=best_is_kept, is_last=is_last)
    put_down(run, staged, epoch, is_last=is_last)
    if is_told:
        append_epoch(run.metrics_jsonl, epoch)


def state(number: int) -> Callable[[Path], None]:
    return lambda path: weights(path, f"state {number}")


def test_everything_goes_back_to_the_checkpoint(run: Run):
    save(run, 1, is_best=True)
    save(run, 2, best_is_kept=True, is_told=False)
    run.last_weights.write_text("torn")
    run.best_weights.write_text("torn")
    (run.trainer_dir / "results.csv").write_text("epoch,loss\n1,0.5\n2,0.5\n3,0")

    assert rewind(run) == Checkpoint(2, is_last=False)

    assert [epoch.number for epoch in read_epochs(run.metrics_jsonl)] == [1, 2]
    assert text_of(run.resumable) == "state 2"
    assert not run.last_weights.exists()  # the trainer writes it after the next epoch
    assert text_of(run.best_weights) == "epoch 1"
    assert (run.trainer_dir / "results.csv").read_text() == "epoch,loss\n1,0.5\n2,0.5\n"


def test_what_the_checkpoint_lacks_is_cut_off(run: Run):
    save(run, 1, is_best=True)
    append_epoch(run.metrics_jsonl, Epoch(2, {}))
    with run.metrics_jsonl.open("a") as file:
        file.write('{"epoch": 3, "val')

    for _ in range(2):  # once more is harmless
        rewind(run)

    assert run.metrics_jsonl.read_text() == spelled([Epoch(1, {"val/mAP50": 0.1})])


def test_the_trainer_rewriting_its_files_in_place_does_not_touch_the_checkpoint(run: Run):
    save(run, 1, is_best=True)
    rewind(run)
    with run.best_weights.open("r+b") as file:
        file.write(b"rewritten")

    assert text_of(run.resumable.parent / "best.pt") == "epoch 1"


def test_of_a_training_that_has_ended_nothing_is_missing_on_another_machine(run: Run):
    (run.trainer_dir / "args.yaml").write_text("epochs: 1\n")
    save(run, 1, is_best=True, is_last=True)
    shutil.rmtree(run.trainer_dir)

    assert rewind(run) == Checkpoint(1, is_last=True)

    assert text_of(run.last_weights) == text_of(run.best_weights) == "epoch 1"
    assert (run.trainer_dir / "args.yaml").read_text() == "epochs: 1\n"
    assert (run.trainer_dir / "results.csv").exists()


def test_a_best_epoch_between_two_checkpoints_is_kept(run: Run):
    save(run, 1, is_best=True)
    weights(run.best_weights, "epoch 2")
    save(run, 3)
    run.best_weights.unlink()

    rewind(run)

    assert text_of(run.best_weights) == "epoch 2"


def test_a_kill_while_the_next_is_made_leaves_the_one_before(run: Run):
    save(run, 1, is_best=True)
    weights(run.last_weights, "epoch 2")
    stage(run, save=state(2), best_is_kept=False, is_last=False)

    assert resumable_epoch(run) == 1
    assert rewind(run).epoch == 1
    assert [path.name for path in run.directory.glob(".checkpoint*")] == []


def test_where_folders_cannot_be_exchanged_a_kill_between_two_renames_is_mended(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    save(run, 1, is_best=True)
    save(run, 2, is_best=True)
    assert resumable_epoch(run) == 2

    run.resumable.parent.rename(run.directory / ".checkpoint.previous")

    assert resumable_epoch(run) == 2


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(run: Run):
    assert resumable_epoch(run) is None
    with pytest.raises(RunError, match="no usable checkpoint") as caught:
        rewind(run)

    assert "doors train --experiment a --replace" in caught.value.hint


@pytest.mark.parametrize("name", ["resume.pt", "epoch.json", "metrics.jsonl"])
def test_half_a_checkpoint_is_none(run: Run, name: str):
    save(run, 1, is_best=True)
    path = run.resumable.parent / name
    path.write_bytes(path.read_bytes()[:20])

    assert resumable_epoch(run) is None


def test_a_flipped_bit_is_found(run: Run):
    save(run, 1, is_best=True)
    assert damaged(run) == []

    for name in ("resume.pt", "best.pt", "results.csv", "metrics.jsonl"):
        path = run.resumable.parent / name
        sound = path.read_bytes()
        path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        assert damaged(run) == [name]
        path.write_bytes(sound)
