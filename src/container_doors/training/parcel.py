"""A checkpoint as one file, named so that another machine finds the newest by a list of names.

``20261125T101500-0f3c9a1b-000012-9b1d….tar``: when the run was begun, its id, the epoch, and the
start of the file's sha256. Sorted by name, the last is the newest of the latest run. It holds
the checkpoint's folder and ``run.json``. A run that has ended leaves an empty file instead, with
``finished`` in the place of the epoch.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from container_doors.errors import RunError
from container_doors.files import force_to_disk, heal, replace_folder, staged_for
from container_doors.records import RunRecord
from container_doors.run import Run

_NAME = re.compile(
    r"(?P<begun>\d{8}T\d{6})-(?P<run>[0-9a-f]{8})-"
    r"(?:(?P<epoch>\d{6})-(?P<sha>[0-9a-f]{16})\.tar|finished)"
)
_RECORD = "run.json"


@dataclass(frozen=True, slots=True, order=True)
class Parcel:
    """What a name says; in the order of age."""

    begun: str
    run: str
    """The first eight characters of the run's id."""
    epoch: int
    """The last one that it holds; a finished run sorts behind them all."""
    name: str

    @property
    def age(self) -> tuple[str, str, int]:
        """Order by this, whatever the content."""
        return self.begun, self.run, self.epoch

    @property
    def is_finished(self) -> bool:
        """Tell whether the run has ended and needs no checkpoint any more."""
        return self.name.endswith("-finished")


_AFTER_ALL_EPOCHS = 10**6


def parcel(name: str) -> Parcel | None:
    """Read a name; None if it is of something else, such as an upload that was cut off.

    >>> parcel("20261125T101500-0f3c9a1b-000012-0123456789abcdef.tar").epoch
    12
    >>> parcel("notes.txt")
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    epoch = _AFTER_ALL_EPOCHS if found["epoch"] is None else int(found["epoch"])
    return Parcel(found["begun"], found["run"], epoch, name)


def finished_name(record: RunRecord) -> str:
    """Name the mark that a finished run leaves."""
    return f"{_prefix(record)}-finished"


def is_newer(one: Parcel, record: RunRecord | None, epoch: int | None) -> bool:
    """Tell whether a parcel goes further than what is here."""
    if record is None:
        return True
    here = _prefix(record)
    return (f"{one.begun}-{one.run}", one.epoch) > (here, epoch or 0)


def snapshot(run: Run, folder: Path) -> int | None:
    """Give the files of the newest checkpoint, and ``run.json``, second names in ``folder``.

    They are never changed, only replaced, so a second name keeps them as they are, and costs no
    copy. Returns the epoch; None if a replacement came in between.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checkpoint = run.resumable.parent
    epoch_json = checkpoint / "epoch.json"
    with contextlib.suppress(FileNotFoundError):
        before = epoch_json.stat().st_ino
        for path in sorted(checkpoint.iterdir()):
            _second_name(path, folder / path.name)
        shutil.copyfile(run.record, folder / _RECORD)
        if epoch_json.stat().st_ino == before:
            return _epoch_of(folder)
    return None


def pack(folder: Path, record: RunRecord, epoch: int, target: Path) -> Path:
    """Write a snapshot into one file; returns it, under its name in ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    staged = target / ".packing"
    with tarfile.open(staged, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name, filter=_of_nobody)
    name = f"{_prefix(record)}-{epoch:06d}-{_sha256(staged)[:16]}.tar"
    return staged.replace(target / name)


def unpack(archive: Path, run: Run) -> None:
    """Make a run's folder of a parcel: its checkpoint, and its record.

    Raises:
        RunError: If its content is not that which its name tells of; nothing is changed then.
    """
    told = parcel(archive.name)
    if told is None or told.name.rpartition("-")[2] != f"{_sha256(archive)[:16]}.tar":
        raise RunError(
            f"{archive.name} is damaged: its sha256 is {_sha256(archive)[:16]}...",
            hint=f"begin anew: doors train --experiment {run.name} --replace",
        )
    checkpoint = run.resumable.parent
    heal(checkpoint)
    staged = staged_for(checkpoint)
    staged.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        packed.extractall(staged, filter="data")
    record = RunRecord.read(staged / _RECORD)
    (staged / _RECORD).unlink()
    force_to_disk(staged)
    replace_folder(checkpoint)
    heal(checkpoint)
    record.write(run.record)


def _prefix(record: RunRecord) -> str:
    return f"{record.started_at:%Y%m%dT%H%M%S}-{record.run_id[:8]}"


def _epoch_of(folder: Path) -> int:
    return int(json.loads((folder / "epoch.json").read_bytes())["epoch"])


def _second_name(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without second names
        shutil.copyfile(path, target)


def _of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
