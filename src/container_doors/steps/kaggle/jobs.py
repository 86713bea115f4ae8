"""The jobs of this clone: whether they began, run, or were given up."""

from collections.abc import Callable
from contextlib import suppress

from container_doors.core.config import Params
from container_doors.core.errors import AbsentError, HostError
from container_doors.core.ports import Follower, GpuHost, JobState, Progress
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.kaggle.ledger import JobRecord, readable_jobs
from container_doors.training.bundle import short_id

READY_S, POLL_S, HOME_S, _AGAIN_S = 900.0, 5.0, 1800.0, 30.0


FINAL_PHASES = ("complete", "failed", "cancelled")


Pause = Callable[[float], None]


FollowerOf = Callable[[Params], Follower]


def discard_job(job: JobRecord, *, host: GpuHost) -> JobRecord:
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


def settled(job: JobRecord, host: GpuHost) -> JobRecord:
    """Find out whether a job began whose start was cut off."""
    if job.stage != "starting":
        return job
    try:
        host.state(job.ref)
    except AbsentError:
        return job.changed(stage="discarded", why="it never began")
    return job.changed(stage="running")


def refuse_discarded(job: JobRecord) -> None:
    """Refuse a job that was given up.

    Raises:
        HostError: If it was.
    """
    if job.stage == "discarded":
        raise HostError(
            f"{job.slug} was given up{f': {job.why}' if job.why else ''}",
            hint=f"start another: doors kaggle run --experiment {job.experiments[0]}",
        )


def with_what_it_replaces(record: RunRecord, run: Run) -> RunRecord:
    """Name the runs that were here, of which the machine that trained it knew nothing."""
    if not run.record.exists():
        return record
    here = RunRecord.read(run.record)
    replaced = {*record.replaces, *here.replaces, short_id(here)} - {short_id(record)}
    return record.model_copy(update={"replaces": sorted(replaced)})


def _asked(job: JobRecord, host: GpuHost, progress: Progress) -> JobState | None:
    if job.stage not in {"starting", "running"}:
        return None
    try:
        return host.state(job.ref)
    except HostError as error:
        progress.say(f"{job.slug} is shown as it was last heard of: {error.problem}")
        return None
