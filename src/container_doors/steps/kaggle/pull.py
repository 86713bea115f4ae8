"""Downloads the output of a job, checks every byte, and puts its runs in place."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.config import Params
from container_doors.core.errors import HostError
from container_doors.core.files import (
    force_to_disk,
    heal,
    make_folder,
    put_in_place,
    replace_and_keep,
    replace_folder,
    staged_for,
)
from container_doors.core.ports import GpuHost, Progress
from container_doors.core.records import Metadata, RunRecord
from container_doors.core.run import Run
from container_doors.kaggle.archive import (
    Manifest,
    Outcome,
    UnpackedArchive,
    check_archive,
    manifest_name,
    read_manifest,
    unpack,
)
from container_doors.kaggle.ledger import JobRecord
from container_doors.steps.kaggle.jobs import (
    FINAL_PHASES,
    POLL_S,
    FollowerOf,
    Pause,
    refuse_discarded,
    with_replaced_runs,
)
from container_doors.steps.publish import adopt
from container_doors.steps.published import Outside
from container_doors.training.checkpoint import faults, find_intact, tidy, use_newest_intact
from container_doors.training.claim import claim, rename_earlier
from container_doors.training.history import best_epoch, read_epochs

PULL_WAIT_S = 1800.0
"""How long to wait for the output of a job that has ended its work and still runs."""


@dataclass(frozen=True, slots=True)
class PulledRun:
    """The result of one experiment of a job."""

    run: Run
    outcome: Outcome


def pull_job(
    job: JobRecord, *, host: GpuHost, progress: Progress, pause: Pause
) -> tuple[JobRecord, list[PulledRun]]:
    """Download the output of a job, check every byte, and put its runs in place.

    Raises:
        HostError: If it still runs, or if the output is another job's or damaged.
    """
    refuse_discarded(job)
    manifest, archive = _fetch(job, host=host, progress=progress, pause=pause)
    shutil.rmtree(job.folder / "arrived", ignore_errors=True)
    output = unpack(archive, manifest, job.folder / "arrived")
    pulled_runs = [_put_in_place(job, name, output, progress) for name in job.experiments]
    log = output.folder / "kernel.log"
    if log.is_file():
        put_in_place(log, job.folder / "kernel.log")
    shutil.rmtree(output.folder)
    archive.unlink()
    worst = max((pulled.outcome for pulled in pulled_runs), key=lambda one: _SEVERITY[one.kind])
    job = job.save_changes(
        stage="home",
        outcome=worst.kind,
        why=worst.why,
        remedy=worst.remedy,
        elapsed_s=max(job.elapsed_s, manifest.elapsed_s),
    )
    return job, pulled_runs


_SEVERITY = {"finished": 0, "to be continued": 1, "failed": 2}


def publish_pulled(
    run: Run, *, outside: Outside, follower_of: FollowerOf, progress: Progress
) -> Metadata:
    """Publish a downloaded run, if it is better than the published model.

    In any case its results are sent to the trackers that have its epochs.
    """
    with claim(run):
        metadata, outcome = adopt(run, outside=outside)
        progress.say(outcome)
        follower = follower_of(metadata.known_params)
        follower.settle(run, progress=progress)
        follower.start(run, progress=progress)
        follower.finish(exit_code=0)
    return metadata


def best_last(runs: Sequence[Run]) -> list[Run]:
    """Sort runs by their score on val, so that the best one is published last, and stays."""
    return sorted(runs, key=lambda run: best_epoch(read_epochs(run.metrics_jsonl)).metrics.get(
        "val/mAP50-95", -1.0))  # fmt: skip


def experiments_to_continue(pulled_runs: Sequence[PulledRun]) -> dict[str, Params]:
    """Return the experiments that a next session would continue, with their last params."""
    return {
        pulled.run.name: RunRecord.read(pulled.run.record).known_params
        for pulled in pulled_runs
        if pulled.outcome.kind == "to be continued"
    }


def _fetch(
    job: JobRecord, *, host: GpuHost, progress: Progress, pause: Pause
) -> tuple[Manifest, Path]:
    waited, name = 0.0, manifest_name(job.slug)
    while True:
        is_final = host.state(job.ref).phase in FINAL_PHASES
        names = host.files(job.ref)
        if name in names:
            host.download(job.ref, name, job.folder / name, progress=progress)
            manifest = read_manifest(job.folder / name, job.slug)
            if manifest.archive in names and (is_final or manifest.outcome["is"] != "running"):
                break
        _refuse_to_wait(job, is_final=is_final, waited=waited)
        if not waited:
            progress.say(f"waiting for the output of {job.slug}")
        pause(3 * POLL_S)
        waited += 3 * POLL_S
    archive = job.folder / manifest.archive
    host.download(job.ref, manifest.archive, archive, progress=progress)
    check_archive(archive, manifest)
    return manifest, archive


def _refuse_to_wait(job: JobRecord, *, is_final: bool, waited: float) -> None:
    """Raise if waiting is useless: the output appears a while after the job's end, not before."""
    if not is_final and job.stage not in {"ended", "home"}:
        raise HostError(
            f"{job.slug} still runs, and has no output yet",
            hint=f"doors kaggle follow {job.experiments[0]}",
        )
    if waited >= (PULL_WAIT_S if not is_final else 60.0):
        why = f": {job.why}" if job.why else ""
        raise HostError(
            f"{job.slug} has no output that could be downloaded{why}",
            hint=f"its log is at {job.url}; doors kaggle stop {job.slug} --discard deletes it",
        )


def _put_in_place(
    job: JobRecord, name: str, output: UnpackedArchive, progress: Progress
) -> PulledRun:
    run, folder = Run(name), output.run_folder(name)
    outcome = output.manifest.outcome_of(name)
    if not (folder / run.record.name).is_file():
        return PulledRun(run, outcome if outcome.kind == "failed" else _nothing(job))
    record = RunRecord.read(folder / run.record.name)
    expected = job.run_ids.get(name, record.run_id)
    if record.run_id != expected or record.experiment != name:
        raise HostError(
            f"{job.slug} has another run's files: expected {name}, {expected}, found "
            f"{record.experiment}, {record.run_id}",
            hint="nothing was changed here; start it again: doors kaggle run",
        )
    with claim(run):
        _move(folder, run, record)
        whole = use_newest_intact(run, progress.say)
    if outcome.kind == "running":
        outcome = Outcome(kind="to be continued", why=job.why or "it was stopped from outside")
    if outcome.kind == "to be continued" and whole.epoch is None:
        outcome = _nothing(job)
    return PulledRun(run, outcome)


def _nothing(job: JobRecord) -> Outcome:
    return Outcome(
        kind="failed",
        why=job.why or "it ended before an epoch was finished",
        remedy=f"{job.folder}/kernel.log, or the page {job.url}, may show why; start it again",
    )


def _move(folder: Path, run: Run, record: RunRecord) -> None:
    """Replace the run's files here by the downloaded ones, its record last, each as one step."""
    complete = with_replaced_runs(record, run)
    if run.record.exists() and RunRecord.read(run.record).run_id != record.run_id:
        rename_earlier(run)
    make_folder(run.directory)
    _move_checkpoints(folder, run)
    # The machine there knew no versions, so its version of the model means nothing here.
    (folder / run.metadata.name).unlink(missing_ok=True)
    for path in sorted(folder.iterdir(), key=lambda one: one.name == run.record.name):
        target = run.directory / path.name
        if not path.is_dir():
            put_in_place(path, target)
            continue
        heal(target)
        force_to_disk(path)
        path.rename(staged_for(target))
        replace_folder(target)
        heal(target)
    if complete != record:
        complete.write(run.record)


def _move_checkpoints(folder: Path, run: Run) -> None:
    """Make the downloaded checkpoint the newest; a damaged one replaces no whole one."""
    for name in (run.previous_checkpoint.name, run.resumable.parent.name):  # the older one first
        checkpoint = folder / name
        if checkpoint.exists() and (not faults(checkpoint) or find_intact(run).folder is None):
            tidy(run)
            force_to_disk(checkpoint)
            checkpoint.rename(staged_for(run.resumable.parent))
            replace_and_keep(run.resumable.parent, run.previous_checkpoint)
            tidy(run)
        shutil.rmtree(checkpoint, ignore_errors=True)
