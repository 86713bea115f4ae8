"""``doors doctor``: check this machine, or a run, and print what is wrong and how to correct it.

Each check is imported only when it runs: if one needs a package that is missing, only that check
fails.
"""

import argparse
import importlib
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Literal

from container_doors.cli.output import say, say_document
from container_doors.core.errors import DoorsError, RunError
from container_doors.core.installation import extra_of, install_command
from container_doors.core.run import Run
from container_doors.doctor.health import (
    Health,
    as_document,
    as_lines,
    failed,
    passed,
    warned,
    worst,
)

if TYPE_CHECKING:
    from container_doors.core.records import Predictions, RunRecord, SplitScores

_CHECKS = (
    ("python", "adapters.machine_health:python"),
    ("packages", "adapters.machine_health:packages"),
    ("torch", "adapters.machine_health:torch_build"),
    ("gpu", "adapters.machine_health:gpu"),
    ("memory", "adapters.machine_health:memory"),
    ("disk", "adapters.machine_health:disk"),
    ("network", "adapters.machine_health:network"),
    ("git", "adapters.account_health:git"),
    ("dvc remote", "adapters.account_health:dvc_remote"),
    ("drive", "adapters.account_health:drive_credentials"),
    ("w&b", "adapters.account_health:wandb"),
    ("kaggle", "adapters.account_health:kaggle"),
    ("data set", "cli.doctor:data_set"),
    ("last run", "cli.doctor:last_run"),
)
_AFTER_SET_UP = ("data set", "last run")
_OF_SET_UP = tuple(
    (name, "adapters.machine_health:gpu_for_set_up" if name == "gpu" else place)
    for name, place in _CHECKS
    if name not in _AFTER_SET_UP
)
_LOG_END = 20_000
_MOST_CHARACTERS = 600
"""Of what is quoted of a run: this project's messages are shorter, vendors' may be longer."""

_BY_HAND = "import your photographs: doors data import SOURCE"
_IGNORED_WARNINGS = ("may produce non-deterministic training results", " py.warnings: ")
"""Warnings without a remedy: about a cache that changes nothing here, and Python's own ones."""

_OF_SETTINGS = re.compile(r" WARNING +\S+: detection\.")
"""What `doors data validate` or a training's start says of params; no fault of a finished run."""


def doctor(arguments: argparse.Namespace) -> int:
    """Print a line for each check; exit 1 if one fails."""
    checks = _OF_SET_UP if arguments.setup else _CHECKS
    is_of_run = arguments.run is not None
    health = _diagnosis(arguments.run) if is_of_run else _run_checks(checks, arguments.json)
    lines = list(health)
    if arguments.json:
        say_document(as_document(lines))
    elif is_of_run:
        say(*as_lines(lines))
    return 1 if worst(lines) == "fail" else 0


def data_set() -> Health:
    """Check the data set of the params, as training does."""
    from container_doors.cli.console import progress
    from container_doors.core.config import load_params
    from container_doors.steps.data.validate import check_data

    data = load_params(Path("params.yaml"), []).data
    path = Path(data.path)
    if not path.exists():
        return failed(
            "data set",
            f"{path} does not exist",
            (f"doors data pull --path {path}" if Path(f"{path}.dvc").exists() else _BY_HAND)
            + f", or doors data sample --out {path}",
        )
    with progress(quiet=True) as quiet:
        report = check_data(path, data, progress=quiet)
    if report.errors:
        return failed(
            "data set",
            f"{len(report.errors)} error(s), the first: {report.errors[0]}",
            f"doors data validate --path {path}",
        )
    counts = ", ".join(f"{split} {counts.images}" for split, counts in report.splits.items())
    return passed("data set", f"{path}: photographs in {counts}")


def last_run() -> Health:
    """Return how the newest run ended, and the last warning or error in its log."""
    from container_doors.steps.track import show_run

    records = sorted(Path("runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    named = [path for path in records if "~" not in path.parent.name]
    if not named:
        return passed("last run", "none yet")
    run = Run(named[-1].parent.name)
    record, _, _ = show_run(run, picture=None)
    damaged = _damage(run, record)
    complaints = [
        line
        for line in _log_end(run.train_log).splitlines()
        if (" ERROR " in line or " WARNING " in line)
        and not any(text in line for text in _IGNORED_WARNINGS)
        and not (record.status in {"trained", "finished"} and _OF_SETTINGS.search(line))
    ]
    found = f"{run.name}: {record.status}"
    remedy = f"doors doctor --run {run.name}"
    if damaged:
        return failed("last run", f"{found}; {damaged[0].found}", remedy)
    if record.status in {"failed", "interrupted"}:
        return warned("last run", _shortened(f"{found}: {record.message}"), remedy)
    if complaints:
        quoted = _shortened(f"{found}; its log: {complaints[-1]}")
        return warned("last run", quoted, f"the whole log is {run.train_log}; {remedy}")
    return passed("last run", found)


def _shortened(text: str) -> str:
    """Shorten a text that is too long for a line, after a word, and show that it goes on."""
    return textwrap.shorten(text, _MOST_CHARACTERS, placeholder=" [...]")


def _run_checks(checks: Sequence[tuple[str, str]], quiet: bool) -> Iterator[Health]:
    """Run the checks, and print each result at once."""
    for name, place in checks:
        line = _run_check(name, place)
        if not quiet:
            say(*_in_columns(line))
        yield line


def _in_columns(line: Health) -> Sequence[str]:
    width = max(len(name) for name, _ in _CHECKS)
    return as_lines([Health(f"{line.name:<{width}}", line.verdict, line.found, line.remedy)])


def _run_check(name: str, place: str) -> Health:
    module, _, function = place.partition(":")
    try:
        check = getattr(importlib.import_module(f"container_doors.{module}"), function)
        made: Health = check()
    except DoorsError as error:
        return failed(name, error.problem, error.hint)
    except ModuleNotFoundError as error:
        return failed(
            name, f"{error.name} is not installed", install_command(extra_of(error.name or ""))
        )
    except ImportError as error:
        return failed(name, f"a package is damaged: {error}", install_command())
    return made


def _diagnosis(name: str | Literal[True]) -> Sequence[Health]:
    from container_doors.doctor.run_diagnosis import Case, diagnose
    from container_doors.reporting.which_run import named_or_only, read_record
    from container_doors.steps.track import show_run
    from container_doors.training.standing import is_claimed

    run = named_or_only(None if name is True else name, "doctor --run")
    _, history, best_epoch = show_run(run, picture=None)
    record = read_record(run)
    written = [
        path.stat().st_mtime
        for path in (run.record, run.metrics_jsonl, run.train_log)
        if path.exists()
    ]
    log = _log_end(run.train_log)
    case = Case(
        record,
        history,
        log,
        is_running=is_claimed(run),
        idle_s=time() - max(written),
        best_epoch=best_epoch,
        predictions=_found_on_val(run, record),
        val=_scores_on_val(run, record),
        is_earlier=run.aside is not None,
    )
    return [*_damage(run, record), *diagnose(case)]


def _found_on_val(run: Run, record: "RunRecord") -> "Predictions | None":
    """Read the predictions on val, if they are of this run; damage is reported elsewhere."""
    from container_doors.core.records import Predictions

    try:
        found = Predictions.read(run.predictions_json("val"))
    except RunError:
        return None
    return found if found.run_id == record.run_id else None


def _scores_on_val(run: Run, record: "RunRecord") -> "SplitScores | None":
    """Read the scores on val, if they are of these weights; damage is reported elsewhere."""
    from container_doors.core.records import Evaluation

    best = record.artifacts.get("best.pt")
    try:
        found = Evaluation.read(run.scores)
    except RunError:
        return None
    is_of_these = best is not None and found.weights_sha256 == best.sha256
    return found.splits.get("val") if is_of_these else None


def _damage(run: Run, record: "RunRecord") -> list[Health]:
    """List a run's files that cannot be read, or have changed."""
    from container_doors.core.records import Metadata
    from container_doors.publishing.evidence import records_check
    from container_doors.publishing.ways_back import other_weights
    from container_doors.steps.detections import damaged_documents
    from container_doors.training.history import history_faults
    from container_doors.training.standing import correct_status

    *lost, remedy = history_faults(run, record) or [""]
    weights = [other_weights(record, run, one) for one in (run.best_weights, run.last_weights)]
    found = [
        *(failed("epochs", fault, remedy) for fault in lost),
        *(failed("document", error.problem, error.hint) for error in damaged_documents(run)),
        *(failed("weights", error.problem, error.hint) for error in weights if error),
    ]
    can_resume = correct_status(run, record).status in {"stopped", "interrupted", "failed"}
    if can_resume and run.aside is None:
        found += _damaged_checkpoints(run)
    if not found and run.metadata.exists():  # all can be read: check that it is what was published
        for one in records_check(Metadata.read(run.metadata), run).mismatches:
            what = f"{one.where}: expected {one.expected}, found {one.found}"
            found.append(failed("records", what, one.remedy))
    return found


def _damaged_checkpoints(run: Run) -> Iterator[Health]:
    from container_doors.training.checkpoint import find_intact, how_to_start_over

    found = find_intact(run)
    for why in found.skipped:
        if found.folder is None:
            elsewhere = f"the storage may have one: doors train --resume --experiment {run.name}"
            yield failed("checkpoint", why, f"{elsewhere}; else {how_to_start_over(run)}")
        else:
            again = f"doors train --resume --experiment {run.name} resumes after {found.epoch}"
            yield warned("checkpoint", f"{why}; the previous one is intact", again)


def _log_end(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_END))
        return file.read().decode("utf-8", "replace")
