"""``doors kaggle``: train on Kaggle's GPUs from here, and bring the model home."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import sleep

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.kaggle.host import KaggleHost
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.cli import console
from container_doors.cli.output import say, say_document
from container_doors.cli.publish import real_outside
from container_doors.cli.signing import signature_policy, signed_checkpoints
from container_doors.cli.sync import sync
from container_doors.cli.train import scores
from container_doors.cli.upload import as_chosen, relayed_follower_for
from container_doors.core.config import Params, load_params
from container_doors.core.errors import ConfigError, VersioningError
from container_doors.core.ports import Progress
from container_doors.core.records import Metadata
from container_doors.core.run import Run
from container_doors.kaggle import job_report, worker
from container_doors.kaggle.ledger import JobRecord, newest_job, read_jobs, readable_jobs
from container_doors.steps.kaggle.follow import follow_job
from container_doors.steps.kaggle.jobs import discard_job, known_jobs
from container_doors.steps.kaggle.outputs import fetch_outputs
from container_doors.steps.kaggle.plan import Plan, Wanted, discard_plan, plan_job
from container_doors.steps.kaggle.pull import Home, best_last, publish_home, pull_job, to_go_on
from container_doors.steps.kaggle.push import push_job
from container_doors.steps.publish import is_published
from container_doors.steps.release import release_model
from container_doors.steps.summary import summarise
from container_doors.steps.version import version_model

_LEFT = 130


def plan(arguments: argparse.Namespace) -> int:
    """Check everything, print what would be sent and what it would cost, and send nothing."""
    with console.progress() as progress:
        planned = _plan(replace(_wanted(arguments), for_reading=True), progress)
    say(*job_report.plan_lines(planned), _home_line())
    discard_plan(planned)
    return 0


def push(arguments: argparse.Namespace) -> int:
    """Send a training and start it; or write all that would be sent."""
    job = _push(arguments, _wanted(arguments))
    if job is not None:
        say(f"next: doors kaggle follow {job.experiments[0]}")
    return 0


def follow(arguments: argparse.Namespace) -> int:
    """Show a job while it goes on."""
    job = _follow(newest_job(arguments.name))
    if job is None:
        return _LEFT
    say(job_report.end_line(job))
    if job.stage != "discarded":
        say(f"next: doors kaggle pull {job.experiments[0]}")
    return 1 if job.outcome == "failed" else 0


def pull(arguments: argparse.Namespace) -> int:
    """Bring home what a job has left, and go on as after a training here."""
    if arguments.name and "/" in arguments.name and not _is_known(arguments.name):
        return _pull_outputs(arguments)
    job, homes = _pull(newest_job(arguments.name))
    return _go_home(job, homes, commit=arguments.commit)


def _is_known(ref: str) -> bool:
    return any(ref == job.ref for job in readable_jobs()[0])


def _pull_outputs(arguments: argparse.Namespace) -> int:
    """Download what any kernel has left, and put the model in place whose pointers are there."""
    with console.progress() as progress:
        folder, names = fetch_outputs(arguments.name, host=KaggleHost(), progress=progress)
    say(f"{len(names)} file(s) are in {folder}")
    if not any(folder.rglob("best.pt.dvc")):
        say("no best.pt.dvc is among them: nothing was put in place")
        return 0
    return sync(argparse.Namespace(outputs=folder, commit=arguments.commit, json=False))


def stop(arguments: argparse.Namespace) -> int:
    """See that no further session begins, and tell how this one is ended."""
    job = newest_job(arguments.name)
    if job.is_over:
        job.changed(is_to_stop=True)  # another terminal may be about to begin the next session
        say(f"{job.slug} is over: {job.outcome or job.stage}; no further session follows")
        return 0
    if not arguments.discard:
        say(*job_report.stop_lines(job.changed(is_to_stop=True)))
        return 0
    question = f"end {job.slug}, and destroy all that it has left on Kaggle?"
    if not _agreed(question, yes=arguments.yes):
        return 0
    discard_job(job, host=KaggleHost())
    say(f"{job.slug} is deleted; what was heard of it is kept in runs/")
    return 0


def listed(arguments: argparse.Namespace) -> int:
    """Show every job of this clone."""
    with console.progress(quiet=arguments.json) as progress:
        known = known_jobs(host=KaggleHost(), progress=progress)
    if arguments.json:
        say_document([job_report.as_json(job, state) for job, state in known])
        return 0
    say(*(job_report.table(known) or ["no job yet: doors kaggle run --experiment NAME"]))
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Do all of it: plan, send, follow, carry on, bring home."""
    wanted = _wanted(arguments)
    under_way = [job for job in read_jobs() if not job.is_over]
    job = next((one for one in under_way if set(one.experiments) == set(wanted.experiments)), None)
    if job is None:
        job = _push(arguments, wanted)
    else:
        say(f"{job.slug} is under way: following it")
    while job is not None:
        followed = _follow(job)
        if followed is None:
            return _LEFT
        say(job_report.end_line(followed))
        if followed.stage == "discarded":
            return 0
        job, homes = _pull(followed)
        rest = to_go_on(homes)
        if not rest or job.is_to_stop or job.session >= arguments.sessions:
            return _go_home(job, homes, commit=arguments.commit)
        _go_home(job, [home for home in homes if home.run.name not in rest], commit=False)
        say(f"session {job.session + 1} of {arguments.sessions}: going on with {', '.join(rest)}")
        job = _push(arguments, _next(wanted, rest, job))
    return 0


def _next(wanted: Wanted, rest: dict[str, Params], job: JobRecord) -> Wanted:
    return Wanted(
        rest, hours=wanted.hours, with_changes=wanted.with_changes, session=job.session + 1
    )


def _wanted(arguments: argparse.Namespace) -> Wanted:
    names = arguments.experiments or []
    devices = [] if arguments.devices == 1 else ["detection.training.device=0,1"]
    everybody = [text for text in arguments.overrides if ":" not in text.partition("=")[0]]
    if not names:
        first = load_params(arguments.config, [*everybody, *devices])
        names = [first.wandb.name if arguments.experiment is None else arguments.experiment]
    experiments = {}
    for name in names:
        own = [t.removeprefix(f"{name}:") for t in arguments.overrides if t.startswith(f"{name}:")]
        params = load_params(arguments.config, [*everybody, *own, *devices])
        experiments[Run(name).name] = as_chosen(params)
    unknown = {t.partition(":")[0] for t in arguments.overrides if t not in everybody} - set(names)
    if unknown:
        raise ConfigError(
            f"--set {min(unknown)}:...: expected one of {', '.join(names)}, found {min(unknown)}",
            hint="name an experiment of --experiments before the colon",
        )
    return Wanted(
        experiments,
        hours=arguments.hours,
        with_changes=arguments.dirty,
        replace=arguments.replace,
    )


def _plan(wanted: Wanted, progress: Progress) -> Plan:
    return plan_job(
        wanted,
        host=KaggleHost(),
        repository=GitRepository(Path.cwd()),
        trainer=YoloTrainer(),
        script=Path(worker.__file__).read_text(encoding="utf-8"),
        progress=progress,
    )


def _home_line() -> str:
    """Say beforehand where the model is to go: a missing remote should not wait for the end."""
    try:
        return f"home: it is pushed to {DvcStore(Path.cwd()).check_ready()}"
    except VersioningError as error:
        return f"home: {error.problem}; before it comes home: {error.hint}"


def _push(arguments: argparse.Namespace, wanted: Wanted) -> JobRecord | None:
    """Send it, if that was agreed to; None if not."""
    with console.progress() as progress:
        planned = _plan(replace(wanted, for_reading=arguments.dry_run), progress)
    say(*job_report.plan_lines(planned), _home_line())
    if arguments.dry_run:
        what = "all that would be" if not planned.unknown else "what is known of it"
        say(f"nothing was sent; {what} is in {planned.record.folder}")
        return None
    with ExitStack() as unless_agreed:
        unless_agreed.callback(discard_plan, planned)
        if not _agreed("send it, and start?", yes=arguments.yes or wanted.session > 1):
            return None
        unless_agreed.pop_all()
    with console.progress() as progress:
        job = push_job(planned, host=KaggleHost(), progress=progress, pause=sleep)
    say(f"{job.slug} is started: {job.url}")
    return job


def _follow(job: JobRecord) -> JobRecord | None:
    """Follow to the end; None if the person has left."""
    if job.stage == "ended" or job.is_over:
        return job
    with console.progress() as progress:
        try:
            return follow_job(
                job,
                host=KaggleHost(),
                follower_of=lambda params: relayed_follower_for(params, progress),
                progress=progress,
                pause=sleep,
            )
        except KeyboardInterrupt:
            progress.say(f"left; {job.slug} goes on there, also with this machine switched off")
            progress.say(f"next: doors kaggle follow {job.experiments[0]}")
            return None


def _pull(job: JobRecord) -> tuple[JobRecord, list[Home]]:
    with console.progress() as progress:
        return pull_job(job, host=KaggleHost(), progress=progress, pause=sleep)


def _go_home(job: JobRecord, homes: Sequence[Home], *, commit: bool) -> int:
    """Publish, report and version what is finished; say what is to do about the rest."""
    finished = [home.run for home in homes if home.outcome.kind == "finished"]
    for one in best_last(finished):
        with console.progress() as progress:
            metadata = _published(one, progress)
            say(*scores(metadata))
            say(f"wrote {summarise(one, Path(f'summary_{one.name}.md'))}")
            if is_published(metadata.run_id):
                _version(one, metadata, progress, commit=commit)
    for home in homes:
        if home.outcome.kind != "finished":
            say(*job_report.unfinished_lines(home.run.name, home.outcome, job))
    return 1 if any(home.outcome.kind == "failed" for home in homes) else 0


def _published(run: Run, progress: Progress) -> Metadata:
    return publish_home(
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
    made = release_model(metadata, GitRepository(Path.cwd()))
    what = f"committed {made[:12]}" if made else "committed already"
    progress.say(f"{what}, tagged {metadata.git_tag}; next: git push --follow-tags")


def _agreed(question: str, *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} Nobody is here to answer", hint="say so: --yes")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
