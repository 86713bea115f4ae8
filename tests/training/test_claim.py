import subprocess
import sys
import time
from pathlib import Path

import pytest

from container_doors.errors import RunError
from container_doors.run import Run
from container_doors.training.claim import claim, set_aside

HOLD = """
import sys, time
from pathlib import Path
from container_doors.run import Run
from container_doors.training.claim import claim
with claim(Run("a", root=Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_processes_never_train_one_run(tmp_path: Path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    assert other.stdout is not None
    with other, other.stdout:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="another process"), claim(Run("a", root=tmp_path)):
            pass
        other.kill()
    time.sleep(0.1)
    with claim(Run("a", root=tmp_path)):
        pass


def test_nothing_is_overwritten(tmp_path: Path):
    run = Run("a", root=tmp_path)
    for text in ("first", "second"):
        run.directory.mkdir()
        (run.directory / "run.json").write_text(text)
        set_aside(run)

    assert (tmp_path / "a~1" / "run.json").read_text() == "first"
    assert (tmp_path / "a~2" / "run.json").read_text() == "second"
    assert set_aside(run) is None
