import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from container_doors.core import files
from container_doors.core.errors import RunError
from container_doors.core.records import Epoch
from container_doors.core.run import Run
from container_doors.training.checkpoint import (
    Checkpoint,
    faults,
    find_intact,
    make_newest,
    resumable_epoch,
    rewind,
    stage,
    use_newest_intact,
)
from container_doors.training.history import append_epoch, format_epochs, read_epochs


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
    run: Run, number: int, *, is_best: bool = False, previous_has_best: bool = False,
    is_told: bool = True, is_last: bool = False,
) -> None:  # fmt: skip
    """Do what the trainer and we do after an epoch."""
    weights(run.last_weights, f"epoch {number}")
    if is_best:
        weights(run.best_weights, f"epoch {number}")
    table = "".join(f"{n},0.5\n" for n in range(1, number + 1))
    (run.trainer_dir / "results.csv").write_text(f"epoch,loss\n{table}")
    epoch = Epoch(number, {"val/mAP50": number / 10})
    staged = stage(run, save=state(number), previous_has_best=previous_has_best, is_last=is_last)
    make_newest(run, staged, epoch, is_last=is_last)
    if is_told:
        append_epoch(run.metrics_jsonl, epoch)


def state(number: int) -> Callable[[Path], None]:
    return lambda path: weights(path, f"state {number}")


def test_everything_goes_back_to_the_checkpoint(run: Run):
    save(run, 1, is_best=True)
    save(run, 2, previous_has_best=True, is_told=False)
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

    assert run.metrics_jsonl.read_text() == format_epochs([Epoch(1, {"val/mAP50": 0.1})])


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
    stage(run, save=state(2), previous_has_best=False, is_last=False)

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


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [pytest.param(how, id=how.__name__) for how in (flip, truncate, empty, Path.unlink)]
FILES = ["resume.pt", "best.pt", "results.csv", "metrics.jsonl", "epoch.json"]


def test_a_flipped_bit_is_found(run: Run):
    save(run, 1, is_best=True)
    assert faults(run.resumable.parent) == []

    for name in ("resume.pt", "best.pt", "results.csv", "metrics.jsonl"):
        path = run.resumable.parent / name
        whole = path.read_bytes()
        flip(path)
        assert faults(run.resumable.parent) == [name]
        path.write_bytes(whole)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_where_the_newest_is_damaged_the_one_before_is_gone_on_from(
    run: Run, name: str, damage: Callable[[Path], None]
):
    for number in (1, 2, 3):
        save(run, number, is_best=number == 1, previous_has_best=number > 1)
    damage(run.resumable.parent / name)
    said: list[str] = []

    assert use_newest_intact(run, said.append).epoch == 2

    assert rewind(run) == Checkpoint(2, is_last=False)
    assert text_of(run.resumable) == "state 2"
    assert text_of(run.best_weights) == "epoch 1"
    assert said[0].startswith("skipped a damaged checkpoint: ")
    assert f"in {run.resumable.parent} is damaged" in said[0]
    assert said[1:] == ["the previous checkpoint is intact, of epoch 2"]
    said.clear()
    use_newest_intact(run, said.append)
    assert said == [], "once is enough"


def test_where_the_newest_cannot_be_loaded_the_one_before_is_gone_on_from(run: Run):
    for number in (1, 2):
        save(run, number, is_best=True)
    said: list[str] = []

    def refusal(folder: Path) -> str | None:
        return "it is a program" if text_of(folder / "resume.pt") == "state 2" else None

    assert use_newest_intact(run, said.append, refusal).epoch == 1
    assert rewind(run).epoch == 1
    assert said[0] == f"skipped a damaged checkpoint: {run.resumable.parent}: it is a program"


def test_a_newest_that_was_deleted_is_no_loss_either(run: Run):
    for number in (1, 2):
        save(run, number, is_best=True)
    shutil.rmtree(run.resumable.parent)

    assert use_newest_intact(run, print).epoch == 1
    assert rewind(run).epoch == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_predecessor_goes_with_the_next_checkpoint(
    run: Run, damage: Callable[[Path], None]
):
    for number in (1, 2):
        save(run, number, is_best=True)
    damage(run.previous_checkpoint / "resume.pt")
    assert use_newest_intact(run, print).epoch == 2

    save(run, 3, is_best=True)

    assert epochs_of(run) == [3, 2]
    assert all(faults(folder) == [] for folder in copies(run))


def test_where_none_is_whole_each_is_named_and_nothing_changes(run: Run):
    for number in (1, 2):
        save(run, number, is_best=True)
    flip(run.resumable)
    (run.previous_checkpoint / "epoch.json").write_text('{"epoch": 1, "sha256": {}}')

    found = use_newest_intact(run, print)

    assert found.folder is None
    assert found.skipped == (
        f"resume.pt in {run.resumable.parent} is damaged",
        f"epoch.json in {run.previous_checkpoint} is damaged",
    )
    assert find_intact(run) == found


def test_two_checkpoints_share_no_file(run: Run):
    """Damage to a file that both have would be damage to both."""
    save(run, 1, is_best=True)
    save(run, 2, previous_has_best=True)

    for path in run.resumable.parent.iterdir():
        assert path.stat().st_nlink == 1, path


def test_damage_to_the_best_epoch_is_not_carried_on_as_if_it_were_whole(run: Run):
    save(run, 1, is_best=True)
    flip(run.resumable.parent / "best.pt")

    save(run, 2, previous_has_best=True)

    assert text_of(run.resumable.parent / "best.pt") == "epoch 1"
    flip(run.resumable.parent / "best.pt")
    for path in (run.best_weights, run.previous_checkpoint / "best.pt"):
        path.unlink()
    with pytest.raises(OSError, match="the best epoch so far is damaged"):
        save(run, 3, previous_has_best=True)
    assert epochs_of(run) == [2, 1]


def test_what_is_read_back_otherwise_takes_nobodys_place(run: Run, monkeypatch: pytest.MonkeyPatch):
    for number in (1, 2):
        save(run, number, is_best=True)
    forced = files.force_to_disk

    def spoilt(folder: Path) -> None:
        forced(folder)
        if (folder / "epoch.json").exists():
            flip(folder / "resume.pt")

    monkeypatch.setattr("container_doors.training.checkpoint.force_to_disk", spoilt)
    with pytest.raises(OSError, match=r"resume\.pt was not read back as it was written"):
        save(run, 3, is_best=True)

    assert epochs_of(run) == [2, 1]


def copies(run: Run) -> tuple[Path, Path]:
    return run.resumable.parent, run.previous_checkpoint


def epochs_of(run: Run) -> list[int]:
    return [json.loads((folder / "epoch.json").read_text())["epoch"] for folder in copies(run)]


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_killed_at_any_call_two_whole_checkpoints_are_left(
    run: Run, monkeypatch: pytest.MonkeyPatch, exchange: bool
):
    """From the third on; each is put down anew until it is not killed any more."""
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    for number in (1, 2):
        save(run, number, is_best=True)
    kept = run.directory.with_name("kept")
    shutil.copytree(run.directory, kept)
    for step in itertools.count():
        shutil.rmtree(run.directory)
        shutil.copytree(kept, run.directory)
        code = in_a_child(lambda: save(run, 3, is_best=True), step)
        found = use_newest_intact(run, print)
        assert found.epoch in {2, 3}, step
        assert found.skipped == (), step
        assert len({*epochs_of(run)}) == 2, step
        assert all(faults(folder) == [] for folder in copies(run)), step
        if code == 0:
            break
    assert step > 40


def in_a_child(work: Callable[[], None], step: int) -> int:
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, _: object) -> None:
            nonlocal left
            if event.startswith(("open", "os.", "shutil.", "ctypes.")):
                left -= 1
                if left == -1:  # once: to kill is an event as well
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        except BaseException:  # noqa: BLE001 - a fork must not run on as its parent
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, -signal.SIGKILL}
    return code
