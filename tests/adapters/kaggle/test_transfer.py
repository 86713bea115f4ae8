"""Pushes and pulls over a Drive that fails, with the unmodified dvc command."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from container_doors.adapters.dvc.command import EXECUTABLE
from container_doors.adapters.dvc.store import DvcStore
from container_doors.core.errors import VersioningError
from tests.fakes import FakeProgress
from tests.loopback.drive_backend import DriveBackend, Fault

DVC = Path(sys.executable).with_name("dvc")
POINTER = Path("many.dvc")
FILES = 12


class Steps(FakeProgress):
    """Remembers how far it was, too."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[tuple[str, int, int]] = []

    def step(self, what: str, done: int, total: int) -> None:
        self.counted.append((what, done, total))


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with DriveBackend(tmp_path / "drive") as backend:
        for name, value in backend.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", backend.accounts.add_person())
        yield backend


@pytest.fixture
def folder(tmp_path: Path, drive: DriveBackend) -> Path:
    folder = tmp_path / "repository"
    (folder / "many").mkdir(parents=True)
    for number in range(FILES):
        (folder / f"many/{number}").write_text(f"{number}" * 5000)
    subprocess.run([DVC, "init", "--quiet", "--no-scm"], cwd=folder, check=True)
    url = f"gdrive://{drive.state.add_folder('remote')}"
    subprocess.run([DVC, "remote", "add", "-q", "-d", "storage", url], cwd=folder, check=True)
    subprocess.run([DVC, "add", "--quiet", "many"], cwd=folder, check=True)
    return folder


def content(drive: DriveBackend) -> list[bytes]:
    (root,) = [file.id for file in drive.state.files.values() if file.title == "remote"]
    return list(drive.state.contents(root).values())


def forget(folder: Path) -> None:
    shutil.rmtree(folder / "many")
    shutil.rmtree(folder / ".dvc/cache", ignore_errors=True)


def test_too_many_requests_are_waited_out_and_progress_is_told(folder: Path, drive: DriveBackend):
    """PyDrive2 gives up at the first 429, and dvc with it."""
    progress = Steps()
    store = DvcStore(folder, progress=progress, pause_s=0)
    drive.faults = [Fault(429, "rateLimitExceeded", only="POST .*resumable", times=2)]

    store.push([POINTER])

    assert len(content(drive)) == FILES + 1
    assert [fault.times for fault in drive.faults] == [0]
    assert "trying to push many again" in progress.lines[0]
    works, _, totals = zip(*progress.counted, strict=True)
    assert set(works) == {"pushing"}
    assert max(totals) == FILES + 1


@pytest.mark.slow
def test_a_storm_on_the_way_back_ends_with_the_same_bytes(folder: Path, drive: DriveBackend):
    store, progress = DvcStore(folder, pause_s=0), Steps()
    store.push([POINTER])
    forget(folder)
    drive.faults = [
        Fault(429, "rateLimitExceeded", only="media", times=3),
        Fault(503, only="GET", times=5),
        Fault(is_cut=True, only="media", times=2),
    ]

    DvcStore(folder, progress=progress, pause_s=0).pull([POINTER])

    assert sorted(path.name for path in (folder / "many").iterdir()) == sorted(
        map(str, range(FILES))
    )
    assert (folder / "many/7").read_text() == "7" * 5000
    assert not sum(fault.times for fault in drive.faults)


@pytest.mark.slow
def test_connections_cut_in_the_middle_of_uploads_lose_nothing(folder: Path, drive: DriveBackend):
    drive.faults = [Fault(is_cut=True, only="PUT .*chunk", times=3)]

    DvcStore(folder, pause_s=0).push([POINTER])

    assert sorted({len(data) for data in content(drive)})[-2:] == [5000, 10000]
    assert len(content(drive)) == FILES + 1


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_what_was_killed_goes_on_with_what_is_missing(verb: str, folder: Path, drive: DriveBackend):
    store = DvcStore(folder, pause_s=0)
    if verb == "pull":
        store.push([POINTER])
        forget(folder)
    drive.calls.clear()
    drive.latency_s = 0.1
    kind = {"push": "PUT /upload/drive/v2/files chunk", "pull": "GET /drive/v2/files/ID media"}[
        verb
    ]
    with subprocess.Popen(
        [DVC, verb, POINTER], cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 60
        while drive.calls[kind] < FILES // 2 and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    drive.latency_s = 0

    store.push([POINTER]) if verb == "push" else store.pull([POINTER])

    assert len(content(drive)) >= FILES + 1
    assert (folder / "many/11").read_text() == "11" * 5000


@pytest.mark.slow
def test_what_does_not_pass_is_given_up(folder: Path, drive: DriveBackend):
    drive.faults = [Fault(429, "rateLimitExceeded", only="POST .*resumable", times=10_000)]

    with pytest.raises(VersioningError, match="Google limits the rate") as caught:
        DvcStore(folder, pause_s=0).push([POINTER])

    assert "wait some minutes" in caught.value.hint
    assert len(str(caught.value)) < 2000


def test_a_transfer_that_does_not_move_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The first time it hangs, as the Drive client may; the second time it ends well."""
    program = tmp_path / "dvc"
    program.write_text(
        "#!/bin/sh\n"
        "if [ -e been ]; then exit 0; fi\n"
        "touch been\n"
        "printf '  3%%|x|Pushing to gdrive   1/30 [00:01<00:26,  1.08file/s]\\r' >&2\n"
        "exec sleep 60\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv(EXECUTABLE, str(program))
    progress = Steps()

    DvcStore(tmp_path, progress=progress, pause_s=0, stall_s=0.5).push([POINTER])

    assert progress.counted[0] == ("pushing", 1, 30)
    assert progress.lines == ["trying to push many again in 0 s: it did not move for 0 s"]
