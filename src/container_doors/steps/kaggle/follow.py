"""Shows a job's progress, here and in the trackers, as its log grows."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from container_doors.core.epochs import EpochReader
from container_doors.core.errors import AbsentError, UnreachableError
from container_doors.core.files import replace_text
from container_doors.core.ports import Follower, GpuHost, JobState, Progress
from container_doors.core.records import Epoch, RunRecord
from container_doors.core.run import Run
from container_doors.kaggle.ledger import JobRecord
from container_doors.kaggle.log_lines import Event, line_is_cut, parse_event, parts_with
from container_doors.steps.kaggle.jobs import (
    FINAL_PHASES,
    POLL_S,
    FollowerOf,
    Pause,
    check_started,
    refuse_discarded,
    with_replaced_runs,
)
from container_doors.training.claim import claim, rename_earlier
from container_doors.training.history import append_epoch, best_epoch, format_epochs

RETRY_S = 30.0
"""Between two attempts while the network fails."""

SILENT_S = 600.0
"""A job that is alive reports it every minute."""

PATIENCE_S = 2 * 3600.0
"""How long the network may fail before following gives up; the job continues without it."""


def follow_job(
    job: JobRecord,
    *,
    host: GpuHost,
    follower_of: FollowerOf,
    progress: Progress,
    pause: Pause,
) -> JobRecord:
    """Read a job's log until it ends, and show its epochs here and in the trackers.

    Following may be stopped and resumed: the number of the lines read is stored.

    Raises:
        UnreachableError: If the network stays away; the job continues.
        HostError: If the host knows no such job.
    """
    job = check_started(job, host)
    refuse_discarded(job)
    left_h = _report_quota(job, host, progress)
    log = _JobLog(job, left_h=left_h, follower_of=follower_of, progress=progress)
    with ExitStack() as stack:
        for name in job.experiments:
            stack.enter_context(claim(Run(name)))
        stack.callback(log.close)
        try:
            _read_until_end(log, host, progress=progress, pause=pause)
        except AbsentError:
            if log.job.save_changes().stage != "discarded":  # by another process, meanwhile
                raise
    return log.job


class _JobLog:
    """A job's log, applied line by line to the files and trackers of this machine."""

    def __init__(
        self,
        job: JobRecord,
        *,
        left_h: float | None,
        follower_of: FollowerOf,
        progress: Progress,
    ) -> None:
        self.job = job
        self._left_h, self._elapsed_s = left_h, job.elapsed_s
        self._follower_of = follower_of
        self._progress = progress
        self._followers: dict[str, Follower] = {}
        self._readers: dict[str, EpochReader] = {}
        self._parts: list[str] = []

    def read_new_lines(self, host: GpuHost) -> bool:
        """Read the log's new lines; return whether the job's last event is among them."""
        self._parts = []
        for number, line in enumerate(host.log(self.job.ref), start=1):
            if number > self.job.lines_read:
                self._read_line(number, line)
            if self.job.stage == "ended":
                break
        return self.job.stage == "ended"

    def _read_line(self, number: int, line: str) -> None:
        self._parts = parts_with(line, self._parts)
        event = parse_event("".join(self._parts))
        if event is None and line_is_cut(self._parts):
            return
        self._parts = []
        changes: dict[str, Any] = {"lines_read": number}
        if event is not None:
            try:
                changes |= self._apply(event)
            except (LookupError, TypeError, ValueError) as error:
                self._progress.say(f"line {number} of the log cannot be read: {error!r:.200}")
        self.job = self.job.model_copy(update=changes)
        if event is not None:
            self.job = self.job.save_changes()

    def close(self) -> None:
        """Save the job and end the trackers; the next call of follow resumes them."""
        self.job = self.job.save_changes()
        code = 1 if self.job.outcome == "failed" else 0
        for follower in self._followers.values():
            follower.finish(exit_code=code)

    def _apply(self, event: Event) -> dict[str, Any]:
        facts = event.facts
        elapsed = {"elapsed_s": facts["elapsed_s"]} if "elapsed_s" in facts else {}
        match event.kind:
            case "machine":
                gpus = ", ".join(facts["gpus"]) or "no GPU"
                self._progress.say(f"the machine has {gpus}, torch {facts['torch']}")
            case "step":
                self._progress.say(str(facts["what"]))
            case "stalled":
                self._progress.say(
                    f"{facts['experiment']}: {facts['gpus']} GPUs made no progress for "
                    f"{facts['idle_s']} s: continuing with one"
                )
            case "record":
                return self._record(RunRecord.model_validate(facts["record"]))
            case "epoch":
                return elapsed | self._epoch(
                    facts["experiment"], Epoch(facts["epoch"], _numbers(facts["metrics"]))
                )
            case "ended":
                names = ("outcome", "why", "remedy")
                return {**elapsed, "stage": "ended", **{n: facts.get(n, "") for n in names}}
        return elapsed

    def _record(self, record: RunRecord) -> dict[str, Any]:
        """Save a run's record; it counts as running until its files are here."""
        run = Run(record.experiment)
        record = with_replaced_runs(record, run)
        if run.record.exists() and RunRecord.read(run.record).run_id != record.run_id:
            self._end(run)
            renamed = rename_earlier(run)
            self._progress.say(f"an earlier run of {run.name} is kept in {renamed}")
        if record.status in {"trained", "finished"}:
            record = record.model_copy(update={"status": "running"})
        record.write(run.record)
        if run.name not in self._followers:
            self._begin(run, record)
        return {"run_ids": {**self.job.run_ids, run.name: record.run_id}}

    def _begin(self, run: Run, record: RunRecord) -> None:
        follower = self._follower_of(record.known_params)
        follower.settle(run, progress=self._progress)
        follower.start(run, progress=self._progress)
        self._followers[run.name] = follower

    def _end(self, run: Run) -> None:
        if run.name in self._followers:
            self._followers.pop(run.name).finish(exit_code=1)

    def _epoch(self, name: str, epoch: Epoch) -> dict[str, Any]:
        """Save an epoch; one that is repeated after a recovery replaces those from it on."""
        run = Run(name)
        epochs = self._readers.setdefault(name, EpochReader(run.metrics_jsonl)).read()
        if epoch not in epochs:
            before = [one for one in epochs if one.number < epoch.number]
            if len(before) == len(epochs):
                append_epoch(run.metrics_jsonl, epoch)
            else:
                replace_text(run.metrics_jsonl, format_epochs([*before, epoch]))
            self._show(run, epoch, [*before, epoch])
        return {"epochs": {**self.job.epochs, name: epoch.number}}

    def _show(self, run: Run, epoch: Epoch, epochs: list[Epoch]) -> None:
        total = self.job.epochs_asked[run.name]
        if len(self.job.experiments) > 1:
            self._progress.say(f"{run.name}:")
        is_best = best_epoch(epochs).number == epoch.number
        self._progress.epoch(epoch, total=total, is_best=is_best)
        self._progress.step(f"{run.name}, {self._quota()}", epoch.number, total)

    def _quota(self) -> str:
        """Return the GPU hours used, and those left: as reported at the start, minus the use."""
        used = f"{self.job.elapsed_s / 3600:.2f} h used"
        if self._left_h is None:
            return used
        left_h = self._left_h - (self.job.elapsed_s - self._elapsed_s) / 3600
        return f"{used}, {max(left_h, 0.0):.1f} h left"


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Keep only the metrics of a line: leave out its checksum, for example."""
    return {name: value for name, value in metrics.items() if type(value) in {int, float}}


def _report_quota(job: JobRecord, host: GpuHost, progress: Progress) -> float | None:
    """Ask for the quota and report it; a failure does not stop following."""
    if not job.gpus:
        return None
    with suppress(UnreachableError):
        quota = host.quota()
        if quota is not None:
            left_h = quota.allowed_h - quota.used_h
            progress.say(f"quota: {left_h:.1f} of {quota.allowed_h:.0f} GPU hours left")
            return left_h
    return None


def _read_until_end(log: _JobLog, host: GpuHost, *, progress: Progress, pause: Pause) -> None:
    """Read the log again and again until the job's last event, or until the host ends the job."""
    offline_s, silent_s, last, lines_read = 0.0, 0.0, "", -1
    while True:
        try:
            is_over, state = log.read_new_lines(host), host.state(log.job.ref)
        except UnreachableError as error:
            if offline_s >= PATIENCE_S:
                raise
            if not offline_s:
                progress.say(f"{error.problem}; the job continues, and the log is read again")
            offline_s += RETRY_S
            pause(RETRY_S)
            continue
        if is_over:
            return
        if last in FINAL_PHASES:  # so its log has been read to the end after that
            _end_without_event(log, state)
            return
        silent_s = (
            0.0 if log.job.lines_read > lines_read or state.phase == "queued" else silent_s + POLL_S
        )
        if silent_s == SILENT_S:
            progress.say(f"no sign of life for {SILENT_S / 60:.0f} min: look at {log.job.url}")
        _report_queue(log.job, state, last, progress)
        offline_s, last, lines_read = 0.0, state.phase, log.job.lines_read
        pause(POLL_S)


def _report_queue(job: JobRecord, state: JobState, last: str, progress: Progress) -> None:
    if state.phase == "queued" != last and not job.lines_read:
        progress.say("it waits in the queue, which costs nothing")


def _end_without_event(log: _JobLog, state: JobState) -> None:
    """End a job that the host has ended, and whose log has no last event."""
    why = state.message or f"the host reports {state.phase}, and the log has no end"
    log.job = log.job.model_copy(
        update={"stage": "ended", "outcome": "to be continued", "why": why}
    )
