import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.publishing.power_cuts import watched

from container_doors.core.errors import RunError
from container_doors.core.files import replace_text
from container_doors.core.run import Run
from container_doors.training.claim import claim, rename_earlier

HOLD = """
import sys, time
from pathlib import Path
from container_doors.core.run import Run
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
        rename_earlier(run)

    assert (tmp_path / "a~1" / "run.json").read_text() == "first"
    assert (tmp_path / "a~2" / "run.json").read_text() == "second"
    assert rename_earlier(run) is None


def test_what_is_set_aside_is_there_after_a_power_cut(tmp_path: Path):
    run = Run("a", root=tmp_path / "runs")

    with watched(tmp_path) as disk:
        with claim(run):
            replace_text(run.record, "{}")
            rename_earlier(run)
        disk.left("nothing", tmp_path / "left")

    assert (tmp_path / "left/runs/a~1/run.json").read_text() == "{}"


_KILLED = """
import os, signal, sys, time
from container_doors.core.run import Run
from container_doors.training.claim import claim

with claim(Run("exp1")):
    if os.fork():
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(sys.argv[1]))
    os._exit(0)
"""


def test_what_a_killed_training_began_is_waited_for(tmp_path: Path, monkeypatch):
    """As its loaders, which hold its claim until they see that it is gone."""
    monkeypatch.chdir(tmp_path)
    killed = subprocess.run([sys.executable, "-c", _KILLED, "1.5"], check=False)
    assert killed.returncode == -signal.SIGKILL

    with claim(Run("exp1")):
        assert Run("exp1").lock.read_text() == str(os.getpid())


def test_what_outlives_a_killed_training_for_long_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("container_doors.training.claim._OUTLIVE_S", 0.3)
    subprocess.run([sys.executable, "-c", _KILLED, "5"], check=False)

    with pytest.raises(RunError, match="is being trained"), claim(Run("exp1")):
        pass
