"""Start a run, or resume an interrupted one: decide which, and prepare the run for it."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from container_doors.core.config import Params, warnings, with_defaults
from container_doors.core.errors import MissingToolError, RunError, VersioningError
from container_doors.core.ports import World
from container_doors.core.records import DatasetFacts, DatasetFiles, RunRecord
from container_doors.core.run import Run
from container_doors.data.checks import Report
from container_doors.data.view import link_view
from container_doors.publishing.comparison import differing_fields, format_value
from container_doors.publishing.hashing import artifact, params_sha256
from container_doors.reporting.which_run import newest_runs
from container_doors.steps.data.validate import facts_of, layout_of, list_files
from container_doors.steps.update import update_record
from container_doors.training.bundle import short_id
from container_doors.training.checkpoint import (
    Refusal,
    find_intact,
    hashes_alone,
    how_to_start_over,
    resumable_epoch,
    rewind,
    use_newest_intact,
)
from container_doors.training.claim import claim, earlier_record, refuse_finished, rename_earlier
from container_doors.training.fetch_checkpoints import (
    CheckpointSource,
    RunChoice,
    fetch_newer,
    prefer,
)
from container_doors.training.known_runs import KnownRuns, known_runs
from container_doors.training.lease import clone_id, watch

MOST_NAMED = 3
"""At most so many changed data files are named in a message."""


@dataclass(frozen=True, slots=True)
class Mode:
    """The options of a training."""

    replace: bool = False
    """Rename an earlier run to ``NAME~1``, and start from the beginning."""
    resume: bool = False
    """Resume, or refuse; never start a new run."""
    choice: RunChoice = field(default_factory=RunChoice)
    """Which run of the experiment to resume, if the storage has several."""


@dataclass(frozen=True, slots=True)
class Start:
    """A run that is ready to train."""

    record: RunRecord
    is_resumed: bool
    known: KnownRuns | None
    """What the storage has of the experiment; None if it was not asked or did not answer."""
    warnings: Sequence[object]
    """Warnings for the log, which is opened later."""


def unfinished(run: Run, choice: RunChoice) -> RunRecord | None:
    """Read the record of an earlier run here; None if there is none.

    Raises:
        RunError: If it is finished, and no run was chosen by its id.
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
    """Decide whether to start, to resume, or only to evaluate; and prepare the run for it.

    Args:
        earlier: The record of an earlier run here.
        params: The parameters.
        run: The run.
        report: The report of the data check.
        world: The adapters for everything outside.
        mode: The options.

    Raises:
        DoorsError: See :func:`container_doors.pipeline.train`.
    """
    _refuse_name_of_many(run, params)
    is_needed = mode.choice.run is not None or (mode.resume and earlier is None)
    known = _ask_storage(run, mode.choice, world=world, is_needed=is_needed)
    notes: list[object] = [*warnings(params), *report.warnings]

    def note(line: str) -> None:
        notes.append(line)
        world.progress.say(line)

    if not mode.replace:
        use_newest_intact(run, note, world.trainer.refused_checkpoint)
        earlier = _fetch_newer(earlier, run, known, mode.choice, world=world, warn=note)
    if earlier is not None and _is_trained(earlier, run) and _is_same(earlier, params, report):
        world.progress.say(f"{run.name} is already trained: evaluating and publishing it")
        link_view(layout_of(report), run.data_view)
        return Start(earlier, mode.resume, known, notes)
    refusal = world.trainer.refused_checkpoint
    if mode.resume or _can_resume(earlier, params, run, report, refusal):
        record = _resume(earlier, params, run, report, world=world)
        return Start(record, is_resumed=True, known=known, warnings=notes)
    record = _begin(params, run, report, known, world=world, replace=mode.replace)
    return Start(record, is_resumed=False, known=known, warnings=notes)


def _refuse_name_of_many(run: Run, params: Params) -> None:
    """Refuse the name of a sweep or a cross-validation, which a run of this name would block.

    Raises:
        RunError: If it is one.
    """
    another = f"take another name: --experiment {run.name}-single"
    if run.sweep.exists() or run.sweep_db.exists():
        raise RunError(f"{run.directory} is a sweep", hint=another)
    fold = run.fold(1)
    is_divided = run.crossval.exists() or (
        fold.has_record and RunRecord.read(fold.record).known_params.data.fold == 1
    )
    if is_divided and params.data.trains_on != "all" and not run.has_record:
        raise RunError(
            f"{run.name} is a cross-validation; the run of this name is its last model",
            hint=f"doors crossval --experiment {run.name} trains that; or {another}",
        )


def fetch_run(run: Run, *, world: World, choice: RunChoice) -> None:
    """Fetch the newest checkpoint of a run, with its params; :func:`train` then resumes it.

    Raises:
        DoorsError: See :func:`train`, for what the storage has.
    """
    with claim(run):
        earlier = earlier_record(run)
        known = _ask_storage(run, choice, world=world, is_needed=True)
        use_newest_intact(run, world.progress.say, world.trainer.refused_checkpoint)
        _fetch_newer(earlier, run, known, choice, world=world, warn=world.progress.say)


def epoch_to_resume_after(
    params: Params,
    run: Run,
    report: Report,
    *,
    replace: bool = False,
    refusal: Refusal = hashes_alone,
) -> int | None:
    """Return the epoch after which :func:`train` would resume; None if it would start.

    Raises:
        RunError: If the run is finished already and ``replace`` is false.
    """
    earlier = None if replace else earlier_record(run)
    refuse_finished(run, earlier)
    if not _can_resume(earlier, params, run, report, refusal):
        return None
    return find_intact(run, refusal).epoch


def _is_same(earlier: RunRecord, params: Params, report: Report) -> bool:
    """Check whether an earlier run has these params and this data."""
    asked = params.model_dump(mode="json")
    return (
        _without_places(with_defaults(earlier.params)) == _without_places(asked)
        and earlier.dataset.sha256 == facts_of(report).sha256
        and earlier.drawn == _drawn_facts(report)
    )


def _drawn_facts(report: Report) -> DatasetFacts | None:
    return None if report.drawn is None else facts_of(report.drawn)


def _without_places(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params of training without the device: a run may move to other GPUs."""
    training = {key: value for key, value in params["training"].items() if key != "device"}
    return training_params(params) | {"training": training}


_NOT_TRAINING = ("quality", "tensorboard", "checkpoints", "publishing", "versioning")


def training_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params without those for tracking and storage, which may change later."""
    wandb = {key: value for key, value in params["wandb"].items() if key != "mode"}
    relevant = {key: value for key, value in params.items() if key not in _NOT_TRAINING}
    return relevant | {"wandb": wandb}


def changed_params(record: RunRecord, params: Params) -> list[str]:
    """Name the params of training that are not those of a run, as old -> new.

    The device is left out: a run may move to another.
    """
    asked = training_params(params.model_dump(mode="json"))
    return [
        f"{key} {format_value(old)} -> {format_value(new)}"
        for key, old, new in differing_fields(training_params(with_defaults(record.params)), asked)
        if key != "training.device"
    ]


def _differences(earlier: RunRecord, params: Params, run: Run, report: Report) -> str:
    """Describe how params and data differ from those of an earlier run, as old -> new."""
    asked = training_params(params.model_dump(mode="json"))
    differences = [
        f"{key} {format_value(old)} -> {format_value(new)}"
        for key, old, new in differing_fields(training_params(with_defaults(earlier.params)), asked)
    ]
    if earlier.dataset.sha256 != facts_of(report).sha256:
        was = DatasetFiles.read(run.dataset).files if run.dataset.is_file() else {}
        now = {path.as_posix(): digest for path, digest in report.digests.items()}
        files = [name for name, _, _ in differing_fields(was, now)] if was else []
        differences += files[:MOST_NAMED] or [params.data.path]
        if len(files) > MOST_NAMED:
            differences.append(f"and {len(files) - MOST_NAMED} more files")
    if earlier.drawn and report.drawn and earlier.drawn != _drawn_facts(report):
        differences.append(f"other drawn photographs in {params.data.drawn_path}")
    return ", ".join(differences)


def _ask_storage(run: Run, choice: RunChoice, *, world: World, is_needed: bool) -> KnownRuns | None:
    """Ask the storage what it has of an experiment; None without storage or answer.

    Raises:
        RunError: If another machine trains the experiment now, or if a run was requested by its id
            and there is no storage.
        VersioningError: If the storage is needed and does not answer.
    """
    remote = world.checkpoints
    if remote is None:
        if choice.run is None:
            return None
        raise RunError(
            f"--run {choice.run}: there is no storage to choose a run from",
            hint="doors storage set; or leave --run out",
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
        world.progress.say(f"checkpoints of other machines were not checked: {error.problem}")
        return None
    return known


def _fetch_newer(
    earlier: RunRecord | None,
    run: Run,
    known: KnownRuns | None,
    choice: RunChoice,
    *,
    world: World,
    warn: Callable[[str], None],
) -> RunRecord | None:
    """Fetch a checkpoint from another machine, if its epoch is later than ours."""
    remote, say = world.checkpoints, world.progress.say
    if remote is None or known is None:
        return earlier
    source = CheckpointSource(remote, world.trainer.refused_checkpoint, warn)
    if fetch_newer(run, earlier, known, source, requested=choice.run, say=say):
        earlier = RunRecord.read(run.record)
    if choice.run is not None and earlier is not None:
        refuse_finished(run, earlier)
        earlier = prefer(run, earlier, known, remote)
    return earlier


def _is_trained(earlier: RunRecord, run: Run) -> bool:
    """Check whether a run was trained to its end, and its weights are here and unchanged."""
    if earlier.status != "trained":
        return False
    paths = (run.best_weights, run.last_weights)
    return all(path.is_file() and artifact(path) == earlier.artifacts[path.name] for path in paths)


def _can_resume(
    earlier: RunRecord | None, params: Params, run: Run, report: Report, refusal: Refusal
) -> bool:
    """Check whether the requested training is an interrupted one that can be resumed.

    Raises:
        RunError: If it was interrupted, and none of its checkpoints is intact.
    """
    if earlier is None or not _is_same(earlier, params, report):
        return False
    return _intact_epoch(earlier, run, refusal) is not None


def _intact_epoch(earlier: RunRecord, run: Run, refusal: Refusal) -> int | None:
    """Return the epoch of the newest intact checkpoint; None if there never was one.

    Raises:
        RunError: If there was one, and none is left.
    """
    found = find_intact(run, refusal)
    lost = list(found.skipped)
    if earlier.status == "trained":
        lost.append("best.pt or last.pt has changed since the training")
    if found.epoch is None and lost:
        raise RunError(
            f"no intact checkpoint of {run.name} is left: {'; '.join(lost)}",
            hint=how_to_start_over(run),
        )
    return found.epoch


def _begin(
    params: Params,
    run: Run,
    report: Report,
    known: KnownRuns | None,
    *,
    world: World,
    replace: bool,
) -> RunRecord:
    """Start a run; an earlier attempt is renamed and kept."""
    replaced = _runs_to_replace(run, known, replace=replace)
    hardware = world.trainer.describe_hardware(params)
    weights = world.trainer.starting_weights(params)
    world.follower.settle(run, progress=world.progress)
    why = "of other params or other data" if resumable_epoch(run) else "without a checkpoint"
    renamed = rename_earlier(run)
    if renamed is not None:
        world.progress.say(f"an earlier attempt, {why}, is kept in {renamed}")
    document = params.model_dump(mode="json")
    record = RunRecord(
        run_id=uuid.uuid4().hex,
        experiment=run.name,
        status="running",
        started_at=datetime.now(UTC),
        params=document,
        params_sha256=params_sha256(document),
        code=world.repository.code_state(beside=_paths_without_code(params)),
        dataset=facts_of(report),
        drawn=_drawn_facts(report),
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


def _runs_to_replace(run: Run, known: KnownRuns | None, *, replace: bool) -> list[str]:
    """Return the runs that the next one replaces.

    These are the run here and, on the storage, those that are replaced already or have no
    checkpoint; with ``replace``, all of them.
    """
    here = _record_if_readable(run)
    replaced = set() if here is None else {short_id(here), *here.replaces}
    if known is not None:
        replaced |= known.runs if replace else known.runs - {*known.usable()}
    return sorted(replaced)


def _record_if_readable(run: Run) -> RunRecord | None:
    try:
        return earlier_record(run)
    except RunError:  # it is renamed and kept as it is
        return None


def _resume(
    earlier: RunRecord | None, params: Params, run: Run, report: Report, *, world: World
) -> RunRecord:
    """Resume an interrupted run, as the same run."""
    refusal = world.trainer.refused_checkpoint
    epoch = None if earlier is None else _intact_epoch(earlier, run, refusal)
    if earlier is None or epoch is None:
        others = [name for name in newest_runs(run.root) if name != run.name]
        known = f"; other runs here: {', '.join(others[:MOST_NAMED])}" if others else ""
        raise RunError(
            f"nothing in {run.directory} can be resumed: no epoch was finished there{known}",
            hint=f"start it: doors train --experiment {run.name}",
        )
    if not _is_same(earlier, params, report):
        raise RunError(
            f"{run.name} was started with other params or other data: "
            f"{_differences(earlier, params, run, report)}",
            hint="undo that change, or start another: --experiment NAME",
        )
    hardware = world.trainer.describe_hardware(params)
    world.follower.settle(run, progress=world.progress)
    list_files(report, run)
    rewind(run)  # before the trackers start: epochs that the checkpoint lacks are trained again
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


def _paths_without_code(params: Params) -> list[Path]:
    """Return the paths of data and weights, which are not code: the record has their hashes."""
    weights = [Path(params.model.weights)] if params.model.weights else []
    return [Path(params.data.path), Path(params.data.drawn_path), *weights]
