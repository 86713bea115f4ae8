"""The story of a training on a lent GPU: planned, sent, followed, carried on, brought home.

Like :mod:`container_doors.pipeline`, whose steps it uses. Nothing here needs a secret there: the
job trains and evaluates, and all that takes an account happens on the machine that sent it.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from container_doors.core.config import Params, dump
from container_doors.core.errors import (
    AbsentError,
    ConfigError,
    HostError,
    UnreachableError,
    VersioningError,
    WeightsError,
)
from container_doors.core.files import (
    force_to_disk,
    heal,
    make_folder,
    put_in_place,
    replace_and_keep,
    replace_folder,
    replace_text,
    staged_for,
)
from container_doors.core.ports import (
    Follower,
    GpuHost,
    JobState,
    Progress,
    Quota,
    Repository,
    Trainer,
)
from container_doors.core.records import Epoch, Metadata, RunRecord
from container_doors.core.run import JOBS, PRETRAINED, Run
from container_doors.data.checks import Report
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.facts import dataset_facts
from container_doors.kaggle import estimate
from container_doors.kaggle.archive import (
    Arrived,
    Manifest,
    Outcome,
    check_archive,
    manifest_name,
    read_manifest,
    unpack,
)
from container_doors.kaggle.confidential import looks_confidential
from container_doors.kaggle.ledger import (
    JobRecord,
    newest_job,
    read_jobs,
    readable_jobs,
    refuse_two,
)
from container_doors.kaggle.log_lines import Told, line_is_cut, parts_with, told
from container_doors.kaggle.names import job_slug
from container_doors.kaggle.order import (
    Assignment,
    Code,
    Limits,
    job_order,
    spread_gpus,
    write_job,
)
from container_doors.kaggle.packing import Pack, pack_files, packed
from container_doors.pipeline import adopt, epoch_to_go_on_after, fit_data
from container_doors.steps.publish import Outside
from container_doors.training.checkpoint import faults, find_whole, tidy, use_newest_whole
from container_doors.training.claim import claim, set_aside
from container_doors.training.history import append_epoch, best_epoch, read_epochs, spelled
from container_doors.training.parcel import short_id

LONGEST_SESSION_H = 11.9
"""Kaggle ends a session after 12 hours, badly."""

_SPARE_S, _SPARE_SHARE = 900.0, 0.2
_STALL_S = 1200.0
_LEAST_H = 0.1
"""With less of the quota left, nothing is begun."""

READY_S, POLL_S, HOME_S, _AGAIN_S = 900.0, 5.0, 1800.0, 30.0
SILENT_S = 600.0
"""A job that lives says so every minute."""

PATIENCE_S = 2 * 3600.0
"""How long a network may be gone before following gives up; the job goes on without."""

_FINAL = ("complete", "failed", "cancelled")
_OURS = "src/container_doors/pipeline.py"

_Answer = TypeVar("_Answer")

Pause = Callable[[float], None]
FollowerOf = Callable[[Params], Follower]


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
    packs: Sequence[Pack]
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


@dataclass(frozen=True, slots=True)
class Home:
    """What became of one experiment of a job."""

    run: Run
    outcome: Outcome


def plan(
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
        asked.ask(f"whether {one.slug} has begun", partial(_settled, one, host), one)
    for name in wanted.experiments:
        refuse_two(name)
    given = _devices(wanted.experiments)
    wanted = replace(wanted, experiments=_by_their_own_numbers(wanted.experiments))
    params = _one_data_set(wanted.experiments)
    none: list[Pack] = []
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
    code_pack, code, filtered = _pack_code(folder, repository, changed, params)
    packs = [
        code_pack,
        _pack_data(folder, params, report),
        *asked.ask(
            "which weights it starts from",
            lambda: list(_pack_weights(folder, wanted.experiments, trainer)),
            none,
        ),
        *(_pack_state(folder, runs[name]) for name in after),
    ]
    hours, epoch_s = _expected(wanted.experiments, report, given, after)
    order = job_order(
        job,
        owner,
        packs=packs,
        code=code,
        assignments=[
            Assignment(name, dump(settings), gpus)
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


def push(plan: Plan, *, host: GpuHost, progress: Progress, pause: Pause) -> JobRecord:
    """Send what the host lacks, wait until it has it, and start the job.

    The ledger knows of the job before the host does, so that a kill in between loses none.

    Raises:
        HostError: If the host refuses.
    """
    with ExitStack() as unless_sent:
        unless_sent.callback(discard_plan, plan)
        for pack in plan.packs:
            _send(pack, host=host, progress=progress)
        for pack in plan.packs:
            _wait_until_ready(pack, host=host, progress=progress, pause=pause)
        _refuse_what_was_stopped(plan.record)
        unless_sent.pop_all()
    shutil.rmtree(plan.record.folder / "packs")
    record = plan.record.changed(started_at=datetime.now(UTC))
    try:
        started = host.start(record.folder)
    except UnreachableError:
        raise  # it may have begun: the ledger keeps it, and following it tells
    except HostError as error:
        record.changed(stage="discarded", why=error.problem)
        raise
    record = record.changed(stage="running", ref=started.ref, url=started.url)
    if not host.is_private(record.ref):
        host.delete(record.ref)
        record.changed(stage="discarded", why="it was public")
        raise HostError(
            f"{record.ref} could be read by everybody, and was deleted at once",
            hint="nothing else was shown; report this with the version of the kaggle package",
        )
    return record


def _refuse_what_was_stopped(record: JobRecord) -> None:
    """See that nobody has asked for a stop since the session before: sending takes a while."""
    name = record.experiments[0]
    if record.session > 1 and newest_job(name).is_to_stop:
        raise HostError(
            f"{name} was stopped before session {record.session} began; its checkpoint is here",
            hint=f"doors kaggle run --experiment {name} goes on from it",
        )


def discard_plan(plan: Plan) -> None:
    """Forget a plan that nobody follows."""
    shutil.rmtree(plan.record.folder, ignore_errors=True)


def follow(
    job: JobRecord,
    *,
    host: GpuHost,
    follower_of: FollowerOf,
    progress: Progress,
    pause: Pause,
) -> JobRecord:
    """Hear a job's log until it ends, and show its epochs here and to the trackers as they come.

    It may be left and taken up again: lines that were heard are counted.

    Raises:
        UnreachableError: If the network stays away; the job goes on.
        HostError: If the host knows no such job.
    """
    job = _settled(job, host)
    _refuse_discarded(job)
    left_h = _say_what_is_left(job, host, progress)
    heard = _Heard(job, left_h=left_h, follower_of=follower_of, progress=progress)
    with ExitStack() as stack:
        for name in job.experiments:
            stack.enter_context(claim(Run(name)))
        stack.callback(heard.leave)
        try:
            _listen(heard, host, progress=progress, pause=pause)
        except AbsentError:
            if heard.job.changed().stage != "discarded":  # by another process, meanwhile
                raise
    return heard.job


def pull(
    job: JobRecord, *, host: GpuHost, progress: Progress, pause: Pause
) -> tuple[JobRecord, list[Home]]:
    """Fetch what a job has left, check every byte, and put its runs in place.

    Raises:
        HostError: If it still runs, or if what comes is another's or damaged.
    """
    _refuse_discarded(job)
    manifest, archive = _fetch(job, host=host, progress=progress, pause=pause)
    shutil.rmtree(job.folder / "arrived", ignore_errors=True)
    arrived = unpack(archive, manifest, job.folder / "arrived")
    homes = [_put_in_place(job, name, arrived, progress) for name in job.experiments]
    log = arrived.folder / "kernel.log"
    if log.is_file():
        put_in_place(log, job.folder / "kernel.log")
    shutil.rmtree(arrived.folder)
    archive.unlink()
    worst = max((home.outcome for home in homes), key=lambda found: _BADNESS[found.kind])
    job = job.changed(
        stage="home",
        outcome=worst.kind,
        why=worst.why,
        remedy=worst.remedy,
        elapsed_s=max(job.elapsed_s, manifest.elapsed_s),
    )
    return job, homes


_BADNESS = {"finished": 0, "to be continued": 1, "failed": 2}


def publish(run: Run, *, outside: Outside, follower_of: FollowerOf, progress: Progress) -> Metadata:
    """Publish a run that came home, if it is better than what is published here.

    Its results are shown to the trackers that have its epochs, either way.
    """
    with claim(run):
        metadata, outcome = adopt(run, outside=outside)
        progress.say(outcome)
        follower = follower_of(metadata.known_params)
        follower.settle(run, progress=progress)
        follower.start(run, progress=progress)
        follower.finish(exit_code=0)
    return metadata


def best_last(runs: Sequence[Run]) -> list[Run]:
    """Order runs so that the better one, on val, is published last, and stays."""
    return sorted(runs, key=lambda run: best_epoch(read_epochs(run.metrics_jsonl)).metrics.get(
        "val/mAP50-95", -1.0))  # fmt: skip


def to_go_on(homes: Sequence[Home]) -> dict[str, Params]:
    """Name the experiments that a next session would go on with, as they were last trained."""
    return {
        home.run.name: RunRecord.read(home.run.record).known_params
        for home in homes
        if home.outcome.kind == "to be continued"
    }


def discard(job: JobRecord, *, host: GpuHost) -> JobRecord:
    """End a job, and destroy what it has left on the host; one that is gone there is no error."""
    with suppress(AbsentError):
        host.delete(job.ref)
    return job.changed(stage="discarded", is_to_stop=True)


def known_jobs(*, host: GpuHost, progress: Progress) -> list[tuple[JobRecord, JobState | None]]:
    """List the jobs of this clone, with what the host says of those that may still run."""
    jobs, damaged = readable_jobs()
    for error in damaged:
        progress.say(f"not shown: {error}")
    return [(job, _asked(job, host, progress)) for job in jobs]


# What is sent


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


def _pack_code(
    folder: Path, repository: Repository, changed: Sequence[Path], params: Params
) -> tuple[Pack, Code, Sequence[Path]]:
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


def _pack_data(folder: Path, params: Params, report: Report) -> Pack:
    root = Path(params.data.path)
    return pack_files("data", _data_files(root, report), folder / "packs/data", into=str(root))


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


def _pack_weights(
    folder: Path, experiments: Mapping[str, Params], trainer: Trainer
) -> Iterator[Pack]:
    found = {trainer.starting_weights(params).path for params in experiments.values()}
    files = {path: Path(path) for path in found if path is not None}
    if files:
        yield pack_files("weights", files, folder / "packs/weights", into=".")


def _pack_state(folder: Path, run: Run) -> Pack:
    """Pack what a cut-off run goes on from, its newest whole checkpoint; the rest stays here."""
    files = [run.record]
    if RunRecord.read(run.record).status == "trained":
        files += [path for path in sorted(run.trainer_dir.rglob("*")) if path.is_file()]
    names = {path.relative_to(run.directory).as_posix(): path for path in files}
    checkpoint = find_whole(run).folder
    if checkpoint is not None:
        here = run.resumable.parent.name
        names |= {f"{here}/{path.name}": path for path in sorted(checkpoint.iterdir())}
    return pack_files("state", names, folder / f"packs/state-{run.name}", into=str(run.directory))


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


def _send(pack: Pack, *, host: GpuHost, progress: Progress) -> None:
    if host.dataset_state(pack.slug) != "absent":
        progress.say(f"{pack.kind}: {pack.slug} is there already")
        return
    progress.say(f"{pack.kind}: sending {pack.size_bytes / 1e6:.1f} MB as {pack.slug}, private")
    sending = JOBS / "sending" / pack.slug  # the same after a cut, so that an upload goes on
    if not sending.exists():
        sending.parent.mkdir(parents=True, exist_ok=True)
        pack.path.parent.rename(sending)
    host.send_dataset(sending, slug=pack.slug, title=pack.slug, progress=progress)
    shutil.rmtree(sending)


def _wait_until_ready(pack: Pack, *, host: GpuHost, progress: Progress, pause: Pause) -> None:
    waited = 0.0
    while (state := host.dataset_state(pack.slug)) != "ready":
        if state == "failed" or waited > READY_S:
            raise HostError(
                f"the host cannot use {pack.slug}: it is {state} after {waited:.0f} s",
                hint=f"delete that data set there, then run this again ({pack.kind})",
            )
        if not waited:
            progress.say(f"waiting until {pack.slug} can be read there")
        pause(POLL_S)
        waited += POLL_S
    if not host.dataset_is_private(pack.slug):
        raise HostError(
            f"the data set {pack.slug} can be read by everybody",
            hint="make it private, or delete it, on its page there; then run this again",
        )


def _settled(job: JobRecord, host: GpuHost) -> JobRecord:
    """Find out whether a job began whose start was cut off."""
    if job.stage != "starting":
        return job
    try:
        host.state(job.ref)
    except AbsentError:
        return job.changed(stage="discarded", why="it never began")
    return job.changed(stage="running")


def _refuse_discarded(job: JobRecord) -> None:
    if job.stage == "discarded":
        raise HostError(
            f"{job.slug} was given up{f': {job.why}' if job.why else ''}",
            hint=f"start another: doors kaggle run --experiment {job.experiments[0]}",
        )


# What is heard


class _Heard:
    """What a job has said, as this machine keeps and shows it."""

    def __init__(
        self,
        job: JobRecord,
        *,
        left_h: float | None,
        follower_of: FollowerOf,
        progress: Progress,
    ) -> None:
        self.job = job
        self._left_h, self._elapsed_s = left_h, job.elapsed_s
        self._follower_of = follower_of
        self._progress = progress
        self._followers: dict[str, Follower] = {}
        self._cut_off: list[str] = []

    def all_of(self, host: GpuHost) -> bool:
        """Read on in the log as far as it comes; tell whether the job has said its last word."""
        self._cut_off = []
        for number, line in enumerate(host.log(self.job.ref), start=1):
            if number > self.job.lines_read:
                self._line(number, line)
            if self.job.stage == "ended":
                break
        return self.job.stage == "ended"

    def _line(self, number: int, line: str) -> None:
        self._cut_off = parts_with(line, self._cut_off)
        said = told("".join(self._cut_off))
        if said is None and line_is_cut(self._cut_off):
            return
        self._cut_off = []
        changes: dict[str, Any] = {"lines_read": number}
        if said is not None:
            try:
                changes |= self._told(said)
            except (LookupError, TypeError, ValueError) as error:
                self._progress.say(f"line {number} of the log cannot be read: {error!r:.200}")
        self.job = self.job.model_copy(update=changes)
        if said is not None:
            self.job = self.job.changed()

    def leave(self) -> None:
        """Let the trackers go; whoever follows next takes them up again."""
        self.job = self.job.changed()
        code = 1 if self.job.outcome == "failed" else 0
        for follower in self._followers.values():
            follower.finish(exit_code=code)

    def _told(self, said: Told) -> dict[str, Any]:
        facts = said.facts
        elapsed = {"elapsed_s": facts["elapsed_s"]} if "elapsed_s" in facts else {}
        match said.kind:
            case "machine":
                gpus = ", ".join(facts["gpus"]) or "no GPU"
                self._progress.say(f"the machine has {gpus}, torch {facts['torch']}")
            case "step":
                self._progress.say(str(facts["what"]))
            case "stalled":
                self._progress.say(
                    f"{facts['experiment']}: {facts['gpus']} GPUs made no progress for "
                    f"{facts['idle_s']} s: going on with one"
                )
            case "record":
                return self._record(RunRecord.model_validate(facts["record"]))
            case "epoch":
                return elapsed | self._epoch(
                    facts["experiment"], Epoch(facts["epoch"], _numbers(facts["metrics"]))
                )
            case "ended":
                names = ("outcome", "why", "remedy")
                return {**elapsed, "stage": "ended", **{n: facts.get(n, "") for n in names}}
        return elapsed

    def _record(self, record: RunRecord) -> dict[str, Any]:
        """Keep a run's record; it is not finished before it is here."""
        run = Run(record.experiment)
        record = _with_what_it_replaces(record, run)
        if run.record.exists() and RunRecord.read(run.record).run_id != record.run_id:
            self._end(run)
            aside = set_aside(run)
            self._progress.say(f"an earlier run of {run.name} is kept in {aside}")
        if record.status in {"trained", "finished"}:
            record = record.model_copy(update={"status": "running"})
        record.write(run.record)
        if run.name not in self._followers:
            self._begin(run, record)
        return {"run_ids": {**self.job.run_ids, run.name: record.run_id}}

    def _begin(self, run: Run, record: RunRecord) -> None:
        follower = self._follower_of(record.known_params)
        follower.settle(run, progress=self._progress)
        follower.start(run, progress=self._progress)
        self._followers[run.name] = follower

    def _end(self, run: Run) -> None:
        if run.name in self._followers:
            self._followers.pop(run.name).finish(exit_code=1)

    def _epoch(self, name: str, epoch: Epoch) -> dict[str, Any]:
        """Keep an epoch; one that comes again after a setback takes the place of those after it."""
        run = Run(name)
        epochs = read_epochs(run.metrics_jsonl)
        if epoch not in epochs:
            before = [one for one in epochs if one.number < epoch.number]
            if len(before) == len(epochs):
                append_epoch(run.metrics_jsonl, epoch)
            else:
                replace_text(run.metrics_jsonl, spelled([*before, epoch]))
            self._show(run, epoch, [*before, epoch])
        return {"epochs": {**self.job.epochs, name: epoch.number}}

    def _show(self, run: Run, epoch: Epoch, epochs: list[Epoch]) -> None:
        total = self.job.epochs_asked[run.name]
        if len(self.job.experiments) > 1:
            self._progress.say(f"{run.name}:")
        is_best = best_epoch(epochs).number == epoch.number
        self._progress.epoch(epoch, total=total, is_best=is_best)
        self._progress.step(f"{run.name}, {self._quota()}", epoch.number, total)

    def _quota(self) -> str:
        """Say what the job has cost; what is left was asked when following began."""
        used = f"{self.job.elapsed_s / 3600:.2f} h used"
        if self._left_h is None:
            return used
        left_h = self._left_h - (self.job.elapsed_s - self._elapsed_s) / 3600
        return f"{used}, {max(left_h, 0.0):.1f} h left"


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Leave out what a line holds beside metrics, such as its checksum."""
    return {name: value for name, value in metrics.items() if type(value) in {int, float}}


def _say_what_is_left(job: JobRecord, host: GpuHost, progress: Progress) -> float | None:
    """Ask for the quota; it is no reason not to follow."""
    if not job.gpus:
        return None
    with suppress(UnreachableError):
        quota = host.quota()
        if quota is not None:
            left_h = quota.allowed_h - quota.used_h
            progress.say(f"quota: {left_h:.1f} of {quota.allowed_h:.0f} GPU hours left")
            return left_h
    return None


def _listen(heard: _Heard, host: GpuHost, *, progress: Progress, pause: Pause) -> None:
    """Read the log again and again until the job has said its last word, or the host has."""
    gone_s, silent_s, last, read = 0.0, 0.0, "", -1
    while True:
        try:
            is_over, state = heard.all_of(host), host.state(heard.job.ref)
        except UnreachableError as error:
            if gone_s >= PATIENCE_S:
                raise
            if not gone_s:
                progress.say(f"{error.problem}; the job goes on, and it is tried again")
            gone_s += _AGAIN_S
            pause(_AGAIN_S)
            continue
        if is_over:
            return
        if last in _FINAL:  # and so its log has been read to the end since
            _end_without_a_word(heard, state)
            return
        silent_s = (
            0.0 if heard.job.lines_read > read or state.phase == "queued" else silent_s + POLL_S
        )
        if silent_s == SILENT_S:
            progress.say(f"no sign of life for {SILENT_S / 60:.0f} min: look at {heard.job.url}")
        _say_that_it_waits(heard.job, state, last, progress)
        gone_s, last, read = 0.0, state.phase, heard.job.lines_read
        pause(POLL_S)


def _say_that_it_waits(job: JobRecord, state: JobState, last: str, progress: Progress) -> None:
    if state.phase == "queued" != last and not job.lines_read:
        progress.say("it waits in the queue, which costs nothing")


def _end_without_a_word(heard: _Heard, state: JobState) -> None:
    """The host has ended it, and its log was read to the end after that."""
    why = state.message or f"the host says {state.phase}, and the job said nothing more"
    heard.job = heard.job.model_copy(
        update={"stage": "ended", "outcome": "to be continued", "why": why}
    )


# What comes back


def _fetch(
    job: JobRecord, *, host: GpuHost, progress: Progress, pause: Pause
) -> tuple[Manifest, Path]:
    waited, name = 0.0, manifest_name(job.slug)
    while True:
        is_final = host.state(job.ref).phase in _FINAL
        names = host.files(job.ref)
        if name in names:
            host.download(job.ref, name, job.folder / name, progress=progress)
            manifest = read_manifest(job.folder / name, job.slug)
            if manifest.archive in names and (is_final or manifest.outcome["is"] != "running"):
                break
        _see_whether_to_wait(job, is_final=is_final, waited=waited)
        if not waited:
            progress.say(f"waiting for what {job.slug} has left")
        pause(3 * POLL_S)
        waited += 3 * POLL_S
    archive = job.folder / manifest.archive
    host.download(job.ref, manifest.archive, archive, progress=progress)
    check_archive(archive, manifest)
    return manifest, archive


def _see_whether_to_wait(job: JobRecord, *, is_final: bool, waited: float) -> None:
    """What a job left shows a while after its end; before its end there is nothing."""
    if not is_final and job.stage not in {"ended", "home"}:
        raise HostError(
            f"{job.slug} still runs, and has left nothing yet",
            hint=f"doors kaggle follow {job.experiments[0]}",
        )
    if waited >= (HOME_S if not is_final else 60.0):
        why = f": {job.why}" if job.why else ""
        raise HostError(
            f"{job.slug} has left nothing that could be fetched{why}",
            hint=f"its log is at {job.url}; doors kaggle stop {job.slug} --discard gives it up",
        )


def _put_in_place(job: JobRecord, name: str, arrived: Arrived, progress: Progress) -> Home:
    run, folder = Run(name), arrived.run_folder(name)
    outcome = arrived.manifest.outcome_of(name)
    if not (folder / run.record.name).is_file():
        return Home(run, outcome if outcome.kind == "failed" else _nothing(job))
    record = RunRecord.read(folder / run.record.name)
    expected = job.run_ids.get(name, record.run_id)
    if record.run_id != expected or record.experiment != name:
        raise HostError(
            f"{job.slug} brought another run's files: expected {name}, {expected}, found "
            f"{record.experiment}, {record.run_id}",
            hint="nothing was changed here; start it again: doors kaggle run",
        )
    with claim(run):
        _move(folder, run, record)
        whole = use_newest_whole(run, progress.say)
    if outcome.kind == "running":
        outcome = Outcome(kind="to be continued", why=job.why or "it was ended from outside")
    if outcome.kind == "to be continued" and whole.epoch is None:
        outcome = _nothing(job)
    return Home(run, outcome)


def _nothing(job: JobRecord) -> Outcome:
    return Outcome(
        kind="failed",
        why=job.why or "it ended before an epoch was finished",
        remedy=f"{job.folder}/kernel.log, or the page {job.url}, may say why; start it again",
    )


def _move(folder: Path, run: Run, record: RunRecord) -> None:
    """Replace what is here of the run by what came, its record last, each thing as one step."""
    complete = _with_what_it_replaces(record, run)
    if run.record.exists() and RunRecord.read(run.record).run_id != record.run_id:
        set_aside(run)
    make_folder(run.directory)
    _move_checkpoints(folder, run)
    # The machine there knew no versions, so what it called the model counts for nothing here.
    (folder / run.metadata.name).unlink(missing_ok=True)
    for path in sorted(folder.iterdir(), key=lambda one: one.name == run.record.name):
        target = run.directory / path.name
        if not path.is_dir():
            put_in_place(path, target)
            continue
        heal(target)
        force_to_disk(path)
        path.rename(staged_for(target))
        replace_folder(target)
        heal(target)
    if complete != record:
        complete.write(run.record)


def _with_what_it_replaces(record: RunRecord, run: Run) -> RunRecord:
    """Name the runs that were here, of which the machine that trained it knew nothing."""
    if not run.record.exists():
        return record
    here = RunRecord.read(run.record)
    replaced = {*record.replaces, *here.replaces, short_id(here)} - {short_id(record)}
    return record.model_copy(update={"replaces": sorted(replaced)})


def _move_checkpoints(folder: Path, run: Run) -> None:
    """Make what came the newest here, beside what was; a damaged one takes nobody's place."""
    for name in (run.previous_checkpoint.name, run.resumable.parent.name):  # the older one first
        arrived = folder / name
        if arrived.exists() and (not faults(arrived) or find_whole(run).folder is None):
            tidy(run)
            force_to_disk(arrived)
            arrived.rename(staged_for(run.resumable.parent))
            replace_and_keep(run.resumable.parent, run.previous_checkpoint)
            tidy(run)
        shutil.rmtree(arrived, ignore_errors=True)


def _asked(job: JobRecord, host: GpuHost, progress: Progress) -> JobState | None:
    if job.stage not in {"starting", "running"}:
        return None
    try:
        return host.state(job.ref)
    except HostError as error:
        progress.say(f"{job.slug} is shown as it was last heard of: {error.problem}")
        return None
