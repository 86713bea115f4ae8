"""Two workers that train together, on the processor (tests/cpu_ddp.py)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from container_doors.adapters.machine import choose_devices, describe_machine
from container_doors.adapters.yolo import state as yolo_state
from container_doors.core.errors import ConfigError
from container_doors.core.run import Run
from container_doors.training.checkpoint import resumable_epoch
from tests.tiny import tiny_data

MARK = "CONTAINER_DOORS_TEST_OF_DDP"
"""In the environment of every process of a test, orphans too."""

Train = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def data_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def train(tmp_path: Path, data_yaml: Path, repository_root: Path) -> Train:
    def started(epochs: int, *options: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.cpu_ddp", tmp_path, data_yaml, str(epochs), *options],
            cwd=repository_root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # A killed launch leaves Ultralytics' temporary files in the cache.
            env={**os.environ, MARK: str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"),
                 **environment},
        )  # fmt: skip

    return started


def of_test(tmp_path: Path) -> list[psutil.Process]:
    """Every process that descends from the training of this test, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == str(tmp_path)
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_until(condition: Callable[[], object], *, at_most_s: float) -> bool:
    end = time.monotonic() + at_most_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return bool(condition())


def epochs_of(path: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_each_epoch_is_recorded_by_one_worker_and_told_by_the_parent(tmp_path: Path, train: Train):
    with train(2) as process:
        said, complaints = process.communicate()

    run = Run("a", root=tmp_path)
    assert process.returncode == 0, complaints
    assert [line.split()[1] for line in said.splitlines()] == ["1/2", "2/2"]
    assert epochs_of(run.metrics_jsonl) == [1, 2]
    assert resumable_epoch(run) == 2
    state = yolo_state.load(run.resumable)
    assert state["mean"]["epochs"] == 2
    assert all(torch.equal(state["ema"][name], of) for name, of in state["mean"]["weights"].items())
    assert run.best_weights.exists()
    log = run.train_log.read_text()
    assert log.count("container_doors: epoch ") == 2
    assert log.count("Freezing layer") == 1, "what both workers said, by the first"
    assert complaints == "", "the terminal is the parent's"
    assert not of_test(tmp_path)


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_training_at_once(tmp_path: Path, train: Train):
    """Killed; of one that raises an error tests/test_tracking.py tells."""
    with train(500, CONTAINER_DOORS_TEST_FAULT="kill") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "told 1/500 best\n"
        _, complaints = process.communicate(timeout=60)  # of 500 epochs, which would take longer

    assert process.returncode == 1
    assert "training on several GPUs failed: worker 1 was ended by SIGKILL" in complaints
    assert "hint:" in complaints
    assert "Traceback" not in complaints
    assert not of_test(tmp_path)
    assert epochs_of(tmp_path / "a" / "metrics.jsonl") == [1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "moment"),
    [
        pytest.param(signal.SIGKILL, "starting", id="kill -9 while it starts"),
        pytest.param(signal.SIGINT, "training", id="Ctrl-C"),
    ],
)
def test_no_worker_outlives_the_training(
    tmp_path: Path, train: Train, how: signal.Signals, moment: str
):
    with train(500) as process:
        if moment == "training":
            assert process.stdout is not None
            assert process.stdout.readline() == "told 1/500 best\n"
            assert len(of_test(tmp_path)) == 4, "the parent, the launcher and two workers"
        else:
            assert wait_until(lambda: len(of_test(tmp_path)) == 4, at_most_s=60)
        process.send_signal(how)
        gone = all_end(tmp_path)
        process.communicate()

    assert process.returncode in {-how, 130}
    assert gone


def all_end(tmp_path: Path) -> bool:
    """Wait for every process of the test; those that do not end are killed."""
    gone = wait_until(lambda: not of_test(tmp_path), at_most_s=20)
    for left in of_test(tmp_path):
        left.kill()
    return gone


@pytest.mark.slow
def test_a_killed_training_leaves_no_worker_and_goes_on(tmp_path: Path, train: Train):
    with train(4) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "told 1/4 best\n"
        process.kill()
        assert all_end(tmp_path)
        process.communicate()
    run = Run("a", root=tmp_path)
    finished = resumable_epoch(run)
    assert finished is not None
    assert finished < 4

    with train(4, "resume") as process:
        said, complaints = process.communicate()

    assert process.returncode == 0, complaints
    assert epochs_of(run.metrics_jsonl) == [1, 2, 3, 4]
    assert len(said.splitlines()) == 4 - finished
    rows = (run.trainer_dir / "results.csv").read_text().splitlines()[1:]
    assert [int(row.partition(",")[0]) for row in rows] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("device", "gpus", "complaint"),
    [
        pytest.param("0,1", 1, r"'0,1': expected one that is here, found 1 GPU", id="too few"),
        pytest.param("0,0", 2, "each GPU once, found '0,0'", id="twice"),
        pytest.param("2", 2, r"'2': expected one that is here, found 2 GPU", id="not there"),
    ],
)
def test_gpus_that_cannot_be_used_are_named(device: str, gpus: int, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        choose_devices(device, gpus)


def test_this_machine_says_how_many_gpus_it_has():
    import torch

    there = torch.cuda.device_count()
    found = rf"{there} GPU\(s\), numbered from 0" if there else "no GPU"
    with pytest.raises(ConfigError, match=f"expected one that is here, found {found}"):
        describe_machine("97,98")
