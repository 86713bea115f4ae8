"""Sends a planned training to Kaggle, and starts it."""

import shutil
from contextlib import ExitStack
from datetime import UTC, datetime

from container_doors.core.errors import HostError, UnreachableError
from container_doors.core.ports import GpuHost, Progress
from container_doors.core.run import JOBS
from container_doors.kaggle.bundles import Bundle
from container_doors.kaggle.ledger import JobRecord, newest_job
from container_doors.steps.kaggle.jobs import POLL_S, Pause
from container_doors.steps.kaggle.plan import Plan, discard_plan

READY_S = 900.0
"""A data set that cannot be read after so long is of no use."""


def push_job(plan: Plan, *, host: GpuHost, progress: Progress, pause: Pause) -> JobRecord:
    """Send the bundles that the host does not have, wait until it can read them, start the job.

    The ledger has the job before the host does, so that a kill in between loses none.

    Raises:
        HostError: If the host refuses.
    """
    with ExitStack() as unless_sent:
        unless_sent.callback(discard_plan, plan)
        for bundle in plan.bundles:
            _send(bundle, host=host, progress=progress)
        for bundle in plan.bundles:
            _wait_until_ready(bundle, host=host, progress=progress, pause=pause)
        _refuse_stopped(plan.record)
        unless_sent.pop_all()
    shutil.rmtree(plan.record.folder / "packs")
    record = plan.record.save_changes(started_at=datetime.now(UTC))
    try:
        started = host.start(record.folder)
    except UnreachableError:
        raise  # it may have started: the ledger keeps it, and following it finds out
    except HostError as error:
        record.save_changes(stage="discarded", why=error.problem)
        raise
    record = record.save_changes(stage="running", ref=started.ref, url=started.url)
    if not host.is_private(record.ref):
        host.delete(record.ref)
        record.save_changes(stage="discarded", why="it was public")
        raise HostError(
            f"{record.ref} could be read by everyone, and was deleted at once",
            hint="nothing else was shown; report this with the version of the kaggle package",
        )
    return record


def _refuse_stopped(record: JobRecord) -> None:
    """Check that no stop was requested since the last session: sending takes a while."""
    name = record.experiments[0]
    if record.session > 1 and newest_job(name).is_to_stop:
        raise HostError(
            f"{name} was stopped before session {record.session} began; its checkpoint is here",
            hint=f"doors kaggle run --experiment {name} resumes from it",
        )


def _send(bundle: Bundle, *, host: GpuHost, progress: Progress) -> None:
    slug = bundle.slug
    if host.dataset_state(slug) != "absent":
        progress.say(f"{bundle.kind}: {slug} is there already")
        return
    progress.say(f"{bundle.kind}: sending {bundle.size_bytes / 1e6:.1f} MB as {slug}, private")
    sending = JOBS / "sending" / slug  # the same folder next time, so that an upload resumes
    if not sending.exists():
        sending.parent.mkdir(parents=True, exist_ok=True)
        bundle.path.parent.rename(sending)
    host.send_dataset(sending, slug=slug, title=slug, progress=progress)
    shutil.rmtree(sending)


def _wait_until_ready(bundle: Bundle, *, host: GpuHost, progress: Progress, pause: Pause) -> None:
    waited = 0.0
    while (state := host.dataset_state(bundle.slug)) != "ready":
        if state == "failed" or waited > READY_S:
            raise HostError(
                f"the host cannot use {bundle.slug}: it is {state} after {waited:.0f} s",
                hint=f"delete that data set there, then run this again ({bundle.kind})",
            )
        if not waited:
            progress.say(f"waiting until {bundle.slug} can be read there")
        pause(POLL_S)
        waited += POLL_S
    if not host.dataset_is_private(bundle.slug):
        raise HostError(
            f"the data set {bundle.slug} can be read by everyone",
            hint="make it private, or delete it, on its page there; then run this again",
        )
