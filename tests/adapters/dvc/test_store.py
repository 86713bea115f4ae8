import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from container_doors.adapters.dvc.command import EXECUTABLE, find_dvc
from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.core.errors import MissingToolError, VersioningError
from container_doors.publishing.names import git_tag, parse_name

DVC = Path(sys.executable).with_name("dvc")
BEST = Path("weights/detection/best.pt")
POINTER = Path("weights/detection/best.pt.dvc")
VERSION = "detection_v1.0_20261123_exp001"
IN_GIT = (".gitignore", ".dvcignore", "dvc.yaml", "params.yaml")


def dvc(folder: Path, *arguments: str) -> str:
    done = subprocess.run([DVC, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Path:
    """A repository as ours is: git, DVC, the same files in its root, and no remote yet."""
    folder = tmp_path_factory.mktemp("template") / "repository"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    dvc(folder, "init", "--quiet")
    for name in IN_GIT:
        shutil.copy(repository_root / name, folder)
    return folder


@pytest.fixture
def bare(template: Path, tmp_path: Path) -> Path:
    """Without a remote."""
    return Path(shutil.copytree(template, tmp_path / "repository"))


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def folder(bare: Path, remote: Path) -> Path:
    """With a folder as its remote, and a model to track."""
    _point_to(bare, str(remote))
    (bare / BEST).parent.mkdir(parents=True)
    (bare / BEST).write_bytes(b"the first model")
    return bare


def _point_to(folder: Path, url: str) -> None:
    config = f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n"
    (folder / ".dvc" / "config").write_text(config)


def test_a_model_goes_to_the_remote_and_comes_back(folder: Path, remote: Path):
    store = DvcStore(folder)

    pointers = store.add([BEST])
    store.push(pointers)
    store.push(pointers)
    (folder / BEST).unlink()
    shutil.rmtree(folder / ".dvc" / "cache")
    store.pull(pointers)

    assert pointers == [POINTER]
    assert (folder / BEST).read_bytes() == b"the first model"
    assert len([path for path in remote.rglob("*") if path.is_file()]) == 1


def test_the_files_of_a_tracked_folder_are_the_same_wherever_the_cache_is(folder: Path):
    store, data = DvcStore(folder), Path("data")
    for name in ("a/1.jpg", "a/b ä.txt", "a/left out.cache"):
        (folder / data / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / data / name).write_text(name)
    store.add([data])

    from_the_cache = store.files_of(data)
    dvc(folder, "config", "--local", "cache.dir", str(folder.parent / "elsewhere"))
    (folder / ".dvc/cache").rename(folder.parent / "elsewhere")

    assert sorted(from_the_cache) == ["a/1.jpg", "a/b ä.txt"]
    assert store.files_of(data) == from_the_cache
    assert store.content_with(from_the_cache) == store.content_of(data)


def test_a_folder_that_is_adopted_never_changes_its_pointer(folder: Path):
    store, data = DvcStore(folder), Path("data")
    (folder / data).mkdir()
    (folder / data / "1.txt").write_text("one")
    (pointer,) = store.add([data])
    store.annotate([pointer], VERSION)
    before = (folder / pointer).read_bytes()
    shutil.rmtree(folder / ".dvc/cache")

    store.adopt(data)
    assert (folder / pointer).read_bytes() == before
    assert len(list((folder / ".dvc/cache").rglob("*.dir"))) == 1

    (folder / data / "2.txt").write_text("two")
    with pytest.raises(VersioningError, match=r"finds other files in data than data\.dvc names"):
        store.adopt(data)
    assert (folder / pointer).read_bytes() == before


@pytest.mark.parametrize("url", ["{remote}", "../../remote"], ids=["absolute", "relative"])
def test_a_folder_that_has_vanished_is_not_made_anew(url: str, folder: Path, remote: Path):
    """A relative one is relative to ``.dvc``."""
    _point_to(folder, url.format(remote=remote))
    remote.mkdir()
    assert DvcStore(folder).check_ready().startswith("storage (")
    remote.rmdir()

    with pytest.raises(VersioningError, match=f"the remote's folder {remote} does not exist"):
        DvcStore(folder).check_ready()

    assert not remote.exists()


def test_git_can_add_what_the_specification_names(folder: Path):
    """DVC writes no .gitignore where ours ignores the file already, and git add would fail."""
    DvcStore(folder).add([BEST])

    names = [str(POINTER), "weights/detection/.gitignore"]
    subprocess.run(["git", "add", *names], cwd=folder, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "weights"], cwd=folder, check=True, capture_output=True, text=True
    )
    assert listed.stdout.split() == ["weights/detection/.gitignore", str(POINTER)]


@pytest.mark.slow
def test_a_pointer_names_its_version_until_its_content_changes(folder: Path):
    store = DvcStore(folder)
    store.annotate(store.add([BEST]), VERSION)
    dvc(folder, "add", "--quiet", str(BEST))
    annotated = yaml.safe_load((folder / POINTER).read_text())

    (folder / BEST).write_bytes(b"the second model")
    store.add([BEST])
    added = yaml.safe_load((folder / POINTER).read_text())

    assert annotated["meta"] == {"version": VERSION}
    assert annotated["outs"][0]["path"] == "best.pt"
    assert "meta" not in added
    assert added["outs"][0]["md5"] != annotated["outs"][0]["md5"]


@pytest.mark.slow
def test_gto_and_dvc_find_a_model_by_its_tag(folder: Path, tmp_path: Path):
    """With the real ``gto`` and ``dvc artifacts get``, after the next model has been released."""
    store, repository = DvcStore(folder), GitRepository(folder)
    tag = git_tag(parse_name(VERSION))
    for content, name in (
        (b"the first model", tag),
        (b"the second model", tag.replace("1.0", "1.1")),
    ):
        (folder / BEST).write_bytes(content)
        store.push(store.add([BEST]))
        repository.commit([Path(file) for file in (".dvc/config", *IN_GIT)] + [POINTER], name)
        repository.create_tag(name, name)

    revision = tag.removeprefix("detection@")
    out = ["--rev", revision, "--out", str(tmp_path / "old")]
    dvc(folder, "artifacts", "get", ".", "detection", *out)
    shown = subprocess.run(
        [DVC.with_name("gto"), "show", "detection", "--json"],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert (tmp_path / "old").read_bytes() == b"the first model"
    assert [f"detection@{row['version']}" for row in json.loads(shown.stdout)] == [
        tag.replace("1.0", "1.1"), tag,
    ]  # fmt: skip


def test_a_push_of_content_that_is_lost_is_no_success(folder: Path, remote: Path):
    """DVC itself exits 0 here, and says that everything is up to date."""
    remote.mkdir()
    store = DvcStore(folder)
    pointers = store.add([BEST])
    shutil.rmtree(folder / ".dvc" / "cache" / "files")

    with pytest.raises(VersioningError, match=r"^best\.pt: neither here nor on the re") as lost:
        store.push(pointers)

    assert lost.value.hint == f"on a machine that still has it: dvc push {POINTER}"


@pytest.mark.slow
def test_a_remote_that_cannot_be_written_is_named(folder: Path):
    store = DvcStore(folder)
    pointers = store.add([BEST])
    _point_to(folder, "/proc/no-such-folder")

    with pytest.raises(VersioningError, match=r"cannot push best\.pt: .*no-such-folder") as caught:
        store.push(pointers)

    assert "dvc remote list" in caught.value.hint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_remote_that_is_full_or_read_only_is_named_and_works_once_that_is_mended(
    folder: Path, small_disk: Path
):
    store = DvcStore(folder, pause_s=0)
    (folder / BEST).write_bytes(os.urandom(200_000))
    pointers = store.add([BEST])
    _point_to(folder, str(small_disk / "remote"))

    with pytest.raises(VersioningError, match=r"cannot push best\.pt: .*") as full:
        store.push(pointers)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(VersioningError, match=r"cannot push best\.pt: .*") as read_only:
        store.push(pointers)
    subprocess.run(["mount", "-o", "remount,rw,size=1m", small_disk], check=True)
    store.push(pointers)

    assert "free some space" in full.value.hint
    assert "writable" in read_only.value.hint
    # What DVC left of the first attempt has a name that no pointer leads to.
    sizes = {path.suffix: path.stat().st_size for path in small_disk.rglob("*") if path.is_file()}
    assert sizes[""] == 200_000
    assert sizes.keys() <= {"", ".tmp"}


@pytest.mark.slow
def test_a_lock_that_is_let_go_is_waited_for(folder: Path):
    """zc.lockfile, which DVC uses, locks ``.dvc/tmp/lock`` with flock."""
    with (folder / ".dvc" / "tmp" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        later = threading.Timer(4, fcntl.flock, (lock, fcntl.LOCK_UN))
        later.start()

        pointers = DvcStore(folder, pause_s=0).add([BEST])
        later.join()

    assert (folder / pointers[0]).exists()


def test_a_file_that_is_not_there_is_named(folder: Path):
    with pytest.raises(VersioningError, match=r"no\.pt' does not exist"):
        DvcStore(folder).add([Path("weights/detection/no.pt")])


def test_a_dvc_repository_is_asked_for(tmp_path: Path):
    with pytest.raises(VersioningError, match="not inside of a DVC repository") as caught:
        DvcStore(tmp_path).check_ready()

    assert "dvc init" in caught.value.hint


def test_a_git_repository_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    shutil.rmtree(folder / ".git")

    with pytest.raises(VersioningError, match="is not a git repository") as caught:
        DvcStore(folder).add([BEST])

    assert "git init" in caught.value.hint


def test_a_remote_is_asked_for(bare: Path):
    with pytest.raises(VersioningError, match="has no remote") as caught:
        DvcStore(bare).check_ready()

    assert "doors storage set" in caught.value.hint


def test_a_default_remote_is_asked_for(bare: Path):
    (bare / ".dvc" / "config").write_text("['remote \"attic\"']\n    url = /tmp/attic\n")

    with pytest.raises(VersioningError, match="no default remote; it knows attic") as caught:
        DvcStore(bare).check_ready()

    assert caught.value.hint == "dvc remote default attic"


def test_the_credentials_of_a_remote_are_never_shown(bare: Path):
    _point_to(bare, "https://user:sekrit@example.invalid/models")

    assert DvcStore(bare).check_ready() == "storage (https://***@example.invalid/models)"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in DVC's place that says what ``said`` holds, and notes how it was called."""
    program = tmp_path / "my dvc"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "here = Path(__file__).parent\n"
        "with (here / 'calls').open('a') as file:\n"
        "    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=file)\n"
        "sys.stderr.write((here / 'said').read_text())\n"
        "sys.exit(int((here / 'exit').read_text()))\n"
    )
    program.chmod(0o755)
    (tmp_path / "exit").write_text("1")
    monkeypatch.setenv(EXECUTABLE, str(program))
    return tmp_path


SAID = {
    "lock": ("ERROR: Unable to acquire lock. Most likely another DVC process", "wait for it", 6),
    "network": ("ERROR: failed - Cannot connect to host example.org:443", "network", 6),
    "rate limit": ("ERROR: unexpected error - <HttpError 403> rateLimitExceeded", "wait", 6),
    "full": ("ERROR: failed to transfer 'x' - [Errno 28] No space left on device", "free", 1),
    "read-only": ("ERROR: unexpected error - [Errno 30] Read-only file system", "writable", 1),
    "quota": ("ERROR: <HttpError 403> storageQuotaExceeded", "service account", 1),
    "no remote": ("ERROR: config file error: no remote specified in /x.", "storage set", 1),
    "plugin": ("ERROR: unexpected error - gdrive is supported, but requires 'dvc-gdrive' to be "
               "installed: No module named 'dvc_gdrive'", "uv sync", 1),
    "another plugin": ("ERROR: s3 is supported, but requires 'dvc-s3' to be installed",
                       "pip install dvc-s3, where dvc itself is", 1),
    "edited": ("ERROR: failed to pull data from the cloud - Can't remove the following unsaved "
               "files without confirmation. Use `--force` to force.", "dvc pull --force", 1),
    "sign-in": ("ERROR: unexpected error - Failed to authenticate GDrive", "storage login", 1),
    "wrong kind": ("ERROR: unexpected error - 'access_token'", "storage set", 1),
    "unheard of": ("ERROR: something else", "dvc doctor", 1),
}  # fmt: skip


@pytest.mark.parametrize(("said", "hint", "attempts"), SAID.values(), ids=SAID)
def test_a_refusal_says_what_to_do_and_only_what_may_pass_is_tried_again(
    said: str, hint: str, attempts: int, stand_in: Path
):
    (stand_in / "said").write_text(said)

    with pytest.raises(VersioningError, match=r"DVC cannot push best\.pt: ") as caught:
        DvcStore(stand_in, pause_s=0).push([POINTER])

    assert hint in caught.value.hint
    assert len((stand_in / "calls").read_text().splitlines()) == attempts


def test_it_is_called_without_secrets_and_never_waits_for_a_browser(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
):
    secret = '{"refresh_token": "1//0refresh", "client_secret": "GOCSPX-1"}'
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", secret)
    (stand_in / ".dvc").mkdir()
    (stand_in / ".dvc/config").write_text("['remote \"storage\"']\n    url = gdrive://1aBc\n")
    (stand_in / "said").write_text("ERROR: bad token 1//0refresh for GOCSPX-1")

    with pytest.raises(VersioningError, match=r"bad token \*\*\* for \*\*\*") as caught:
        DvcStore(stand_in).push([POINTER, Path("a b.dvc")])

    arguments, environment = json.loads((stand_in / "calls").read_text())
    assert arguments == ["push", str(POINTER), "a b.dvc"]
    assert environment["GDRIVE_NON_INTERACTIVE"] == "1"
    assert environment["DVC_NO_ANALYTICS"] == "1"
    assert environment["GDRIVE_CREDENTIALS_DATA"] == secret
    assert "1//0refresh" not in str(caught.value)
    assert "GOCSPX" not in str(caught.value)


DAMAGED = {
    "merge": b"<<<<<<< HEAD\nouts: []\n=======\n",
    "empty": b"",
    "a list": b"- a\n",
    "not text": b"\xff\xfe",
    "meta is no mapping": b"outs: []\nmeta: v1\n",
    "outs is no list": b"outs: best.pt\n",
    "an out is no mapping": b"outs: [best.pt]\n",
    "two outs": b"outs: [{md5: a, path: a}, {md5: b, path: b}]\n",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_pointer_is_named_and_left_as_it_is(content: bytes, stand_in: Path):
    (stand_in / "best.pt.dvc").write_bytes(content)
    store = DvcStore(stand_in)

    with pytest.raises(VersioningError, match=r"best\.pt\.dvc is not a DVC pointer"):
        store.add([Path("best.pt")])
    with pytest.raises(VersioningError, match=r"best\.pt\.dvc is not a DVC pointer"):
        store.annotate([Path("best.pt.dvc")], VERSION)

    assert (stand_in / "best.pt.dvc").read_bytes() == content
    assert not (stand_in / "calls").exists()


def test_what_a_person_wrote_beside_the_version_stays(stand_in: Path):
    (stand_in / "exit").write_text("0")
    (stand_in / "said").write_text("")
    pointer = stand_in / "best.pt.dvc"
    pointer.write_text("outs: []\nmeta:\n  owner: yard team\n  version: old\n")
    store = DvcStore(stand_in)

    store.add([Path("best.pt")])
    assert yaml.safe_load(pointer.read_text())["meta"] == {"owner": "yard team"}

    store.annotate([Path("best.pt.dvc")], VERSION)
    meta = yaml.safe_load(pointer.read_text())["meta"]
    assert meta == {"owner": "yard team", "version": VERSION}


def test_the_command_beside_our_python_comes_before_the_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(EXECUTABLE, raising=False)

    assert find_dvc() == DVC


def test_the_path_is_searched_where_dvc_is_not_beside_us(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(EXECUTABLE)
    monkeypatch.setattr(sys, "executable", str(stand_in / "bin" / "python"))
    monkeypatch.setenv("PATH", str(stand_in))
    with pytest.raises(MissingToolError, match="dvc is not installed"):
        find_dvc()

    (stand_in / "my dvc").rename(stand_in / "dvc")

    assert find_dvc() == stand_in / "dvc"


def test_a_command_that_is_named_and_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(EXECUTABLE, os.devnull)

    with pytest.raises(MissingToolError, match="which is not a program") as caught:
        DvcStore().check_ready()

    assert caught.value.hint == f"unset {EXECUTABLE}"


def test_dvc_alone_fetches_the_model_that_our_gitignore_keeps_from_git(folder: Path):
    """DVC passes over a folder that it takes for ignored: it reads '/weights/detection/*' so."""
    store = DvcStore(folder)
    store.push(store.add([BEST]))
    (folder / BEST).unlink()

    dvc(folder, "pull")

    assert (folder / BEST).read_bytes() == b"the first model"
