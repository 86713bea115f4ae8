"""Which runs of an experiment a storage knows, and which of them takes the place of which.

Read from a list of names alone (:mod:`container_doors.training.bundle`). What a run replaces is
written down by it; no clock is asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from container_doors.core.errors import RunError
from container_doors.core.records import RunRecord
from container_doors.training.bundle import CheckpointBundle, parcel, short_id
from container_doors.training.lease import Lease, lease


@dataclass
class KnownRuns:
    """What a storage has of one experiment, and this clone beside it. Runs by their short ids."""

    copies: dict[str, list[CheckpointBundle]] = field(default_factory=dict)
    """The checkpoints of each run, the newest first."""
    finished: set[str] = field(default_factory=set)
    replaces: dict[str, set[str]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """The run that each file is of that is no checkpoint, by the file's name."""
    leases: list[Lease] = field(default_factory=list)

    @property
    def runs(self) -> set[str]:
        """Every run that is named."""
        return {*self.copies, *self.finished, *self.replaces, *self.marks.values()}

    def replaced_by(self, run: str) -> set[str]:
        """Name what a run takes the place of, also by way of others."""
        found: set[str] = set()
        open_ends = [run]
        while open_ends:
            for other in self.replaces.get(open_ends.pop(), set()) - found:
                found.add(other)
                open_ends.append(other)
        return found - {run}

    def current(self) -> list[str]:
        """Name the runs that no other takes the place of; two that name each other both stay."""
        return sorted(run for run in self.runs if not self.is_replaced(run))

    def is_replaced(self, run: str) -> bool:
        """Tell whether another run takes the place of one, and not that of the other as well."""
        over = self.replaced_by(run)
        return any(run in self.replaced_by(other) for other in self.runs - over - {run})

    def usable(self) -> list[str]:
        """Name those of the current ones that have left something here."""
        return [run for run in self.current() if run in self.finished or run in self.copies]

    def described(self, run: str) -> str:
        """Say of a run what is here, for people."""
        if run in self.finished:
            return f"{run} (finished)"
        newest = self.copies.get(run)
        return f"{run} (epoch {newest[0].epoch})" if newest else f"{run} (no checkpoint)"


def known_runs(names: Iterable[str], record: RunRecord | None = None) -> KnownRuns:
    """Read a list of names; what this clone's own run replaces is added."""
    known = KnownRuns()
    for name in sorted(names):
        found = lease(name)
        if found is not None:
            known.leases.append(found)
        one = parcel(name)
        if one is not None:
            _add(known, one)
    for copies in known.copies.values():
        copies.sort(key=lambda one: -(one.epoch or 0))
    if record is not None and record.replaces:
        known.replaces.setdefault(short_id(record), set()).update(record.replaces)
    return known


def _add(known: KnownRuns, one: CheckpointBundle) -> None:
    if one.epoch is not None:
        known.copies.setdefault(one.run, []).append(one)
        return
    known.marks[one.name] = one.run
    if one.replaces is not None:
        known.replaces.setdefault(one.run, set()).add(one.replaces)
    else:
        known.finished.add(one.run)


def choose(
    known: KnownRuns, record: RunRecord | None, *, experiment: str, wanted: str | None
) -> str | None:
    """Name the run to go on with; None where there is nothing to go on with on the storage.

    Args:
        known: What the storage has.
        record: Of the run here; None if there is none, or none with a finished epoch.
        experiment: For the message.
        wanted: The run that was asked for, by the start of its id.

    Raises:
        RunError: If several could be meant, or the one that was asked for is not known.
    """
    here = None if record is None else short_id(record)
    usable = known.usable()
    if wanted is not None:
        return _wanted(known, here, wanted, experiment)
    if here is not None and not known.is_replaced(here):
        return here
    if here is not None:
        usable = [run for run in usable if here in known.replaced_by(run)]
    if here is not None and not usable:
        by = ", ".join(run for run in known.current() if here in known.replaced_by(run))
        raise RunError(
            f"run {here} of {experiment} has been replaced by {by} on another machine, which has "
            "left no checkpoint yet",
            hint=f"wait for it; or go on with {here}: doors train --experiment {experiment} "
            f"--run {here}",
        )
    if len(usable) > 1:
        raise _several(known, usable, experiment)
    return usable[0] if usable else None


def _wanted(known: KnownRuns, here: str | None, wanted: str, experiment: str) -> str:
    everything = known.runs | ({here} if here else set())
    fitting = [run for run in everything if run.startswith(wanted[:8]) and wanted]
    if len(fitting) == 1:
        return fitting[0]
    found = ", ".join(known.described(run) for run in sorted(known.copies)) or "none"
    raise RunError(
        f"--run {wanted}: expected a run of {experiment} that has a checkpoint, found {found}",
        hint="name one of them, or leave --run out",
    )


def _several(known: KnownRuns, usable: list[str], experiment: str) -> RunError:
    names = " and ".join(known.described(run) for run in usable)
    ways = ", or ".join(
        f"doors train --experiment {experiment} --run {run}"
        for run in usable
        if run not in known.finished
    )
    return RunError(
        f"the storage has several runs of {experiment}, and none replaces the other: {names}; "
        "nothing was changed",
        hint=f"choose the one that takes the place of the others: {ways}; their checkpoints stay "
        "until its model is pushed by doors version"
        if ways
        else f"bring the published model here: doors sync; or begin another: --experiment NAME, "
        f"or doors train --experiment {experiment} --replace",
    )
