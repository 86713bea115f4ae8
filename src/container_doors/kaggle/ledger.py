"""The jobs of this clone, one file each, written before the host is told: a kill loses none."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from container_doors.core.errors import HostError, RunError
from container_doors.core.records import Document
from container_doors.core.run import JOBS

Stage = Literal["starting", "running", "ended", "home", "discarded"]
"""``starting``: the host may know it or not; ``ended``: there is something to fetch."""


class JobRecord(Document):
    """``runs/.jobs/<slug>.json``."""

    mending: ClassVar[str] = (
        "look at https://www.kaggle.com/code if that job still runs, and move the file away when "
        "it is over; doors kaggle list shows the others"
    )
    slug: str
    ref: str
    url: str | None = None
    experiments: list[str]
    commit: str
    gpus: int
    epochs_asked: dict[str, int]
    session: int = 1
    """Which of its experiments' sessions this is."""
    started_at: AwareDatetime
    stage: Stage = "starting"
    outcome: str = ""
    """How it ended, once it has: ``finished``, ``to be continued``, ``failed``."""
    why: str = ""
    remedy: str = ""
    is_to_stop: bool = False
    """Whether no further session is to follow."""
    run_ids: dict[str, str] = Field(default_factory=dict)
    epochs: dict[str, int] = Field(default_factory=dict)
    """The last epoch that was heard of."""
    lines_read: int = 0
    elapsed_s: float = 0.0
    """As the job last said."""

    @property
    def folder(self) -> Path:
        """What was sent, and what came back."""
        return JOBS / self.slug

    def changed(self, **changes: object) -> "JobRecord":
        """Save it with changes, as one step, and return that.

        What another process has asked for meanwhile, to stop or to discard it, is kept.
        """
        path = JOBS / f"{self.slug}.json"
        meanwhile = JobRecord.read(path) if path.exists() else self
        kept: dict[str, object] = {"is_to_stop": meanwhile.is_to_stop or self.is_to_stop}
        changed = self.model_copy(update=kept | changes)
        if meanwhile.stage == "discarded":
            changed = changed.model_copy(update={"stage": "discarded"})
        changed.write(path)
        return changed

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do about it."""
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
    """Read every job that can be read, the newest first, and say what is wrong with the others."""
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
        hint="doors kaggle list shows those it knows; doors kaggle run --experiment NAME begins",
    )


def refuse_two(experiment: str) -> None:
    """See that no job trains an experiment already.

    Raises:
        RunError: Naming the way to look at it.
    """
    for job in read_jobs():
        if experiment in job.experiments and not job.is_over:
            raise RunError(
                f"{experiment} is in the job {job.slug} already ({job.stage})",
                hint=f"doors kaggle follow {experiment}, then doors kaggle pull {experiment}; or "
                f"give it up: doors kaggle stop {experiment} --discard",
            )
