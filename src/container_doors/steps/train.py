"""Train the weights of a run that was started, and record how that ended."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic

from container_doors.core.config import Params
from container_doors.core.errors import ToBeContinued
from container_doors.core.files import copy_of, force_to_disk, heal, replace_copy
from container_doors.core.ports import World
from container_doors.core.records import Epoch, Recovery, RunRecord, Status
from container_doors.core.run import Run
from container_doors.data.checks import Report
from container_doors.data.view import link_view
from container_doors.publishing.hashing import artifact
from container_doors.publishing.materials import write_materials
from container_doors.steps.data.validate import layout_of
from container_doors.steps.start import Start
from container_doors.steps.update import update_record
from container_doors.training.history import best_epoch, history_warnings, read_epochs, read_history
from container_doors.training.known_runs import KnownRuns
from container_doors.training.lease import Heartbeat, own_lease
from container_doors.training.logbook import LOG, logbook
from container_doors.training.publisher import Publisher
from container_doors.training.recorder import Recorder

FAILED, INTERRUPTED, KILLED = 1, 130, 137
"""Exit codes of runs that ended badly, as a shell reports them."""


@contextmanager
def running(start: Start, params: Params, run: Run, *, world: World) -> Iterator[None]:
    """Log and track a run and upload its checkpoints until the block ends, however it ends.

    Raises:
        ToBeContinued: If it was asked to stop; the message has the number of epochs.
    """
    try:
        with (
            logbook(run.train_log),
            _tracked(run, start.record, world=world),
            _checkpoints_uploaded(run, params, start.known, world=world),
        ):
            for line in start.warnings:
                LOG.warning("%s", line)
            yield
    except ToBeContinued as reason:
        epochs = read_epochs(run.metrics_jsonl)
        raise ToBeContinued(
            f"{run.name} has {epochs[-1].number if epochs else 0} of "
            f"{params.training.epochs} epochs: {reason}"
        ) from None


@contextmanager
def _checkpoints_uploaded(
    run: Run, params: Params, known: KnownRuns | None, *, world: World
) -> Iterator[None]:
    """Upload checkpoints to the storage until the block ends."""
    if world.checkpoints is None:
        yield
        return
    remote, say = world.checkpoints, world.progress.say
    publisher = Publisher(
        run,
        remote,
        every_s=params.checkpoints.every_minutes * 60,
        say=say,
        refused=known.refused if known else (),
    )
    heartbeat = Heartbeat(
        run,
        own_lease(run, RunRecord.read(run.record).run_id),
        remote,
        instead_of=[one.name for one in known.leases] if known else [],
        say=say,
    )
    heartbeat.start()
    publisher.start()
    try:
        yield
    finally:
        publisher.finish()
        heartbeat.stop()


def train_weights(start: Start, run: Run, report: Report, *, world: World) -> RunRecord:
    """Train to the end, unless the run is trained already, and record the result.

    Raises:
        ToBeContinued: If it was asked to stop; nothing is lost.
        Exception: The error that ended it; the record contains it.
    """
    record, resume = start.record, start.is_resumed
    if record.status == "trained":
        return record
    params = record.known_params
    with _outcome_recorded(run):
        recorder = Recorder(
            run,
            epochs=params.training.epochs,
            progress=world.progress,
            stopping=world.stopping,
            on_recovery=lambda recovery: _record_recovery(run, recovery),
        )
        data_yaml = link_view(layout_of(report), run.data_view)
        began = monotonic()
        with recorder.following_workers(record.hardware), world.stopping.training():
            world.trainer.train(
                params,
                run,
                data_yaml=data_yaml,
                weights=record.starting_weights,
                listener=recorder,
                resume=resume,
            )
        history = read_history(run.metrics_jsonl)
        for line in history_warnings(run, record):
            LOG.warning("%s", line)
            world.progress.say(line)
        is_last_best = params.data.trains_on == "all"  # val can choose none
        if is_last_best:
            shutil.copyfile(run.last_weights, run.best_weights)
        force_to_disk(run.trainer_dir)  # before run.json names these files
        artifacts = {path.name: artifact(path) for path in (run.best_weights, run.last_weights)}
        write_materials(run, record, artifacts[run.best_weights.name], world.installed())
        replace_copy(run.metrics_jsonl, copy_of(run.metrics_jsonl))
        return update_record(
            run,
            RunRecord.read(run.record),
            status="trained",
            finished_at=datetime.now(UTC),
            duration_s=_duration_s(history) if resume else monotonic() - began,
            epochs_finished=history[-1].number,
            best_epoch=(history[-1] if is_last_best else best_epoch(history)).number,
            artifacts=artifacts,
        )


def _duration_s(history: Sequence[Epoch]) -> float:
    """Return the sum of the epochs' durations, for a run that several processes trained."""
    return sum(epoch.metrics["perf/epoch_s"] for epoch in history)


@contextmanager
def _outcome_recorded(run: Run) -> Iterator[None]:
    """Write into ``run.json`` how a run ended early or badly, and re-raise the exception."""

    def record_end(status: Status, message: str) -> None:
        record = RunRecord.read(run.record)
        changes = {"status": status, "finished_at": datetime.now(UTC), "message": message}
        try:
            update_record(run, record, **changes)
        except OSError:
            heal(run.resumable.parent)  # removes an incomplete checkpoint, which frees space
            try:
                update_record(run, record, **changes)
            except OSError as error:  # the run's own error matters more, and is raised
                LOG.error("the run's end could not be written into run.json: %s", error)

    try:
        yield
    except ToBeContinued as reason:
        record_end("stopped", str(reason))
        raise
    except KeyboardInterrupt:
        record_end("interrupted", "stopped by hand")
        raise
    except Exception as error:
        LOG.exception("training failed")
        record_end("failed", f"{type(error).__name__}: {error}")
        raise


def _record_recovery(run: Run, recovery: Recovery) -> None:
    record = RunRecord.read(run.record)
    update_record(run, record, setbacks=[*record.setbacks, recovery])


@contextmanager
def _tracked(run: Run, record: RunRecord, *, world: World) -> Iterator[None]:
    """Start the trackers, and send them the exit code at the end."""
    LOG.info("run %s of %s", record.run_id, run.name)
    world.follower.start(run, progress=world.progress)
    exit_code = FAILED
    try:
        yield
        exit_code = 0
    except ToBeContinued:
        exit_code = 0
        raise
    except KeyboardInterrupt:
        exit_code = INTERRUPTED
        raise
    finally:
        world.follower.finish(exit_code=exit_code)
