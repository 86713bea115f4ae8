"""A bundle: a checkpoint as one file, named by its run, its epoch and its content.

``20261125T101500-0f3c9a1b-000012-9b1d….tar``: the start time of the run, its id, the epoch, and the
first digits of the file's sha256. It holds the checkpoint's folder and ``run.json``. Beside the
bundles are marks, small files of which only the name matters: ``…-finished`` once a run's model is
stored elsewhere, and ``…-replaces-1c22d0fe`` where a run replaces another one. The time is for
people only: clocks differ between machines, so nothing depends on it.
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
from container_doors.core.files import (
    force_to_disk,
    make_folder,
    open_file,
    read_file,
    replace_and_keep,
    staged_for,
)
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.training.checkpoint import faults, tidy

_NAME = re.compile(
    r"(?P<started>\d{8}T\d{6})-(?P<run>[0-9a-f]{8})-"
    r"(?:(?P<epoch>\d{6})-(?P<sha>[0-9a-f]{16})\.tar"
    r"|(?P<finished>finished)|replaces-(?P<replaces>[0-9a-f]{8}))"
)
_RECORD = "run.json"


@dataclass(frozen=True, slots=True)
class CheckpointBundle:
    """The parts of a bundle's or a mark's name."""

    name: str
    started: str
    run: str
    """The first 8 characters of the run's id."""
    epoch: int | None = None
    """The last epoch in it; None for a mark."""
    sha256: str | None = None
    """The first 16 digits of the content's sha256; None for a mark."""
    replaces: str | None = None
    """The id of the replaced run, if it is such a mark."""

    @property
    def is_finished(self) -> bool:
        """Check whether it marks a run that needs no checkpoint any more."""
        return self.name.endswith("-finished")


def parse_bundle_name(name: str) -> CheckpointBundle | None:
    """Parse a file name; return None for any other file, such as an interrupted upload.

    >>> parse_bundle_name("20261125T101500-0f3c9a1b-000012-0123456789abcdef.tar").epoch
    12
    >>> parse_bundle_name("20261125T101500-0f3c9a1b-replaces-1c22d0fe").replaces
    '1c22d0fe'
    >>> parse_bundle_name("notes.txt")
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    epoch = None if found["epoch"] is None else int(found["epoch"])
    return CheckpointBundle(
        name, found["started"], found["run"], epoch, found["sha"], found["replaces"]
    )


def short_id(record: RunRecord) -> str:
    """Return the run's id as file names have it: its first 8 characters."""
    return record.run_id[:8]


def finished_name(record: RunRecord) -> str:
    """Return the name of the mark of a finished run."""
    return f"{_prefix(record)}-finished"


def replaces_name(record: RunRecord, other: str) -> str:
    """Return the name of the mark that a run replaces another one."""
    return f"{_prefix(record)}-replaces-{other}"


def snapshot(run: Run, folder: Path) -> int | None:
    """Hard-link the newest checkpoint's files into ``folder``, and copy ``run.json`` there.

    Such files are never changed, only replaced, so a hard link keeps the content without a copy.
    Return the epoch; None if the checkpoint was replaced meanwhile, or cannot be read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checkpoint = run.resumable.parent
    epoch_json = checkpoint / "epoch.json"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        before = epoch_json.stat().st_ino
        for path in sorted(checkpoint.iterdir()):
            _hard_link(path, folder / path.name)
        shutil.copyfile(run.record, folder / _RECORD)
        if epoch_json.stat().st_ino == before:
            return _epoch_of(folder)
    return None


def write_bundle(folder: Path, record: RunRecord, epoch: int, target: Path) -> Path:
    """Write a snapshot into one bundle in ``target``; return its path.

    Raises:
        RunError: If the checkpoint is damaged: it would replace an intact one.
    """
    wrong = faults(folder)
    if wrong:
        raise _damaged(f"the checkpoint of epoch {epoch}", f"{', '.join(wrong)} has changed")
    target.mkdir(parents=True, exist_ok=True)
    staged = target / ".packing"
    with tarfile.open(staged, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name, filter=_without_owner)
    name = f"{_prefix(record)}-{epoch:06d}-{_sha256(staged)[:16]}.tar"
    return staged.replace(target / name)


def unpack_bundle(archive: Path, folder: Path, run: Run) -> RunRecord:
    """Unpack a bundle into ``folder``, and check that the checkpoint in it is intact.

    Returns:
        The run's record; pass ``folder`` to :func:`put_in_place`.

    Raises:
        RunError: If its content does not match its name.
    """
    named, found = parse_bundle_name(archive.name), _sha256(archive)
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
        raise _damaged(archive.name, f"it belongs to {record.experiment}, run {short_id(record)}")
    wrong = faults(folder)
    if wrong:
        raise _damaged(archive.name, f"{', '.join(wrong)} in it has changed")
    return record


def put_in_place(folder: Path, record: RunRecord, run: Run) -> None:
    """Make an unpacked checkpoint the newest of its run on this machine; ``folder`` is moved."""
    checkpoint = run.resumable.parent
    make_folder(run.directory)
    tidy(run)
    force_to_disk(folder)
    folder.rename(staged_for(checkpoint))
    replace_and_keep(checkpoint, run.previous_checkpoint)
    tidy(run)
    record.write(run.record)


def _damaged(what: str, why: str) -> RunError:
    return RunError(f"{what} is damaged: {why}", hint="an older one may be intact: doors train")


def _prefix(record: RunRecord) -> str:
    return f"{record.started_at:%Y%m%dT%H%M%S}-{short_id(record)}"


def _epoch_of(folder: Path) -> int:
    return int(json.loads(read_file(folder / "epoch.json"))["epoch"])


def _hard_link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(path, target)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
