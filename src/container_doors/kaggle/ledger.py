"""The jobs of this clone, one file each, written before a job is sent: a kill loses none."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from container_doors.core.errors import HostError, RunError
from container_doors.core.records import Document
from container_doors.core.run import JOBS

Stage = Literal["starting", "running", "ended", "home", "discarded"]
"""``starting``: the host may know the job or not; ``ended``: its output can be downloaded;
``home``: it was downloaded."""


class JobRecord(Document):
    """``runs/.jobs/<slug>.json``."""

    repair_hint: ClassVar[str] = (
        "look at https://www.kaggle.com/code whether that job still runs, and move the file away "
        "when it is over; doors kaggle list shows the others"
    )
    slug: str
    ref: str
    url: str | None = None
    experiments: list[str]
    commit: str
    gpus: int
    epochs_asked: dict[str, int]
    session: int = 1
    """The number of the session, from 1: a training may take several."""
    started_at: AwareDatetime
    stage: Stage = "starting"
    outcome: str = ""
    """How it ended: ``finished``, ``to be continued``, ``failed``; empty before."""
    why: str = ""
    remedy: str = ""
    is_to_stop: bool = False
    """Whether no further session may follow."""
    run_ids: dict[str, str] = Field(default_factory=dict)
    epochs: dict[str, int] = Field(default_factory=dict)
    """The last epoch that was reported, by experiment."""
    lines_read: int = 0
    elapsed_s: float = 0.0
    """As the job last reported."""

    @property
    def folder(self) -> Path:
        """The folder of what was sent, and of what was downloaded."""
        return JOBS / self.slug

    def save_changes(self, **changes: object) -> "JobRecord":
        """Save the record with changes, as one step, and return it.

        A request of another process in the meantime, to stop or to discard the job, is preserved.
        """
        path = JOBS / f"{self.slug}.json"
        on_disk = JobRecord.read(path) if path.exists() else self
        stop: dict[str, object] = {"is_to_stop": on_disk.is_to_stop or self.is_to_stop}
        changed = self.model_copy(update=stop | changes)
        if on_disk.stage == "discarded":
            changed = changed.model_copy(update={"stage": "discarded"})
        changed.write(path)
        return changed

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.stage in {"home", "discarded"}


def read_jobs() -> list[JobRecord]:
    """Read every job, the newest first.

    Raises:
        RunError: If one cannot be read.
    """
    jobs, damaged = readable_jobs()
    if damaged:
        raise damaged[0]
    return jobs


def readable_jobs() -> tuple[list[JobRecord], list[RunError]]:
    """Read every job, the newest first; return also the errors of those that cannot be read."""
    jobs: list[JobRecord] = []
    damaged: list[RunError] = []
    for path in sorted(JOBS.glob("*.json")):
        try:
            jobs.append(JobRecord.read(path))
        except RunError as error:
            damaged.append(error)
    return sorted(jobs, key=lambda job: job.started_at, reverse=True), damaged


def newest_job(experiment: str | None) -> JobRecord:
    """Find the newest job of an experiment, or of all.

    Raises:
        HostError: If there is none.
    """
    for job in read_jobs():
        if experiment is None or experiment in job.experiments or experiment in (job.slug, job.ref):
            return job
    what = f"no job of {experiment}" if experiment else "no job"
    raise HostError(
        f"this clone knows {what}",
        hint="doors kaggle list shows its jobs; doors kaggle run --experiment NAME starts one",
    )


def refuse_two(experiment: str) -> None:
    """Check that no job trains an experiment already.

    Raises:
        RunError: If one does.
    """
    for job in read_jobs():
        if experiment in job.experiments and not job.is_over:
            raise RunError(
                f"{experiment} is in the job {job.slug} already ({job.stage})",
                hint=f"doors kaggle follow {experiment}, then doors kaggle pull {experiment}; or "
                f"discard it: doors kaggle stop {experiment} --discard",
            )
