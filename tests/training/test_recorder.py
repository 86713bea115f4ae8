import pickle
import threading
import time
from pathlib import Path

import pytest

from container_doors.core.files import replace_text
from container_doors.core.records import FITNESS, Epoch, Hardware
from container_doors.core.run import Run
from container_doors.training.history import append_epoch, format_epochs, read_epochs
from container_doors.training.recorder import Recorder


class Noted:
    def __init__(self) -> None:
        self.epochs: list[tuple[int, bool]] = []
        self.terminal = threading.Lock()  # cannot be pickled

    def say(self, text: str) -> None: ...

    def step(self, what: str, done: int, total: int) -> None: ...

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        self.epochs.append((epoch.number, is_best))


ONE, TWO = (
    Hardware(device="cpu", devices=devices, description="", cpu="", cores=1, memory_gib=1)
    for devices in ([], ["cuda:0", "cuda:1"])
)


def scored(number: int, score: float) -> Epoch:
    return Epoch(number, {FITNESS: score})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run("a", root=tmp_path)
    run.directory.mkdir()
    return run


def test_an_epoch_is_on_disk_when_it_is_told(run: Run):
    progress = Noted()
    recorder = Recorder(run, epochs=3, progress=progress)
    with recorder.following_workers(ONE):
        for epoch in (scored(1, 0.2), scored(2, 0.2), scored(3, 0.1)):
            recorder.epoch_finished(epoch)

    assert [epoch.number for epoch in read_epochs(run.metrics_jsonl)] == [1, 2, 3]
    assert progress.epochs == [(1, True), (2, True), (3, False)]


def test_the_best_of_a_run_that_goes_on_is_the_best_of_all(run: Run):
    append_epoch(run.metrics_jsonl, scored(1, 0.9))
    progress = Noted()

    Recorder(run, epochs=3, progress=progress).epoch_finished(scored(2, 0.5))

    assert progress.epochs == [(2, False)]


def test_in_a_worker_it_writes_and_the_parent_tells_each_epoch_once(run: Run):
    progress = Noted()
    append_epoch(run.metrics_jsonl, scored(1, 0.9))
    recorder = Recorder(run, epochs=4, progress=progress)
    in_worker = pickle.loads(pickle.dumps(recorder))
    with recorder.following_workers(TWO):
        in_worker.epoch_finished(scored(2, 0.1))
        deadline = time.monotonic() + 10
        while not progress.epochs and time.monotonic() < deadline:
            time.sleep(0.05)
        assert progress.epochs == [(2, False)], "while training goes on"
        in_worker.epoch_finished(scored(3, 0.95))
        in_worker.batch_finished(epoch=4, batch=1, batches=2)

    assert progress.epochs == [(2, False), (3, True)]


def test_what_was_finished_is_told_when_training_fails(run: Run):
    progress = Noted()
    recorder = Recorder(run, epochs=4, progress=progress)

    def train() -> None:
        with recorder.following_workers(TWO):
            append_epoch(run.metrics_jsonl, scored(1, 0.9))
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        train()

    assert progress.epochs == [(1, True)]


def test_an_epoch_that_was_cut_off_and_trained_again_is_told_again(run: Run):
    progress = Noted()
    for number in (1, 2, 3):
        append_epoch(run.metrics_jsonl, scored(number, 0.9))
    with Recorder(run, epochs=3, progress=progress).following_workers(TWO):
        replace_text(run.metrics_jsonl, format_epochs([scored(1, 0.9)]))
        time.sleep(1.5)  # a worker needs longer to start
        append_epoch(run.metrics_jsonl, scored(2, 0.5))

    assert progress.epochs == [(2, False)]
