import hashlib
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from container_doors.core.errors import DatasetError
from container_doors.data.shards import read_shards, shards_of, write_shards

FILES = {
    "data.yaml": b"nc: 1",
    "images/train/1.jpg": b"one",
    "images/train/2.jpg": b"two" * 400,
    "images/val/a b ä.jpg": b"",
    "labels/train/1.txt": b"0 0.5 0.5 0.1 0.1",
    "labels/val/a b ä.txt": os.urandom(2000),
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def silent(done: int, total: int) -> None:
    assert done <= total


def pack(folder: Path, **options: int) -> Path:
    md5s = {name: hashlib.md5(content).hexdigest() for name, content in read(folder).items()}
    tars = write_shards(folder, md5s, shards_of(folder), on_progress=silent, **options)
    assert tars == sorted(shards_of(folder).iterdir())
    return shards_of(folder)


def unpack(shards: Path, folder: Path, expected: dict[str, bytes] | None = None) -> Path | None:
    """Unpack archives; without ``expected``, whatever they have is taken."""
    md5s = {name: hashlib.md5(content).hexdigest() for name, content in (expected or {}).items()}
    return read_shards(
        sorted(shards.iterdir()),
        folder,
        is_expected=lambda found: expected is None or found == md5s,
        on_progress=silent,
    )


def test_what_is_packed_comes_back_split_by_split(tmp_path: Path):
    shards = pack(write(tmp_path / "data", FILES))

    unpack(shards, tmp_path / "elsewhere")

    assert read(tmp_path / "elsewhere") == FILES
    assert sorted(read(shards)) == ["rest-000.tar", "train-000.tar", "val-000.tar"]
    with tarfile.open(shards / "train-000.tar") as tar:
        assert tar.getnames() == ["images/train/1.jpg", "labels/train/1.txt", "images/train/2.jpg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "data_shards", "elsewhere"]


def test_the_same_files_are_the_same_bytes_whoever_packs_them_and_when(tmp_path: Path):
    one = write(tmp_path / "one/data", FILES)
    other = write(tmp_path / "other/data", dict(reversed(FILES.items())))
    for path in other.rglob("*.*"):
        os.utime(path, (1, 1))
        path.chmod(0o600)

    assert read(pack(one)) == read(pack(other))


@settings(max_examples=20)  # each forces its files to the disk
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=12), most=st.integers(1, 4000))
def test_no_shard_is_larger_than_asked_unless_one_file_is(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], most: int
):
    folder = tmp_path_factory.mktemp("sized") / "data"
    files = {f"images/train/{n}.jpg": b"x" * size for n, size in enumerate(sizes)}

    shards = pack(write(folder, files), shard_bytes=most)
    unpack(shards, folder.with_name("back"))

    assert read(folder.with_name("back")) == files
    for path in shards.iterdir():
        with tarfile.open(path) as tar:
            members = [member.size for member in tar]
        assert sum(members) <= most or len(members) == 1


def test_a_file_that_is_kept_nowhere_else_is_not_overwritten(tmp_path: Path):
    folder = write(tmp_path / "data", FILES)
    shards = pack(folder)
    (folder / "labels/train/1.txt").write_bytes(b"my correction")

    in_the_way = unpack(shards, folder)

    assert in_the_way == folder / "labels/train/1.txt"
    assert read(folder) == FILES | {"labels/train/1.txt": b"my correction"}


def test_half_a_data_set_is_completed(tmp_path: Path):
    folder = write(tmp_path / "data", FILES)
    shards = pack(folder)
    (folder / "images/train/1.jpg").unlink()
    (folder / "labels/train.cache").touch()

    unpack(shards, folder)

    assert read(folder) == FILES


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_damaged_archive_is_named_and_nothing_is_replaced(damage: str, tmp_path: Path):
    shards = pack(write(tmp_path / "data", FILES))
    tar = shards / "train-000.tar"
    tar.write_bytes(tar.read_bytes()[:1000] if damage == "cut" else b"noise" * 999)

    with pytest.raises(DatasetError, match=r"train-000\.tar is damaged"):
        unpack(shards, tmp_path / "elsewhere")

    assert not (tmp_path / "elsewhere").exists()


OTHERS = {
    "one more": {**FILES, ".git/config": b"[core]"},
    "one less": {name: FILES[name] for name in FILES if name != "labels/train/1.txt"},
    "other bytes": FILES | {"labels/train/1.txt": b"0 0.5 0.5 0.2 0.2"},
}


@pytest.mark.parametrize("files", OTHERS.values(), ids=OTHERS)
def test_archives_of_other_files_replace_nothing(files: dict[str, bytes], tmp_path: Path):
    folder = write(tmp_path / "data", FILES)
    shards = pack(write(tmp_path / "other", files))

    with pytest.raises(DatasetError, match=r"data_shards have other files than .*data\.dvc"):
        unpack(shards, folder, FILES)

    assert read(folder) == FILES
    assert not folder.with_name(".data.staged").exists()


def test_an_empty_folder_in_an_archive_is_one_file_too_many(tmp_path: Path):
    shards = pack(write(tmp_path / "data", FILES))
    with tarfile.open(shards / "rest-000.tar", "a") as tar:
        member = tarfile.TarInfo(".git")
        member.type = tarfile.DIRTYPE
        tar.addfile(member)

    with pytest.raises(DatasetError, match="have other files than"):
        unpack(shards, tmp_path / "elsewhere", FILES)


@pytest.mark.parametrize("fault", ["is missing", "has changed"])
def test_what_is_not_as_it_was_tracked_is_not_packed(fault: str, tmp_path: Path):
    folder = write(tmp_path / "data", FILES)
    before = read(pack(folder))
    md5s = dict.fromkeys(FILES, "0" * 32) if fault == "has changed" else {"data.yml": "0" * 32}

    with pytest.raises(DatasetError, match=fault):
        write_shards(folder, md5s, shards_of(folder), on_progress=silent)

    assert read(shards_of(folder)) == before


def test_an_older_data_set_leaves_no_archive_behind(tmp_path: Path):
    folder = write(tmp_path / "data", FILES)
    pack(folder, shard_bytes=1000)
    (tmp_path / "data_shards/train-001.tar.dvc").touch()

    shards = pack(folder)

    assert sorted(read(shards)) == ["rest-000.tar", "train-000.tar", "val-000.tar"]
