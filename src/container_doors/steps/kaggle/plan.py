"""Checks a training for Kaggle, and writes down what would be sent."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from container_doors.core.config import Params, dump
from container_doors.core.errors import ConfigError, HostError, VersioningError, WeightsError
from container_doors.core.ports import GpuHost, Progress, Quota, Repository, Trainer
from container_doors.core.records import RunRecord
from container_doors.core.run import JOBS, PRETRAINED, Run
from container_doors.data.checks import Report
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.facts import dataset_facts
from container_doors.kaggle import estimate
from container_doors.kaggle.bundles import Bundle, bundle_files, packed
from container_doors.kaggle.confidential import looks_confidential
from container_doors.kaggle.job_spec import Code, JobTask, Limits, job_spec, spread_gpus, write_job
from container_doors.kaggle.ledger import JobRecord, read_jobs, refuse_two
from container_doors.kaggle.names import job_slug
from container_doors.steps.data import fit_data
from container_doors.steps.kaggle.jobs import settled
from container_doors.steps.start import epoch_to_go_on_after
from container_doors.training.checkpoint import find_whole

LONGEST_SESSION_H = 11.9
"""Kaggle ends a session after 12 hours, badly."""


_SPARE_S, _SPARE_SHARE = 900.0, 0.2


_STALL_S = 1200.0


_LEAST_H = 0.1
"""With less of the quota left, nothing is begun."""


_OURS = "src/container_doors/pipeline.py"


_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for."""

    experiments: Mapping[str, Params]
    hours: float = 11.5
    with_changes: bool = False
    """Send what is not committed as well."""
    replace: bool = False
    session: int = 1
    for_reading: bool = False
    """Nothing is sent: what takes an account or a network to answer may be left open."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be sent, and what it would cost."""

    record: JobRecord
    packs: Sequence[Bundle]
    hours: float
    """That it may take; a guess."""
    session_h: float
    quota: Quota | None
    after_epoch: Mapping[str, int]
    """Where experiments go on that were cut off."""
    changed: Sequence[Path]
    """What differs from the commit, and is sent."""
    filtered: Sequence[Path] = ()
    """What is sent as git keeps it, which is not as it is here."""
    unknown: Sequence[str] = ()
    """What could not be asked, and why; such a plan is for reading."""


def plan_job(
    wanted: Wanted,
    *,
    host: GpuHost,
    repository: Repository,
    trainer: Trainer,
    script: str,
    progress: Progress,
) -> Plan:
    """Check all that can be checked here, and write down what would be sent.

    Raises:
        DoorsError: If params, data, weights, code or quota do not allow it.
    """
    asked = _Asked(for_reading=wanted.for_reading)
    for one in read_jobs():
        asked.ask(f"whether {one.slug} has begun", partial(settled, one, host), one)
    for name in wanted.experiments:
        refuse_two(name)
    given = _devices(wanted.experiments)
    wanted = replace(wanted, experiments=_by_their_own_numbers(wanted.experiments))
    params = _one_data_set(wanted.experiments)
    none: list[Bundle] = []
    owner = asked.ask("whose account it is", host.owner, "ACCOUNT")
    quota = asked.ask("how many GPU hours are left", host.quota, None)
    session_h = _session_h(wanted.hours, quota if any(given) else None)
    report = fit_data(params, progress=progress)
    runs = {name: Run(name) for name in wanted.experiments}
    after = {
        name: epoch
        for name, run in runs.items()
        if (epoch := _goes_on_after(wanted, run, report)) is not None
    }
    job = job_slug(list(wanted.experiments), secrets.token_hex(3))
    folder = JOBS / job
    changed = _uncommitted(wanted, params, repository)
    code_bundle, code, filtered = _bundle_code(folder, repository, changed, params)
    packs = [
        code_bundle,
        _bundle_data(folder, params, report),
        *asked.ask(
            "which weights it starts from",
            lambda: list(_bundle_weights(folder, wanted.experiments, trainer)),
            none,
        ),
        *(_bundle_state(folder, runs[name]) for name in after),
    ]
    hours, epoch_s = _expected(wanted.experiments, report, given, after)
    order = job_spec(
        job,
        owner,
        packs=packs,
        code=code,
        assignments=[
            JobTask(name, dump(settings), gpus)
            for (name, settings), gpus in zip(wanted.experiments.items(), given, strict=True)
        ],
        limits=_limits(session_h, params, epoch_s),
    )
    write_job(folder, order, script)
    record = JobRecord(
        slug=job,
        ref=f"{owner}/{job}",
        experiments=list(wanted.experiments),
        commit=code.commit,
        gpus=sum(map(len, given)),
        epochs_asked={name: one.training.epochs for name, one in wanted.experiments.items()},
        session=wanted.session,
        started_at=datetime.now(UTC),
        epochs=after,
        run_ids={name: RunRecord.read(runs[name].record).run_id for name in after},
    )
    return Plan(record, packs, hours, session_h, quota, after, changed, filtered, asked.unknown)


class _Asked:
    """Asks others; what is for reading alone may leave a question open."""

    def __init__(self, *, for_reading: bool) -> None:
        self._for_reading = for_reading
        self._open: dict[tuple[str, str], list[str]] = {}

    def ask(self, what: str, question: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
        """Ask, or note why there is no answer."""
        try:
            return question()
        except (HostError, WeightsError) as error:
            if not self._for_reading:
                raise
            self._open.setdefault((error.problem, error.hint), []).append(what)
            return otherwise

    @property
    def unknown(self) -> list[str]:
        """What was left open, and why, those with the same reason in one line."""
        return [f"{', '.join(what)}: {why}; {hint}" for (why, hint), what in self._open.items()]


def discard_plan(plan: Plan) -> None:
    """Forget a plan that nobody follows."""
    shutil.rmtree(plan.record.folder, ignore_errors=True)


def _devices(experiments: Mapping[str, Params]) -> list[list[int]]:
    return spread_gpus([params.training.device for params in experiments.values()])


def _by_their_own_numbers(experiments: Mapping[str, Params]) -> dict[str, Params]:
    """Number GPUs as an experiment sees them there: each sees its own alone, from 0."""
    numbers = {1: "0", 2: "0,1"}

    def renumbered(params: Params) -> Params:
        asked = params.training
        if not asked.device[0].isdecimal():
            return params
        training = asked.model_copy(update={"device": numbers[asked.processes]})
        return params.model_copy(update={"training": training})

    return {name: renumbered(params) for name, params in experiments.items()}


def _one_data_set(experiments: Mapping[str, Params]) -> Params:
    """See that all are trained on the same data, and are not the same training."""
    first, *others = experiments.values()
    for key, path in (("data.path", first.data.path), ("model.weights", first.model.weights or "")):
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ConfigError(
                f"detection.{key}: expected a path inside of the repository, found {path}",
                hint="a path that only this machine has cannot be had on another",
            )
    for other in others:
        if other.data != first.data:
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
    return first


def _session_h(asked: float, quota: Quota | None) -> float:
    if asked > LONGEST_SESSION_H:
        raise ConfigError(
            f"--hours: expected {LONGEST_SESSION_H} at most, found {asked:g}",
            hint="Kaggle ends a session after 12; --sessions 2 goes on in a second one",
        )
    if quota is None:
        return asked
    left = quota.allowed_h - quota.used_h
    if left < _LEAST_H:
        when = f" anew on {quota.renewed_at:%d %B at %H:%M} UTC" if quota.renewed_at else " anew"
        raise HostError(
            f"{quota.used_h:.1f} of {quota.allowed_h:.0f} GPU hours of this week are used",
            hint=f"they are given{when}; a small run also trains here: doors train",
        )
    return min(asked, left)


def _goes_on_after(wanted: Wanted, run: Run, report: Report) -> int | None:
    return epoch_to_go_on_after(wanted.experiments[run.name], run, report, replace=wanted.replace)


def _not_code(params: Params) -> list[Path]:
    weights = [Path(params.model.weights)] if params.model.weights else []
    return [Path(params.data.path), PRETRAINED, Path("runs"), *weights]


def _uncommitted(wanted: Wanted, params: Params, repository: Repository) -> list[Path]:
    changed = repository.changes(beside=_not_code(params))
    if changed and not wanted.with_changes:
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


def _bundle_code(
    folder: Path, repository: Repository, changed: Sequence[Path], params: Params
) -> tuple[Bundle, Code, Sequence[Path]]:
    path = folder / "packs/code/code.pack"
    if repository.show("HEAD", Path(_OURS)) is None:
        raise VersioningError(
            f"this repository has no {_OURS}, and so not the code that is to train there",
            hint="run it in a clone of this project, with your data in it",
        )
    made = repository.pack(path, changed=changed)
    beside = _not_code(params)
    code = Code(
        made.commit,
        made.tree,
        not_code=[one.as_posix() for one in beside],
        not_code_is_committed=repository.is_unchanged(beside),
    )
    filtered = [one for one in made.filtered if not any(map(one.is_relative_to, beside))]
    return packed("code", path, made.files, into=""), code, filtered


def _bundle_data(folder: Path, params: Params, report: Report) -> Bundle:
    root = Path(params.data.path)
    return bundle_files("data", _data_files(root, report), folder / "packs/data", into=str(root))


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


def _bundle_state(folder: Path, run: Run) -> Bundle:
    """Pack what a cut-off run goes on from, its newest whole checkpoint; the rest stays here."""
    files = [run.record]
    if RunRecord.read(run.record).status == "trained":
        files += [path for path in sorted(run.trainer_dir.rglob("*")) if path.is_file()]
    names = {path.relative_to(run.directory).as_posix(): path for path in files}
    checkpoint = find_whole(run).folder
    if checkpoint is not None:
        here = run.resumable.parent.name
        names |= {f"{here}/{path.name}": path for path in sorted(checkpoint.iterdir())}
    return bundle_files("state", names, folder / f"packs/state-{run.name}", into=str(run.directory))


def _expected(
    experiments: Mapping[str, Params],
    report: Report,
    given: Sequence[Sequence[int]],
    after: Mapping[str, int],
) -> tuple[float, float]:
    """Guess the hours of the job, and the seconds of its longest epoch."""
    if report.layout is None:
        raise AssertionError("a report without an error has a layout")
    facts = dataset_facts(report.layout, report)
    pairs = list(zip(experiments.items(), given, strict=True))
    hours = [
        estimate.hours(params, facts, gpus=len(gpus), epochs_done=after.get(name, 0))
        for (name, params), gpus in pairs
    ]
    epoch_s = [estimate.epoch_s(params, facts, gpus=len(gpus)) for (_, params), gpus in pairs]
    return max(hours), max(epoch_s)


def _limits(session_h: float, params: Params, epoch_s: float) -> Limits:
    session_s = session_h * 3600
    return Limits(
        session_s=session_s,
        spare_s=min(_SPARE_S, _SPARE_SHARE * session_s),
        keep_every_s=params.checkpoints.every_minutes * 60,
        stall_s=max(_STALL_S, 5 * epoch_s),
    )
