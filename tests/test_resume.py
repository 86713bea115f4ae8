"""Trainings that are killed for real at a chosen moment, and go on (tests/resuming.py)."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.core.errors import RunError
from container_doors.core.records import FITNESS, StartingWeights
from container_doors.core.run import Run
from container_doors.training.history import best_epoch, read_history
from container_doors.training.recorder import Recorder
from tests.resuming_cases import CASES
from tests.tiny import Printing, tiny_data, tiny_params

QUICK = ("while the trainer saves", "then moved", "after the last epoch")
SLOW = tuple(name for name in CASES if name not in QUICK)


def resumed(root: Path, names: tuple[str, ...]) -> Path:
    data_yaml = tiny_data(root / "data")
    argv = [sys.executable, "-m", "tests.resuming", str(root), str(data_yaml), *names]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return resumed(tmp_path_factory.mktemp("quick"), QUICK)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return resumed(tmp_path_factory.mktemp("slow"), SLOW)


def check(root: Path, name: str) -> None:
    case = CASES[name]
    assert (root / name / "code").read_text() == "0"
    assert not (root / name / ("first" if case.moved else "later")).exists()
    run = Run("a", root=root / name / ("later" if case.moved else "first"))
    every = list(range(1, case.expected + 1))

    history = read_history(run.metrics_jsonl)
    assert [epoch.number for epoch in history] == every
    rows = (run.trainer_dir / "results.csv").read_text().splitlines()
    assert [int(row.partition(",")[0]) for row in rows[1:]] == every
    best = torch.load(run.best_weights, weights_only=False)
    assert best["train_metrics"]["fitness"] == best_epoch(history).metrics[FITNESS]
    last = torch.load(run.last_weights, weights_only=False)
    assert last["train_metrics"]["fitness"] == history[-1].metrics[FITNESS]
    assert best["optimizer"] is None, "not finished as a training that was never killed is"
    assert last["optimizer"] is None
    assert (run.trainer_dir / "results.png").exists() == (case.moment == "ended")


@pytest.mark.parametrize("name", QUICK)
def test_a_killed_training_goes_on_without_a_gap_or_a_double(quick: Path, name: str):
    check(quick, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_whatever_the_moment_of_the_kill(slow: Path, name: str):
    check(slow, name)


def _cut_short(run: Run) -> None:
    whole = run.resumable.read_bytes()
    run.resumable.write_bytes(whole[: len(whole) // 2])


def _overwritten(run: Run) -> None:
    with run.resumable.open("r+b") as file:
        file.seek(1000)
        file.write(bytes(5000))


def _flipped(run: Run) -> None:
    """One bit in the middle of a tensor, which PyTorch reads without a word."""
    with run.resumable.open("r+b") as file:
        file.seek(run.resumable.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def _of_something_else(run: Run) -> None:
    shutil.copyfile(run.last_weights, run.resumable)


def _of_another_epoch(run: Run) -> None:
    folder = run.resumable.parent
    (folder / "epoch.json").write_text('{"epoch": 2, "is_last": false}')
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:2]))


def _absent(run: Run) -> None:
    shutil.rmtree(run.resumable.parent)


def _alone(run: Run) -> None:
    (run.resumable.parent / "epoch.json").unlink()


class Touching:
    """A program among the weights."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def _consistent(run: Run, name: str, content: object) -> None:
    """Replace a file of the checkpoint and its hash, as whoever writes to the storage can."""
    folder = run.resumable.parent
    torch.save(content, folder / name)
    state = json.loads((folder / "epoch.json").read_text())
    state["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "epoch.json").write_text(json.dumps(state))


def _changed_state(**changes: object) -> Callable[[Run], None]:
    def spoil(run: Run) -> None:
        _consistent(run, "resume.pt", torch.load(run.resumable, weights_only=False) | changes)

    return spoil


def _a_program_in_best(run: Run) -> None:
    _consistent(run, "best.pt", {"model": Touching()})


def _a_list(run: Run) -> None:
    _consistent(run, "resume.pt", [1])


CHECKPOINT = r"no intact checkpoint is left: \S+/checkpoint: "
SPOILS = [
    pytest.param(
        _changed_state(stopper=Touching()),
        rf"{CHECKPOINT}resume.pt contains more than weights: a call of posix.system",
        id="a program",
    ),
    pytest.param(
        _a_program_in_best,
        rf"{CHECKPOINT}best.pt contains more than weights: a call of posix.system",
        id="a program as best weights",
    ),
    pytest.param(
        _a_list, rf"{CHECKPOINT}resume.pt is not the .*: expected a dictionary", id="a list"
    ),
    pytest.param(
        _changed_state(ema=1), f"{CHECKPOINT}resume.pt is not .*: ema is of the type int", id="ema"
    ),
    pytest.param(
        _changed_state(epoch=7), f"{CHECKPOINT}resume.pt is of another epoch: .*7", id="epoch"
    ),
    pytest.param(
        _changed_state(format=9), f"{CHECKPOINT}resume.pt .*: expected format 1, found 9", id="new"
    ),
    pytest.param(_cut_short, "resume.pt in .* is damaged", id="cut short"),
    pytest.param(_overwritten, "resume.pt in .* is damaged", id="damaged"),
    pytest.param(_flipped, "resume.pt in .* is damaged", id="a flipped bit"),
    pytest.param(_of_something_else, "resume.pt in .* is damaged", id="weights and no state"),
    pytest.param(_of_another_epoch, "epoch.json in .* is damaged", id="of another epoch"),
    pytest.param(_absent, "no intact checkpoint is left", id="absent"),
    pytest.param(_alone, "epoch.json in .* is damaged", id="of nobody knows which epoch"),
]


@pytest.mark.parametrize(("spoil", "complaint"), SPOILS)
def test_what_cannot_be_gone_on_from_is_refused_and_nothing_is_changed(
    quick: Path, tmp_path: Path, spoil: Callable[[Run], None], complaint: str
):
    shutil.copytree(quick / "then moved" / "later" / "a", tmp_path / "a")
    run = Run("a", root=tmp_path)
    spoil(run)
    shutil.rmtree(run.previous_checkpoint)
    run.metrics_jsonl.write_text("as it was")

    with pytest.raises(RunError, match=complaint) as caught:
        go_on(run, quick / "data" / "data.yaml", epochs=3)

    assert "--replace" in caught.value.hint
    assert "WeightsError" not in caught.value.problem
    assert run.metrics_jsonl.read_text() == "as it was"
    assert not Path("executed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [_flipped, _absent, _a_list])
def test_where_the_one_before_is_whole_the_same_weights_come_out(
    quick: Path, tmp_path: Path, spoil: Callable[[Run], None]
):
    shutil.copytree(quick / "then moved" / "later" / "a", tmp_path / "a")
    run = Run("a", root=tmp_path)
    ours, theirs = run.resumable.parent / "last.pt", tmp_path / "last.pt"
    shutil.copy(ours, theirs)
    spoil(run)

    go_on(run, quick / "data" / "data.yaml", epochs=3)

    assert [epoch.number for epoch in read_history(run.metrics_jsonl)] == [1, 2, 3]
    left, right = (
        torch.load(path, weights_only=False)["ema"].state_dict() for path in (ours, theirs)
    )
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)


def test_a_setting_that_would_be_ignored_is_refused(quick: Path, tmp_path: Path):
    shutil.copytree(quick / "then moved" / "later" / "a", tmp_path / "a")

    with pytest.raises(RunError, match="was made with epochs 3 and not 9: this would be"):
        go_on(Run("a", root=tmp_path), quick / "data" / "data.yaml", epochs=9)


def test_a_finished_training_ends_again_as_it_did(quick: Path, tmp_path: Path):
    shutil.copytree(quick / "then moved" / "later" / "a", tmp_path / "a")
    run = Run("a", root=tmp_path)
    before = run.metrics_jsonl.read_bytes()

    go_on(run, quick / "data" / "data.yaml", epochs=3)

    assert run.metrics_jsonl.read_bytes() == before
    assert torch.load(run.last_weights, weights_only=False)["optimizer"] is None


def test_the_checkpoint_is_one_with_its_line(quick: Path):
    run = Run("a", root=quick / "then moved" / "later")
    folder = run.resumable.parent

    state = json.loads((folder / "epoch.json").read_text())
    assert (state["epoch"], state["is_last"]) == (3, True)
    assert (folder / "metrics.jsonl").read_bytes() == run.metrics_jsonl.read_bytes()
    assert not list(run.directory.glob(".checkpoint*"))


def go_on(run: Run, data_yaml: Path, *, epochs: int) -> None:
    YoloTrainer().train(
        tiny_params(epochs=epochs), run, data_yaml=data_yaml,
        weights=StartingWeights(source="random"), resume=True,
        listener=Recorder(run, epochs=epochs, progress=Printing()),
    )  # fmt: skip
