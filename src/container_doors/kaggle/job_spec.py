"""What a job is told: one folder with a script, its order filled in, and what the host is to lend.

The order is the script's only input beside the packs. It holds no secret.
"""

import json
import pprint
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container_doors.core.errors import ConfigError
from container_doors.kaggle.bundles import Bundle

SCRIPT, METADATA = "kernel.py", "kernel-metadata.json"
_UNFILLED = "ORDER: dict[str, Any] = {}\n"
_WIDTH = 96


@dataclass(frozen=True, slots=True)
class Gpus:
    """What the host lends, and what it is called when it is there."""

    shape: str
    name: str
    count: int


TWO_T4 = Gpus("NvidiaTeslaT4", "T4", 2)
"""The least that Kaggle lends; a single one is not offered, and two cost the quota of one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When the job does what by itself, in seconds since it began."""

    session_s: float
    """When the host would end it."""
    spare_s: float
    """For what comes after the last epoch: evaluating, packing."""
    keep_every_s: float
    """How often the newest checkpoint is put where it outlives a kill."""
    stall_s: float
    """How long several GPUs may make no progress."""


@dataclass(frozen=True, slots=True)
class Code:
    """The exact code, and how it is proven to be that."""

    commit: str
    tree: str
    """Names the hash of every file that is to lie there, changes included."""
    not_code: Sequence[str] = ()
    """Paths of the repository that are no part of it: data, weights, runs."""
    not_code_is_committed: bool = True
    """Whether git finds what it tracks of them unchanged, where they are sent from."""


@dataclass(frozen=True, slots=True)
class JobTask:
    """One experiment of a job, and the GPUs that it gets."""

    name: str
    params_yaml: str
    gpus: Sequence[int]


def spread_gpus(devices: Sequence[str]) -> list[list[int]]:
    """Give each experiment its GPUs, by what its params ask for.

    >>> spread_gpus(["auto"]), spread_gpus(["0,1"]), spread_gpus(["auto", "0"])
    ([[0]], [[0, 1]], [[0], [1]])
    >>> spread_gpus(["cpu"])
    [[]]
    """
    wanted = [0 if device == "cpu" else device.count(",") + 1 for device in devices]
    if sum(wanted) > TWO_T4.count or len(devices) > TWO_T4.count:
        raise ConfigError(
            f"expected {TWO_T4.count} GPUs at most, and {TWO_T4.count} experiments, found "
            f"{len(devices)} experiment(s) for {sum(wanted)} GPUs",
            hint="--devices 2 with one experiment, or two experiments with one GPU each",
        )
    given, first = [], 0
    for count in wanted:
        given.append(list(range(first, first + count)))
        first += count
    return given


def job_spec(
    job: str,
    owner: str,
    *,
    packs: Sequence[Bundle],
    code: Code,
    assignments: Sequence[JobTask],
    limits: Limits,
) -> dict[str, Any]:
    """Write down what the script is to do, as :data:`worker.ORDER` reads it."""
    needs_gpus = any(one.gpus for one in assignments)
    return {
        "job": job,
        "owner": owner,
        "packs": [
            {"kind": p.kind, "slug": p.slug, "file": p.path.name, "sha256": p.sha256,
             "into": p.into}
            for p in packs
        ],
        "commit": {
            "id": code.commit,
            "tree": code.tree,
            "not_code": list(code.not_code),
            "not_code_is_committed": code.not_code_is_committed,
        },
        "gpus": {"name": TWO_T4.name, "count": TWO_T4.count} if needs_gpus else None,
        "experiments": [
            {"name": one.name, "params": one.params_yaml, "gpus": list(one.gpus)}
            for one in assignments
        ],
        "session_s": limits.session_s,
        "spare_s": limits.spare_s,
        "keep_every_s": limits.keep_every_s,
        "stall_s": limits.stall_s,
    }  # fmt: skip


def write_job(folder: Path, order: Mapping[str, Any], script: str) -> None:
    """Write the folder that the host is given."""
    if script.count(_UNFILLED) != 1:
        raise AssertionError("the script has one place for its order")
    written = pprint.pformat(dict(order), width=_WIDTH, sort_dicts=False)
    filled = f"ORDER: dict[str, Any] = {written}\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCRIPT).write_text(script.replace(_UNFILLED, filled), encoding="utf-8")
    metadata = kernel_metadata(order)
    (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def kernel_metadata(order: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the job in the host's words; private, whatever the account's default is.

    https://github.com/Kaggle/kaggle-api/blob/main/docs/kernels_metadata.md
    """
    owner = order["owner"]
    shape = {"machine_shape": TWO_T4.shape} if order["gpus"] else {}
    return {
        "id": f"{owner}/{order['job']}",
        "title": order["job"],
        "code_file": SCRIPT,
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_gpu": bool(order["gpus"]),
        "enable_tpu": False,
        "enable_internet": True,
        **shape,
        "dataset_sources": [f"{owner}/{pack['slug']}" for pack in order["packs"]],
        "competition_sources": [],
        "kernel_sources": [],
        "model_sources": [],
    }
