"""Who trains an experiment now, so that a second machine learns of it before it begins.

A lease is a small file on the storage. Its name says which process trains, and holds a count that
goes up while the process lives. No clock is compared. Whoever finds another's lease watches whether
its count moves; one that stands still for long enough is of a machine that was lost.
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
from container_doors.core.files import replace_text
from container_doors.core.ports import CheckpointRemote
from container_doors.core.run import Run
from container_doors.training.logbook import LOG

BEAT_S = 60.0
"""A beat costs DVC's start, 2.5 s of one core."""

WATCH_S = 150.0
"""How long another's count is watched: two beats, and time for the storage to answer."""

_LOOK_S = 10.0
_PATIENCE_S = 10.0
_NAME = re.compile(
    r"lease-(?P<run>[0-9a-f]{8})-(?P<clone>[0-9a-f]{8})-(?P<beat>\d{8})-(?P<process>\d+)-"
    r"(?P<user>[A-Za-z0-9._]{1,40})@(?P<host>[A-Za-z0-9._-]{1,60})"
)


@dataclass(frozen=True, slots=True)
class Lease:
    """What the name of a lease says."""

    run: str
    clone: str
    beat: int
    process: int
    user: str
    host: str

    @property
    def name(self) -> str:
        """Its file's."""
        return (
            f"lease-{self.run}-{self.clone}-{self.beat:08d}-{self.process}-{self.user}@{self.host}"
        )

    @property
    def owner(self) -> str:
        """For people."""
        return f"{self.user}@{self.host} (process {self.process}, run {self.run})"


def lease(name: str) -> Lease | None:
    """Read a name; None if it is of something else.

    >>> lease("lease-0f3c9a1b-1c22d0fe-00000007-4242-anna@lab-3").owner
    'anna@lab-3 (process 4242, run 0f3c9a1b)'
    >>> lease("notes.txt")
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
    """Name this clone on this machine, the same each time: a copy of it elsewhere is another."""
    path = root / ".clone"
    try:
        own = path.read_text(encoding="utf-8")
    except (FileNotFoundError, ValueError):
        own = secrets.token_hex(8)
        replace_text(path, own)
    where = f"{own}\n{socket.gethostname()}\n{root.resolve()}"
    return hashlib.sha256(where.encode()).hexdigest()[:8]


def own_lease(run: Run, run_id: str) -> Lease:
    """Write a lease for this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # nobody in the list of users
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
    """Watch whether the owners of leases still train, until that is known.

    Raises:
        RunError: If one does.
        VersioningError: If the storage cannot be asked any more.
    """
    watched = {one.clone: _of(one.clone, leases) for one in leases}
    if not watched:
        return
    owners = ", ".join(one.owner for one in leases)
    say(
        f"{owners} has begun to train {experiment}, and has not said that it ended: watching for "
        f"up to {WATCH_S:.0f} s whether it still does (--take-over does not wait)"
    )
    waited = 0.0
    while waited < WATCH_S:
        pause(_LOOK_S)
        waited += _LOOK_S
        found = [one for name in names() if (one := lease(name)) is not None]
        for clone, before in list(watched.items()):
            now = _of(clone, found)
            if not now:
                del watched[clone]  # it has ended since
            elif now != before:
                raise _refusal(next(one for one in found if one.clone == clone), experiment)
        if not watched:
            return
    say(f"no sign of life for {waited:.0f} s: going on in its place")


def _of(clone: str, leases: list[Lease]) -> set[str]:
    return {one.name for one in leases if one.clone == clone}


def _refusal(alive: Lease, experiment: str) -> RunError:
    return RunError(
        f"{experiment} is being trained by {alive.owner}",
        hint="wait until it ends, then run this again; or choose another --experiment; or go on "
        f"here as well: doors train --experiment {experiment} --take-over",
    )


class Heartbeat:
    """Keeps this process's lease alive on the storage, from :meth:`start` to :meth:`stop`.

    What goes wrong there is logged, and tried again: no training stops for it.
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
            run: What is trained.
            own: The lease, before its first beat.
            remote: Where it is left.
            instead_of: Leases that end with the first beat: of this clone, and of machines that
                were lost.
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
        self._has_told = False

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the lease, if the storage answers in time."""
        self._is_over.set()
        self._thread.join(_PATIENCE_S)

    def _work(self) -> None:
        while True:
            self._quietly(self._beat)
            if self._is_over.wait(self._every_s):
                break
        self._quietly(lambda: self._remote.remove(self._instead_of, self._run.name))

    def _quietly(self, work: Callable[[], None]) -> None:
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
        self._tell_of_others(names)

    def _tell_of_others(self, names: list[str]) -> None:
        others = [one for name in names if (one := lease(name)) and one.clone != self._own.clone]
        if others and not self._has_told:
            self._has_told = True
            owners = ", ".join(one.owner for one in others)
            self._say(
                f"{owners} trains {self._run.name} as well: neither touches the other's "
                "checkpoints, but one of the two should stop"
            )
