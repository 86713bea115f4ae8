"""Starts a run, or resumes one that was interrupted: which of the two, from where, and as what."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from container_doors.core.config import Params, warnings, with_defaults
from container_doors.core.errors import MissingToolError, RunError, VersioningError
from container_doors.core.ports import World
from container_doors.core.records import DatasetFiles, RunRecord
from container_doors.core.run import Run
from container_doors.data.checks import Report
from container_doors.data.view import link_view
from container_doors.publishing.comparison import shown, unequal
from container_doors.publishing.hashing import artifact, params_sha256
from container_doors.steps.data import facts_of, layout_of, list_files
from container_doors.steps.update import update_record
from container_doors.training.bundle import short_id
from container_doors.training.checkpoint import (
    find_whole,
    how_to_begin_anew,
    resumable_epoch,
    rewind,
    use_newest_whole,
)
from container_doors.training.claim import claim, earlier_record, refuse_finished, set_aside
from container_doors.training.fetching import RunChoice, fetch_newer, prefer
from container_doors.training.known_runs import KnownRuns, known_runs
from container_doors.training.lease import clone_id, watch

MOST_NAMED = 3
"""Files of other data that a message names."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How a training is asked for."""

    replace: bool = False
    """Set an earlier run aside, and start from the beginning."""
    resume: bool = False
    """Start nothing: resume, or refuse."""
    choice: RunChoice = field(default_factory=RunChoice)
    """Which run of the experiment to resume, where the storage has several."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a run begins to train."""

    record: RunRecord
    is_resumed: bool
    known: KnownRuns | None
    """What the storage has of the experiment; None if it was not asked, or did not answer."""
    warnings: Sequence[object]
    """For the log, which exists only from here on."""


def unfinished(run: Run, choice: RunChoice) -> RunRecord | None:
    """Read what was trained here earlier; None if there is nothing.

    Raises:
        RunError: If it is finished, and not another run was chosen.
    """
    earlier = earlier_record(run)
    if choice.run is None:
        refuse_finished(run, earlier)
    return earlier


def start_or_resume(
    earlier: RunRecord | None,
    params: Params,
    run: Run,
    report: Report,
    *,
    world: World,
    mode: Mode,
) -> Start:
    """Decide whether to start, to resume, or only to evaluate; and leave the run ready for it.

    Args:
        earlier: What was trained here.
        params: What is asked for.
        run: Where.
        report: Of the data.
        world: Everything outside.
        mode: What was asked for besides.

    Raises:
        DoorsError: As :func:`container_doors.pipeline.train`.
    """
    is_needed = mode.choice.run is not None or (mode.resume and earlier is None)
    known = _known(run, mode.choice, world=world, is_needed=is_needed)
    noted: list[object] = [*warnings(params), *report.warnings]

    def note(line: str) -> None:
        noted.append(line)
        world.progress.say(line)

    if not mode.replace:
        use_newest_whole(run, note)
        earlier = _fetched(earlier, run, known, mode.choice, world=world)
    if earlier is not None and _is_trained(earlier, run) and _is_same(earlier, params, report):
        world.progress.say(f"{run.name} was trained already: evaluating and publishing it")
        link_view(layout_of(report), run.data_view)
        return Start(earlier, mode.resume, known, noted)
    if mode.resume or _can_go_on(earlier, params, run, report):
        record = _continued(earlier, params, run, report, world=world)
        return Start(record, is_resumed=True, known=known, warnings=noted)
    record = _begun(params, run, report, known, world=world, replace=mode.replace)
    return Start(record, is_resumed=False, known=known, warnings=noted)


def fetch_run(run: Run, *, world: World, choice: RunChoice) -> None:
    """Bring the newest checkpoint of a run here, with what was asked of it; :func:`train` goes on.

    Raises:
        DoorsError: As :func:`train`, of what the storage has.
    """
    with claim(run):
        earlier = earlier_record(run)
        known = _known(run, choice, world=world, is_needed=True)
        use_newest_whole(run, world.progress.say)
        _fetched(earlier, run, known, choice, world=world)


def epoch_to_go_on_after(
    params: Params, run: Run, report: Report, *, replace: bool = False
) -> int | None:
    """Say after which epoch :func:`train` would go on; None if it would begin.

    Raises:
        RunError: If the run is finished already and ``replace`` is false.
    """
    earlier = None if replace else earlier_record(run)
    refuse_finished(run, earlier)
    return find_whole(run).epoch if _can_go_on(earlier, params, run, report) else None


def _is_same(earlier: RunRecord, params: Params, report: Report) -> bool:
    """Tell whether an earlier run was asked for with these params, on this data."""
    asked = params.model_dump(mode="json")
    return (
        _without_places(with_defaults(earlier.params)) == _without_places(asked)
        and earlier.dataset.sha256 == facts_of(report).sha256
    )


def _without_places(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out on what it is trained as well: a run may move to other GPUs, or to one."""
    training = {key: value for key, value in params["training"].items() if key != "device"}
    return training_params(params) | {"training": training}


_LOOKS = ("tensorboard", "checkpoints", "publishing", "versioning")


def training_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what decides only how a run is watched and kept, and may change meanwhile."""
    wandb = {key: value for key, value in params["wandb"].items() if key != "mode"}
    shown = {key: value for key, value in params.items() if key not in _LOOKS}
    return shown | {"wandb": wandb}


def _what_is_other(earlier: RunRecord, params: Params, run: Run, report: Report) -> str:
    """Name what a run was begun with and is not resumed with, as old -> new."""
    asked = training_params(params.model_dump(mode="json"))
    other = [
        f"{key} {shown(old)} -> {shown(new)}"
        for key, old, new in unequal(training_params(with_defaults(earlier.params)), asked)
    ]
    if earlier.dataset.sha256 != facts_of(report).sha256:
        was = DatasetFiles.read(run.dataset).files if run.dataset.is_file() else {}
        now = {path.as_posix(): digest for path, digest in report.digests.items()}
        files = [name for name, _, _ in unequal(was, now)] if was else []
        other += files[:MOST_NAMED] or [params.data.path]
        if len(files) > MOST_NAMED:
            other.append(f"and {len(files) - MOST_NAMED} more files")
    return ", ".join(other)


def _known(run: Run, choice: RunChoice, *, world: World, is_needed: bool) -> KnownRuns | None:
    """Ask what the storage has of an experiment; None if there is none, or it does not answer.

    Raises:
        RunError: If another machine trains the experiment now, or if a run is to be chosen and
            there is no storage.
        VersioningError: If the storage does not answer, and nothing can be done without it.
    """
    remote = world.checkpoints
    if remote is None:
        if choice.run is None:
            return None
        raise RunError(
            f"--run {choice.run}: there is no storage to choose a run from",
            hint="doors remote set; or leave --run out",
        )
    try:
        known = known_runs(remote.names(run.name), _record_if_readable(run))
        if not choice.takes_over:
            watch(
                [one for one in known.leases if one.clone != clone_id(run.root)],
                lambda: remote.names(run.name),
                experiment=run.name,
                say=world.progress.say,
            )
    except (VersioningError, MissingToolError) as error:
        if is_needed:
            raise
        world.progress.say(f"checkpoints of other machines are not looked for: {error.problem}")
        return None
    return known


def _fetched(
    earlier: RunRecord | None,
    run: Run,
    known: KnownRuns | None,
    choice: RunChoice,
    *,
    world: World,
) -> RunRecord | None:
    """Bring a checkpoint here that goes further than ours, made on another machine."""
    remote, say = world.checkpoints, world.progress.say
    if remote is None or known is None:
        return earlier
    if fetch_newer(run, earlier, known, remote, wanted=choice.run, say=say):
        earlier = RunRecord.read(run.record)
    if choice.run is not None and earlier is not None:
        refuse_finished(run, earlier)
        earlier = prefer(run, earlier, known, remote)
    return earlier


def _is_trained(earlier: RunRecord, run: Run) -> bool:
    """Tell whether a run was trained to its end, and its weights are here as they came out."""
    if earlier.status != "trained":
        return False
    paths = (run.best_weights, run.last_weights)
    return all(path.is_file() and artifact(path) == earlier.artifacts[path.name] for path in paths)


def _can_go_on(earlier: RunRecord | None, params: Params, run: Run, report: Report) -> bool:
    """Tell whether a run was cut off that is asked for again.

    Raises:
        RunError: If it was, and none of its checkpoints is whole.
    """
    if earlier is None or not _is_same(earlier, params, report):
        return False
    return _whole_epoch(earlier, run) is not None


def _whole_epoch(earlier: RunRecord, run: Run) -> int | None:
    """Name the epoch of the newest whole checkpoint; None if there has not been one.

    Raises:
        RunError: If there has been one, and none is left.
    """
    found = find_whole(run)
    lost = list(found.passed_over)
    if earlier.status == "trained":
        lost.append("best.pt or last.pt is not what was trained")
    if found.epoch is None and lost:
        raise RunError(
            f"no whole checkpoint of {run.name} is left: {'; '.join(lost)}",
            hint=how_to_begin_anew(run),
        )
    return found.epoch


def _begun(
    params: Params,
    run: Run,
    report: Report,
    known: KnownRuns | None,
    *,
    world: World,
    replace: bool,
) -> RunRecord:
    """Begin a run; what an earlier attempt left is set aside."""
    replaced = _replaced(run, known, replace=replace)
    hardware = world.trainer.describe_hardware(params)
    weights = world.trainer.starting_weights(params)
    world.follower.settle(run, progress=world.progress)
    why = "of other params or other data" if resumable_epoch(run) else "without a checkpoint"
    aside = set_aside(run)
    if aside is not None:
        world.progress.say(f"an earlier attempt, {why}, is kept in {aside}")
    document = params.model_dump(mode="json")
    record = RunRecord(
        run_id=uuid.uuid4().hex,
        experiment=run.name,
        status="running",
        started_at=datetime.now(UTC),
        params=document,
        params_sha256=params_sha256(document),
        code=world.repository.code_state(beside=_no_code(params)),
        dataset=facts_of(report),
        starting_weights=weights,
        hardware=hardware,
        environment=world.environment,
        seed=params.training.seed,
        replaces=replaced,
    )
    record.write(run.record)
    list_files(report, run)
    world.progress.say(
        f"training {run.name}: {params.model.architecture} from {weights.source} weights, "
        f"{params.training.epochs} epochs at {params.training.image_size_px} px "
        f"on {hardware.description} ({hardware.device})"
    )
    return record


def _replaced(run: Run, known: KnownRuns | None, *, replace: bool) -> list[str]:
    """Name the runs that the next one takes the place of.

    That is the one here and, on the storage, what has been replaced or has left nothing; with
    ``replace`` everything.
    """
    here = _record_if_readable(run)
    replaced = set() if here is None else {short_id(here), *here.replaces}
    if known is not None:
        replaced |= known.runs if replace else known.runs - {*known.usable()}
    return sorted(replaced)


def _record_if_readable(run: Run) -> RunRecord | None:
    try:
        return earlier_record(run)
    except RunError:  # it is set aside as it is
        return None


def _continued(
    earlier: RunRecord | None, params: Params, run: Run, report: Report, *, world: World
) -> RunRecord:
    """Take up a run that was cut off, as the same run."""
    epoch = None if earlier is None else _whole_epoch(earlier, run)
    if earlier is None or epoch is None:
        raise RunError(
            f"nothing in {run.directory} can be resumed: no epoch was finished there",
            hint=f"begin it: doors train --experiment {run.name}",
        )
    if not _is_same(earlier, params, report):
        raise RunError(
            f"{run.name} was begun with other params or on other data: "
            f"{_what_is_other(earlier, params, run, report)}",
            hint="put that back, or begin another: --experiment NAME",
        )
    hardware = world.trainer.describe_hardware(params)
    world.follower.settle(run, progress=world.progress)
    list_files(report, run)
    rewind(run)  # before anybody follows: what the checkpoint lacks is trained again
    world.progress.say(
        f"resuming {run.name} after epoch {epoch} of {params.training.epochs} "
        f"on {hardware.description} ({hardware.device})"
    )
    document = params.model_dump(mode="json")
    return update_record(
        run,
        earlier,
        status="running",
        params=document,
        params_sha256=params_sha256(document),
        finished_at=None,
        message=None,
        hardware=hardware,
        environment=world.environment,
        resumed_after=[*earlier.resumed_after, epoch],
    )


def _no_code(params: Params) -> list[Path]:
    """Name what a run is made with that is no code: the record has its hash."""
    weights = [Path(params.model.weights)] if params.model.weights else []
    return [Path(params.data.path), *weights]
