"""Measures the transfer of a data set to Google Drive: as a folder and as archives, in seconds.

    uv run python benchmarks/transfer.py --files 600 --latency-ms 300

Both are pushed and pulled by the unmodified dvc command, as ``doors data pack`` and ``doors data
pull`` call it, from and to a stand-in for Drive on loopback that answers every call with that
latency. The timing starts with a data set that DVC tracks, includes packing, and ends with the
files in place. It does not include Google's own limits of calls per minute, which make the folder
even slower.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.loopback.drive_backend import DriveBackend

from container_doors.adapters.dvc.command import find_dvc
from container_doors.adapters.dvc.store import DvcStore
from container_doors.cli.console import PlainProgress
from container_doors.steps.data.pack import pack_data
from container_doors.steps.data.pull import pull_data

TARGET = 10.0
DATA = Path("data/detection")
FILE_BYTES = 20_000  # the calls are slow, not the bytes; files of 300 kB would measure the disk


def main() -> int:
    """Push and pull a data set in both forms; print seconds, calls and ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=600, help="half photographs, half labels")
    parser.add_argument("--latency-ms", type=float, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        with DriveBackend(home / "drive", latency_s=options.latency_ms / 1000) as drive:
            os.environ.update(drive.environment)
            os.environ["GDRIVE_CREDENTIALS_DATA"] = drive.accounts.add_person()
            os.environ["DVC_SITE_CACHE_DIR"] = str(home / "site")
            rows = {
                form: _measure(form, home / form, drive, options.files)
                for form in ("folder", "archives")
            }
    print(f"{options.files} files of {FILE_BYTES // 1000} kB, {options.latency_ms:g} ms per call, "
          f"{len(os.sched_getaffinity(0))} cores")  # fmt: skip
    print(f"{'':10}{'push':>9}{'calls':>7}{'pull':>10}{'calls':>7}")
    for form, ((push_s, push_calls), (pull_s, pull_calls)) in rows.items():
        print(f"{form:10}{push_s:7.1f} s{push_calls:7}{pull_s:8.1f} s{pull_calls:7}")
    for number, verb in enumerate(("push", "pull")):
        ratio = rows["folder"][number][0] / rows["archives"][number][0]
        print(f"{verb}: {ratio:.1f} x, target {TARGET:g}: {'met' if ratio >= TARGET else 'missed'}")
    return 0


def _measure(form: str, home: Path, drive: DriveBackend, files: int) -> list[tuple[float, int]]:
    _draw(home, files)
    url = f"gdrive://{drive.state.add_folder()}"
    for argv in (["init", "--no-scm"], ["remote", "add", "--default", "storage", url]):
        subprocess.run([find_dvc(), *argv, "--quiet"], cwd=home, check=True)
    os.chdir(home)
    store, progress = DvcStore(progress=PlainProgress()), PlainProgress()
    expected = _content()
    store.add([DATA])

    def push() -> None:
        if form == "folder":
            store.push([DATA.with_name("detection.dvc")])
        else:
            pack_data(DATA, store=store, progress=progress)

    def pull() -> None:
        pull_data(DATA, store=store, progress=progress)

    pushed = _timed(push, drive)
    for path in DATA.with_name("detection_shards").glob("*.tar"):
        path.unlink()  # as in a clone: the pointers stay
    for path in (DATA, Path(".dvc/cache")):
        shutil.rmtree(path)
    pulled = _timed(pull, drive)
    if _content() != expected:
        raise AssertionError(f"{form}: the pulled bytes differ")
    return [pushed, pulled]


def _draw(home: Path, files: int) -> None:
    generator = random.Random(0)  # noqa: S311 - bytes that cannot be compressed
    for number in range(files):
        kind, suffix = (("images", "jpg"), ("labels", "txt"))[number % 2]
        split = "val" if number % 10 > 7 else "train"
        path = home / DATA / kind / split / f"{number // 2:05}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.randbytes(FILE_BYTES))


def _content() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in DATA.rglob("*") if path.is_file()}


def _timed(work: Callable[[], None], drive: DriveBackend) -> tuple[float, int]:
    drive.calls.clear()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began, drive.calls.total()


if __name__ == "__main__":
    raise SystemExit(main())
