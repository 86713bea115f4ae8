import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fakes import FakeCheckpoints

from container_doors.errors import RunError
from container_doors.records import (
    CodeState,
    DatasetFacts,
    Environment,
    Hardware,
    RunRecord,
    StartingWeights,
)
from container_doors.run import Run
from container_doors.training.parcel import finished_name, is_newer, pack, parcel, snapshot, unpack
from container_doors.training.publisher import Publisher, fetch_newer, mark_finished, parcels


def a_record(run_id: str = "0f3c9a1b" * 4, *, hour: int = 10) -> RunRecord:
    return RunRecord(
        run_id=run_id, experiment="a", status="running",
        started_at=datetime(2026, 11, 25, hour, 15, tzinfo=UTC), params={}, params_sha256="0" * 64,
        code=CodeState(commit=None, clean=None),
        dataset=DatasetFacts(path="d", sha256="0" * 64, splits={}),
        starting_weights=StartingWeights(source="random"),
        hardware=Hardware(device="cpu", description="", cpu="", cores=2, memory_gib=1),
        environment=Environment(python="", platform="", packages={}), seed=0,
    )  # fmt: skip


def a_run(root: Path, epoch: int, record: RunRecord) -> Run:
    run = Run("a", root=root)
    folder = run.resumable.parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("resume.pt", f"state {epoch}"), ("metrics.jsonl", f'{{"epoch": {epoch}}}\n'),
        ("epoch.json", json.dumps({"epoch": epoch, "is_last": False, "sha256": {}})),
    ):  # fmt: skip
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text)
    record.write(run.record)
    return run


@pytest.fixture
def remote(tmp_path: Path) -> FakeCheckpoints:
    return FakeCheckpoints(tmp_path / "remote")


def publish(run: Run, remote: FakeCheckpoints) -> list[str]:
    said: list[str] = []
    publisher = Publisher(run, remote, every_s=1000, say=said.append)
    publisher.start()
    publisher.finish()
    return said


def test_a_checkpoint_arrives_as_it_left(tmp_path: Path, remote: FakeCheckpoints):
    here = a_run(tmp_path / "here", 3, a_record())
    publish(here, remote)
    there = Run("a", root=tmp_path / "there")
    said: list[str] = []

    assert fetch_newer(there, None, remote, said.append)

    for name in ("resume.pt", "metrics.jsonl", "epoch.json"):
        left, arrived = (run.resumable.parent / name for run in (here, there))
        assert left.read_bytes() == arrived.read_bytes()
    assert RunRecord.read(there.record) == a_record()
    assert said == ["fetching the checkpoint of epoch 3 from a far place"]
    assert not list(there.root.glob(".a.fetched*"))
    assert not (here.directory / ".publishing").exists()


def test_the_newest_wins_and_the_others_go(tmp_path: Path, remote: FakeCheckpoints):
    for epoch in (1, 2):
        publish(a_run(tmp_path / "here", epoch, a_record()), remote)

    assert [one.epoch for one in parcels(remote, "a")] == [2]


def test_of_one_epoch_one_checkpoint_is_kept(tmp_path: Path, remote: FakeCheckpoints):
    """Published again after it went on: another record, so another hash, which may sort before."""
    for status in ("running", "stopped", "interrupted", "failed", "trained"):
        record = a_record().model_copy(update={"status": status})
        publish(a_run(tmp_path / "here", 3, record), remote)

        assert len(remote.names("a")) == 1


def test_what_is_here_and_as_new_is_kept(tmp_path: Path, remote: FakeCheckpoints):
    here = a_run(tmp_path / "here", 3, a_record())
    publish(here, remote)
    record = RunRecord.read(here.record)

    assert [is_newer(one, record, 3) for one in parcels(remote, "a")] == [False]
    assert [is_newer(one, record, 2) for one in parcels(remote, "a")] == [True]
    assert [is_newer(one, a_record("1" * 32, hour=11), None) for one in parcels(remote, "a")] == [
        False
    ]


def test_another_run_of_the_name_is_set_aside(tmp_path: Path, remote: FakeCheckpoints):
    publish(a_run(tmp_path / "here", 3, a_record("1" * 32, hour=11)), remote)
    there = a_run(tmp_path / "there", 9, a_record())

    assert fetch_newer(there, RunRecord.read(there.record), remote, print)

    assert RunRecord.read(there.record).run_id == "1" * 32
    assert (there.root / "a~1" / "checkpoint" / "resume.pt").read_text() == "state 9"


def test_a_finished_run_leaves_a_mark_and_no_checkpoint(tmp_path: Path, remote: FakeCheckpoints):
    here = a_run(tmp_path / "here", 3, a_record())
    publish(here, remote)
    mark_finished(here, remote)

    assert remote.names("a") == [finished_name(a_record())]
    with pytest.raises(RunError, match="has been finished on another machine") as refused:
        fetch_newer(Run("a", root=tmp_path / "there"), None, remote, print)
    assert "--replace" in refused.value.hint


def test_what_is_damaged_changes_nothing(tmp_path: Path, remote: FakeCheckpoints):
    publish(a_run(tmp_path / "here", 3, a_record()), remote)
    (name,) = remote.names("a")
    path = remote.folder / "a" / name
    damaged = bytearray(path.read_bytes())
    damaged[700] ^= 1
    path.write_bytes(damaged)
    there = Run("a", root=tmp_path / "there")

    with pytest.raises(RunError, match="is damaged: its sha256 is"):
        fetch_newer(there, None, remote, print)

    assert not there.directory.exists()


def test_a_remote_that_is_down_is_said_once_and_costs_nothing(
    tmp_path: Path, remote: FakeCheckpoints
):
    remote.is_down = True

    said = publish(a_run(tmp_path / "here", 3, a_record()), remote)

    assert len(said) == 1
    assert said[0].startswith("checkpoints are kept here only, for now: a far place cannot be")


def test_a_checkpoint_that_is_replaced_meanwhile_is_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = a_run(tmp_path, 3, a_record())
    link = os.link

    def replaced(source: Path, target: Path) -> None:
        if source.name == "metrics.jsonl":
            a_run(tmp_path, 4, a_record())
        link(source, target)

    monkeypatch.setattr(os, "link", replaced)

    assert snapshot(run, tmp_path / "snapshot") is None


def test_a_parcel_names_its_content(tmp_path: Path):
    run = a_run(tmp_path, 3, a_record())
    assert snapshot(run, tmp_path / "snapshot") == 3
    packed = pack(tmp_path / "snapshot", a_record(), 3, tmp_path / "out")

    named = parcel(packed.name)
    assert named is not None
    assert (named.begun, named.run, named.epoch) == ("20261125T101500", "0f3c9a1b", 3)
    renamed = packed.rename(packed.with_name(packed.name.replace("000003", "000004")))
    unpack(renamed, Run("b", root=tmp_path))  # the hash is of the content, not of the name
    assert parcel(f".{packed.name}") is None
    assert parcel(f"{packed.name}.part") is None
