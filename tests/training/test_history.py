import math
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from tests.builders import a_record

from container_doors.core import epochs as epochs_module
from container_doors.core.epochs import EpochReader, read_all
from container_doors.core.errors import RunError
from container_doors.core.files import copy_of, replace_text
from container_doors.core.lines import Content, append_line, parse_lines
from container_doors.core.records import Epoch
from container_doors.core.run import Run
from container_doors.training.history import (
    append_epoch,
    best_epoch,
    format_epochs,
    history_faults,
    history_warnings,
    read_epochs,
    read_history,
)


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
    read = EpochReader(path).read
    assert read() == []

    append_epoch(path, Epoch(1, {}))
    assert [epoch.number for epoch in read()] == [1]
    append_epoch(path, Epoch(2, {}))
    assert [epoch.number for epoch in read()] == [1, 2]
    path.write_text('{"epoch": 1}\n', encoding="utf-8")
    assert [epoch.number for epoch in read()] == [1]
    path.unlink()
    assert read() == []


def _append(path: Path, generator: Random) -> None:
    last = max((one.number for one in read_all(path).epochs), default=0)
    append_epoch(path, Epoch(last + 1, {"loss": generator.random()}))


def _cut(path: Path, generator: Random) -> None:
    with path.open("a+b") as file:
        file.truncate(generator.randrange(path.stat().st_size + 1))


def _replace(path: Path, generator: Random) -> None:
    """Go back to a checkpoint, as a recovery does, and train on."""
    kept = read_all(path).epochs[: generator.randrange(4)]
    replace_text(path, format_epochs(kept))
    for _ in range(generator.randrange(3)):
        _append(path, generator)


def _damage(path: Path, generator: Random) -> None:
    with path.open("ab") as file:
        file.write(generator.choice([b"\0\0", b"{\n", b'{"epoch": 2}', b"\xff\n", b"\n"]))


@pytest.mark.parametrize("seed", range(20))
def test_reading_what_is_new_gives_what_reading_all_gives(tmp_path: Path, seed: int):
    """Whatever happened to the file meanwhile: lines, cuts, replacements, damage."""
    path, generator = tmp_path / "metrics.jsonl", Random(seed)
    reader = EpochReader(path)
    for _ in range(40):
        for _ in range(generator.randrange(1, 3)):
            weights = [10, 1, 1, 2] if path.exists() else [1, 0, 0, 0]
            generator.choices([_append, _cut, _replace, _damage], weights)[0](path, generator)

        assert reader.read() == read_all(path).epochs


def test_another_file_with_the_same_last_line_is_read_anew(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    replace_text(path, format_epochs([Epoch(1, {"loss": 0.5}), Epoch(2, {"loss": 0.25})]))
    reader = EpochReader(path)
    reader.read()

    with path.open("rb"):  # its inode stays taken
        replace_text(path, format_epochs([Epoch(1, {"loss": 0.7}), Epoch(2, {"loss": 0.25})]))

        assert [epoch.metrics["loss"] for epoch in reader.read()] == [0.7, 0.25]


def test_a_line_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "metrics.jsonl"
    reader = EpochReader(path)
    parsed: list[int] = []

    def count(data: bytes) -> Content:
        parsed.append(len(data))
        return parse_lines(data)

    monkeypatch.setattr(epochs_module, "parse_lines", count)

    for number in range(1, 21):
        append_epoch(path, Epoch(number, {}))
        reader.read()

    assert sum(parsed) == path.stat().st_size


def test_a_run_without_an_epoch_has_no_history(tmp_path: Path):
    with pytest.raises(RunError, match="no finished epoch"):
        read_history(tmp_path / "metrics.jsonl")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run("exp1", root=tmp_path)
    run.directory.mkdir()
    for number in range(1, 6):
        append_epoch(run.metrics_jsonl, Epoch(number, {"val/mAP50": number / 10}))
    return run


FINISHED = a_record(experiment="exp1", epochs_finished=5)


def test_a_whole_history_has_no_fault(run: Run):
    assert history_faults(run, FINISHED) == []
    assert history_warnings(run, FINISHED) == []


def test_what_is_lost_is_named_and_the_rest_is_read(run: Run):
    lines = run.metrics_jsonl.read_bytes().splitlines(keepends=True)
    run.metrics_jsonl.write_bytes(b"".join([lines[0], b"rubbish\n", lines[3], lines[3], lines[2]]))

    assert [epoch.number for epoch in read_history(run.metrics_jsonl)] == [1, 3, 4]
    damaged, missing, way_back = history_faults(run, FINISHED)
    assert damaged == f"{run.metrics_jsonl}:2: expected a JSON object, found 'rubbish'"
    assert missing == f"{run.metrics_jsonl} lacks epochs 2, 5 of the finished ones"
    assert "--replace" in way_back
    assert history_warnings(run, FINISHED)[-1] == f"  hint: {way_back}"


def test_two_lines_of_one_epoch_that_differ_are_named(run: Run):
    append_epoch(run.metrics_jsonl, Epoch(2, {"val/mAP50": 0.9}))

    assert read_history(run.metrics_jsonl)[1].metrics == {"val/mAP50": 0.9}
    assert "jsonl:6: epoch 2 a second time" in history_faults(run, FINISHED)[0]


def test_an_emptied_history_is_not_one_before_its_first_epoch(run: Run):
    run.metrics_jsonl.write_bytes(b"")

    assert "lacks epochs 1 to 5 of" in history_faults(run, FINISHED)[0]
    with pytest.raises(RunError, match=r"holds no epoch, but run\.json records 5 finished ones"):
        read_history(run.metrics_jsonl, FINISHED)


def put_back(way_back: str) -> None:
    subprocess.run(shlex.split(way_back.partition(" has them: ")[2]), check=True)


COPIES: dict[str, Callable[[Run], Path]] = {
    "its copy": lambda run: copy_of(run.metrics_jsonl),
    "the newest checkpoint": lambda run: run.resumable.parent / "metrics.jsonl",
    "the previous checkpoint": lambda run: run.previous_checkpoint / "metrics.jsonl",
}


@pytest.mark.parametrize("whose", COPIES)
@pytest.mark.parametrize("others", ["absent", "damaged"])
def test_any_whole_copy_is_the_way_back_and_it_works(run: Run, whose: str, others: str):
    for name, place in COPIES.items():
        copy = place(run)
        copy.parent.mkdir()
        if name == whose:
            copy.write_bytes(run.metrics_jsonl.read_bytes())
        elif others == "damaged":
            copy.write_bytes(run.metrics_jsonl.read_bytes()[:-20])
    whole = run.metrics_jsonl.read_bytes()
    run.metrics_jsonl.write_bytes(whole.replace(b"0.3", b"NaN") + b'{"epoch": 70, "a": 1}\n')

    way_back = history_faults(run, FINISHED)[-1]
    assert way_back.startswith(whose)
    put_back(way_back)

    assert run.metrics_jsonl.read_bytes() == whole
    assert history_faults(run, FINISHED) == []


def test_a_copy_that_lacks_what_is_there_is_no_way_back(run: Run):
    copy = run.previous_checkpoint / "metrics.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(b"".join(run.metrics_jsonl.read_bytes().splitlines(keepends=True)[:4]))
    run.metrics_jsonl.write_bytes(run.metrics_jsonl.read_bytes().replace(b"0.3", b"NaN"))

    assert "cp" not in history_faults(run, FINISHED)[-1]


def test_the_checkpoint_knows_how_far_a_run_was_that_was_cut_off(run: Run):
    copy = run.resumable.parent / "metrics.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(run.metrics_jsonl.read_bytes())
    run.metrics_jsonl.write_bytes(b"")
    stopped = a_record(status="stopped", epochs_finished=None)

    assert "lacks epochs 1 to 4 of" in history_faults(run, stopped)[0]


def test_in_a_run_in_training_epochs_may_be_to_come(run: Run):
    lines = run.metrics_jsonl.read_bytes().splitlines(keepends=True)
    run.metrics_jsonl.write_bytes(b"".join(lines[2:]) + b'{"epo')

    assert history_faults(run, a_record(status="running", epochs_finished=None)) == []


def test_what_a_later_release_writes_beside_numbers_is_left_out(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    append_line(path, {"epoch": 1, "val/mAP50": 0.5, "note": "new", "lr": None})

    assert read_epochs(path) == [Epoch(1, {"val/mAP50": 0.5})]


NO_EPOCHS = (
    '{"epoch": true}', '{"epoch": 0}', '{"epoch": 1.0}', '{"a": 1}', '{"epoch": 10000001}',
)  # fmt: skip


@pytest.mark.parametrize("line", NO_EPOCHS)
def test_an_object_that_is_no_epoch_is_named(run: Run, line: str):
    with run.metrics_jsonl.open("a") as file:
        file.write(f"{line}\n")

    assert "jsonl:6: expected an epoch's number" in history_faults(run, FINISHED)[0]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "null", '"x"', "[]"])
def test_a_line_without_a_checksum_has_numbers_alone(run: Run, value: str):
    with run.metrics_jsonl.open("a") as file:
        file.write(f'{{"epoch": 6, "val/mAP50": {value}}}\n')

    fault = history_faults(run, FINISHED)[0]
    assert fault.endswith(f"jsonl:6: expected a number for val/mAP50, found {value}")
    assert len(read_epochs(run.metrics_jsonl)) == 5


def test_a_loss_that_diverged_is_read_where_its_checksum_proves_it(run: Run):
    append_epoch(run.metrics_jsonl, Epoch(6, {"train/box_loss": math.nan}))

    assert read_epochs(run.metrics_jsonl)[-1].number == 6
    assert history_faults(run, FINISHED) == []


def test_an_epoch_whose_score_is_not_a_number_is_never_the_best():
    history = [Epoch(n, {"val/mAP50-95": v}) for n, v in ((1, 0.2), (2, math.nan))]

    assert best_epoch(history).number == 1


def test_of_equal_epochs_the_latest_is_in_best_pt():
    """Ultralytics overwrites best.pt when an epoch equals the best."""
    history = [Epoch(n, {"val/mAP50-95": v}) for n, v in ((1, 0.2), (2, 0.7), (3, 0.7), (4, 0.5))]

    assert best_epoch(history).number == 3
