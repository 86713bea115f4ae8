"""Shows a job's progress, here and to the trackers, as its log grows."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from container_doors.core.errors import AbsentError, UnreachableError
from container_doors.core.files import replace_text
from container_doors.core.ports import Follower, GpuHost, JobState, Progress
from container_doors.core.records import Epoch, RunRecord
from container_doors.core.run import Run
from container_doors.kaggle.ledger import JobRecord
from container_doors.kaggle.log_lines import Event, line_is_cut, parts_with, told
from container_doors.steps.kaggle.jobs import (
    _AGAIN_S,
    FINAL_PHASES,
    POLL_S,
    FollowerOf,
    Pause,
    refuse_discarded,
    settled,
    with_what_it_replaces,
)
from container_doors.training.claim import claim, set_aside
from container_doors.training.history import append_epoch, best_epoch, read_epochs, spelled

SILENT_S = 600.0
"""A job that lives says so every minute."""


PATIENCE_S = 2 * 3600.0
"""How long a network may be gone before following gives up; the job goes on without."""


def follow_job(
    job: JobRecord,
    *,
    host: GpuHost,
    follower_of: FollowerOf,
    progress: Progress,
    pause: Pause,
) -> JobRecord:
    """Hear a job's log until it ends, and show its epochs here and to the trackers as they come.

    It may be left and taken up again: lines that were heard are counted.

    Raises:
        UnreachableError: If the network stays away; the job goes on.
        HostError: If the host knows no such job.
    """
    job = settled(job, host)
    refuse_discarded(job)
    left_h = _say_what_is_left(job, host, progress)
    heard = _JobLog(job, left_h=left_h, follower_of=follower_of, progress=progress)
    with ExitStack() as stack:
        for name in job.experiments:
            stack.enter_context(claim(Run(name)))
        stack.callback(heard.leave)
        try:
            _listen(heard, host, progress=progress, pause=pause)
        except AbsentError:
            if heard.job.changed().stage != "discarded":  # by another process, meanwhile
                raise
    return heard.job


class _JobLog:
    """What a job has said, as this machine keeps and shows it."""

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
        self._cut_off: list[str] = []

    def all_of(self, host: GpuHost) -> bool:
        """Read on in the log as far as it comes; tell whether the job has said its last word."""
        self._cut_off = []
        for number, line in enumerate(host.log(self.job.ref), start=1):
            if number > self.job.lines_read:
                self._line(number, line)
            if self.job.stage == "ended":
                break
        return self.job.stage == "ended"

    def _line(self, number: int, line: str) -> None:
        self._cut_off = parts_with(line, self._cut_off)
        said = told("".join(self._cut_off))
        if said is None and line_is_cut(self._cut_off):
            return
        self._cut_off = []
        changes: dict[str, Any] = {"lines_read": number}
        if said is not None:
            try:
                changes |= self._told(said)
            except (LookupError, TypeError, ValueError) as error:
                self._progress.say(f"line {number} of the log cannot be read: {error!r:.200}")
        self.job = self.job.model_copy(update=changes)
        if said is not None:
            self.job = self.job.changed()

    def leave(self) -> None:
        """Let the trackers go; whoever follows next takes them up again."""
        self.job = self.job.changed()
        code = 1 if self.job.outcome == "failed" else 0
        for follower in self._followers.values():
            follower.finish(exit_code=code)

    def _told(self, said: Event) -> dict[str, Any]:
        facts = said.facts
        elapsed = {"elapsed_s": facts["elapsed_s"]} if "elapsed_s" in facts else {}
        match said.kind:
            case "machine":
                gpus = ", ".join(facts["gpus"]) or "no GPU"
                self._progress.say(f"the machine has {gpus}, torch {facts['torch']}")
            case "step":
                self._progress.say(str(facts["what"]))
            case "stalled":
                self._progress.say(
                    f"{facts['experiment']}: {facts['gpus']} GPUs made no progress for "
                    f"{facts['idle_s']} s: going on with one"
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
        """Keep a run's record; it is not finished before it is here."""
        run = Run(record.experiment)
        record = with_what_it_replaces(record, run)
        if run.record.exists() and RunRecord.read(run.record).run_id != record.run_id:
            self._end(run)
            aside = set_aside(run)
            self._progress.say(f"an earlier run of {run.name} is kept in {aside}")
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
        """Keep an epoch; one that comes again after a setback takes the place of those after it."""
        run = Run(name)
        epochs = read_epochs(run.metrics_jsonl)
        if epoch not in epochs:
            before = [one for one in epochs if one.number < epoch.number]
            if len(before) == len(epochs):
                append_epoch(run.metrics_jsonl, epoch)
            else:
                replace_text(run.metrics_jsonl, spelled([*before, epoch]))
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
        """Say what the job has cost; what is left was asked when following began."""
        used = f"{self.job.elapsed_s / 3600:.2f} h used"
        if self._left_h is None:
            return used
        left_h = self._left_h - (self.job.elapsed_s - self._elapsed_s) / 3600
        return f"{used}, {max(left_h, 0.0):.1f} h left"


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Leave out what a line holds beside metrics, such as its checksum."""
    return {name: value for name, value in metrics.items() if type(value) in {int, float}}


def _say_what_is_left(job: JobRecord, host: GpuHost, progress: Progress) -> float | None:
    """Ask for the quota; it is no reason not to follow."""
    if not job.gpus:
        return None
    with suppress(UnreachableError):
        quota = host.quota()
        if quota is not None:
            left_h = quota.allowed_h - quota.used_h
            progress.say(f"quota: {left_h:.1f} of {quota.allowed_h:.0f} GPU hours left")
            return left_h
    return None


def _listen(heard: _JobLog, host: GpuHost, *, progress: Progress, pause: Pause) -> None:
    """Read the log again and again until the job has said its last word, or the host has."""
    gone_s, silent_s, last, read = 0.0, 0.0, "", -1
    while True:
        try:
            is_over, state = heard.all_of(host), host.state(heard.job.ref)
        except UnreachableError as error:
            if gone_s >= PATIENCE_S:
                raise
            if not gone_s:
                progress.say(f"{error.problem}; the job goes on, and it is tried again")
            gone_s += _AGAIN_S
            pause(_AGAIN_S)
            continue
        if is_over:
            return
        if last in FINAL_PHASES:  # and so its log has been read to the end since
            _end_without_a_word(heard, state)
            return
        silent_s = (
            0.0 if heard.job.lines_read > read or state.phase == "queued" else silent_s + POLL_S
        )
        if silent_s == SILENT_S:
            progress.say(f"no sign of life for {SILENT_S / 60:.0f} min: look at {heard.job.url}")
        _say_that_it_waits(heard.job, state, last, progress)
        gone_s, last, read = 0.0, state.phase, heard.job.lines_read
        pause(POLL_S)


def _say_that_it_waits(job: JobRecord, state: JobState, last: str, progress: Progress) -> None:
    if state.phase == "queued" != last and not job.lines_read:
        progress.say("it waits in the queue, which costs nothing")


def _end_without_a_word(heard: _JobLog, state: JobState) -> None:
    """The host has ended it, and its log was read to the end after that."""
    why = state.message or f"the host says {state.phase}, and the job said nothing more"
    heard.job = heard.job.model_copy(
        update={"stage": "ended", "outcome": "to be continued", "why": why}
    )
