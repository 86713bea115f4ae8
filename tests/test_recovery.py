"""Trainings that run out of memory, come to nothing, or are wished to end (tests/recovering.py)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.adapters.yolo import state as yolo_state
from container_doors.core.run import Run
from container_doors.training.checkpoint import resumable_epoch
from container_doors.training.history import read_epochs
from tests.recovering import CASES
from tests.tiny import tiny_data


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    root = tmp_path_factory.mktemp("setbacks")
    data_yaml = tiny_data(root / "data")
    argv = [sys.executable, "-m", "tests.recovering", str(root), str(data_yaml), *CASES]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = re.split(r"^== (.*)\n", done.stdout, flags=re.MULTILINE)[1:]
    return root, dict(zip(parts[::2], parts[1::2], strict=True))


pytestmark = pytest.mark.slow


def epochs(root: Path, name: str) -> list[int]:
    return [epoch.number for epoch in read_epochs(Run("a", root=root / name).metrics_jsonl)]


def batch_size(root: Path, name: str) -> object:
    return yolo_state.load(Run("a", root=root / name).resumable)["arguments"]["batch"]


def test_where_a_batch_does_not_fit_half_of_it_is_tried(told: tuple[Path, dict[str, str]]):
    root, said = told
    name = "memory for half a batch"

    assert "out of memory: continuing from the beginning with batches of 2" in said[name]
    assert epochs(root, name) == [1, 2, 3]
    assert batch_size(root, name) == 2
    state = yolo_state.load(Run("a", root=root / name).resumable)
    assert state["arguments"]["nbs"] == 8
    # 8 photographs an epoch, 8 a step: as many steps as with whole batches.
    assert state["ema_updates"] == 3


def test_memory_that_is_gone_later_costs_the_epoch_only(told: tuple[Path, dict[str, str]]):
    root, said = told
    name = "memory gone in the third epoch"

    assert "continuing after epoch 2 with batches of 2" in said[name]
    assert said[name].count("told 1/3") == said[name].count("told 2/3") == 1
    assert epochs(root, name) == [1, 2, 3]


def test_memory_for_no_photograph_at_all_is_an_error(told: tuple[Path, dict[str, str]]):
    said = told[1]["memory for nothing"]

    assert said.count("out of memory: continuing") == 2
    assert "error: out of memory with batch size 1" in said
    assert "hint: lower detection.training.image_size_px" in said


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("not a number, once", "after epoch 1"),
        ("not a number in the first epoch", "from the beginning"),
    ],
)
def test_an_epoch_that_comes_to_nothing_is_trained_again(
    told: tuple[Path, dict[str, str]], name: str, where: str
):
    root, said = told

    assert said[name].count("the loss is not finite: continuing") == 1
    assert f"continuing {where} with another random seed" in said[name]
    assert epochs(root, name) == [1, 2, 3]


def test_the_pictures_are_others_then(told: tuple[Path, dict[str, str]]):
    root, _ = told
    undisturbed, again = (
        read_epochs(Run("a", root=root / name).metrics_jsonl)
        for name in ("sigterm", "not a number, once")
    )

    assert undisturbed[0].metrics["train/box_loss"] == again[0].metrics["train/box_loss"]
    assert undisturbed[1].metrics["train/box_loss"] != again[1].metrics["train/box_loss"]


def test_after_three_times_it_is_an_error(told: tuple[Path, dict[str, str]]):
    root, said = told
    name = "not a number, for ever"

    assert said[name].count("the loss is not finite: continuing after epoch 1") == 3
    assert (
        "error: the loss or a weight is not finite in epoch 2, also after 3 retries" in said[name]
    )
    assert epochs(root, name) == [1]


def test_sigterm_ends_it_after_the_epoch(told: tuple[Path, dict[str, str]]):
    root, said = told

    assert "to be continued: SIGTERM\n" in said["sigterm"]
    assert epochs(root, "sigterm") == [1, 2]
    assert resumable_epoch(Run("a", root=root / "sigterm")) == 2
    assert not Run("a", root=root / "sigterm").stop_request.exists()


def test_an_epoch_that_takes_too_long_then_is_given_up(told: tuple[Path, dict[str, str]]):
    root, said = told
    name = "sigterm in a long epoch"

    assert "to be continued: SIGTERM, and the epoch took too long" in said[name]
    assert epochs(root, name) == [1, 2]


def test_no_epoch_is_begun_that_does_not_fit_into_the_time(told: tuple[Path, dict[str, str]]):
    root, said = told

    assert "to be continued: no further epoch fits into the time limit" in said["out of time"]
    assert epochs(root, "out of time") == [1]
    assert resumable_epoch(Run("a", root=root / "out of time")) == 1
