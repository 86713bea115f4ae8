"""``doors kaggle``: train on Kaggle's GPUs from here, and download the model."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.kaggle.host import KaggleHost
from container_doors.adapters.release import write_wheel
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.cli import console
from container_doors.cli.output import say, say_document
from container_doors.cli.publish import real_outside
from container_doors.cli.signing import signature_policy, signed_checkpoints
from container_doors.cli.sync import sync
from container_doors.cli.train import scores
from container_doors.cli.upload import relayed_follower_for, with_chosen_mode
from container_doors.core.config import Params, load_params
from container_doors.core.errors import ConfigError, VersioningError
from container_doors.core.files import is_read_only, make_folder
from container_doors.core.ports import Progress
from container_doors.core.records import Metadata
from container_doors.core.run import JOBS, Run
from container_doors.kaggle import job_report, worker
from container_doors.kaggle.ledger import JobRecord, newest_job, read_jobs, readable_jobs
from container_doors.steps.kaggle.follow import follow_job
from container_doors.steps.kaggle.jobs import discard_job, known_jobs
from container_doors.steps.kaggle.outputs import fetch_outputs
from container_doors.steps.kaggle.plan import JobRequest, Plan, Program, discard_plan, plan_job
from container_doors.steps.kaggle.pull import (
    PulledRun,
    best_last,
    experiments_to_continue,
    publish_pulled,
    pull_job,
)
from container_doors.steps.kaggle.push import push_job
from container_doors.steps.published import is_published
from container_doors.steps.release import release_model
from container_doors.steps.summary import summarise
from container_doors.steps.version import version_model

_STOPPED = 130


def plan(arguments: argparse.Namespace) -> int:
    """Check everything, and print what would be sent and what it would cost; send nothing."""
    with console.progress() as progress, _scratch() as folder:
        request = replace(_request(arguments), for_reading=True, jobs=folder)
        planned = make_plan(request, progress)
    say(*job_report.plan_lines(planned), _push_target_line())
    return 0


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder for what is not kept; where nothing can be written, a temporary one."""
    try:
        make_folder(JOBS)
        scratch = TemporaryDirectory(dir=JOBS, prefix=".plan-")
    except OSError as error:
        if not is_read_only(error):
            raise
        scratch = TemporaryDirectory(prefix="doors-plan-")
    with scratch as folder:
        yield Path(folder)


def push(arguments: argparse.Namespace) -> int:
    """Send a training and start it; or write all that would be sent."""
    job = _push(arguments, _request(arguments))
    if job is not None:
        say(f"next: doors kaggle follow {job.experiments[0]}")
    return 0


def follow(arguments: argparse.Namespace) -> int:
    """Show a job while it runs."""
    job = _follow(newest_job(arguments.name))
    if job is None:
        return _STOPPED
    say(job_report.end_line(job))
    if job.stage != "discarded":
        say(f"next: doors kaggle pull {job.experiments[0]}")
    return 1 if job.outcome == "failed" else 0


def pull(arguments: argparse.Namespace) -> int:
    """Download the output of a job, and continue as after a training here."""
    if arguments.name and "/" in arguments.name and not _is_known(arguments.name):
        return _pull_outputs(arguments)
    job, pulled_runs = _pull(newest_job(arguments.name))
    return _finish_pulled(job, pulled_runs, commit=arguments.commit)


def _is_known(ref: str) -> bool:
    return any(ref == job.ref for job in readable_jobs()[0])


def _pull_outputs(arguments: argparse.Namespace) -> int:
    """Download the output of any kernel; if it has the pointers of a model, put it in place."""
    with console.progress() as progress:
        folder, names = fetch_outputs(arguments.name, host=KaggleHost(), progress=progress)
    say(f"{len(names)} file(s) are in {folder}")
    if not any(folder.rglob("best.pt.dvc")):
        say("no best.pt.dvc is among them: nothing was put in place")
        return 0
    return sync(argparse.Namespace(outputs=folder, commit=arguments.commit, json=False))


def stop(arguments: argparse.Namespace) -> int:
    """Make sure that no further session starts, and print how to end this one."""
    job = newest_job(arguments.name)
    if job.is_over:
        job.save_changes(is_to_stop=True)  # another terminal may be about to begin the next session
        say(f"{job.slug} is over: {job.outcome or job.stage}; no further session follows")
        return 0
    if not arguments.discard:
        say(*job_report.stop_lines(job.save_changes(is_to_stop=True)))
        return 0
    question = f"end {job.slug}, and delete all its files on Kaggle?"
    if not agreed(question, yes=arguments.yes):
        return 0
    discard_job(job, host=KaggleHost())
    say(f"{job.slug} is deleted; its epochs up to now are kept in runs/")
    return 0


def listed(arguments: argparse.Namespace) -> int:
    """Print every job of this clone."""
    with console.progress(quiet=arguments.json) as progress:
        known = known_jobs(host=KaggleHost(), progress=progress)
    if arguments.json:
        say_document([job_report.as_json(job, state) for job, state in known])
        return 0
    say(*(job_report.table(known) or ["no job yet: doors kaggle run --experiment NAME"]))
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Do all steps: plan, push, follow, pull; start further sessions if needed."""
    request = _request(arguments)
    open_jobs = [job for job in read_jobs() if not job.is_over]
    job = next((one for one in open_jobs if set(one.experiments) == set(request.experiments)), None)
    if job is None:
        job = _push(arguments, request)
    else:
        say(f"{job.slug} is already started: following it")
    while job is not None:
        followed = _follow(job)
        if followed is None:
            return _STOPPED
        say(job_report.end_line(followed))
        if followed.stage == "discarded":
            return 0
        job, pulled_runs = _pull(followed)
        rest = experiments_to_continue(pulled_runs)
        if not rest or job.is_to_stop or job.session >= arguments.sessions:
            return _finish_pulled(job, pulled_runs, commit=arguments.commit)
        _finish_pulled(
            job, [pulled for pulled in pulled_runs if pulled.run.name not in rest], commit=False
        )
        say(f"session {job.session + 1} of {arguments.sessions}: continuing {', '.join(rest)}")
        job = _push(arguments, _next(request, rest, job))
    return 0


def _next(request: JobRequest, rest: dict[str, Params], job: JobRecord) -> JobRequest:
    return JobRequest(
        rest, hours=request.hours, with_changes=request.with_changes, session=job.session + 1
    )


def _request(arguments: argparse.Namespace) -> JobRequest:
    names = arguments.experiments or []
    devices = [] if arguments.devices == 1 else ["detection.training.device=0,1"]
    common = [text for text in arguments.overrides if ":" not in text.partition("=")[0]]
    if not names:
        first = load_params(arguments.config, [*common, *devices])
        names = [first.wandb.name if arguments.experiment is None else arguments.experiment]
    experiments = {}
    for name in names:
        own = [t.removeprefix(f"{name}:") for t in arguments.overrides if t.startswith(f"{name}:")]
        params = load_params(arguments.config, [*common, *own, *devices])
        experiments[Run(name).name] = with_chosen_mode(params)
    unknown = {t.partition(":")[0] for t in arguments.overrides if t not in common} - set(names)
    if unknown:
        raise ConfigError(
            f"--set {min(unknown)}:...: expected one of {', '.join(names)}, found {min(unknown)}",
            hint="name an experiment of --experiments before the colon",
        )
    return JobRequest(
        experiments,
        hours=arguments.hours,
        with_changes=arguments.dirty,
        replace=arguments.replace,
    )


def make_plan(request: JobRequest, progress: Progress) -> Plan:
    """Plan a job, with the account and the workspace here."""
    return plan_job(
        request,
        host=KaggleHost(),
        repository=GitRepository(Path.cwd()),
        trainer=YoloTrainer(),
        program=Program(Path(worker.__file__).read_text(encoding="utf-8"), write_wheel),
        progress=progress,
    )


def _push_target_line() -> str:
    """Return where the model will be pushed, before it is trained: a remote may be missing."""
    try:
        return f"model: it is pushed to {DvcStore(Path.cwd()).check_ready()}"
    except VersioningError as error:
        return f"model: {error.problem}; before it is downloaded: {error.hint}"


def _push(arguments: argparse.Namespace, request: JobRequest) -> JobRecord | None:
    """Plan a job, ask, and start it; None if it was not started."""
    with console.progress() as progress:
        planned = make_plan(replace(request, for_reading=arguments.dry_run), progress)
    say(*job_report.plan_lines(planned), _push_target_line())
    if arguments.dry_run:
        is_whole = not (planned.unknown or planned.first)
        what = "all that would be" if is_whole else "what is known of it"
        say(f"nothing was sent; {what} is in {planned.record.folder}")
        return None
    with ExitStack() as unless_agreed:
        unless_agreed.callback(discard_plan, planned)
        if not agreed("send it, and start?", yes=arguments.yes or request.session > 1):
            return None
        unless_agreed.pop_all()
    with console.progress() as progress:
        job = push_job(planned, host=KaggleHost(), progress=progress, pause=sleep)
    say(f"{job.slug} is started: {job.url}")
    return job


def _follow(job: JobRecord) -> JobRecord | None:
    """Follow a job to its end; None if the person stopped following."""
    with console.progress() as progress:
        try:
            return follow_to_end(job, progress)
        except KeyboardInterrupt:
            progress.say(f"stopped following; {job.slug} runs on, even if this machine is off")
            progress.say(f"next: doors kaggle follow {job.experiments[0]}")
            return None


def follow_to_end(job: JobRecord, progress: Progress) -> JobRecord:
    """Follow a job to its end, unless that was seen already."""
    if job.stage == "ended" or job.is_over:
        return job
    return follow_job(
        job,
        host=KaggleHost(),
        follower_of=lambda params: relayed_follower_for(params, progress),
        progress=progress,
        pause=sleep,
    )


def _pull(job: JobRecord) -> tuple[JobRecord, list[PulledRun]]:
    with console.progress() as progress:
        return pull_job(job, host=KaggleHost(), progress=progress, pause=sleep)


def _finish_pulled(job: JobRecord, pulled_runs: Sequence[PulledRun], *, commit: bool) -> int:
    """Publish, report and version finished runs; print what to do about the others."""
    finished = [pulled.run for pulled in pulled_runs if pulled.outcome.kind == "finished"]
    for one in best_last(finished):
        with console.progress() as progress:
            metadata = publish_home(one, progress)
            say(*scores(metadata))
            say(f"wrote {summarise(one, Path(f'summary_{one.name}.md'))}")
            if is_published(metadata.run_id):
                _version(one, metadata, progress, commit=commit)
    for pulled in pulled_runs:
        if pulled.outcome.kind != "finished":
            say(*job_report.unfinished_lines(pulled.run.name, pulled.outcome, job))
    return 1 if any(pulled.outcome.kind == "failed" for pulled in pulled_runs) else 0


def publish_home(run: Run, progress: Progress) -> Metadata:
    """Publish a downloaded run, if it is better, and show its results online."""
    return publish_pulled(
        run,
        outside=real_outside(progress),
        follower_of=lambda params: relayed_follower_for(params, progress),
        progress=progress,
    )


def _version(run: Run, metadata: Metadata, progress: Progress, *, commit: bool) -> None:
    version_model(
        run.name,
        store=DvcStore(Path.cwd(), progress=progress),
        progress=progress,
        checkpoints=signed_checkpoints(),
        policy=signature_policy(),
    )
    if not commit:
        progress.say(f"{metadata.version} is here and pushed; doors sync --commit commits and tags")
        return
    commit_id = release_model(metadata, GitRepository(Path.cwd()))
    what = f"committed {commit_id[:12]}" if commit_id else "committed already"
    progress.say(f"{what}, tagged {metadata.git_tag}; next: git push --follow-tags")


def agreed(question: str, *, yes: bool) -> bool:
    """Ask a person; with ``yes`` there is nothing to ask."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} No one is here to answer", hint="answer with --yes")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
