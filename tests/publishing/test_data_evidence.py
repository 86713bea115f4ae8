"""Pointers of data sets, and what a remote holds of them."""

import hashlib
import json
from pathlib import Path

import pytest

from container_doors.core.records import Check
from container_doors.publishing.data_evidence import (
    Folder,
    data_objects_check,
    data_pointers_check,
    folder_md5,
    hash_files,
)
from container_doors.publishing.pointers import pointer_to

NAMES = ["data.yaml", "images/test/0.png", "images/test/\u00e4.png"]
TAR = Path("data/set_shards/test-000.tar")
TAR_POINTER = Path("data/set_shards/test-000.tar.dvc")
POINTER = Path("data/set.dvc")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A data set with an archive, and their pointers as DVC spells them."""
    monkeypatch.chdir(tmp_path)
    root = Path("data/set")
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    folder = Folder(root, hash_files(root, NAMES))
    lines = "".join(f"  {key}: {value}\n" for key, value in folder.out.items())
    POINTER.write_text("outs:\n-" + lines[1:])
    TAR.parent.mkdir()
    TAR.write_bytes(b"a tar")
    TAR_POINTER.write_text(pointer_to(TAR, str(folder.out["md5"])).to_yaml())
    return folder


def compared(folder: Folder, *, is_committed: bool) -> Check:
    committed = {path: path.read_text() for path in (POINTER, TAR_POINTER)} if is_committed else {}
    return data_pointers_check(folder, [TAR], committed, is_changed=False)


@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize("path", [POINTER, TAR_POINTER], ids=str)
def test_any_flipped_byte_of_a_pointer_is_found(path: Path, is_committed: bool, folder: Folder):
    content = path.read_bytes()
    texts = {one: one.read_text() for one in (POINTER, TAR_POINTER)} if is_committed else {}
    assert data_pointers_check(folder, [TAR], texts, is_changed=False).is_ok

    for at in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[at] ^= 1 << bit
            path.write_bytes(changed)
            found = data_pointers_check(folder, [TAR], texts, is_changed=False)
            assert found.is_ok is False, bytes(changed)
            assert {one.where.partition(":")[0] for one in found.mismatches} >= {str(path)}


def test_a_comment_that_is_committed_is_no_fault(folder: Folder):
    POINTER.write_text("# of the yard\n" + POINTER.read_text())

    assert compared(folder, is_committed=True).is_ok
    assert compared(folder, is_committed=False).is_ok is False


def test_an_archive_that_has_changed_is_accused_and_not_its_pointer(folder: Folder):
    TAR.write_bytes(b"another")

    (mismatch,) = compared(folder, is_committed=True).mismatches

    assert (mismatch.where, mismatch.remedy) == (str(TAR), f"dvc pull --force {TAR_POINTER}")


def test_a_file_beside_those_that_were_trained_on_is_missed(folder: Folder):
    (folder.root / "more.txt").write_text("")
    more = Folder(folder.root, hash_files(folder.root, [*NAMES, "more.txt"]))

    (mismatch,) = compared(more, is_committed=True).mismatches

    assert mismatch.where == str(folder.root)


def keep(objects: Path, content: bytes, suffix: str = "") -> Path:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    (objects / md5[:2]).mkdir(parents=True, exist_ok=True)
    path = objects / md5[:2] / md5[2:]
    path.write_bytes(content)
    return path


@pytest.fixture
def objects(folder: Folder, tmp_path: Path) -> Path:
    files = folder.files or {}
    listing = [{"md5": files[name][0], "relpath": name} for name in sorted(files)]
    keep(tmp_path / "objects", json.dumps(listing).encode(), ".dir")
    for path in (TAR, *(folder.root / name for name in NAMES)):
        keep(tmp_path / "objects", path.read_bytes())
    return tmp_path / "objects"


@pytest.mark.parametrize("number", range(len(NAMES) + 2))
def test_every_object_of_the_data_is_looked_at(number: int, folder: Folder, objects: Path):
    pointers = [POINTER, TAR_POINTER]
    assert data_objects_check(folder, pointers, objects, "storage", is_own=True).is_ok
    path = sorted(path for path in objects.rglob("*") if path.is_file())[number]
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    (mismatch,) = data_objects_check(folder, pointers, objects, "storage", is_own=True).mismatches

    assert mismatch.remedy.startswith(f"rm -f {path} ")


def test_one_form_of_the_data_is_enough(folder: Folder, objects: Path):
    (listing,) = objects.rglob("*.dir")
    listing.unlink()

    whole = data_objects_check(folder, [POINTER, TAR_POINTER], objects, "storage", is_own=True)
    none = data_objects_check(folder, [POINTER], objects, "storage", is_own=True)

    assert whole.is_ok
    assert [one.remedy for one in none.mismatches] == [f"dvc push {POINTER}"]


def test_an_empty_folder_has_the_hash_that_dvc_gives_it():
    assert folder_md5({}) == hashlib.md5(b"[]").hexdigest() + ".dir"
