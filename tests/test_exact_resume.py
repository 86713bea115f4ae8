"""A training in pieces ends as the one that was never interrupted, to the last bit."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from container_doors.adapters.yolo import state as yolo_state
from container_doors.core.run import Run
from container_doors.training.history import read_epochs
from tests.exact import CASES
from tests.tiny import tiny_data

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exact")
    data_yaml = tiny_data(root / "data", train=18)
    argv = [sys.executable, "-m", "tests.exact", str(root), str(data_yaml), *CASES]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 loaders" in done.stdout
    assert "18 photographs" in done.stdout
    assert "22 photographs" in done.stdout, "with drawn ones"
    return root


@pytest.mark.parametrize("name", CASES)
def test_in_pieces_it_ends_as_it_would_have(trained: Path, name: str):
    compare(trained / name)


def test_the_last_epoch_has_the_mean_of_the_weights_of_the_last_two(trained: Path):
    state = yolo_state.load(Run("a", root=trained / "accumulated/whole").resumable)

    assert state["mean"]["epochs"] == 2
    same(state["ema"], state["mean"]["weights"], "ema")
    assert any(not torch.equal(state["ema"][name], state["model"][name]) for name in state["ema"])
    without = yolo_state.load(Run("a", root=trained / "another number of loaders/whole").resumable)
    assert "mean" not in without


def compare(folder: Path) -> None:
    whole, pieces = (Run("a", root=folder / how) for how in ("whole", "pieces"))
    assert lines(pieces) == lines(whole)
    assert table(pieces) == table(whole)
    same(yolo_state.load(pieces.resumable), yolo_state.load(whole.resumable), "state")
    for ours, theirs in (
        (pieces.best_weights, whole.best_weights), (pieces.last_weights, whole.last_weights)
    ):  # fmt: skip
        same(weights(ours), weights(theirs), ours.name)


def lines(run: Run) -> list[dict[str, float]]:
    every = [{"epoch": one.number, **one.metrics} for one in read_epochs(run.metrics_jsonl)]
    return [{k: v for k, v in line.items() if not k.startswith("perf/")} for line in every]


def table(run: Run) -> list[dict[str, str]]:
    with (run.trainer_dir / "results.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(file)]


def weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=False)["model"].state_dict()
    return found


def same(one: Any, other: Any, where: str) -> None:
    """Compare to the bit; time and place are what may differ."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one.keys() - {"elapsed_s", "project", "save_dir", "workers"}:
            same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            same(left, right, f"{where}/{number}")
    else:
        assert one == other, where
