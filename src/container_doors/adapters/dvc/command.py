"""Find and run DVC's command, with retries and progress.

The command is documented, but its Python API is not. It may be in a virtual environment of its
own, because its Google Drive plugin needs other versions of some packages.
"""

import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from container_doors.adapters.shell import Finished, call, call_streaming
from container_doors.core.errors import MissingContentError, MissingToolError, VersioningError
from container_doors.core.ports import Progress
from container_doors.storage.complaints import explain, may_pass

EXECUTABLE = "CONTAINER_DOORS_DVC"
"""The environment variable for the command's path, if it is neither beside Python nor on PATH."""

INSTALL_DVC = f"uv sync, or pip install dvc, or set {EXECUTABLE} to the path of its command"
DVC_ENVIRONMENT = {"GDRIVE_NON_INTERACTIVE": "1", "DVC_NO_ANALYTICS": "1"}
"""DVC never waits for a browser, and sends no analytics."""

PAUSE_S = 2.0
ATTEMPTS, TRANSFER_ATTEMPTS = 3, 6
"""A transfer waits 2, 4, 8, 16 and 32 s: Google's rate limits are per minute."""

STALL_S = 900.0
"""After a lost connection the Drive client may wait for ever: it sets no timeout. It also prints
nothing while it reads 100 MB, several at a time."""

_WITH_BARS = {"DVC_IGNORE_ISATTY": "1", "COLUMNS": "200"}
"""Progress bars without a terminal, and without truncated text."""

_BAR = re.compile(
    r"(?:Pushing to|Fetching from)\b.*?(?P<done>[\d.]+k?)/(?P<total>[\d.]+k?) \[.*file/s\]"
)
_LOST = re.compile(
    r"^md5: (?P<whole>[0-9a-f]{32}(?:\.dir)?)$|, md5: (?P<part>[0-9a-f]{32})$"
    r"|failed to transfer '(?P<sent>[0-9a-f]{32})' - \[Errno 2\]",
    re.MULTILINE,
)
"""How DVC (3.67) names objects that are nowhere; the last form is for files of a folder."""

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
        """Store the settings; nothing runs yet.

        Args:
            directory: A folder inside the DVC repository.
            progress: Receives the progress of transfers, and the reasons for retries.
            pause_s: The pause before the second attempt; doubled before each further one.
            stall_s: How long a transfer may print nothing before it is restarted.
        """
        self._directory = directory
        self._progress = progress
        self._pause_s = pause_s
        self._stall_s = stall_s

    def run_checked(self, what: str, *arguments: str) -> Finished:
        """Run it until it succeeds; retry after temporary errors.

        Raises:
            VersioningError: If it fails.
        """
        return self._retry(what, ATTEMPTS, lambda: (self.run(*arguments), 0))

    def transfer(self, verb: str, pointers: Sequence[Path], *options: str) -> None:
        """Push or pull until it succeeds; files already transferred are not sent again.

        Raises:
            MissingContentError: If an object is neither here nor on the remote.
            VersioningError: If anything else failed.
        """
        what = f"{verb} {', '.join(pointer.stem for pointer in pointers)}"
        argv = [verb, *options, *map(str, pointers)]
        done = self._retry(what, TRANSFER_ATTEMPTS, lambda: self._run_transfer(verb, argv))
        if _LOST.search(done.stderr):  # DVC (3.67) pushes nothing, and exits with 0
            raise dvc_error(what, done)

    def run(self, *arguments: str) -> Finished:
        """Run it once, and return the result also if it failed."""
        return call(
            [find_dvc(), *arguments],
            cwd=self._directory,
            hint=INSTALL_DVC,
            environment=DVC_ENVIRONMENT,
            tool="dvc",
        )

    def _retry(
        self, what: str, attempts: int, attempt: Callable[[], tuple[Finished, int]]
    ) -> Finished:
        """Retry until it succeeds; an attempt that made progress does not count as failed."""
        failed, least = 0, sys.maxsize
        while True:
            done, total = attempt()
            if done.exit_code == 0:
                return done
            failed = 1 if 0 < total < least else failed + 1
            least = min(least, total or least)
            if failed >= attempts or not may_pass(done.stderr):
                raise dvc_error(what, done)
            pause_s = self._pause_s * 2 ** (failed - 1)
            if self._progress:
                message = textwrap.shorten(
                    done.complaint.partition("; ")[0], 120, placeholder=" ..."
                )
                self._progress.say(f"trying to {what} again in {pause_s:.0f} s: {message}")
            time.sleep(pause_s)

    def _run_transfer(self, verb: str, argv: Sequence[str]) -> tuple[Finished, int]:
        """Transfer once; return also how many files there were to send or fetch."""
        total = 0

        def parse_line(line: str) -> bool:
            nonlocal total
            bar = _BAR.search(line)
            if bar:
                done, total = _count(bar["done"]), _count(bar["total"])
                if self._progress:
                    self._progress.step(f"{verb}ing", min(done, total), total)
            return bar is not None or _ANY_BAR.search(line) is not None

        finished = call_streaming(
            [find_dvc(), *argv],
            cwd=self._directory,
            hint=INSTALL_DVC,
            environment=DVC_ENVIRONMENT | _WITH_BARS,
            tool="dvc",
            on_line=parse_line,
            stall_s=self._stall_s,
        )
        if self._progress and total:
            self._progress.step(f"{verb}ing", total, total)
        return finished, total


def dvc_error(what: str, done: Finished) -> VersioningError:
    """Return the error for a command that DVC failed to do: the reason and the remedy."""
    lost = [found["whole"] or found["part"] or found["sent"]
            for found in _LOST.finditer(done.stderr)]  # fmt: skip
    if lost:
        return MissingContentError(
            f"DVC cannot {what}: neither here nor on the remote: {', '.join(lost)}",
            hint="run dvc push on a machine that still has it",
            objects=tuple(dict.fromkeys(lost)),
        )
    complaint = explain(done.stderr)
    message = done.complaint
    if complaint is None:
        return VersioningError(f"DVC cannot {what}: {message}", hint="dvc doctor shows more")
    meaning = f"{complaint.meaning}: " if complaint.meaning else ""
    return VersioningError(f"DVC cannot {what}: {meaning}{message}", hint=complaint.remedy)


def find_dvc() -> Path:
    """Find DVC's command: from the environment variable, beside our Python, or on PATH.

    Raises:
        MissingToolError: If it is not found, or the environment variable is wrong.
    """
    path = os.environ.get(EXECUTABLE)
    if path:
        if not os.access(path, os.X_OK) or Path(path).is_dir():
            raise MissingToolError(
                f"{EXECUTABLE} is {path}, which is not a program", hint=f"unset {EXECUTABLE}"
            )
        return Path(path).absolute()
    beside = Path(sys.executable).with_name("dvc")
    if beside.exists():
        return beside
    on_path = shutil.which("dvc")
    if on_path is None:
        raise MissingToolError("dvc is not installed", hint=INSTALL_DVC)
    return Path(on_path)


def python_of_dvc() -> list[str]:
    """Find the Python that DVC and its plugins are installed for, following links of the command.

    Returns:
        The command line to run a script with it; modules beside the script are not importable.

    Raises:
        MissingToolError: If DVC was installed as a single binary, without a Python.
    """
    command = find_dvc().resolve()
    for name in ("python", "python3"):
        if command.with_name(name).exists():
            return [str(command.with_name(name)), "-P"]
    raise MissingToolError(
        f"{command} has no Python beside it, which is needed for its plugins", hint=INSTALL_DVC
    )


def _count(text: str) -> int:
    """Parse a number as DVC's progress bars write it.

    >>> _count("600"), _count("1.20k")
    (600, 1200)
    """
    return round(float(text.rstrip("k")) * (1000 if text.endswith("k") else 1))
