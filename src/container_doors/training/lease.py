"""Leases: they show which process trains an experiment, before a second machine starts it too.

A lease is a small file on the storage. Its name contains the process that trains, and a count that
goes up while the process lives. Clocks are not compared. A process that finds another's lease
watches whether the count changes; if it does not change for long enough, that machine was lost.
"""

import getpass
import hashlib
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.errors import DoorsError, RunError
from container_doors.core.files import NotAFileError, read_file, replace_text
from container_doors.core.ports import CheckpointRemote
from container_doors.core.run import Run
from container_doors.training.logbook import LOG

BEAT_S = 60.0
"""Seconds between two heartbeats. One costs the start of DVC, 2.5 s of one core."""

WATCH_S = 150.0
"""How long another lease is watched: two heartbeats, and time for the storage to answer."""

_POLL_S = 10.0
_STOP_TIMEOUT_S = 10.0
_NAME = re.compile(
    r"lease-(?P<run>[0-9a-f]{8})-(?P<clone>[0-9a-f]{8})-(?P<beat>\d{8})-(?P<process>\d+)-"
    r"(?P<user>[A-Za-z0-9._]{1,40})@(?P<host>[A-Za-z0-9._-]{1,60})"
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The parts of a lease's name."""

    run: str
    clone: str
    beat: int
    process: int
    user: str
    host: str

    @property
    def name(self) -> str:
        """Return its file name."""
        return (
            f"lease-{self.run}-{self.clone}-{self.beat:08d}-{self.process}-{self.user}@{self.host}"
        )

    @property
    def owner(self) -> str:
        """Describe its owner, for people."""
        return f"{self.user}@{self.host} (process {self.process}, run {self.run})"


def parse_lease(name: str) -> Lease | None:
    """Parse a file name; return None if it is not a lease.

    >>> parse_lease("lease-0f3c9a1b-1c22d0fe-00000007-4242-anna@lab-3").owner
    'anna@lab-3 (process 4242, run 0f3c9a1b)'
    >>> parse_lease("notes.txt")
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return Lease(
        found["run"],
        found["clone"],
        int(found["beat"]),
        int(found["process"]),
        found["user"],
        found["host"],
    )


def clone_id(root: Path) -> str:
    """Return a stable id of this clone on this machine; a copy of it elsewhere has another id."""
    path = root / ".clone"
    try:
        own = read_file(path).decode()
    except (FileNotFoundError, NotAFileError, ValueError):
        own = secrets.token_hex(8)
        replace_text(path, own)
    where = f"{own}\n{socket.gethostname()}\n{root.resolve()}"
    return hashlib.sha256(where.encode()).hexdigest()[:8]


def own_lease(run: Run, run_id: str) -> Lease:
    """Make a lease for this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # not in the list of users
        user = f"uid{os.getuid()}"
    return Lease(
        run_id[:8],
        clone_id(run.root),
        0,
        os.getpid(),
        re.sub(r"[^A-Za-z0-9._]", "_", user)[:40] or "nobody",
        re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname())[:60] or "somewhere",
    )


def watch(
    leases: list[Lease],
    names: Callable[[], list[str]],
    *,
    experiment: str,
    say: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Watch leases until it is known whether their owners still train.

    Raises:
        RunError: If one of them still trains.
        VersioningError: If the storage does not answer any more.
    """
    watched = {one.clone: _names_of(one.clone, leases) for one in leases}
    if not watched:
        return
    owners = ", ".join(one.owner for one in leases)
    say(
        f"{owners} started to train {experiment} and did not report an end: checking for up to "
        f"{WATCH_S:.0f} s whether it still trains (--take-over does not wait)"
    )
    waited = 0.0
    while waited < WATCH_S:
        pause(_POLL_S)
        waited += _POLL_S
        found = [one for name in names() if (one := parse_lease(name)) is not None]
        for clone, before in list(watched.items()):
            now = _names_of(clone, found)
            if not now:
                del watched[clone]  # it has ended since
            elif now != before:
                raise _busy_error(next(one for one in found if one.clone == clone), experiment)
        if not watched:
            return
    say(f"no heartbeat for {waited:.0f} s: taking over")


def _names_of(clone: str, leases: list[Lease]) -> set[str]:
    return {one.name for one in leases if one.clone == clone}


def _busy_error(alive: Lease, experiment: str) -> RunError:
    return RunError(
        f"{experiment} is being trained by {alive.owner}",
        hint="wait until it ends, then run this again; or choose another --experiment; or train "
        f"it here as well: doors train --experiment {experiment} --take-over",
    )


class Heartbeat:
    """Renews this process's lease on the storage, from :meth:`start` to :meth:`stop`.

    Errors are logged, and it is tried again: they never stop a training.
    """

    def __init__(
        self,
        run: Run,
        own: Lease,
        remote: CheckpointRemote,
        *,
        instead_of: list[str],
        say: Callable[[str], None],
        every_s: float = BEAT_S,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            run: The run that is trained.
            own: The lease, before its first heartbeat.
            remote: The storage for the lease.
            instead_of: Leases that the first heartbeat replaces: those of this clone, and of
                machines that were lost.
            say: Receives one message if another machine trains the same experiment.
            every_s: See :data:`BEAT_S`.
        """
        self._run = run
        self._own = own
        self._remote = remote
        self._instead_of = instead_of
        self._say = say
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._has_reported = False

    def start(self) -> None:
        """Start the thread; return at once."""
        self._thread.start()

    def stop(self) -> None:
        """Remove the lease, if the storage answers in time."""
        self._is_over.set()
        self._thread.join(_STOP_TIMEOUT_S)

    def _work(self) -> None:
        while True:
            self._log_errors(self._beat)
            if self._is_over.wait(self._every_s):
                break
        self._log_errors(lambda: self._remote.remove(self._instead_of, self._run.name))

    def _log_errors(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (DoorsError, OSError) as error:
            LOG.warning("the lease on %s: %s", self._remote.where, error)

    def _beat(self) -> None:
        following = replace(self._own, beat=self._own.beat + 1)
        with TemporaryDirectory() as folder:
            path = Path(folder) / following.name
            path.write_bytes(b"lease\n")
            names = self._remote.put(path, self._run.name, instead_of=self._instead_of)
        self._own, self._instead_of = following, [following.name]
        self._report_others(names)

    def _report_others(self, names: list[str]) -> None:
        others = [
            one for name in names if (one := parse_lease(name)) and one.clone != self._own.clone
        ]
        if others and not self._has_reported:
            self._has_reported = True
            owners = ", ".join(one.owner for one in others)
            self._say(
                f"{owners} trains {self._run.name} as well: neither changes the other's "
                "checkpoints, but one of the two should stop"
            )
