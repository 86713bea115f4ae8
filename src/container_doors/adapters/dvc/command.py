"""DVC's command: where it is, how it is run, when it is run again, and how far it is.

The command is documented and its Python API is not. It may live in a virtual environment of its
own, because its Google Drive plugin asks for other versions than its neighbours.
"""

import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from container_doors.adapters.shell import Finished, call, call_and_hear
from container_doors.core.errors import MissingContentError, MissingToolError, VersioningError
from container_doors.core.ports import Progress
from container_doors.storage.complaints import explain, may_pass

EXECUTABLE = "CONTAINER_DOORS_DVC"
"""The environment variable that names the command, where it is neither beside us nor on PATH."""

INSTALL_DVC = f"uv sync, or pip install dvc, or name its command in {EXECUTABLE}"
DVC_ENVIRONMENT = {"GDRIVE_NON_INTERACTIVE": "1", "DVC_NO_ANALYTICS": "1"}
"""It never waits for a browser, and never tells its makers."""

PAUSE_S = 2.0
ATTEMPTS, TRANSFER_ATTEMPTS = 3, 6
"""A transfer waits 2, 4, 8, 16 and 32 s: Google counts its limits by the minute."""

STALL_S = 900.0
"""A connection that is cut may leave the Drive client waiting for ever: it sets no timeout. It also
says nothing while it reads 100 MB, several at a time."""

_WITH_BARS = {"DVC_IGNORE_ISATTY": "1", "COLUMNS": "200"}
"""Bars where there is no terminal, and no text in them cut short."""

_BAR = re.compile(
    r"(?:Pushing to|Fetching from)\b.*?(?P<done>[\d.]+k?)/(?P<total>[\d.]+k?) \[.*file/s\]"
)
_LOST = re.compile(
    r"^md5: (?P<whole>[0-9a-f]{32}(?:\.dir)?)$|, md5: (?P<part>[0-9a-f]{32})$"
    r"|failed to transfer '(?P<sent>[0-9a-f]{32})' - \[Errno 2\]",
    re.MULTILINE,
)
"""How DVC names what is neither here nor on the remote (3.67); the last for parts of a folder."""

_ANY_BAR = re.compile(r"\||^!?\s*$|^(?:Collecting|Pushing|Fetching)\b")


class Dvc:
    """The command, in the DVC repository around a folder."""

    def __init__(
        self,
        directory: Path,
        *,
        progress: Progress | None = None,
        pause_s: float = PAUSE_S,
        stall_s: float = STALL_S,
    ) -> None:
        """Remember where; nothing runs yet.

        Args:
            directory: Inside of the DVC repository.
            progress: Told how far transfers are, and why one is tried again.
            pause_s: Before the second attempt; doubled before each that follows.
            stall_s: How long a transfer may say nothing before it is begun again.
        """
        self._directory = directory
        self._progress = progress
        self._pause_s = pause_s
        self._stall_s = stall_s

    def must(self, what: str, *arguments: str) -> Finished:
        """Run it to its good end, trying again after what may pass.

        Raises:
            VersioningError: If it has no good end.
        """
        return self._to_good_end(what, ATTEMPTS, lambda: (self.run(*arguments), 0))

    def transfer(self, verb: str, pointers: Sequence[Path], *options: str) -> None:
        """Push or pull to the good end; what has arrived is not sent again.

        Raises:
            MissingContentError: If something is neither here nor there.
            VersioningError: If anything else has not arrived.
        """
        what = f"{verb} {', '.join(pointer.stem for pointer in pointers)}"
        argv = [verb, *options, *map(str, pointers)]
        done = self._to_good_end(what, TRANSFER_ATTEMPTS, lambda: self._hear(verb, argv))
        if _LOST.search(done.stderr):  # DVC pushes nothing, and ends well (3.67)
            raise refused(what, done)

    def run(self, *arguments: str) -> Finished:
        """Run it once, whatever comes of it."""
        return call(
            [find_dvc(), *arguments],
            cwd=self._directory,
            hint=INSTALL_DVC,
            environment=DVC_ENVIRONMENT,
            tool="dvc",
        )

    def _to_good_end(
        self, what: str, attempts: int, attempt: Callable[[], tuple[Finished, int]]
    ) -> Finished:
        """Try until it is done; an attempt that left less to do than any before does not count."""
        failed, least = 0, sys.maxsize
        while True:
            done, total = attempt()
            if done.exit_code == 0:
                return done
            failed = 1 if 0 < total < least else failed + 1
            least = min(least, total or least)
            if failed >= attempts or not may_pass(done.stderr):
                raise refused(what, done)
            pause_s = self._pause_s * 2 ** (failed - 1)
            if self._progress:
                said = textwrap.shorten(done.complaint.partition("; ")[0], 120, placeholder=" ...")
                self._progress.say(f"trying to {what} again in {pause_s:.0f} s: {said}")
            time.sleep(pause_s)

    def _hear(self, verb: str, argv: Sequence[str]) -> tuple[Finished, int]:
        """Transfer once; returns also how many files there were to send or fetch."""
        total = 0

        def hear(line: str) -> bool:
            nonlocal total
            bar = _BAR.search(line)
            if bar:
                done, total = _count(bar["done"]), _count(bar["total"])
                if self._progress:
                    self._progress.step(f"{verb}ing", min(done, total), total)
            return bar is not None or _ANY_BAR.search(line) is not None

        finished = call_and_hear(
            [find_dvc(), *argv],
            cwd=self._directory,
            hint=INSTALL_DVC,
            environment=DVC_ENVIRONMENT | _WITH_BARS,
            tool="dvc",
            hear=hear,
            stall_s=self._stall_s,
        )
        if self._progress and total:
            self._progress.step(f"{verb}ing", total, total)
        return finished, total


def refused(what: str, done: Finished) -> VersioningError:
    """Say what DVC did not do, why, and what to do about it."""
    lost = [found["whole"] or found["part"] or found["sent"]
            for found in _LOST.finditer(done.stderr)]  # fmt: skip
    if lost:
        return MissingContentError(
            f"DVC cannot {what}: neither here nor on the remote: {', '.join(lost)}",
            hint="run dvc push where it is still",
            objects=tuple(dict.fromkeys(lost)),
        )
    complaint = explain(done.stderr)
    said = done.complaint
    if complaint is None:
        return VersioningError(f"DVC cannot {what}: {said}", hint="dvc doctor says more")
    meaning = f"{complaint.meaning}: " if complaint.meaning else ""
    return VersioningError(f"DVC cannot {what}: {meaning}{said}", hint=complaint.remedy)


def find_dvc() -> Path:
    """Find DVC's command: as the environment says, beside our Python, or on PATH.

    Raises:
        MissingToolError: If it is nowhere, or not where the environment says.
    """
    named = os.environ.get(EXECUTABLE)
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise MissingToolError(
                f"{EXECUTABLE} names {named}, which is not a program", hint=f"unset {EXECUTABLE}"
            )
        return Path(named).absolute()
    beside = Path(sys.executable).with_name("dvc")
    if beside.exists():
        return beside
    on_path = shutil.which("dvc")
    if on_path is None:
        raise MissingToolError("dvc is not installed", hint=INSTALL_DVC)
    return Path(on_path)


def python_of_dvc() -> list[str]:
    """Find the Python that DVC and its plugins are installed for; the command may be a link to it.

    Returns:
        How to run a file of ours with it, whose neighbours shall not be taken for packages.

    Raises:
        MissingToolError: If DVC came as one binary, without a Python.
    """
    command = find_dvc().resolve()
    for name in ("python", "python3"):
        if command.with_name(name).exists():
            return [str(command.with_name(name)), "-P"]
    raise MissingToolError(
        f"{command} has no Python beside it to reach its plugins with", hint=INSTALL_DVC
    )


def _count(text: str) -> int:
    """Read a number as DVC's bars spell it.

    >>> _count("600"), _count("1.20k")
    (600, 1200)
    """
    return round(float(text.rstrip("k")) * (1000 if text.endswith("k") else 1))
