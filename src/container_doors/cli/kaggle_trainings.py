"""Trains many runs on Kaggle, two at a time; implements :class:`ports.Trainings`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.kaggle.host import KaggleHost
from container_doors.adapters.release import write_wheel
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.cli.publish import real_outside
from container_doors.cli.trainings import known_end
from container_doors.cli.upload import relayed_follower_for
from container_doors.core.errors import ConfigError, ToBeContinued
from container_doors.core.ports import GpuHost, Progress, TaskEnd, Trainer, TrainingTask
from container_doors.core.run import Run
from container_doors.kaggle import job_report, worker
from container_doors.kaggle.job_spec import TWO_T4
from container_doors.kaggle.ledger import JobRecord, read_jobs
from container_doors.steps.kaggle.follow import follow_job
from container_doors.steps.kaggle.jobs import FollowerOf, Pause
from container_doors.steps.kaggle.plan import (
    JobRequest,
    Plan,
    Program,
    discard_plan,
    plan_job,
)
from container_doors.steps.kaggle.pull import PulledRun, publish_pulled, pull_job
from container_doors.steps.kaggle.push import push_job
from container_doors.steps.published import Outside
from container_doors.training.history import read_epochs


@dataclass(frozen=True, slots=True)
class Account:
    """An account on Kaggle, and what is needed around it."""

    host: GpuHost
    trainer: Trainer
    outside: Outside
    follower_of: FollowerOf
    agreed: Callable[[str], bool]
    """Asks before the first job is sent."""
    pause: Pause = sleep


def real_account(progress: Progress, agreed: Callable[[str], bool]) -> Account:
    """Return the account of whoever runs this program."""
    return Account(
        KaggleHost(),
        YoloTrainer(),
        real_outside(progress),
        lambda params: relayed_follower_for(params, progress),
        agreed,
    )


class KaggleTrainings:
    """Trains in jobs of ``doors kaggle``: two tasks side by side, one on each T4.

    A job that is running is followed, not sent again; a training that does not fit into a session
    goes on in the next one. Ctrl-C leaves a job running.
    """

    at_once = TWO_T4.count

    def __init__(self, account: Account, progress: Progress) -> None:
        """Begin without a job.

        Args:
            account: Where jobs are sent.
            progress: Receives messages.
        """
        self._account = account
        self._progress = progress
        self._has_agreed = False

    def train(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        """Train each task; see :meth:`ports.Trainings.train`."""
        waiting = []
        for task in tasks:
            known = known_end(task)
            if known is None:
                waiting.append(task)
                continue
            if known.outcome == "finished" and not Run(task.name).metadata.exists():
                self._publish(Run(task.name))  # a kill came after its files
            yield known
        for first in range(0, len(waiting), self.at_once):
            yield from self._train_pair(waiting[first : first + self.at_once])

    def _train_pair(self, tasks: Sequence[TrainingTask]) -> Iterator[TaskEnd]:
        left = {task.name: task for task in tasks}
        session = 1
        while left:
            job = _open_job(left)
            before = {name: _epochs(name) if job is None else -1 for name in left}
            job = job or self._send(left, session)
            for pulled in self._fetch(job):
                task = left.get(pulled.run.name)
                end = None if task is None else self._end_of(task, pulled, before)
                if end is not None:
                    del left[end.name]
                    yield end
            session += 1

    def _send(self, tasks: dict[str, TrainingTask], session: int) -> JobRecord:
        """Plan and start a job; ask, before the first one.

        Raises:
            DoorsError: If it cannot be sent.
            ConfigError: If the person did not agree.
        """
        request = JobRequest(
            {name: task.params for name, task in tasks.items()},
            session=session,
            floors={name: task.floors for name, task in tasks.items()},
        )
        plan = plan_job(
            request,
            host=self._account.host,
            repository=GitRepository(Path.cwd()),
            trainer=self._account.trainer,
            program=Program(Path(worker.__file__).read_text(encoding="utf-8"), write_wheel),
            progress=self._progress,
        )
        self._ask(plan)
        job = push_job(
            plan, host=self._account.host, progress=self._progress, pause=self._account.pause
        )
        self._progress.say(f"{job.slug} is started: {job.url}")
        return job

    def _ask(self, plan: Plan) -> None:
        for line in job_report.plan_lines(plan):
            self._progress.say(line)
        if not self._has_agreed:
            question = "send it, and start? Further jobs follow without a question"
            try:
                self._has_agreed = self._account.agreed(question)
            finally:
                if not self._has_agreed:
                    discard_plan(plan)
        if not self._has_agreed:
            raise ConfigError("nothing was sent", hint="train here: --on local")

    def _fetch(self, job: JobRecord) -> list[PulledRun]:
        """Follow a job to its end, and download its runs.

        Raises:
            ToBeContinued: If it was stopped or discarded.
        """
        account = self._account
        if job.stage != "ended":
            job = follow_job(
                job,
                host=account.host,
                follower_of=account.follower_of,
                progress=self._progress,
                pause=account.pause,
            )
        self._progress.say(job_report.end_line(job))
        if job.stage == "discarded":
            raise ToBeContinued(f"{job.slug} was discarded")
        job, pulled = pull_job(job, host=account.host, progress=self._progress, pause=account.pause)
        if job.is_to_stop:
            raise ToBeContinued(f"{job.slug} was to be the last session: doors kaggle stop")
        return pulled

    def _end_of(
        self, task: TrainingTask, pulled: PulledRun, before: dict[str, int]
    ) -> TaskEnd | None:
        """Return how a task ended; None if it goes on in the next session."""
        outcome = pulled.outcome
        if outcome.kind == "finished":
            self._publish(pulled.run)
            return TaskEnd(task.name, "finished")
        known = known_end(task)
        if known is not None:
            return known
        if outcome.kind == "failed":
            return TaskEnd(task.name, "failed", f"{outcome.why}; {outcome.remedy}")
        if _epochs(task.name) <= before[task.name]:
            why = f"a whole session finished no epoch: {outcome.why}"
            return TaskEnd(task.name, "failed", why)
        return None

    def _publish(self, run: Run) -> None:
        """Complete a run here; it replaces the published model only if its params say so."""
        publish_pulled(
            run,
            outside=self._account.outside,
            follower_of=self._account.follower_of,
            progress=self._progress,
        )


def _open_job(tasks: dict[str, TrainingTask]) -> JobRecord | None:
    """Find a job that trains one of these already; a kill or Ctrl-C left it running."""
    jobs = [job for job in read_jobs() if not job.is_over]
    return next((job for job in jobs if {*job.experiments} & {*tasks}), None)


def _epochs(name: str) -> int:
    return len(read_epochs(Run(name).metrics_jsonl))
