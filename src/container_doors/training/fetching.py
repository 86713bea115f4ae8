"""Brings the newest whole checkpoint of an experiment here, whoever made it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.ports import CheckpointRemote
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.training.bundle import CheckpointBundle, parcel, put_in_place, short_id, unpack
from container_doors.training.checkpoint import find_whole, how_to_begin_anew
from container_doors.training.claim import set_aside
from container_doors.training.known_runs import KnownRuns, choose


@dataclass(frozen=True, slots=True)
class RunChoice:
    """Which run is to go on, where a storage has several, and whether another's lease counts."""

    run: str | None = None
    """The start of its id; None for the one that no other replaces."""
    takes_over: bool = False
    """Begin at once, whoever seems to train the experiment."""


def fetch_newer(
    run: Run,
    record: RunRecord | None,
    known: KnownRuns,
    remote: CheckpointRemote,
    *,
    wanted: str | None = None,
    say: Callable[[str], None],
) -> bool:
    """Bring the newest whole checkpoint here, if the remote has one that goes further than ours.

    Args:
        run: Where to.
        record: Of the run that is here; its newest whole checkpoint is in place.
        known: What the remote has.
        remote: Where the files are.
        wanted: See :class:`RunChoice`.
        say: Receives messages: what is fetched, what is passed over and why.

    Returns:
        Whether something was fetched: ``run.json`` and the checkpoint are those of the remote.

    Raises:
        RunError: If the run has been finished elsewhere, if it cannot be told which run is meant,
            or if neither the remote nor this machine has a whole checkpoint of it.
        VersioningError: If the only ones are out of reach.
    """
    own = record if record is not None and _has_begun(run) else None
    chosen = choose(known, own, experiment=run.name, wanted=wanted)
    if chosen is None:
        return False
    if chosen in known.finished:
        raise _finished_elsewhere(run, remote)
    is_ours = record is not None and short_id(record) == chosen
    _say_what_is_left(known, chosen, say)
    here = find_whole(run).epoch if is_ours else None
    newer = [one for one in known.copies.get(chosen, []) if (one.epoch or 0) > (here or 0)]
    return _fetch_first_whole(run, record, newer, remote, here=here, say=say)


def _has_begun(run: Run) -> bool:
    """Tell whether a run here has finished an epoch, whatever became of its checkpoint."""
    traces = (run.resumable.parent, run.previous_checkpoint, run.metrics_jsonl)
    return any(path.exists() for path in traces)


def _say_what_is_left(known: KnownRuns, chosen: str, say: Callable[[str], None]) -> None:
    others = [run for run in known.usable() if run != chosen]
    if others:
        say(
            f"going on with run {chosen}; the storage also has "
            f"{', '.join(map(known.described, others))}, which stay as they are"
        )


def _fetch_first_whole(
    run: Run,
    record: RunRecord | None,
    newer: list[CheckpointBundle],
    remote: CheckpointRemote,
    *,
    here: int | None,
    say: Callable[[str], None],
) -> bool:
    unreachable, damaged = None, []
    for one in newer:
        say(f"fetching the checkpoint of epoch {one.epoch} from {remote.where}")
        try:
            _fetch(run, record, one, remote)
        except VersioningError as error:
            unreachable = error
            say(f"passed over it: {error.problem}")
        except RunError as error:
            damaged.append(error.problem)
            say(f"passed over it: {error.problem}")
        else:
            return True
    if here is not None or not newer:
        return False
    if unreachable is not None:
        raise unreachable
    raise RunError(
        f"no whole checkpoint of {run.name} is left, here or on {remote.where}: "
        + "; ".join([*damaged, *find_whole(run).passed_over]),
        hint=how_to_begin_anew(run),
    )


def _fetch(
    run: Run, record: RunRecord | None, one: CheckpointBundle, remote: CheckpointRemote
) -> None:
    fetched = run.root / f".{run.name}.fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    try:
        remote.get(one.name, run.name, fetched)
        arrived = unpack(fetched / one.name, fetched / "checkpoint", run)
        if record is None or short_id(record) != one.run:
            set_aside(run)
        put_in_place(fetched / "checkpoint", arrived, run)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


def prefer(run: Run, record: RunRecord, known: KnownRuns, remote: CheckpointRemote) -> RunRecord:
    """Let a run that was asked for by its id take the place of the others, for every machine.

    Raises:
        VersioningError: If the remote cannot be used.
    """
    ours = short_id(record)
    against = [
        name for name in known.marks if (one := parcel(name)) is not None and one.replaces == ours
    ]
    if against:
        remote.remove(against, run.name)
    others = {*known.runs, *record.replaces} - {ours}
    changed = record.model_copy(update={"replaces": sorted(others)})
    changed.write(run.record)
    return changed


def _finished_elsewhere(run: Run, remote: CheckpointRemote) -> RunError:
    return RunError(
        f"the experiment {run.name!r} has been finished on another machine, says {remote.where}",
        hint="bring its model here: doors sync; or train it again: "
        f"doors train --experiment {run.name} --replace",
    )
