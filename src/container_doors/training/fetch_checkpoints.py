"""Fetch the newest intact checkpoint of an experiment, whichever machine made it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from container_doors.core.errors import DoorsError, RunError, VersioningError
from container_doors.core.ports import CheckpointRemote
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.training.bundle import (
    CheckpointBundle,
    parse_bundle_name,
    put_in_place,
    short_id,
    unpack_bundle,
)
from container_doors.training.checkpoint import (
    Refusal,
    find_intact,
    hashes_alone,
    how_to_start_over,
)
from container_doors.training.claim import rename_earlier
from container_doors.training.known_runs import KnownRuns, choose


@dataclass(frozen=True, slots=True)
class RunChoice:
    """Which run to resume, if the storage has several, and whether to ignore leases."""

    run: str | None = None
    """The start of its id; None for the run that no other replaces."""
    takes_over: bool = False
    """Start at once, even if another machine seems to train the experiment."""


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """A storage of bundles, and what is refused of it."""

    remote: CheckpointRemote
    refusal: Refusal = hashes_alone
    """Checks what was fetched before it replaces anything."""
    warn: Callable[[str], None] | None = None
    """Receives what is skipped and why, for the log too; None: ``say`` does."""


class _RefusedError(RunError):
    """A checkpoint has the right hashes, and cannot be resumed from."""


def fetch_newer(
    run: Run,
    record: RunRecord | None,
    known: KnownRuns,
    source: CheckpointSource,
    *,
    requested: str | None = None,
    say: Callable[[str], None],
) -> bool:
    """Fetch the newest intact checkpoint, if the remote has a later epoch than this machine.

    Args:
        run: The run to fetch into.
        record: The record of the run here; its newest intact checkpoint is in place.
        known: What the remote has.
        source: Where the bundles come from.
        requested: See :class:`RunChoice`.
        say: Receives messages: what is fetched.

    Returns:
        Whether something was fetched: ``run.json`` and the checkpoint then come from the remote.

    Raises:
        RunError: If the run has been finished elsewhere, if it is unclear which run is meant,
            or if neither the remote nor this machine has an intact checkpoint of it.
        VersioningError: If the only checkpoints cannot be reached.
    """
    own = record if record is not None and _has_started(run) else None
    chosen = choose(known, own, experiment=run.name, requested=requested)
    if chosen is None:
        return False
    if chosen in known.finished:
        raise _finished_elsewhere(run, source.remote)
    is_ours = record is not None and short_id(record) == chosen
    _report_other_runs(known, chosen, say)
    here = find_intact(run, source.refusal).epoch if is_ours else None
    newer = [one for one in known.copies.get(chosen, []) if (one.epoch or 0) > (here or 0)]
    taken, skipped = _fetch_first_intact(run, record, newer, source, say=say)
    known.refused |= {one.name for one, error in skipped if isinstance(error, _RefusedError)}
    if taken or here is not None or not newer:
        return taken
    raise _none_left(run, skipped, source)


def _has_started(run: Run) -> bool:
    """Check whether a run here has finished an epoch, with or without a checkpoint left."""
    traces = (run.resumable.parent, run.previous_checkpoint, run.metrics_jsonl)
    return any(path.exists() for path in traces)


def _report_other_runs(known: KnownRuns, chosen: str, say: Callable[[str], None]) -> None:
    others = [run for run in known.usable() if run != chosen]
    if others:
        say(
            f"resuming run {chosen}; the storage also has "
            f"{', '.join(map(known.describe, others))}, which are not changed"
        )


def _fetch_first_intact(
    run: Run,
    record: RunRecord | None,
    newer: list[CheckpointBundle],
    source: CheckpointSource,
    *,
    say: Callable[[str], None],
) -> tuple[bool, list[tuple[CheckpointBundle, DoorsError]]]:
    """Fetch the first that is intact; return whether there was one, and why others were skipped."""
    skipped: list[tuple[CheckpointBundle, DoorsError]] = []
    warn = source.warn or say
    for one in newer:
        say(f"fetching the checkpoint of epoch {one.epoch} from {source.remote.where}")
        try:
            _fetch(run, record, one, source)
        except (VersioningError, RunError) as error:
            skipped.append((one, error))
            warn(f"skipped the stored checkpoint of epoch {one.epoch}: {error.problem}")
        else:
            return True, skipped
    return False, skipped


def _none_left(
    run: Run,
    skipped: list[tuple[CheckpointBundle, DoorsError]],
    source: CheckpointSource,
) -> DoorsError:
    """Return the error where no checkpoint is intact; one that cannot be reached may be."""
    unreachable = [error for _, error in skipped if isinstance(error, VersioningError)]
    if unreachable:
        return unreachable[-1]
    damaged = [error.problem for _, error in skipped]
    return RunError(
        f"no intact checkpoint of {run.name} is left, here or on {source.remote.where}: "
        + "; ".join([*damaged, *find_intact(run, source.refusal).skipped]),
        hint=how_to_start_over(run),
    )


def _fetch(
    run: Run,
    record: RunRecord | None,
    one: CheckpointBundle,
    source: CheckpointSource,
) -> None:
    fetched = run.root / f".{run.name}.fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    try:
        source.remote.get(one.name, run.name, fetched)
        record_of_bundle = unpack_bundle(fetched / one.name, fetched / "checkpoint", run)
        refused = source.refusal(fetched / "checkpoint")
        if refused is not None:
            raise _RefusedError(f"{one.name}: {refused}", hint=how_to_start_over(run))
        if record is None or short_id(record) != one.run:
            rename_earlier(run)
        put_in_place(fetched / "checkpoint", record_of_bundle, run)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


def prefer(run: Run, record: RunRecord, known: KnownRuns, remote: CheckpointRemote) -> RunRecord:
    """Mark a run that was requested by its id as the one that replaces the others.

    Raises:
        VersioningError: If the remote cannot be used.
    """
    ours = short_id(record)
    against = [
        name
        for name in known.marks
        if (one := parse_bundle_name(name)) is not None and one.replaces == ours
    ]
    if against:
        remote.remove(against, run.name)
    others = {*known.runs, *record.replaces} - {ours}
    changed = record.model_copy(update={"replaces": sorted(others)})
    changed.write(run.record)
    return changed


def _finished_elsewhere(run: Run, remote: CheckpointRemote) -> RunError:
    return RunError(
        f"the experiment {run.name!r} was finished on another machine, according to {remote.where}",
        hint="download its model: doors sync; or train it again: "
        f"doors train --experiment {run.name} --replace",
    )
