"""Trains many runs on Kaggle, two at a time; implements :class:`ports.Trainings`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import sleep

from container_doors.adapters.kaggle.host import KaggleHost
from container_doors.cli.kaggle import follow_to_end, make_plan, publish_home
from container_doors.cli.trainings import known_end
from container_doors.core.config import Params
from container_doors.core.errors import HostError, ToBeContinued
from container_doors.core.ports import Progress, TaskEnd, TrainingTask
from container_doors.core.run import Run
from container_doors.kaggle import job_report
from container_doors.kaggle.job_spec import TWO_T4
from container_doors.kaggle.ledger import JobRecord, read_jobs
from container_doors.steps.kaggle.plan import JobRequest
from container_doors.steps.kaggle.pull import PulledRun, pull_job
from container_doors.steps.kaggle.push import push_job
from container_doors.training.claim import earlier_record
from container_doors.training.history import read_epochs


@dataclass
class KaggleTrainings:
    """Sends jobs of two trainings, one on each GPU, until all have ended.

    A job that was started before is followed, and not started again; a training that its session
    could not finish goes on in the next job.
    """

    progress: Progress
    hours: float
    """Of a session, at most."""
    with_changes: bool
    """Whether to send changes that are not committed."""
    at_once: int = TWO_T4.count

    def train(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        """Train each task; see :meth:`ports.Trainings.train`."""
        waiting = {task.name: task for task in tasks}
        while True:
            for task in list(waiting.values()):
                end = self._end_here(task)
                if end is not None:
                    del waiting[task.name]
                    yield end
            if not waiting:
                return
            job = self._open_job(waiting) or self._start(list(waiting.values())[: self.at_once])
            before = _epochs(job)
            home = self._bring_home(job)
            failed = [one for one in home if one.outcome.kind == "failed"]
            for pulled in failed:
                del waiting[pulled.run.name]
                yield TaskEnd(pulled.run.name, "failed", pulled.outcome.why)
            if not failed and _epochs(job) == before and not self._has_ended(job, waiting):
                raise HostError(
                    f"{job.slug} brought no new epoch, so another session would not either",
                    hint=f"see why: {job.url}; a longer session: --hours; the same command goes on",
                )

    def _has_ended(self, job: JobRecord, waiting: dict[str, TrainingTask]) -> bool:
        return any(known_end(waiting[name]) for name in job.experiments if name in waiting)

    def _end_here(self, task: TrainingTask) -> TaskEnd | None:
        """Return how a task has ended; finish one that was trained there and downloaded."""
        run = Run(task.name)
        record = earlier_record(run)
        is_done = record is not None and record.status in {"trained", "finished"}
        if is_done and run.scores.exists() and not run.metadata.exists():
            publish_home(run, self.progress)
        return known_end(task)

    def _open_job(self, waiting: dict[str, TrainingTask]) -> JobRecord | None:
        """Return a job that was started before and is not over."""
        for job in read_jobs():
            if not job.is_over and set(job.experiments) <= waiting.keys():
                self.progress.say(f"{job.slug} is already started: following it")
                return job
        return None

    def _start(self, tasks: Sequence[TrainingTask]) -> JobRecord:
        request = JobRequest(
            {task.name: _on_one_gpu(task.params) for task in tasks},
            hours=self.hours,
            with_changes=self.with_changes,
            floors={task.name: task.floors for task in tasks},
        )
        planned = make_plan(request, self.progress)
        for line in job_report.plan_lines(planned):
            self.progress.say(line)
        job = push_job(planned, host=KaggleHost(), progress=self.progress, pause=sleep)
        self.progress.say(f"{job.slug} is started: {job.url}")
        return job

    def _bring_home(self, job: JobRecord) -> list[PulledRun]:
        followed = follow_to_end(job, self.progress)
        self.progress.say(job_report.end_line(followed))
        if followed.stage == "discarded":
            raise HostError(
                f"{job.slug} was deleted",
                hint="the same command starts what it had not finished",
            )
        home, pulled = pull_job(followed, host=KaggleHost(), progress=self.progress, pause=sleep)
        if home.is_to_stop:
            raise ToBeContinued(f"{job.slug} was stopped")
        return pulled


def _epochs(job: JobRecord) -> dict[str, int]:
    """Return how many epochs of each run of a job are here."""
    return {name: len(read_epochs(Run(name).metrics_jsonl)) for name in job.experiments}


def _on_one_gpu(params: Params) -> Params:
    """Give each training one GPU, so that two fit into a job; on which device does not matter."""
    if params.training.device == "cpu":
        return params
    training = params.training.model_copy(update={"device": "0"})
    return params.model_copy(update={"training": training})
