"""Sends a planned training to Kaggle, and starts it."""

import shutil
from contextlib import ExitStack
from datetime import UTC, datetime

from container_doors.core.errors import HostError, UnreachableError
from container_doors.core.ports import GpuHost, Progress
from container_doors.core.run import JOBS
from container_doors.kaggle.bundles import Bundle
from container_doors.kaggle.ledger import JobRecord, newest_job
from container_doors.steps.kaggle.jobs import POLL_S, READY_S, Pause
from container_doors.steps.kaggle.plan import Plan, discard_plan


def push_job(plan: Plan, *, host: GpuHost, progress: Progress, pause: Pause) -> JobRecord:
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


def _send(pack: Bundle, *, host: GpuHost, progress: Progress) -> None:
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


def _wait_until_ready(pack: Bundle, *, host: GpuHost, progress: Progress, pause: Pause) -> None:
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
