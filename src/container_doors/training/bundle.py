"""A checkpoint as one file, whose name says of which run and epoch it is, and what it holds.

``20261125T101500-0f3c9a1b-000012-9b1d….tar``: when the run was begun, its id, the epoch, and the
start of the file's sha256. It holds the checkpoint's folder and ``run.json``. Beside them lie
marks, small files whose name is all: ``…-finished`` once a run's model is kept elsewhere, and
``…-replaces-1c22d0fe`` where a run takes the place of another one. The time is for people: clocks
differ between machines, and decide nothing.
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

from container_doors.core.archives import unpack_tar
from container_doors.core.errors import RunError
from container_doors.core.files import force_to_disk, make_folder, replace_and_keep, staged_for
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.training.checkpoint import faults, tidy

_NAME = re.compile(
    r"(?P<begun>\d{8}T\d{6})-(?P<run>[0-9a-f]{8})-"
    r"(?:(?P<epoch>\d{6})-(?P<sha>[0-9a-f]{16})\.tar"
    r"|(?P<finished>finished)|replaces-(?P<replaces>[0-9a-f]{8}))"
)
_RECORD = "run.json"


@dataclass(frozen=True, slots=True)
class CheckpointBundle:
    """What a name says."""

    name: str
    begun: str
    run: str
    """The first eight characters of the run's id."""
    epoch: int | None = None
    """The last one that it holds; None for a mark."""
    sha256: str | None = None
    """How the content's begins; None for a mark."""
    replaces: str | None = None
    """Another run's id, if it is the mark of that."""

    @property
    def is_finished(self) -> bool:
        """Tell whether it is the mark of a run that needs no checkpoint any more."""
        return self.name.endswith("-finished")


def parcel(name: str) -> CheckpointBundle | None:
    """Read a name; None if it is of something else, such as an upload that was cut off.

    >>> parcel("20261125T101500-0f3c9a1b-000012-0123456789abcdef.tar").epoch
    12
    >>> parcel("20261125T101500-0f3c9a1b-replaces-1c22d0fe").replaces
    '1c22d0fe'
    >>> parcel("notes.txt")
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    epoch = None if found["epoch"] is None else int(found["epoch"])
    return CheckpointBundle(
        name, found["begun"], found["run"], epoch, found["sha"], found["replaces"]
    )


def short_id(record: RunRecord) -> str:
    """Name a run as names of files do."""
    return record.run_id[:8]


def finished_name(record: RunRecord) -> str:
    """Name the mark that a finished run leaves."""
    return f"{_prefix(record)}-finished"


def replaces_name(record: RunRecord, other: str) -> str:
    """Name the mark that a run takes the place of another one."""
    return f"{_prefix(record)}-replaces-{other}"


def snapshot(run: Run, folder: Path) -> int | None:
    """Give the files of the newest checkpoint, and ``run.json``, second names in ``folder``.

    They are never changed, only replaced, so a second name keeps them as they are, and costs no
    copy. Returns the epoch; None if a replacement came in between, or it cannot be read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checkpoint = run.resumable.parent
    epoch_json = checkpoint / "epoch.json"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        before = epoch_json.stat().st_ino
        for path in sorted(checkpoint.iterdir()):
            _second_name(path, folder / path.name)
        shutil.copyfile(run.record, folder / _RECORD)
        if epoch_json.stat().st_ino == before:
            return _epoch_of(folder)
    return None


def pack(folder: Path, record: RunRecord, epoch: int, target: Path) -> Path:
    """Write a snapshot into one file; returns it, under its name in ``target``.

    Raises:
        RunError: If the checkpoint is damaged: it would take the place of a whole one.
    """
    wrong = faults(folder)
    if wrong:
        raise _damaged(f"the checkpoint of epoch {epoch}", f"{', '.join(wrong)} has changed")
    target.mkdir(parents=True, exist_ok=True)
    staged = target / ".packing"
    with tarfile.open(staged, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name, filter=_of_nobody)
    name = f"{_prefix(record)}-{epoch:06d}-{_sha256(staged)[:16]}.tar"
    return staged.replace(target / name)


def unpack(archive: Path, folder: Path, run: Run) -> RunRecord:
    """Unpack a checkpoint beside the run that it is of, and see that it is whole.

    Returns:
        The run's record; ``folder`` is for :func:`put_in_place`.

    Raises:
        RunError: If its content is not that which its name tells of.
    """
    named, found = parcel(archive.name), _sha256(archive)
    if named is None or named.sha256 != found[:16]:
        raise _damaged(archive.name, f"its sha256 is {found[:16]}...")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unpack_tar(archive, folder, refuse=lambda problem: _damaged(archive.name, problem))
    try:
        record = RunRecord.read(folder / _RECORD)
    except RunError as error:
        raise _damaged(archive.name, str(error).partition("\n")[0]) from None
    (folder / _RECORD).unlink()
    if short_id(record) != named.run or record.experiment != run.name:
        raise _damaged(archive.name, f"it is of {record.experiment}, run {short_id(record)}")
    wrong = faults(folder)
    if wrong:
        raise _damaged(archive.name, f"{', '.join(wrong)} in it has changed")
    return record


def put_in_place(folder: Path, record: RunRecord, run: Run) -> None:
    """Make an unpacked checkpoint the newest of its run here; ``folder`` is moved."""
    checkpoint = run.resumable.parent
    make_folder(run.directory)
    tidy(run)
    force_to_disk(folder)
    folder.rename(staged_for(checkpoint))
    replace_and_keep(checkpoint, run.previous_checkpoint)
    tidy(run)
    record.write(run.record)


def _damaged(what: str, why: str) -> RunError:
    return RunError(f"{what} is damaged: {why}", hint="an older one may be whole: doors train")


def _prefix(record: RunRecord) -> str:
    return f"{record.started_at:%Y%m%dT%H%M%S}-{short_id(record)}"


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
