"""Whoever packed an archive: it writes plain files below a folder, or nothing."""

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.core import archives
from container_doors.core.archives import unpack_tar
from container_doors.core.errors import DoorsError, HostError
from container_doors.data.shards import read_shards
from container_doors.kaggle.archive import Manifest, read_manifest
from container_doors.kaggle.archive import unpack as unpack_of_kaggle
from container_doors.kaggle.log_lines import parse_event
from tests.hostile_archives import CLASHES, HOSTILE, NAMES, member, of


def refused(problem: str) -> HostError:
    return HostError(problem, hint="fetch it again")


def plainly(archive: Path, folder: Path) -> None:
    unpack_tar(archive, folder, refuse=refused)


def as_shard(archive: Path, folder: Path) -> None:
    read_shards([archive], folder, is_expected=bool, on_progress=lambda done, total: None)


def as_job(archive: Path, folder: Path) -> None:
    """With a manifest from the same hand, which names what is in it."""
    files = dict.fromkeys(("fine", "a", "b", "a/x", "a/b", *NAMES.values()), "0" * 64)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    size = archive.stat().st_size
    manifest = Manifest(schema_version=1, job="job", archive=archive.name, sha256=sha256,
                        size_bytes=size, files=files, outcome={}, elapsed_s=1)  # fmt: skip
    unpack_of_kaggle(archive, manifest, folder)


READERS = [plainly, as_shard, as_job]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_a_hostile_archive_is_written(
    name: str, read: Callable[[Path, Path], None], tmp_path: Path
):
    archive = tmp_path / "archive.tar"
    HOSTILE[name](archive)

    with pytest.raises(DoorsError, match=r"archive\.tar") as error:
        read(archive, tmp_path / "folder")

    assert len(error.value.problem.replace(str(tmp_path), "")) < 300
    assert error.value.problem.replace(str(tmp_path), "").isprintable()
    assert error.value.problem.isascii()
    left = [path for path in tmp_path.rglob("*") if path != archive]
    assert not [path for path in left if not path.is_dir() or path.is_symlink()]


@pytest.mark.parametrize("name", CLASHES)
def test_names_that_some_systems_take_for_one_are_refused_where_they_are_not_asked_for(
    name: str, tmp_path: Path
):
    CLASHES[name](tmp_path / "archive.tar")

    with pytest.raises(HostError, match="has the same path as another member"):
        plainly(tmp_path / "archive.tar", tmp_path / "folder")


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 5)
    of(*(member(f"{number}") for number in range(6)))(tmp_path / "archive.tar")

    with pytest.raises(HostError, match="member '5' is one more than 5"):
        plainly(tmp_path / "archive.tar", tmp_path / "folder")


def test_a_file_that_is_there_is_not_replaced_and_nothing_else_is_left(tmp_path: Path):
    of(member("a/1"), member("b"))(tmp_path / "archive.tar")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/b").write_text("mine")

    with pytest.raises(HostError, match="b' is there already"):
        plainly(tmp_path / "archive.tar", tmp_path / "folder")

    assert [path.name for path in (tmp_path / "folder").rglob("*")] == ["b"]
    assert (tmp_path / "folder/b").read_text() == "mine"


def test_what_is_plain_is_unpacked_with_its_folders(tmp_path: Path):
    members = {
        "images/test/a b.jpg": b"1",
        "leer.txt": b"",
        "a/ü.png": bytes(3 * 1024**2),
        "C:a": b"2",
    }
    folder = member("empty", b"", type=tarfile.DIRTYPE)
    of(folder, *(member(name, content) for name, content in members.items()))(tmp_path / "a.tar")

    names = unpack_tar(tmp_path / "a.tar", tmp_path / "folder", refuse=refused)

    assert names == list(members)
    assert {name: (tmp_path / "folder" / name).read_bytes() for name in members} == members
    assert (tmp_path / "folder/empty").is_dir()


def manifest(**changes: object) -> str:
    fine = {"schema": 1, "job": "job", "archive": "a.tar", "sha256": "0" * 64, "size_bytes": 1,
            "files": {}, "outcome": {"is": "finished"}, "elapsed_s": 1.0}  # fmt: skip
    return json.dumps(fine | changes)


def test_a_manifest_that_is_as_it_should_be_is_read(tmp_path: Path):
    (tmp_path / "job.json").write_text(manifest())

    assert read_manifest(tmp_path / "job.json", "job").outcome_of("exp1").kind == "finished"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="brackets"),
        pytest.param(manifest(outcome={}), id="no outcome"),
        pytest.param(manifest(outcome={"is": "x", "experiments": ["exp1"]}), id="a list"),
        pytest.param(manifest(outcome={"is": "x", "experiments": {"exp1": 1}}), id="a number"),
        pytest.param(manifest(files={"a": "1"}), id="no hash"),
        pytest.param(manifest(job="j" * 10_000), id="a long name"),
        pytest.param("[]", id="a list for a mapping"),
        pytest.param("1" * 5000, id="a long number"),
    ],
)
def test_a_manifest_that_the_job_did_not_write_is_one_line(text: str, tmp_path: Path):
    (tmp_path / "job.json").write_text(text)

    with pytest.raises(
        HostError, match=r"job\.json is (not what the job wrote|of another job)"
    ) as no:
        read_manifest(tmp_path / "job.json", "job")

    assert len(no.value.problem) < 400


def test_a_line_of_brackets_in_a_log_is_for_people():
    assert parse_event("@doors " + "[" * 100_000) is None


NAME = st.text(alphabet="ab./\\: \n\u00fcC", max_size=6)


@settings(max_examples=60)
@given(names=st.lists(NAME, max_size=4), damage=st.integers(0, 4000), value=st.integers(0, 255))
def test_any_archive_is_unpacked_whole_or_not_at_all(
    names: list[str], damage: int, value: int, tmp_path_factory: pytest.TempPathFactory
):
    home = tmp_path_factory.mktemp("any")
    of(*map(member, names))(home / "archive.tar")
    data = bytearray((home / "archive.tar").read_bytes())
    if damage < len(data):
        data[damage] = value
    (home / "archive.tar").write_bytes(data)

    try:
        written = unpack_tar(home / "archive.tar", home / "folder", refuse=refused)
    except HostError:
        written = []

    there = {path for path in home.rglob("*") if path.is_file()} - {home / "archive.tar"}
    assert there == {home / "folder" / name for name in written}
