"""The runs of an experiment that a storage has, and which of them replaces which.

Everything is read from file names (:mod:`container_doors.training.bundle`). Each run records
which runs it replaces; clocks are not compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from container_doors.core.errors import RunError
from container_doors.core.records import RunRecord
from container_doors.training.bundle import CheckpointBundle, parse_bundle_name, short_id
from container_doors.training.lease import Lease, parse_lease


@dataclass
class KnownRuns:
    """What a storage and this clone have of one experiment. Runs are named by their short ids."""

    copies: dict[str, list[CheckpointBundle]] = field(default_factory=dict)
    """The checkpoints of each run, the newest first."""
    finished: set[str] = field(default_factory=set)
    replaces: dict[str, set[str]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """The run of each mark, by the mark's file name."""
    leases: list[Lease] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """The file names of checkpoints that were fetched, and cannot be resumed from on this
    machine."""

    @property
    def runs(self) -> set[str]:
        """Return all runs that appear in any name."""
        return {*self.copies, *self.finished, *self.replaces, *self.marks.values()}

    def replaced_by(self, run: str) -> set[str]:
        """Return the runs that ``run`` replaces, directly or through others."""
        found: set[str] = set()
        open_ends = [run]
        while open_ends:
            for other in self.replaces.get(open_ends.pop(), set()) - found:
                found.add(other)
                open_ends.append(other)
        return found - {run}

    def current(self) -> list[str]:
        """Return the runs that no other replaces; two that replace each other both count."""
        return sorted(run for run in self.runs if not self.is_replaced(run))

    def is_replaced(self, run: str) -> bool:
        """Check whether another run replaces this one, and not the other way round as well."""
        over = self.replaced_by(run)
        return any(run in self.replaced_by(other) for other in self.runs - over - {run})

    def usable(self) -> list[str]:
        """Return the current runs that are finished or have a checkpoint."""
        return [run for run in self.current() if run in self.finished or run in self.copies]

    def describe(self, run: str) -> str:
        """Describe a run and what is stored of it, for people."""
        if run in self.finished:
            return f"{run} (finished)"
        newest = self.copies.get(run)
        return f"{run} (epoch {newest[0].epoch})" if newest else f"{run} (no checkpoint)"


def known_runs(names: Iterable[str], record: RunRecord | None = None) -> KnownRuns:
    """Parse a list of file names, and add what this clone's own run replaces."""
    known = KnownRuns()
    for name in sorted(names):
        found = parse_lease(name)
        if found is not None:
            known.leases.append(found)
        one = parse_bundle_name(name)
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
    known: KnownRuns, record: RunRecord | None, *, experiment: str, requested: str | None
) -> str | None:
    """Return the run to resume; None if the storage has none to resume.

    Args:
        known: What the storage has.
        record: The record of the run here; None if there is none, or none with a finished epoch.
        experiment: The experiment's name, for the message.
        requested: The start of the requested run's id.

    Raises:
        RunError: If several runs are possible, or the requested one is not known.
    """
    here = None if record is None else short_id(record)
    usable = known.usable()
    if requested is not None:
        return _requested_run(known, here, requested, experiment)
    if here is not None and not known.is_replaced(here):
        return here
    if here is not None:
        usable = [run for run in usable if here in known.replaced_by(run)]
    if here is not None and not usable:
        by = ", ".join(run for run in known.current() if here in known.replaced_by(run))
        raise RunError(
            f"run {here} of {experiment} has been replaced by {by} on another machine, which has "
            "left no checkpoint yet",
            hint=f"wait for it; or resume {here}: doors train --experiment {experiment} "
            f"--run {here}",
        )
    if len(usable) > 1:
        raise _several_runs_error(known, usable, experiment)
    return usable[0] if usable else None


def _requested_run(known: KnownRuns, here: str | None, requested: str, experiment: str) -> str:
    everything = known.runs | ({here} if here else set())
    matching = [run for run in everything if run.startswith(requested[:8]) and requested]
    if len(matching) == 1:
        return matching[0]
    found = ", ".join(known.describe(run) for run in sorted(known.copies)) or "none"
    raise RunError(
        f"--run {requested}: expected a run of {experiment} that has a checkpoint, found {found}",
        hint="name one of them, or leave --run out",
    )


def _several_runs_error(known: KnownRuns, usable: list[str], experiment: str) -> RunError:
    names = " and ".join(known.describe(run) for run in usable)
    ways = ", or ".join(
        f"doors train --experiment {experiment} --run {run}"
        for run in usable
        if run not in known.finished
    )
    return RunError(
        f"the storage has several runs of {experiment}, and none replaces the other: {names}; "
        "nothing was changed",
        hint=f"choose the one that replaces the others: {ways}; their checkpoints stay until "
        "its model is pushed by doors version"
        if ways
        else f"download the published model: doors sync; or start another: --experiment NAME, "
        f"or doors train --experiment {experiment} --replace",
    )
