from pathlib import Path

import pytest

from container_doors.errors import RunError
from container_doors.records import Epoch
from container_doors.training.history import append_epoch, best_epoch, read_history, reading


def test_what_is_written_is_read(tmp_path: Path):
    epochs = [Epoch(1, {"val/mAP50-95": 0.1}), Epoch(2, {"val/mAP50-95": 0.30000000000000004})]
    for epoch in epochs:
        append_epoch(tmp_path / "metrics.jsonl", epoch)

    assert read_history(tmp_path / "metrics.jsonl") == epochs


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    append_epoch(path, Epoch(1, {"val/mAP50": 0.5}))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"epoch": 2, "val/mA')

    assert [epoch.number for epoch in read_history(path)] == [1]


def test_reading_again_gives_what_is_new_and_what_was_cut_back(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    read = reading(path)
    assert read() == []

    append_epoch(path, Epoch(1, {}))
    assert [epoch.number for epoch in read()] == [1]
    append_epoch(path, Epoch(2, {}))
    assert [epoch.number for epoch in read()] == [1, 2]
    path.write_text('{"epoch": 1}\n', encoding="utf-8")
    assert [epoch.number for epoch in read()] == [1]


def test_a_run_without_an_epoch_has_no_history(tmp_path: Path):
    with pytest.raises(RunError, match="no finished epoch"):
        read_history(tmp_path / "metrics.jsonl")


def test_of_equal_epochs_the_latest_is_in_best_pt():
    """Ultralytics overwrites best.pt when an epoch equals the best."""
    history = [Epoch(n, {"val/mAP50-95": v}) for n, v in ((1, 0.2), (2, 0.7), (3, 0.7), (4, 0.5))]

    assert best_epoch(history).number == 3
