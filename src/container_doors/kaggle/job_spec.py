"""The job spec: a folder with the script, its spec filled in, and the metadata for the host.

The spec is the script's only input beside the bundles. It contains no secret.
"""

import json
import pprint
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container_doors.core.errors import ConfigError
from container_doors.kaggle.bundles import Bundle

SCRIPT, METADATA = "kernel.py", "kernel-metadata.json"
RELEASE = ".container-doors"
"""The folder of the repository, on the Kaggle machine, that gets the wheel."""
_UNFILLED = "JOB_SPEC: dict[str, Any] = {}\n"
_WIDTH = 96


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs that the host provides: how to ask for them, and how they name themselves."""

    shape: str
    name: str
    count: int


TWO_T4 = Gpus("NvidiaTeslaT4", "T4", 2)
"""The least that Kaggle offers; there is no single T4, and two cost the quota of one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The time limits of a job, in seconds."""

    session_s: float
    """After its start, when the host would end it."""
    spare_s: float
    """Reserved for the end: evaluating, writing the archive."""
    keep_every_s: float
    """How often the newest checkpoint is saved where it survives a kill."""
    stall_s: float
    """How long several GPUs may make no progress."""


@dataclass(frozen=True, slots=True)
class Code:
    """The exact code, and the hashes that prove it."""

    commit: str
    tree: str
    """The git tree with the hash of every file to write, uncommitted changes included."""
    not_code: Sequence[str] = ()
    """Paths of the repository that are not code: data, weights, runs."""
    not_code_is_committed: bool = True
    """Whether the tracked files in these paths are unchanged on the machine that sends them."""
    wheel: str | None = None
    """The file name of the release's wheel, in the folder :data:`RELEASE`; None if the commit
    itself has the code of this package."""


@dataclass(frozen=True, slots=True)
class JobTask:
    """One experiment of a job, and the GPUs that it gets."""

    name: str
    params_yaml: str
    gpus: Sequence[int]
    floors: Mapping[int, float] = field(default_factory=dict)
    """See :attr:`container_doors.core.ports.TrainingTask.floors`."""


def spread_gpus(devices: Sequence[str]) -> list[list[int]]:
    """Assign GPUs to each experiment, as its params ask for.

    >>> spread_gpus(["auto"]), spread_gpus(["0,1"]), spread_gpus(["auto", "0"])
    ([[0]], [[0, 1]], [[0], [1]])
    >>> spread_gpus(["cpu"])
    [[]]
    """
    counts = [0 if device == "cpu" else device.count(",") + 1 for device in devices]
    if sum(counts) > TWO_T4.count or len(devices) > TWO_T4.count:
        raise ConfigError(
            f"expected {TWO_T4.count} GPUs at most, and {TWO_T4.count} experiments, found "
            f"{len(devices)} experiment(s) for {sum(counts)} GPUs",
            hint="--devices 2 with one experiment, or two experiments with one GPU each",
        )
    gpus, first = [], 0
    for count in counts:
        gpus.append(list(range(first, first + count)))
        first += count
    return gpus


def job_spec(
    job: str,
    owner: str,
    *,
    bundles: Sequence[Bundle],
    code: Code,
    tasks: Sequence[JobTask],
    limits: Limits,
) -> dict[str, Any]:
    """Return the job spec, in the form of :data:`worker.JOB_SPEC`."""
    needs_gpus = any(one.gpus for one in tasks)
    return {
        "job": job,
        "owner": owner,
        "packs": [
            {"kind": one.kind, "slug": one.slug, "file": one.path.name, "sha256": one.sha256,
             "into": one.into}
            for one in bundles
        ],
        "commit": {
            "id": code.commit,
            "tree": code.tree,
            "not_code": list(code.not_code),
            "not_code_is_committed": code.not_code_is_committed,
        },
        "wheel": f"{RELEASE}/{code.wheel}" if code.wheel else None,
        "gpus": {"name": TWO_T4.name, "count": TWO_T4.count} if needs_gpus else None,
        "experiments": [
            {"name": one.name, "params": one.params_yaml, "gpus": list(one.gpus),
             "floors": [f"{epoch}={least!r}" for epoch, least in sorted(one.floors.items())]}
            for one in tasks
        ],
        "session_s": limits.session_s,
        "spare_s": limits.spare_s,
        "keep_every_s": limits.keep_every_s,
        "stall_s": limits.stall_s,
    }  # fmt: skip


def write_job(folder: Path, spec: Mapping[str, Any], script: str) -> None:
    """Write the folder for the host: the script with its spec, and the metadata."""
    if script.count(_UNFILLED) != 1:
        raise AssertionError("the script has one place for its job spec")
    literal = pprint.pformat(dict(spec), width=_WIDTH, sort_dicts=False)
    filled = f"JOB_SPEC: dict[str, Any] = {literal}\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCRIPT).write_text(script.replace(_UNFILLED, filled), encoding="utf-8")
    metadata = kernel_metadata(spec)
    (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def kernel_metadata(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job's metadata in Kaggle's format; private, whatever the account's default is.

    https://github.com/Kaggle/kaggle-api/blob/main/docs/kernels_metadata.md
    """
    owner = spec["owner"]
    shape = {"machine_shape": TWO_T4.shape} if spec["gpus"] else {}
    return {
        "id": f"{owner}/{spec['job']}",
        "title": spec["job"],
        "code_file": SCRIPT,
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_gpu": bool(spec["gpus"]),
        "enable_tpu": False,
        "enable_internet": True,
        **shape,
        "dataset_sources": [f"{owner}/{bundle['slug']}" for bundle in spec["packs"]],
        "competition_sources": [],
        "kernel_sources": [],
        "model_sources": [],
    }
