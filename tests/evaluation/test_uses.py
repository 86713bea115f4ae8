"""Check the count of the uses of the test set."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.core.files import open_lock, try_lock
from container_doors.core.lines import read_lines
from container_doors.evaluation.uses import BY_TRAINING, record_use, restore_uses
from tests.publishing.power_cuts import watched

USE = {"split_sha256": "a", "weights_sha256": "w"}
_RECORD_USE = """
import sys
from pathlib import Path
from container_doors.evaluation.uses import record_use
record_use(Path(sys.argv[1]), {"split_sha256": "a", "weights_sha256": "w"})
"""


def test_no_use_is_lost_if_two_processes_record_at_once(tmp_path: Path):
    """A process that reads and writes makes the other wait; only one file is for git."""
    path = tmp_path / "uses.jsonl"
    with open_lock(tmp_path / ".uses.jsonl.lock") as lock:
        assert try_lock(lock)
        other = subprocess.Popen([sys.executable, "-c", _RECORD_USE, path])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=3)
        path.write_text(json.dumps(USE) + "\n")  # as the first process, which has the lock

    assert other.wait(timeout=30) == 0
    assert len(path.read_text().splitlines()) == 2
    assert [one.name for one in tmp_path.iterdir() if one.suffix != ".lock"] == ["uses.jsonl"]


def test_a_use_survives_a_power_cut(tmp_path: Path):
    with watched(tmp_path) as disk:
        record_use(tmp_path / "reports/uses.jsonl", USE)
        disk.left("nothing", tmp_path.parent / "left")

    assert len(read_lines(tmp_path.parent / "left/reports/uses.jsonl").lines) == 1


def test_without_any_use_nothing_is_written(tmp_path: Path):
    assert restore_uses(tmp_path / "reports/uses.jsonl", None) == []

    assert list(tmp_path.iterdir()) == []


def test_a_changed_label_does_not_reset_the_count(tmp_path: Path):
    path = tmp_path / "uses.jsonl"
    for _ in range(3):
        record_use(path, USE)

    uses = record_use(path, USE | {"split_sha256": "b"})

    assert (uses.at_this, uses.at_any) == (1, 4)
    assert str(uses) == "1 (4 of any test set)"


def test_the_use_of_a_training_is_recorded_once(tmp_path: Path):
    path = tmp_path / "uses.jsonl"

    assert [record_use(path, USE | {"by": BY_TRAINING}).at_this for _ in range(2)] == [1, 1]


def test_an_unreadable_line_counts_as_a_use_of_these_photographs(tmp_path: Path):
    """Also a torn line: no damage makes the count too low."""
    path = tmp_path / "uses.jsonl"
    record_use(path, USE | {"split_sha256": "b"})
    with path.open("ab") as file:
        file.write(b'gone\n5\n{"split_sha256": 5}\n{"split_sha256": "a", "weig')

    uses = record_use(path, USE)

    assert (uses.at_this, uses.at_any) == (5, 6)
    assert (uses := record_use(path, USE)).at_this == 6
    assert str(uses) == "6 (7 of any test set)"
    assert [line.split(":")[1] for line in restore_uses(path, None)] == ["2", "3", "4", "5"]


@pytest.mark.parametrize("left", ["", None, "some"], ids=["emptied", "removed", "shortened"])
def test_uses_in_the_last_commit_are_restored(tmp_path: Path, left: str | None):
    path = tmp_path / "uses.jsonl"
    for _ in range(3):
        record_use(path, USE)
    committed = path.read_text()
    path.unlink()
    if left is not None:
        path.write_text(committed.splitlines(keepends=True)[0] if left else "")

    warnings = restore_uses(path, committed)

    assert warnings == [
        f"{path} lacked {2 if left else 3} use(s) of the last commit; they were restored"
    ]
    assert record_use(path, USE).at_this == 4
    assert restore_uses(path, committed) == []


def test_an_empty_file_gives_a_warning(tmp_path: Path):
    (tmp_path / "uses.jsonl").write_text("")

    assert "is empty" in restore_uses(tmp_path / "uses.jsonl", None)[0]
    assert restore_uses(tmp_path / "none.jsonl", None) == []
