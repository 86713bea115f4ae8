"""What a person reads about jobs: what would be sent, how one ended, a table of all."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from container_doors.core.ports import JobState, Quota
from container_doors.kaggle.archive import Outcome
from container_doors.kaggle.bundles import Bundle
from container_doors.kaggle.ledger import JobRecord

_MOST_CHANGED = 20
_CHECKPOINT_MINUTES = "checkpoints.every_minutes"


class Planned(Protocol):
    """The part of a plan that :func:`plan_lines` reads."""

    @property
    def record(self) -> JobRecord:
        """The job."""

    @property
    def bundles(self) -> Sequence[Bundle]:
        """What is sent."""

    @property
    def hours(self) -> float | None:
        """The estimated hours; None without a data set."""

    @property
    def session_h(self) -> float:
        """The hours after which it stops by itself."""

    @property
    def quota(self) -> Quota | None:
        """The GPU hours that are left."""

    @property
    def changed(self) -> Sequence[Any]:
        """The files that differ from the commit."""

    @property
    def filtered(self) -> Sequence[Any]:
        """The files that are sent as git stores them, which differ from those here."""

    @property
    def unknown(self) -> Sequence[str]:
        """The questions without an answer, and why."""

    @property
    def first(self) -> Sequence[str]:
        """What must be done before it can be sent."""


def plan_lines(plan: Planned) -> list[str]:
    """Return lines with what would be sent, and what it would cost."""
    job = plan.record
    lines = [
        f"{name}: {job.epochs_asked[name]} epochs"
        + (f", resumed after epoch {job.epochs[name]}" if name in job.epochs else "")
        for name in job.experiments
    ]
    dirty = f", and {len(plan.changed)} changed file(s)" if plan.changed else ""
    lines.append(f"code: commit {job.commit[:12]}{dirty}" if job.commit else "code: none yet")
    lines += [f"  changed: {path}" for path in plan.changed[:_MOST_CHANGED]]
    if len(plan.changed) > _MOST_CHANGED:
        lines.append(f"  and {len(plan.changed) - _MOST_CHANGED} more; --dry-run writes them all")
    if plan.filtered:
        lines.append(
            f"  {len(plan.filtered)} file(s) are sent as git stores them, without the filter that "
            f".gitattributes names: {plan.filtered[0]}"
        )
    lines += [
        f"send: {one.kind:<7} {one.files:>5} files  {one.size_bytes / 1e6:>8.1f} MB  {one.slug}"
        for one in plan.bundles
    ]
    lines.append(f"on: {_machine(job)}")
    is_known = plan.hours is not None
    hours = f"about {plan.hours:.1f} h, estimated from other runs" if is_known else "not known yet"
    lines.append(
        f"time: {hours}; it stops by itself before {plan.session_h:.1f} h, to be continued"
    )
    unknown = [f"not known: {one}" for one in plan.unknown]
    quota = [] if unknown and plan.quota is None else [_quota(plan)]
    return [*lines, *quota, *unknown, *(f"first: {one}" for one in plan.first)]


def end_line(job: JobRecord) -> str:
    """Return a line with how a job ended."""
    why = f": {job.why}" if job.why else ""
    how = job.stage if job.stage == "discarded" else job.outcome or "ended"
    return f"{job.slug} {how} after {_hours(job.elapsed_s)}{why}"


def unfinished_lines(name: str, outcome: Outcome, job: JobRecord) -> list[str]:
    """Return lines with what to do about an experiment that is not finished."""
    if outcome.kind == "to be continued":
        return [
            f"{name}: to be continued: {outcome.why}",
            f"next: doors kaggle run --experiment {name}, or here: doors train --experiment {name}",
        ]
    return [
        f"{name}: failed: {outcome.why}",
        f"  hint: {outcome.remedy or 'its log says more'} ({job.folder}/kernel.log)",
    ]


def stop_lines(job: JobRecord) -> list[str]:
    """Return lines with how to end a job: it has no secret, so nothing can be sent into it."""
    return [
        f"no further session will follow {job.slug}",
        f"end this one with the button Stop on its page: {job.url}",
        f"its newest checkpoint is saved every detection.{_CHECKPOINT_MINUTES}; afterwards: "
        f"doors kaggle pull {job.experiments[0]}",
    ]


def table(known: Sequence[tuple[JobRecord, JobState | None]]) -> list[str]:
    """Return a table of jobs, one line each."""
    rows = [("experiment", "session", "state", "epochs", "hours", "page")]
    rows += [
        (
            ", ".join(job.experiments),
            str(job.session),
            _state(job, state),
            ", ".join(f"{job.epochs.get(n, 0)}/{job.epochs_asked[n]}" for n in job.experiments),
            _spent(job, state),
            job.url or "",
        )
        for job, state in known
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return lines if known else []


def as_json(job: JobRecord, state: JobState | None) -> dict[str, Any]:
    """Return one job as a JSON document."""
    return job.model_dump(mode="json") | {"host_says": state.phase if state else None}


def _state(job: JobRecord, state: JobState | None) -> str:
    if job.stage == "running" and state is not None:
        return state.phase
    return job.outcome if job.stage in {"ended", "home"} else job.stage


def _spent(job: JobRecord, state: JobState | None) -> str:
    """Return the hours that the job last reported; for a running one, at least by the clock."""
    if job.stage == "running" and state is not None and state.phase == "running":
        since_s = (datetime.now(UTC) - job.started_at).total_seconds()
        return f"~{max(since_s, job.elapsed_s) / 3600:.2f}"
    return f"{job.elapsed_s / 3600:.2f}"


def _machine(job: JobRecord) -> str:
    if not job.gpus:
        return "Kaggle's processors, no GPU"
    return f"{job.gpus} of two Tesla T4, which cost the quota of one"


def _quota(plan: Planned) -> str:
    if not plan.record.gpus:
        return "quota: none needed"
    if plan.quota is None:
        return "quota: Kaggle does not report what is left"
    left = plan.quota.allowed_h - plan.quota.used_h
    allowed = f"{left:.1f} of {plan.quota.allowed_h:.0f} h left"
    if plan.hours is None:
        return f"quota: {allowed}"
    warning = "" if plan.hours <= left else "; that is not enough: it will be continued later"
    return f"quota: about {plan.hours:.1f} h needed, {allowed}{warning}"


def _hours(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
