"""What the remote holds, asked of the real DVC past its cache."""

import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.adapters.dvc.store import DvcStore
from container_doors.core.errors import VersioningError
from tests.read_only import mounted_read_only

DVC = Path(sys.executable).with_name("dvc")


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([DVC, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two files that are tracked and pushed."""
    folder = tmp_path / "repository"
    folder.mkdir()
    dvc(folder, "init", "--no-scm")
    dvc(folder, "remote", "add", "--default", "storage", str(tmp_path / "remote"))
    for name in ("best.pt", "last.pt"):
        (folder / name).write_text(name)
    store = DvcStore(folder)
    store.push(store.add([Path("best.pt"), Path("last.pt")]))
    return folder


def fetched(folder: Path, scratch: Path) -> dict[str, bytes | None]:
    scratch.mkdir()
    pointers = [folder / "best.pt.dvc", folder / "last.pt.dvc"]
    objects = DvcStore(folder).fetch_objects(pointers, scratch)
    return {name: path.read_bytes() if path else None for name, path in objects.items()}


@pytest.mark.slow
def test_a_lost_or_damaged_object_is_missed_whatever_the_cache_holds(folder: Path, tmp_path: Path):
    assert fetched(folder, tmp_path / "a") == {"best.pt": b"best.pt", "last.pt": b"last.pt"}
    one, other = (path for path in (tmp_path / "remote").rglob("*") if path.is_file())
    one.chmod(0o644)
    one.write_bytes(one.read_bytes().replace(b"t.pt", b"t.px"))
    other.unlink()

    assert all(
        content not in {b"best.pt", b"last.pt"}
        for content in fetched(folder, tmp_path / "b").values()
    )


@pytest.mark.slow
@pytest.mark.parametrize("address", ["absolute", "relative"])
def test_the_storage_is_asked_where_nothing_can_be_written(
    folder: Path, tmp_path: Path, address: str
):
    """DVC takes a lock in its folder even to read."""
    if address == "relative":
        dvc(folder, "remote", "modify", "storage", "url", "../remote")
    (tmp_path / "scratch").mkdir()
    with mounted_read_only(folder):
        objects = DvcStore(folder).fetch_objects(
            [folder / "best.pt.dvc", folder / "last.pt.dvc"], tmp_path / "scratch"
        )

    assert {name: path and path.read_bytes() for name, path in objects.items()} == {
        "best.pt": b"best.pt",
        "last.pt": b"last.pt",
    }


@pytest.mark.slow
def test_a_cache_that_cannot_be_passed_by_is_said(folder: Path, tmp_path: Path):
    dvc(folder, "config", "cache.dir", str(tmp_path / "cache"))

    with pytest.raises(VersioningError, match="sets a cache, which cannot be bypassed"):
        fetched(folder, tmp_path / "scratch")


@pytest.mark.slow
def test_a_remote_that_does_not_answer_has_nothing(folder: Path, tmp_path: Path):
    dvc(folder, "remote", "add", "--default", "--force", "storage", "http://127.0.0.1:9/none")

    assert fetched(folder, tmp_path / "scratch") == {"best.pt": None, "last.pt": None}


@pytest.mark.slow
def test_a_remote_that_cannot_be_asked_is_said(folder: Path, tmp_path: Path):
    dvc(folder, "remote", "add", "--default", "--force", "storage", "s3://bucket/none")

    with pytest.raises(VersioningError, match="DVC cannot fetch the remote's objects"):
        fetched(folder, tmp_path / "scratch")
