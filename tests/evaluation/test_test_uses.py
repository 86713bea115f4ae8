"""The lock-box of the test split."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.core.files import open_lock, try_lock
from container_doors.core.lines import read_lines
from container_doors.evaluation.test_uses import BY_TRAINING, record_use, restore_uses
from tests.publishing.power_cuts import watched

LOOK = {"split_sha256": "a", "weights_sha256": "w"}
_LOOKS = """
import sys
from pathlib import Path
from container_doors.evaluation.test_uses import add_look
add_look(Path(sys.argv[1]), {"split_sha256": "a", "weights_sha256": "w"})
"""


def test_no_look_is_lost_where_two_look_at_once(tmp_path: Path):
    """One who is reading and writing keeps the other waiting; git is asked for one file alone."""
    path = tmp_path / "looks.jsonl"
    with open_lock(tmp_path / ".looks.jsonl.lock") as lock:
        assert try_lock(lock)
        other = subprocess.Popen([sys.executable, "-c", _LOOKS, path])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=3)
        path.write_text(json.dumps(LOOK) + "\n")  # as the first of them does before it lets go

    assert other.wait(timeout=30) == 0
    assert len(path.read_text().splitlines()) == 2
    assert [one.name for one in tmp_path.iterdir() if one.suffix != ".lock"] == ["looks.jsonl"]


def test_a_look_is_there_after_a_power_cut(tmp_path: Path):
    with watched(tmp_path) as disk:
        record_use(tmp_path / "reports/looks.jsonl", LOOK)
        disk.left("nothing", tmp_path.parent / "left")

    assert len(read_lines(tmp_path.parent / "left/reports/looks.jsonl").lines) == 1


def test_where_nobody_ever_looked_nothing_is_written(tmp_path: Path):
    assert restore_uses(tmp_path / "reports/looks.jsonl", None) == []

    assert list(tmp_path.iterdir()) == []


def test_a_label_that_is_moved_does_not_begin_the_count_anew(tmp_path: Path):
    path = tmp_path / "looks.jsonl"
    for _ in range(3):
        record_use(path, LOOK)

    looks = record_use(path, LOOK | {"split_sha256": "b"})

    assert (looks.at_this, looks.at_any) == (1, 4)
    assert str(looks) == "1 (4 at any test split)"


def test_that_of_a_training_is_written_once(tmp_path: Path):
    path = tmp_path / "looks.jsonl"

    assert [record_use(path, LOOK | {"by": BY_TRAINING}).at_this for _ in range(2)] == [1, 1]


def test_a_line_that_cannot_be_read_was_a_look_at_these_photographs_perhaps(tmp_path: Path):
    """A torn one too: no damage makes a test split look less used than it is."""
    path = tmp_path / "looks.jsonl"
    record_use(path, LOOK | {"split_sha256": "b"})
    with path.open("ab") as file:
        file.write(b'gone\n5\n{"split_sha256": 5}\n{"split_sha256": "a", "weig')

    looks = record_use(path, LOOK)

    assert (looks.at_this, looks.at_any) == (5, 6)
    assert (looks := record_use(path, LOOK)).at_this == 6
    assert str(looks) == "6 (7 at any test split)"
    assert [line.split(":")[1] for line in restore_uses(path, None)] == ["2", "3", "4", "5"]


@pytest.mark.parametrize("left", ["", None, "some"], ids=["emptied", "removed", "shortened"])
def test_looks_that_the_last_commit_has_are_put_back(tmp_path: Path, left: str | None):
    path = tmp_path / "looks.jsonl"
    for _ in range(3):
        record_use(path, LOOK)
    committed = path.read_text()
    path.unlink()
    if left is not None:
        path.write_text(committed.splitlines(keepends=True)[0] if left else "")

    said = restore_uses(path, committed)

    assert said == [f"{path} lacked {2 if left else 3} look(s) of the last commit: they are back"]
    assert record_use(path, LOOK).at_this == 4
    assert restore_uses(path, committed) == []


def test_an_empty_record_is_no_record_without_a_look(tmp_path: Path):
    (tmp_path / "looks.jsonl").write_text("")

    assert "is empty" in restore_uses(tmp_path / "looks.jsonl", None)[0]
    assert restore_uses(tmp_path / "none.jsonl", None) == []
