"""Two machines that would train one experiment at once."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes import FakeCheckpoints

from container_doors.core.errors import RunError
from container_doors.core.run import Run
from container_doors.training.lease import (
    WATCH_S,
    Heartbeat,
    Lease,
    clone_id,
    own_lease,
    parse_lease,
    watch,
)

OTHER = Lease("0f3c9a1b", "1c22d0fe", 7, 4242, "anna", "lab-3")


@pytest.fixture
def remote(tmp_path: Path) -> FakeCheckpoints:
    return FakeCheckpoints(tmp_path / "remote")


def leave(remote: FakeCheckpoints, one: Lease) -> None:
    (remote.folder / "a").mkdir(parents=True, exist_ok=True)
    (remote.folder / "a" / one.name).write_text("lease\n")


def watched(remote: FakeCheckpoints, pause: Callable[[float], None]) -> list[str]:
    said: list[str] = []
    leases = [one for name in remote.names("a") if (one := parse_lease(name))]
    watch(leases, lambda: remote.names("a"), experiment="a", say=said.append, pause=pause)
    return said


def test_one_that_moves_is_alive_whatever_the_clocks_say(remote: FakeCheckpoints):
    leave(remote, OTHER)

    def beat(_: float) -> None:
        (remote.folder / "a" / OTHER.name).unlink(missing_ok=True)
        leave(remote, replace(OTHER, beat=8))

    with pytest.raises(RunError, match=r"a is being trained by anna@lab-3 \(process 4242") as told:
        watched(remote, beat)

    assert "--take-over" in told.value.hint
    assert "--replace" not in told.value.hint


def test_one_that_stands_still_is_of_a_machine_that_was_lost(remote: FakeCheckpoints):
    leave(remote, OTHER)
    waited: list[float] = []

    said = watched(remote, waited.append)

    assert sum(waited) == WATCH_S
    assert said[0].startswith("anna@lab-3 (process 4242, run 0f3c9a1b) started to train a")
    assert said[1] == f"no heartbeat for {WATCH_S:.0f} s: taking over"


def test_one_that_ends_meanwhile_is_not_waited_for(remote: FakeCheckpoints):
    leave(remote, OTHER)
    waited: list[float] = []

    def end(seconds: float) -> None:
        waited.append(seconds)
        shutil.rmtree(remote.folder / "a")

    watched(remote, end)

    assert len(waited) == 1


def test_without_another_nothing_is_waited_for(remote: FakeCheckpoints):
    waited: list[float] = []

    assert watched(remote, waited.append) == []

    assert waited == []


def beating(run: Run, remote: FakeCheckpoints, *instead_of: Lease) -> tuple[Heartbeat, list[str]]:
    said: list[str] = []
    heartbeat = Heartbeat(
        run, own_lease(run, "9" * 32), remote, instead_of=[one.name for one in instead_of],
        say=said.append, every_s=0.001,
    )  # fmt: skip
    return heartbeat, said


def test_it_counts_while_its_process_lives_and_is_gone_afterwards(
    tmp_path: Path, remote: FakeCheckpoints
):
    run = Run("a", root=tmp_path / "runs")
    dead = replace(OTHER, clone=clone_id(run.root))
    leave(remote, dead)
    heartbeat, said = beating(run, remote, dead)
    beats: set[int] = set()

    heartbeat.start()
    while len(beats) < 3:
        beats |= {
            one.beat for name in remote.names("a") if (one := parse_lease(name)) and one != dead
        }
    heartbeat.stop()

    assert remote.names("a") == []
    assert said == []


def test_each_is_told_of_the_other_once(tmp_path: Path, remote: FakeCheckpoints):
    leave(remote, OTHER)
    heartbeat, said = beating(Run("a", root=tmp_path / "runs"), remote)

    heartbeat.start()
    while not said:
        pass
    heartbeat.stop()

    (line,) = said
    assert line.startswith("anna@lab-3 (process 4242, run 0f3c9a1b) trains a as well")
    assert remote.names("a") == [OTHER.name]


def test_a_storage_that_is_down_costs_nothing(tmp_path: Path, remote: FakeCheckpoints):
    remote.is_down = True
    heartbeat, said = beating(Run("a", root=tmp_path / "runs"), remote)

    heartbeat.start()
    heartbeat.stop()

    assert said == []


def test_a_clone_is_the_same_each_time_and_its_copy_is_another(tmp_path: Path):
    root = tmp_path / "runs"
    own = clone_id(root)

    assert clone_id(root) == own
    shutil.copytree(root, tmp_path / "copied")
    assert clone_id(tmp_path / "copied") != own


@pytest.mark.parametrize("user", ["anna maria", "Jürgen", "a/../b", "", "x" * 300, "a@b-c"])
def test_whatever_the_names_of_people_and_machines_a_lease_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
):
    monkeypatch.setattr("getpass.getuser", lambda: user)
    monkeypatch.setattr("socket.gethostname", lambda: user)

    own = own_lease(Run("a", root=tmp_path), "9" * 32)

    assert parse_lease(own.name) == own
    assert len(own.name) < 200
