"""The output of a job: one archive, and a manifest with the job's name and a hash of each file."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from container_doors.core.archives import unpack_tar
from container_doors.core.errors import HostError
from container_doors.core.parsing import parse_json, read_bounded
from container_doors.core.printable import shortened
from container_doors.core.records import Sha256

_MOST_MANIFEST_BYTES = 16 * 1024**2
"""A hash and a name for each of 100,000 files."""

KINDS = ("finished", "to be continued", "failed", "running")
_AGAIN = "fetch it again: doors kaggle pull {}"


class Outcome(BaseModel):
    """How a job, or one of its experiments, ended; ``running`` if it was killed afterwards."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    """One of :data:`KINDS`."""
    why: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Outcome":
        """Read an outcome as the job writes it."""
        return cls(
            kind=str(document["is"]),
            why=str(document.get("why", "")),
            remedy=str(document.get("remedy", "")),
        )


class Manifest(BaseModel):
    """The document beside the archive."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1]
    job: str
    archive: str
    sha256: Sha256
    size_bytes: int
    files: dict[str, Sha256]
    outcome: dict[str, Any]
    elapsed_s: float

    def outcome_of(self, experiment: str) -> Outcome:
        """Return how one of its experiments ended."""
        return Outcome.of(self.outcome.get("experiments", {}).get(experiment, self.outcome))


@dataclass(frozen=True, slots=True)
class UnpackedArchive:
    """The files of an archive, unpacked and checked."""

    manifest: Manifest
    folder: Path

    def run_folder(self, experiment: str) -> Path:
        """Return the folder of an experiment's run."""
        return self.folder / "runs" / experiment


def manifest_name(job: str) -> str:
    """Return the name of a job's manifest."""
    return f"{job}.json"


def read_manifest(path: Path, job: str) -> Manifest:
    """Read a manifest, and check that it belongs to this job.

    After a job was stopped, the host may return the files of an earlier job.

    Raises:
        HostError: If it belongs to another job, or is no manifest.
    """
    try:
        document = parse_json(read_bounded(path, _MOST_MANIFEST_BYTES), _MOST_MANIFEST_BYTES)
        found = Manifest.model_validate(
            {("schema_version" if k == "schema" else k): v for k, v in document.items()}
        )
        _check_outcomes(found.outcome)
    except (ValueError, TypeError, AttributeError, RecursionError):  # ValidationError is the first
        raise HostError(
            f"{path.name} is not what the job wrote: expected a manifest, found other content",
            hint=_AGAIN.format("NAME"),
        ) from None
    if found.job != job:
        raise HostError(
            f"{path.name} is of another job: expected {job}, found {shortened(found.job)}",
            hint=_AGAIN.format("NAME"),
        )
    return found


def _check_outcomes(outcome: dict[str, Any]) -> None:
    for one in (outcome, *dict(outcome.get("experiments", {})).values()):
        if not isinstance(one, dict) or one.get("is") not in KINDS:
            raise ValueError(f"expected an outcome, one of {', '.join(KINDS)}")


def check_archive(path: Path, manifest: Manifest) -> None:
    """Check that an archive was downloaded completely.

    Raises:
        HostError: If it was not.
    """
    found = _sha256(path)
    if found != manifest.sha256:
        raise HostError(
            f"{path.name} was damaged on the way: expected {manifest.size_bytes} bytes "
            f"with sha256 {manifest.sha256[:12]}, found {path.stat().st_size} with {found[:12]}",
            hint=_AGAIN.format("NAME"),
        )


def unpack(path: Path, manifest: Manifest, folder: Path) -> UnpackedArchive:
    """Unpack an archive into an empty folder, and check the hash of every file.

    Raises:
        HostError: If a file differs from the manifest, or is missing in one of the two.
    """
    folder.mkdir(parents=True)
    present = set(
        unpack_tar(
            path,
            folder,
            names=manifest.files,
            refuse=lambda problem: HostError(problem, hint=_AGAIN.format("NAME")),
        )
    )
    for name, expected in manifest.files.items():
        found = _sha256(folder / PurePosixPath(name)) if name in present else "nothing"
        if found != expected:
            shutil.rmtree(folder)
            raise HostError(
                f"{path.name}: {shortened(name)}: expected sha256 {expected[:12]}, "
                f"found {found[:12]}",
                hint=_AGAIN.format("NAME"),
            )
    return UnpackedArchive(manifest, folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
