"""``doors data pack`` here and ``doors data pull`` there, with real git and DVC."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

PROGRAMS = Path(sys.executable).parent
DATA = Path("data/processed/detection")
POINTER = f"{DATA}.dvc"


def run(where: Path, *argv: str, expect: int = 0) -> str:
    done = subprocess.run(
        argv, cwd=where, check=False, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL, env={**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Path:
    """A repository whose data set is packed and pushed, and that has been committed."""
    folder = tmp_path_factory.mktemp("packed") / "repository"
    for split in ("train", "val"):
        for number in range(4):
            for kind, suffix in (("images", "jpg"), ("labels", "txt")):
                path = folder / DATA / kind / split / f"{number}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(os.urandom(200))
    (folder / DATA / "data.yaml").write_text("nc: 1\n")
    (folder / DATA / "labels/train.cache").touch()
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "init", "--quiet")
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(repository_root / name, folder)
    (folder.parent / "remote").mkdir()
    run(folder, "dvc", "remote", "add", "-q", "-d", "storage", str(folder.parent / "remote"))
    run(folder, "doors", "data", "pack")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "data")
    return folder


@pytest.fixture
def clone(packed: Path, tmp_path: Path) -> Path:
    run(tmp_path, "git", "clone", "--quiet", str(packed), "clone")
    return tmp_path / "clone"


@pytest.mark.slow
def test_a_clone_gets_the_same_bytes_in_a_few_archives(packed: Path, clone: Path):
    said = run(clone, "doors", "data", "pull")

    expected = content(packed / DATA)
    del expected["labels/train.cache"]
    assert "fetched as archives" in said
    assert content(clone / DATA) == expected
    remote = [path for path in (packed.parent / "remote").rglob("*") if path.is_file()]
    assert len(remote) == 3  # train, val, rest
    assert run(clone, "git", "status", "--short") == ""
    assert "up to date" in run(clone, "dvc", "status")


@pytest.mark.slow
def test_a_pull_can_be_run_again_after_it_was_cut_off_anywhere(packed: Path, clone: Path):
    run(clone, "doors", "data", "pull")
    shutil.rmtree(clone / ".dvc/cache")
    (clone / DATA / "images/train/1.jpg").unlink()
    (clone / DATA).with_name(".detection.staged").mkdir()

    assert "fetched as archives" in run(clone, "doors", "data", "pull")
    assert (
        content(clone / DATA)["images/train/1.jpg"] == content(packed / DATA)["images/train/1.jpg"]
    )


@pytest.mark.slow
def test_the_folder_form_works_beside_it_and_is_taken_when_the_archives_are_older(
    packed: Path, clone: Path
):
    run(packed, "dvc", "push", POINTER)
    run(clone, "dvc", "pull", POINTER)
    (clone / DATA / "labels/val/0.txt").write_text("a correction")
    run(clone, "dvc", "add", "--quiet", str(DATA))
    run(clone, "dvc", "push", POINTER)
    shutil.rmtree(clone / DATA)

    said = run(clone, "doors", "data", "pull")

    assert "archives are of another version" in said
    assert "fetched as folder" in said
    assert (clone / DATA / "labels/val/0.txt").read_text() == "a correction"


@pytest.mark.slow
def test_a_photograph_that_is_kept_nowhere_else_survives_a_pull(packed: Path, clone: Path):
    run(clone, "doors", "data", "pull")
    (clone / DATA / "images/train/0.jpg").unlink()
    (clone / DATA / "images/train/0.jpg").write_bytes(b"mine")

    run(clone, "doors", "data", "pull", expect=2)

    assert (clone / DATA / "images/train/0.jpg").read_bytes() == b"mine"


@pytest.mark.slow
def test_what_is_not_tracked_cannot_be_pulled(clone: Path):
    said = run(clone, "doors", "data", "pull", "--path", "data/other", expect=2)

    assert "data/other is not tracked by DVC here" in said


def lose(packed: Path, pointer: str) -> None:
    """Take from the remote what a pointer names; the folder's parts stay."""
    named = next(line for line in (packed / pointer).read_text().splitlines() if "md5: " in line)
    md5 = named.split()[-1]
    (packed.parent / "remote/files/md5" / md5[:2] / md5[2:]).unlink()


@pytest.mark.slow
def test_a_lost_archive_is_named_and_the_folder_comes_instead(packed: Path, clone: Path):
    run(packed, "dvc", "push", POINTER)
    lose(packed, f"{DATA}_shards/val-000.tar.dvc")

    said = run(clone, "doors", "data", "pull")

    assert "val-000.tar: neither here nor on the remote: fetching the folder" in said
    assert "rest-000" not in said
    assert "fetched as folder" in said
    assert (clone / DATA / "images/val/0.jpg").is_file()
    run(packed, "dvc", "push", f"{DATA}_shards/val-000.tar.dvc")


@pytest.mark.slow
def test_data_that_is_lost_in_both_forms_is_packed_or_pushed_again(packed: Path, clone: Path):
    lose(packed, f"{DATA}_shards/val-000.tar.dvc")
    run(packed, "dvc", "push", POINTER)
    lose(packed, POINTER)

    said = run(clone, "doors", "data", "pull", expect=2)

    assert "val-000.tar: neither here nor on the remote; detection: neither here nor on" in said
    assert f"complete: doors data pack --path {DATA}, or dvc push {POINTER}" in said
    run(packed, *f"dvc push {POINTER}".split())
    run(packed, "doors", "data", "pack")


@pytest.fixture
def own_remote(packed: Path, clone: Path) -> Path:
    """A copy of the remote that the clone alone uses."""
    remote = Path(shutil.copytree(packed.parent / "remote", clone.parent / "remote"))
    run(clone, "dvc", "config", "-q", "--local", "remote.storage.url", str(remote))
    return remote


@pytest.mark.slow
def test_archives_that_were_not_made_of_the_data_set_change_nothing(
    packed: Path, clone: Path, own_remote: Path
):
    """They match their own pointers; git would read the file that they add."""
    tar = f"{DATA}_shards/rest-000.tar"
    run(clone, "dvc", "pull", f"{tar}.dvc")
    (clone / tar).unlink()
    with tarfile.open(clone / tar, "w") as file:
        for name, text in (("data.yaml", b"nc: 1\n"), (".git/config", b"[core]\n")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            file.addfile(info, io.BytesIO(text))
    run(clone, "dvc", "add", "--quiet", tar)
    run(clone, "dvc", "push", f"{tar}.dvc")
    (clone / tar).unlink()
    shutil.rmtree(clone / ".dvc/cache")
    for md5_file in own_remote.rglob("*.dir"):
        md5_file.unlink()
    before = (clone / POINTER).read_text()

    for _ in range(2):
        said = run(clone, "doors", "data", "pull", expect=2)
        assert f"detection_shards have other files than {POINTER} names" in said
        assert f"complete: doors data pack --path {DATA}, or dvc push {POINTER}" in said
        assert not (clone / DATA).exists()
        assert (clone / POINTER).read_text() == before

    run(packed, "dvc", "remote", "add", "-q", "--local", "clones", str(own_remote))
    run(packed, *f"dvc push -r clones {POINTER}".split())
    assert "fetched as folder" in run(clone, "doors", "data", "pull")
    assert sorted(content(clone / DATA)) == sorted(
        content(packed / DATA).keys() - {"labels/train.cache"}
    )
    assert (clone / POINTER).read_text() == before


@pytest.mark.slow
def test_an_archive_that_was_damaged_in_the_cache_is_fetched_again_as_the_hint_says(
    clone: Path, own_remote: Path
):
    """DVC does not hash what its cache has: it is read-only there, which is taken for whole."""
    run(clone, "doors", "data", "pull")
    tar = f"{DATA}_shards/val-000.tar"
    md5 = yaml.safe_load((clone / f"{tar}.dvc").read_text())["outs"][0]["md5"]
    in_cache = clone / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    damaged = bytearray(in_cache.read_bytes())
    damaged[600] ^= 1
    in_cache.unlink()
    in_cache.write_bytes(damaged)
    in_cache.chmod(0o444)
    (clone / tar).unlink()
    shutil.rmtree(clone / DATA)
    for listing in [*clone.rglob("*.dir"), *own_remote.rglob("*.dir")]:
        listing.unlink()  # so that the folder cannot come instead

    said = run(clone, "doors", "data", "pull", expect=2)

    assert f"{tar}: expected md5 {md5}, as its pointer says" in said
    command = said.partition("hint: ")[2].partition(", then run this again")[0]
    run(clone, "sh", "-c", command)
    assert "fetched as archives" in run(clone, "doors", "data", "pull")


@pytest.mark.slow
def test_a_remote_that_has_vanished_is_said_to_have(packed: Path, clone: Path):
    remote = packed.parent / "remote"
    remote.rename(packed.parent / "unmounted")

    pulled = run(clone, "doors", "data", "pull", expect=2)
    packs = run(packed, "doors", "data", "pack", expect=2)

    assert not remote.exists()
    (packed.parent / "unmounted").rename(remote)
    for said in (pulled, packs):
        assert f"the remote's folder {remote} does not exist" in said


@pytest.mark.slow
def test_a_pack_that_is_refused_leaves_nothing_for_git(packed: Path, clone: Path):
    run(clone, "doors", "data", "pull")
    (clone / DATA / "labels/val/0.txt").unlink()
    (clone / DATA / "labels/val/0.txt").write_text("changed since")

    said = run(clone, "doors", "data", "pack", expect=2)

    assert "has changed since dvc add" in said
    assert run(clone, "git", "status", "--short") == ""
    assert not (clone / f"{DATA.parent}/.detection_shards.staged").exists()


@pytest.mark.slow
def test_a_remote_is_asked_for_before_anything_is_packed(clone: Path):
    (clone / DATA).mkdir()
    run(clone, "dvc", "remote", "remove", "storage")

    assert "doors storage set" in run(clone, "doors", "data", "pack", expect=2)
    assert not list((clone / f"{DATA}_shards").glob("*.tar"))


@pytest.mark.slow
def test_what_differs_here_is_given_up_when_that_is_asked_for(packed: Path, clone: Path):
    run(packed, "dvc", "push", POINTER)
    run(clone, "doors", "data", "pull")
    for name in ("images/train/0.jpg", "labels/val/0.txt"):
        (clone / DATA / name).unlink()
        (clone / DATA / name).write_bytes(b"mine")

    refused = run(clone, "doors", "data", "pull", expect=2)

    assert "doors data pull --force" in refused
    run(clone, "doors", "data", "pull", "--force")
    expected = content(packed / DATA)
    del expected["labels/train.cache"]
    assert content(clone / DATA) == expected
