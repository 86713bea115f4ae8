"""The database of a sweep, with the real Optuna and SQLite."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from container_doors.adapters.optuna.ledger import OptunaLedger
from container_doors.core.disk import is_full
from container_doors.core.errors import RunError
from container_doors.core.sweeps import Range, Space, Trial

SPACE: Space = {"rate": Range(low=0.001, high=0.1, is_whole=False, is_log=True)}


def a_trial(number: int, **more: object) -> Trial:
    fields = {"number": number, "run": "x", "values": {"rate": 0.01}, "chosen_after": 0}
    return Trial.model_validate(fields | more)


def test_what_was_begun_and_ended_is_there_in_another_process(tmp_path: Path):
    path = tmp_path / "sweep.db"
    ledger = OptunaLedger(path, name="s")
    trials = [
        a_trial(0, values={"rate": 0.5}, outcome="finished", score=0.5, curve={1: 0.25, 2: 0.5}),
        a_trial(1, outcome="pruned", curve={1: 0.1}, reason="low"),
        a_trial(2, outcome="failed", reason="out of memory"),
        a_trial(3),
    ]
    for one in trials:
        ledger.begin(a_trial(one.number, values=one.values), SPACE)
    for one in trials[:3]:
        ledger.end(one)
    ledger.define({"seed": 0})

    again = OptunaLedger(path, name="s")

    assert again.trials() == trials
    assert again.definition() == {"seed": 0}
    again.end(a_trial(0, outcome="failed"))
    assert again.trials() == trials, "what has ended stays"
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{path}")
    assert [one.state.name for one in study.trials] == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert study.trials[0].intermediate_values == {1: 0.25, 2: 0.5}


def test_a_kill_between_the_two_halves_of_an_end_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ledger = OptunaLedger(tmp_path / "sweep.db", name="s")
    ledger.begin(a_trial(0), SPACE)
    monkeypatch.setattr(ledger, "_tell", _killed)
    with pytest.raises(KeyboardInterrupt):
        ledger.end(a_trial(0, outcome="finished", score=0.5))

    again = OptunaLedger(tmp_path / "sweep.db", name="s")

    assert again.trials() == [a_trial(0, outcome="finished", score=0.5)]
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path}/sweep.db")
    assert study.best_value == 0.5


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(ledger: OptunaLedger) -> None:
    for number in range(1, 200):
        ledger.begin(a_trial(number, reason="x" * 5000), SPACE)


def test_a_full_disk_is_one_and_the_ledger_goes_on_once_there_is_space(tiny_disk: Path):
    path = tiny_disk / "sweep.db"
    ledger = OptunaLedger(path, name="s")
    ledger.begin(a_trial(0), SPACE)
    with pytest.raises(OSError, match="No space") as caught:
        fill(ledger)
    assert is_full(caught.value)
    assert caught.value.filename == str(path)

    subprocess.run(["mount", "-o", "remount,size=4m", str(tiny_disk)], check=True)
    again = OptunaLedger(path, name="s")
    number = len(again.trials())
    again.begin(a_trial(number), SPACE)

    assert [one.number for one in again.trials()] == [*range(number + 1)]


def test_another_file_is_refused(tmp_path: Path):
    path = tmp_path / "sweep.db"
    path.write_text("no database at all, but text that is longer than its header" * 50)

    with pytest.raises(RunError, match=r"sweep\.db cannot be used: file is not a database"):
        OptunaLedger(path, name="s")
