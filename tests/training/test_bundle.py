"""What is sent of a checkpoint, what of it is kept there, and what comes back of it."""

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.fakes import FakeCheckpoints

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.records import (
    CodeState,
    DatasetFacts,
    Environment,
    Hardware,
    RunRecord,
    StartingWeights,
)
from container_doors.core.run import Run
from container_doors.training.bundle import (
    finished_name,
    parse_bundle_name,
    replaces_name,
    snapshot,
    unpack_bundle,
    write_bundle,
)
from container_doors.training.checkpoint import Refusal, hashes_alone
from container_doors.training.fetch_checkpoints import CheckpointSource, fetch_newer
from container_doors.training.known_runs import known_runs
from container_doors.training.upload_checkpoints import CheckpointUploader, mark_finished

A, B = "0f3c9a1b" * 4, "1c22d0fe" * 4


def a_record(run_id: str = A, *, hour: int = 10, replaces: list[str] | None = None) -> RunRecord:
    return RunRecord(
        run_id=run_id, experiment="a", status="running", replaces=replaces or [],
        started_at=datetime(2026, 11, 25, hour, 15, tzinfo=UTC), params={}, params_sha256="0" * 64,
        code=CodeState(commit=None, clean=None),
        dataset=DatasetFacts(path="d", sha256="0" * 64, splits={}),
        starting_weights=StartingWeights(source="random"),
        hardware=Hardware(device="cpu", description="", cpu="", cores=2, memory_gib=1),
        environment=Environment(python="", platform="", packages={}), seed=0,
    )  # fmt: skip


def a_run(root: Path, epoch: int, record: RunRecord) -> Run:
    """A run with one whole checkpoint."""
    run = Run("a", root=root)
    folder = run.resumable.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ZipFile(folder / "resume.pt", "w") as file:
        file.writestr("state", f"state {epoch}" * 1000)
    (folder / "metrics.jsonl").write_text(f'{{"epoch": {epoch}}}\n')
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    state = {"epoch": epoch, "is_last": False, "sha256": hashes}
    (folder / "epoch.json").write_text(json.dumps(state))
    record.write(run.record)
    return run


def epoch_of(run: Run) -> int:
    return int(json.loads((run.resumable.parent / "epoch.json").read_text())["epoch"])


@pytest.fixture
def remote(tmp_path: Path) -> FakeCheckpoints:
    return FakeCheckpoints(tmp_path / "remote")


def upload(run: Run, remote: FakeCheckpoints) -> list[str]:
    said: list[str] = []
    uploader = CheckpointUploader(run, remote, every_s=1000, say=said.append)
    uploader.start()
    uploader.finish()
    return said


def fetch(
    run: Run, remote: FakeCheckpoints, say: Callable[[str], None] = print, *,
    requested: str | None = None, refusal: Refusal = hashes_alone,
) -> bool:  # fmt: skip
    record = RunRecord.read(run.record) if run.record.exists() else None
    known = known_runs(remote.names("a"), record)
    source = CheckpointSource(remote, refusal)
    return fetch_newer(run, record, known, source, requested=requested, say=say)


def sent(remote: FakeCheckpoints) -> list[int]:
    """Epochs of the checkpoints on the remote, in order."""
    every = [parse_bundle_name(name) for name in remote.names("a")]
    return sorted(one.epoch for one in every if one is not None and one.epoch is not None)


def of_epoch(remote: FakeCheckpoints, epoch: int) -> Path:
    (path,) = (remote.folder / "a").glob(f"*-{epoch:06d}-*.tar")
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [pytest.param(how, id=how.__name__) for how in (flip, truncate, empty)]


def test_a_checkpoint_arrives_as_it_left(tmp_path: Path, remote: FakeCheckpoints):
    here = a_run(tmp_path / "here", 3, a_record())
    upload(here, remote)
    there = Run("a", root=tmp_path / "there")
    said: list[str] = []

    assert fetch(there, remote, said.append)

    for name in ("resume.pt", "metrics.jsonl", "epoch.json"):
        left, arrived = (run.resumable.parent / name for run in (here, there))
        assert left.read_bytes() == arrived.read_bytes()
    assert RunRecord.read(there.record) == a_record()
    assert said == ["fetching the checkpoint of epoch 3 from a far place"]
    assert not list(there.root.glob(".a.fetched*"))
    assert not (here.directory / ".uploading").exists()


def test_two_stay_and_the_older_ones_go(tmp_path: Path, remote: FakeCheckpoints):
    for epoch in (1, 2, 3, 4):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)

    assert sent(remote) == [3, 4]


def test_none_goes_before_two_were_read_back(tmp_path: Path, remote: FakeCheckpoints):
    for epoch in (1, 2):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)
    flip(of_epoch(remote, 2))
    remote.read_back.clear()

    upload(a_run(tmp_path / "here", 3, a_record()), remote)

    assert sent(remote) == [1, 3], "the damaged one in between is none of the two"
    assert len(remote.read_back) == 2, "that which was sent has been read back as it was sent"


def test_where_one_alone_is_whole_nothing_goes(tmp_path: Path, remote: FakeCheckpoints):
    for epoch in (1, 2):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)
        flip(of_epoch(remote, epoch))

    upload(a_run(tmp_path / "here", 3, a_record()), remote)

    assert sent(remote) == [1, 2, 3]


def test_what_is_there_and_whole_is_not_sent_again(tmp_path: Path, remote: FakeCheckpoints):
    for status in ("running", "stopped", "trained"):
        record = a_record().model_copy(update={"status": status})
        upload(a_run(tmp_path / "here", 3, record), remote)
    assert sent(remote) == [3]
    empty(of_epoch(remote, 3))

    upload(a_run(tmp_path / "here", 3, a_record()), remote)

    assert fetch(Run("a", root=tmp_path / "there"), remote)


def test_an_upload_that_was_cut_off_goes_with_the_older_ones(
    tmp_path: Path, remote: FakeCheckpoints
):
    upload(a_run(tmp_path / "here", 1, a_record()), remote)
    of_run = of_epoch(remote, 1)
    cut_off = of_run.with_name(f"{of_run.name}.part")
    cut_off.write_bytes(b"half")
    foreign = of_run.with_name(of_run.name.replace(A[:8], B[:8]) + ".part")
    foreign.write_bytes(b"half")

    for epoch in (2, 3):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)

    assert not cut_off.exists()
    assert foreign.exists()


def test_a_damaged_checkpoint_is_not_sent(tmp_path: Path, remote: FakeCheckpoints):
    run = a_run(tmp_path / "here", 3, a_record())
    truncate(run.resumable)

    (said,) = upload(run, remote)

    assert "the checkpoint of epoch 3 is damaged: resume.pt has changed" in said
    assert sent(remote) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_newest_whole_one_is_fetched(
    tmp_path: Path, remote: FakeCheckpoints, damage: Callable[[Path], None]
):
    for epoch in (3, 4):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)
    damage(of_epoch(remote, 4))
    there = Run("a", root=tmp_path / "there")
    said: list[str] = []

    assert fetch(there, remote, said.append)

    assert epoch_of(there) == 3
    assert said[1].startswith(
        f"skipped the stored checkpoint of epoch 4: {of_epoch(remote, 4).name} is damaged"
    )


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_whole_one_here_is_gone_on_from_where_the_newer_on_the_remote_is_damaged(
    tmp_path: Path, remote: FakeCheckpoints, damage: Callable[[Path], None]
):
    for epoch in (2, 3, 4):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)
    damage(of_epoch(remote, 4))
    here = a_run(tmp_path / "here", 3, a_record())

    assert not fetch(here, remote)

    assert epoch_of(here) == 3


def test_what_is_damaged_here_is_fetched(tmp_path: Path, remote: FakeCheckpoints):
    here = a_run(tmp_path / "here", 3, a_record())
    upload(here, remote)
    truncate(here.resumable)

    assert fetch(here, remote)

    assert RunRecord.read(here.record) == a_record()
    with ZipFile(here.resumable) as file:
        assert file.read("state").startswith(b"state 3")


def test_where_none_is_whole_each_is_named_and_nothing_is_changed(
    tmp_path: Path, remote: FakeCheckpoints
):
    for epoch in (3, 4):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)
        flip(of_epoch(remote, epoch))
    there = Run("a", root=tmp_path / "there")

    with pytest.raises(RunError, match="no intact checkpoint of a is left") as refused:
        fetch(there, remote)

    for epoch in (3, 4):
        assert f"{of_epoch(remote, epoch).name} is damaged" in refused.value.problem
    assert "--replace" in refused.value.hint
    assert not there.directory.exists()
    assert sent(remote) == [3, 4]


def test_what_cannot_be_reached_is_not_called_damaged(tmp_path: Path, remote: FakeCheckpoints):
    upload(a_run(tmp_path / "here", 3, a_record()), remote)
    there = Run("a", root=tmp_path / "there")
    known = known_runs(remote.names("a"))
    remote.is_down = True

    with pytest.raises(VersioningError, match="a far place cannot be reached"):
        fetch_newer(there, None, known, CheckpointSource(remote), say=print)


def refusing(*epochs: int) -> Refusal:
    def refusal(folder: Path) -> str | None:
        epoch = json.loads((folder / "epoch.json").read_text())["epoch"]
        return "resume.pt contains more than weights" if epoch in epochs else None

    return refusal


@pytest.mark.parametrize("here", [None, 2, 3], ids=["a fresh clone", "an older one", "a whole one"])
def test_one_with_the_right_hashes_that_cannot_be_loaded_is_skipped_like_a_damaged_one(
    tmp_path: Path, remote: FakeCheckpoints, here: int | None
):
    for epoch in (3, 4):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)
    there = Run("a", root=tmp_path / "there") if here is None else (
        a_run(tmp_path / "there", here, a_record())
    )  # fmt: skip
    said: list[str] = []

    assert fetch(there, remote, said.append, refusal=refusing(4)) == (here != 3)

    assert epoch_of(there) == 3
    bad = of_epoch(remote, 4).name
    assert (
        said[1]
        == f"skipped the stored checkpoint of epoch 4: {bad}: resume.pt contains more than weights"
    )
    with pytest.raises(RunError, match="no intact checkpoint of a is left") as refused:
        fetch(Run("a", root=tmp_path / "other"), remote, refusal=refusing(3, 4))
    assert refused.value.problem.count("contains more than weights") == 2


def test_one_that_cannot_be_loaded_is_none_of_the_two_and_stays(
    tmp_path: Path, remote: FakeCheckpoints
):
    for epoch in (3, 9):
        upload(a_run(tmp_path / "here", epoch, a_record()), remote)
    there = a_run(tmp_path / "there", 3, a_record())
    known = known_runs(remote.names("a"))
    fetch_newer(there, a_record(), known, CheckpointSource(remote, refusing(9)), say=print)

    for epoch in (4, 5, 9):
        run = a_run(tmp_path / "there", epoch, a_record())
        uploader = CheckpointUploader(run, remote, every_s=1000, say=print, refused=known.refused)
        uploader.start()
        uploader.finish()

    assert sent(remote) == [5, 9, 9], "the own ninth epoch is sent as well"


def a_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(member)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return path.rename(path.with_name(f"20261125T101500-0f3c9a1b-000003-{sha256[:16]}.tar"))


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, "/etc/passwd"
    return made


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([member("../run.json")], id="outside"),
        pytest.param([member("/tmp/run.json")], id="absolute"),
        pytest.param([member("run.json", tarfile.SYMTYPE)], id="a link"),
        pytest.param([member("run.json", tarfile.DIRTYPE)], id="a folder"),
        pytest.param([member("run.json")], id="an empty record"),
        pytest.param([], id="nothing"),
    ],
)
def test_a_consistent_name_around_something_else_is_damage(
    tmp_path: Path, members: list[tarfile.TarInfo]
):
    archive = a_tar(tmp_path / "tar", *members)

    with pytest.raises(RunError, match=f"{archive.name} is damaged: "):
        unpack_bundle(archive, tmp_path / "unpacked", Run("a", root=tmp_path))


@pytest.mark.parametrize(
    ("named", "run"),
    [
        pytest.param("0f3c9a1b", "b", id="another experiment's"),
        pytest.param("1c22d0fe", "a", id="another run's"),
    ],
)
def test_one_whose_record_is_of_something_else_is_damage(tmp_path: Path, named: str, run: str):
    here = a_run(tmp_path, 3, a_record())
    epoch = snapshot(here, tmp_path / "there")
    assert epoch == 3
    packed = write_bundle(tmp_path / "there", a_record(), epoch, tmp_path)
    archive = packed.rename(packed.with_name(packed.name.replace("0f3c9a1b", named)))

    with pytest.raises(RunError, match="it belongs to a, run 0f3c9a1b"):
        unpack_bundle(archive, tmp_path / "unpacked", Run(run, root=tmp_path))


def test_damage_before_it_was_packed_is_found(tmp_path: Path):
    """As earlier releases could pack it, whose name agrees with what is inside."""
    run = a_run(tmp_path, 3, a_record())
    shutil.copy(run.record, run.resumable.parent)
    truncate(run.resumable)
    with tarfile.open(tmp_path / "tar", "w") as tar:
        for path in run.resumable.parent.iterdir():
            tar.add(path, arcname=path.name)
    sha256 = hashlib.sha256((tmp_path / "tar").read_bytes()).hexdigest()
    name = f"20261125T101500-0f3c9a1b-000003-{sha256[:16]}.tar"
    archive = (tmp_path / "tar").rename(tmp_path / name)

    with pytest.raises(RunError, match=r"resume\.pt in it has changed"):
        unpack_bundle(archive, tmp_path / "unpacked", run)


def test_a_finished_run_leaves_a_mark_and_no_checkpoint(tmp_path: Path, remote: FakeCheckpoints):
    here = a_run(tmp_path / "here", 3, a_record())
    upload(here, remote)
    mark_finished(here, remote)

    assert remote.names("a") == [finished_name(a_record())]
    with pytest.raises(RunError, match="was finished on another machine") as refused:
        fetch(Run("a", root=tmp_path / "there"), remote)
    assert "--replace" in refused.value.hint


def test_what_a_finished_run_replaces_goes_and_what_is_unrelated_stays(
    tmp_path: Path, remote: FakeCheckpoints
):
    upload(a_run(tmp_path / "first", 3, a_record()), remote)
    upload(a_run(tmp_path / "third", 5, a_record("3" * 32)), remote)
    second = a_record(B, hour=9, replaces=[A[:8]])
    run = a_run(tmp_path / "second", 2, second)
    upload(run, remote)
    assert sent(remote) == [2, 3, 5], "it stays until the model is kept elsewhere"

    mark_finished(run, remote)

    assert sent(remote) == [5]
    assert {finished_name(second), replaces_name(second, A[:8])} <= {*remote.names("a")}


def test_a_remote_that_is_down_is_said_once_and_costs_nothing(
    tmp_path: Path, remote: FakeCheckpoints
):
    remote.is_down = True

    said = upload(a_run(tmp_path / "here", 3, a_record()), remote)

    assert len(said) == 1
    assert said[0].startswith("checkpoints are only on this machine for now: a far place cannot be")


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
    packed = write_bundle(tmp_path / "snapshot", a_record(), 3, tmp_path / "out")

    named = parse_bundle_name(packed.name)
    assert named is not None
    assert (named.started, named.run, named.epoch) == ("20261125T101500", "0f3c9a1b", 3)
    assert parse_bundle_name(f".{packed.name}") is None
    assert parse_bundle_name(f"{packed.name}.part") is None
