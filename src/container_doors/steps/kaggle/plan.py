"""Checks a training for Kaggle, and writes what would be sent."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from container_doors.core.config import Data, Params, dump
from container_doors.core.errors import (
    ConfigError,
    DatasetError,
    HostError,
    MissingToolError,
    RunError,
    VersioningError,
    WeightsError,
)
from container_doors.core.files import is_read_only
from container_doors.core.ports import GpuHost, Progress, Quota, Repository, Trainer
from container_doors.core.records import RunRecord
from container_doors.core.run import JOBS, PRETRAINED, Run
from container_doors.data.checks import Report
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.facts import dataset_facts
from container_doors.data.layout import FOLDS_CSV
from container_doors.kaggle import estimate
from container_doors.kaggle.bundles import Bundle, bundle_files, describe_bundle
from container_doors.kaggle.confidential import looks_confidential
from container_doors.kaggle.job_spec import (
    RELEASE,
    Code,
    JobTask,
    Limits,
    job_spec,
    spread_gpus,
    write_job,
)
from container_doors.kaggle.ledger import JobRecord, read_jobs, refuse_two
from container_doors.kaggle.names import job_slug
from container_doors.steps.data.validate import fit_data
from container_doors.steps.kaggle.jobs import check_started
from container_doors.steps.start import epoch_to_resume_after
from container_doors.training.checkpoint import find_intact

LONGEST_SESSION_H = 11.9
"""Kaggle kills a session after 12 hours."""

_SPARE_S, _SPARE_FRACTION = 900.0, 0.2

_STALL_S = 1200.0

_LEAST_H = 0.1
"""With less of the quota left, no job is started."""

_OURS = "src/container_doors/pipeline.py"

_Answer = TypeVar("_Answer")
_Otherwise = TypeVar("_Otherwise")


@dataclass(frozen=True, slots=True)
class Program:
    """What runs on the Kaggle machine."""

    script: str
    """The text of the worker."""
    write_wheel: Callable[[Path], Path]
    """Writes the wheel of the installed release into a folder, and returns its path. The wheel is
    sent where the workspace does not have the code of this package."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a person asks to be trained on Kaggle."""

    experiments: Mapping[str, Params]
    hours: float = 11.5
    with_changes: bool = False
    """Also send changes that are not committed."""
    replace: bool = False
    session: int = 1
    floors: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """By experiment: see :attr:`container_doors.core.ports.TrainingTask.floors`."""
    for_reading: bool = False
    """Nothing is sent: questions that need an account or a network may stay open, and what must
    be done before it can be sent is listed."""
    jobs: Path = JOBS
    """What would be sent is written into a folder in it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be sent, and what it would cost."""

    record: JobRecord
    bundles: Sequence[Bundle]
    hours: float | None
    """The estimated hours; None without a data set."""
    session_h: float
    quota: Quota | None
    after_epoch: Mapping[str, int]
    """The last finished epoch of each experiment that is resumed."""
    changed: Sequence[Path]
    """The files that differ from the commit, and are sent."""
    filtered: Sequence[Path] = ()
    """The files that are sent as git stores them, which differ from those here."""
    unknown: Sequence[str] = ()
    """The questions without an answer, and why; such a plan is for reading only."""
    first: Sequence[str] = ()
    """What must be done before it can be sent; such a plan is for reading only."""


def plan_job(
    request: JobRequest,
    *,
    host: GpuHost,
    repository: Repository,
    trainer: Trainer,
    program: Program,
    progress: Progress,
) -> Plan:
    """Check all that can be checked here, and write what would be sent.

    Args:
        request: The experiments, and how to train them.
        host: The account on the GPU host.
        repository: The workspace: a clone of this project, or one that ``doors init`` made.
        trainer: Knows the weights that a training starts from.
        program: What runs there.
        progress: Receives progress messages.

    Raises:
        DoorsError: If params do not allow it; unless it is for reading, also if data, weights,
            code or quota do not.
    """
    questions = _Questions(for_reading=request.for_reading)
    for one in read_jobs():
        questions.ask(f"whether {one.slug} has started", partial(check_started, one, host), one)
    for name in request.experiments:
        questions.require(partial(refuse_two, name), None)
    gpus = _gpus(request.experiments)
    request = replace(request, experiments=_renumber_gpus(request.experiments))
    params = _one_data_set(request.experiments)
    none: list[Bundle] = []
    owner = questions.ask("whose account it is", host.owner, "ACCOUNT")
    quota = questions.ask("how many GPU hours are left", host.quota, None)
    session_h = questions.require(
        partial(_session_h, request.hours, quota if any(gpus) else None), request.hours
    )
    report = questions.require(partial(fit_data, params, progress=progress), None)
    runs = {name: Run(name) for name in request.experiments}
    reports = {
        name: report
        if one.data == params.data
        else questions.require(partial(fit_data, one, progress=progress), None)
        for name, one in request.experiments.items()
    }
    epochs = {
        name: questions.require(partial(_resume_epoch, request, run, reports[name], trainer), None)
        for name, run in runs.items()
    }
    after = {name: epoch for name, epoch in epochs.items() if epoch is not None}
    has_folds = any(one.data.fold is not None for one in request.experiments.values())
    job = job_slug(list(request.experiments), secrets.token_hex(3))
    folder = request.jobs / job
    uncommitted = partial(_uncommitted, request, params, repository)
    changed: Sequence[Path] = questions.require(uncommitted, [])
    program_bundles, code, filtered = questions.require(
        partial(_bundle_program, folder, repository, changed, params, program),
        (none, Code("", ""), ()),
    )
    bundles = [
        *program_bundles,
        *([_bundle_data(folder, params, report, has_folds=has_folds)] if report else ()),
        *questions.ask(
            "which weights it starts from",
            lambda: list(_bundle_weights(folder, request.experiments, trainer)),
            none,
        ),
        *(_bundle_state(folder, runs[name], trainer) for name in after),
    ]
    hours, epoch_s = _estimate(request.experiments, report, gpus, after)
    spec = job_spec(
        job,
        owner,
        bundles=bundles,
        code=code,
        tasks=[
            JobTask(name, dump(settings), its_gpus, request.floors.get(name, {}))
            for (name, settings), its_gpus in zip(request.experiments.items(), gpus, strict=True)
        ],
        limits=_limits(session_h, params, epoch_s),
    )
    write_job(folder, spec, program.script)
    record = JobRecord(
        slug=job,
        ref=f"{owner}/{job}",
        experiments=list(request.experiments),
        commit=code.commit,
        gpus=sum(map(len, gpus)),
        epochs_asked={name: one.training.epochs for name, one in request.experiments.items()},
        session=request.session,
        started_at=datetime.now(UTC),
        epochs=after,
        run_ids={name: RunRecord.read(runs[name].record).run_id for name in after},
    )
    return Plan(
        record,
        bundles,
        hours,
        session_h,
        quota,
        after,
        changed,
        filtered,
        questions.unknown,
        questions.first,
    )


class _Questions:
    """Asks other services, and checks; a plan for reading may leave both open."""

    def __init__(self, *, for_reading: bool) -> None:
        self._for_reading = for_reading
        self._open: dict[tuple[str, str], list[str]] = {}
        self._first: dict[str, None] = {}

    def ask(self, what: str, question: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
        """Ask, or store why there is no answer; an answer that cannot be kept is none."""
        try:
            return question()
        except (HostError, WeightsError) as error:
            if not self._for_reading:
                raise
            self._open.setdefault((error.problem, error.hint), []).append(what)
        except OSError as error:
            if not self._for_reading or not is_read_only(error):
                raise
        return otherwise

    def require(self, check: Callable[[], _Answer], otherwise: _Otherwise) -> _Answer | _Otherwise:
        """Check what must be true before anything is sent, or store what to do first."""
        try:
            return check()
        except (DatasetError, HostError, MissingToolError, RunError, VersioningError) as error:
            if not self._for_reading:
                raise
            self._first[f"{error.problem}; {error.hint}"] = None
            return otherwise

    @property
    def first(self) -> list[str]:
        """What must be done before anything can be sent, and how."""
        return list(self._first)

    @property
    def unknown(self) -> list[str]:
        """The open questions, and why; those with the same reason in one line."""
        return [f"{', '.join(what)}: {why}; {hint}" for (why, hint), what in self._open.items()]


def discard_plan(plan: Plan) -> None:
    """Delete a plan that is not carried out."""
    shutil.rmtree(plan.record.folder, ignore_errors=True)


def _gpus(experiments: Mapping[str, Params]) -> list[list[int]]:
    return spread_gpus([params.training.device for params in experiments.values()])


def _renumber_gpus(experiments: Mapping[str, Params]) -> dict[str, Params]:
    """Number GPUs as an experiment sees them on Kaggle: only its own ones, from 0."""
    numbers = {1: "0", 2: "0,1"}

    def renumber(params: Params) -> Params:
        training = params.training
        if not training.device[0].isdecimal():
            return params
        training = training.model_copy(update={"device": numbers[training.processes]})
        return params.model_copy(update={"training": training})

    return {name: renumber(params) for name, params in experiments.items()}


def _one_data_set(experiments: Mapping[str, Params]) -> Params:
    """Check that all use the same data, and that no two are the same training.

    Returns:
        Params with the whole data set, which is sent: of folds too, whose splits are others.
    """
    first, *others = experiments.values()
    data = _whole(first)
    for key, path in (("data.path", first.data.path), ("model.weights", first.model.weights or "")):
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ConfigError(
                f"detection.{key}: expected a path inside of the repository, found {path}",
                hint="a path that only this machine has does not exist on another",
            )
    for other in others:
        if _whole(other) != data:
            raise ConfigError(
                f"expected one data set, found {first.data.path} and {other.data.path}",
                hint="send them as two jobs",
            )
        if other == first:
            raise ConfigError(
                f"{' and '.join(experiments)} would be the same training twice",
                hint="give one of them a setting of its own: "
                f"--set {list(experiments)[1]}:detection.training.seed=1",
            )
    return first.model_copy(update={"data": data})


def _whole(params: Params) -> Data:
    """Return the data of params, with the splits of data.yaml."""
    return params.data.model_copy(update={"fold": None, "trains_on": "train"})


def _session_h(hours: float, quota: Quota | None) -> float:
    if hours > LONGEST_SESSION_H:
        raise ConfigError(
            f"--hours: expected {LONGEST_SESSION_H} at most, found {hours:g}",
            hint="Kaggle ends a session after 12; --sessions 2 continues in a second one",
        )
    if quota is None:
        return hours
    left = quota.allowed_h - quota.used_h
    if left < _LEAST_H:
        when = f"on {quota.renewed_at:%d %B at %H:%M} UTC" if quota.renewed_at else "every week"
        raise HostError(
            f"{quota.used_h:.1f} of {quota.allowed_h:.0f} GPU hours of this week are used",
            hint=f"they are renewed {when}; a small run also trains here: doors train",
        )
    return min(hours, left)


def _resume_epoch(
    request: JobRequest, run: Run, report: Report | None, trainer: Trainer
) -> int | None:
    if report is None:
        return None
    return epoch_to_resume_after(
        request.experiments[run.name],
        run,
        report,
        replace=request.replace,
        refusal=trainer.refused_checkpoint,
    )


def _not_code(params: Params) -> list[Path]:
    weights = [Path(params.model.weights)] if params.model.weights else []
    return [Path(params.data.path), PRETRAINED, Path("runs"), *weights]


def _uncommitted(request: JobRequest, params: Params, repository: Repository) -> list[Path]:
    changed = repository.changes(beside=_not_code(params))
    if changed and not request.with_changes:
        some = ", ".join(map(str, changed[:5]))
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise VersioningError(
            f"{len(changed)} file(s) differ from the last commit: {some}{more}",
            hint="git commit, so that the model names its code; or send them as they are: --dirty",
        )
    secret = [str(path) for path in changed if looks_confidential(path)]
    if secret:
        raise VersioningError(
            f"--dirty would send what looks like credentials: {', '.join(secret[:5])}",
            hint="move it out of the repository, or name it in .gitignore; nothing was sent",
        )
    return changed


def _has_our_code(repository: Repository) -> bool:
    return repository.show("HEAD", Path(_OURS)) is not None


@dataclass(frozen=True, slots=True)
class _Release:
    bundle: Bundle
    wheel: str


def _bundle_release(folder: Path, write_wheel: Callable[[Path], Path]) -> _Release:
    """Bundle the wheel of the installed release: a workspace of its own has not its code."""
    wheel = write_wheel(folder / "wheel")
    files = {wheel.name: wheel}
    bundle = bundle_files("release", files, folder / "packs/release", into=RELEASE)
    shutil.rmtree(wheel.parent)
    return _Release(bundle, wheel.name)


def _bundle_program(
    folder: Path,
    repository: Repository,
    changed: Sequence[Path],
    params: Params,
    program: Program,
) -> tuple[list[Bundle], Code, Sequence[Path]]:
    """Bundle the code, and the release if the workspace does not have its code."""
    release = None if _has_our_code(repository) else _bundle_release(folder, program.write_wheel)
    bundle, code, filtered = _bundle_code(folder, repository, changed, params, release)
    return [bundle, *([release.bundle] if release else ())], code, filtered


def _bundle_code(
    folder: Path,
    repository: Repository,
    changed: Sequence[Path],
    params: Params,
    release: _Release | None,
) -> tuple[Bundle, Code, Sequence[Path]]:
    path = folder / "packs/code/code.pack"
    pack = repository.pack(path, changed=changed)
    not_code = [*_not_code(params), *([Path(RELEASE)] if release else ())]
    code = Code(
        pack.commit,
        pack.tree,
        not_code=[one.as_posix() for one in not_code],
        not_code_is_committed=repository.is_unchanged(not_code),
        wheel=release.wheel if release else None,
    )
    filtered = [one for one in pack.filtered if not any(map(one.is_relative_to, not_code))]
    return describe_bundle("code", path, pack.files, into=""), code, filtered


def _bundle_data(folder: Path, params: Params, report: Report, *, has_folds: bool) -> Bundle:
    root = Path(params.data.path)
    files = _data_files(root, report) | ({FOLDS_CSV: root / FOLDS_CSV} if has_folds else {})
    return bundle_files("data", files, folder / "packs/data", into=str(root))


def _data_files(root: Path, report: Report) -> dict[str, Path]:
    if report.layout is None:
        raise AssertionError("a report without an error has a layout")
    files = {}
    for name in report.digests:
        path = root / name if name == Path(DATA_YAML) else report.layout.root / name
        relative = os.path.relpath(path, root)
        if relative.startswith(".."):
            raise ConfigError(
                f"{root / DATA_YAML}: its photographs are outside of {root}, in {path.parent}",
                hint="move them into that folder, and leave 'path' out",
            )
        files[Path(relative).as_posix()] = path
    return files


def _bundle_weights(
    folder: Path, experiments: Mapping[str, Params], trainer: Trainer
) -> Iterator[Bundle]:
    found = {trainer.starting_weights(params).path for params in experiments.values()}
    files = {path: Path(path) for path in found if path is not None}
    if files:
        yield bundle_files("weights", files, folder / "packs/weights", into=".")


def _bundle_state(folder: Path, run: Run, trainer: Trainer) -> Bundle:
    """Bundle what resuming a run needs, its newest whole checkpoint; the rest stays here."""
    files = [run.record]
    if RunRecord.read(run.record).status == "trained":
        files += [path for path in sorted(run.trainer_dir.rglob("*")) if path.is_file()]
    names = {path.relative_to(run.directory).as_posix(): path for path in files}
    checkpoint = find_intact(run, trainer.refused_checkpoint).folder
    if checkpoint is not None:
        here = run.resumable.parent.name
        names |= {f"{here}/{path.name}": path for path in sorted(checkpoint.iterdir())}
    return bundle_files("state", names, folder / f"packs/state-{run.name}", into=str(run.directory))


def _estimate(
    experiments: Mapping[str, Params],
    report: Report | None,
    gpus: Sequence[Sequence[int]],
    after: Mapping[str, int],
) -> tuple[float | None, float]:
    """Estimate the hours of the job, and the seconds of its longest epoch."""
    if report is None:
        return None, 0.0
    if report.layout is None:
        raise AssertionError("a report without an error has a layout")
    facts = dataset_facts(report.layout, report)
    pairs = list(zip(experiments.items(), gpus, strict=True))
    hours = [
        estimate.hours(params, facts, gpus=len(its_gpus), epochs_done=after.get(name, 0))
        for (name, params), its_gpus in pairs
    ]
    epoch_s = [
        estimate.epoch_s(params, facts, gpus=len(its_gpus)) for (_, params), its_gpus in pairs
    ]
    return max(hours), max(epoch_s)


def _limits(session_h: float, params: Params, epoch_s: float) -> Limits:
    session_s = session_h * 3600
    return Limits(
        session_s=session_s,
        spare_s=min(_SPARE_S, _SPARE_FRACTION * session_s),
        keep_every_s=params.checkpoints.every_minutes * 60,
        stall_s=max(_STALL_S, 5 * epoch_s),
    )
