"""The jobs of this clone: whether they started, run, or were discarded."""

from collections.abc import Callable
from contextlib import suppress

from container_doors.core.config import Params
from container_doors.core.errors import AbsentError, HostError
from container_doors.core.ports import Follower, GpuHost, JobState, Progress
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.kaggle.ledger import JobRecord, readable_jobs
from container_doors.training.bundle import short_id

POLL_S = 5.0
"""Between two questions to the host."""

FINAL_PHASES = ("complete", "failed", "cancelled")

Pause = Callable[[float], None]

FollowerOf = Callable[[Params], Follower]


def discard_job(job: JobRecord, *, host: GpuHost) -> JobRecord:
    """End a job, and delete its files on the host; one that does not exist there is no error."""
    with suppress(AbsentError):
        host.delete(job.ref)
    return job.save_changes(stage="discarded", is_to_stop=True)


def known_jobs(*, host: GpuHost, progress: Progress) -> list[tuple[JobRecord, JobState | None]]:
    """List the jobs of this clone, with the host's state of those that may still run."""
    jobs, damaged = readable_jobs()
    for error in damaged:
        progress.say(f"not shown: {error}")
    return [(job, _host_state(job, host, progress)) for job in jobs]


def check_started(job: JobRecord, host: GpuHost) -> JobRecord:
    """Check whether a job has started if its start was interrupted; return the new record."""
    if job.stage != "starting":
        return job
    try:
        host.state(job.ref)
    except AbsentError:
        return job.save_changes(stage="discarded", why="it never started")
    return job.save_changes(stage="running")


def refuse_discarded(job: JobRecord) -> None:
    """Refuse a job that was discarded.

    Raises:
        HostError: If it was.
    """
    if job.stage == "discarded":
        raise HostError(
            f"{job.slug} was discarded{f': {job.why}' if job.why else ''}",
            hint=f"start another: doors kaggle run --experiment {job.experiments[0]}",
        )


def with_replaced_runs(record: RunRecord, run: Run) -> RunRecord:
    """Add the runs that it replaces here, which the machine that trained it did not know."""
    if not run.record.exists():
        return record
    here = RunRecord.read(run.record)
    replaced = {*record.replaces, *here.replaces, short_id(here)} - {short_id(record)}
    return record.model_copy(update={"replaces": sorted(replaced)})


def _host_state(job: JobRecord, host: GpuHost, progress: Progress) -> JobState | None:
    if job.stage not in {"starting", "running"}:
        return None
    try:
        return host.state(job.ref)
    except HostError as error:
        progress.say(f"{job.slug} is shown in its last known state: {error.problem}")
        return None
