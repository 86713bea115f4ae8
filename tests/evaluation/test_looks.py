"""The lock-box of the test split."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.errors import RunError
from container_doors.evaluation.looks import BY_TRAINING, add_look

LOOK = {"split_sha256": "a", "weights_sha256": "w"}
_LOOKS = """
import sys
from pathlib import Path
from container_doors.evaluation.looks import add_look
add_look(Path(sys.argv[1]), {"split_sha256": "a", "weights_sha256": "w"})
"""


def test_no_look_is_lost_where_two_look_at_once(tmp_path: Path):
    """One who is reading and writing keeps the other waiting; nothing else is left behind."""
    path = tmp_path / "looks.jsonl"
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    other = subprocess.Popen([sys.executable, "-c", _LOOKS, path])
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(timeout=3)
    path.write_text(json.dumps(LOOK) + "\n")  # as the first of them does before it lets go
    os.close(folder)

    assert other.wait(timeout=30) == 0
    assert len(path.read_text().splitlines()) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["looks.jsonl"]


def test_a_label_that_is_moved_does_not_begin_the_count_anew(tmp_path: Path):
    path = tmp_path / "looks.jsonl"
    for _ in range(3):
        add_look(path, LOOK)

    looks = add_look(path, LOOK | {"split_sha256": "b"})

    assert (looks.at_this, looks.at_any) == (1, 4)
    assert str(looks) == "1 (4 at any test split)"


def test_that_of_a_training_is_written_once(tmp_path: Path):
    path = tmp_path / "looks.jsonl"

    assert [add_look(path, LOOK | {"by": BY_TRAINING}).at_this for _ in range(2)] == [1, 1]


def test_a_damaged_line_is_named(tmp_path: Path):
    path = tmp_path / "looks.jsonl"
    path.write_text("gone\n")

    with pytest.raises(RunError, match=r"looks\.jsonl:1: expected a look at a test split"):
        add_look(path, LOOK)
