"""Checkpoints on DVC's remote, behind :class:`container_doors.core.ports.CheckpointRemote`.

They are files with names beside DVC's own objects, and ``dvc gc`` does not touch them. A checkpoint
is replaced every few minutes, and the next machine must find it without a pointer.
"""

from collections.abc import Sequence
from pathlib import Path

from container_doors.adapters.dvc.command import DVC_ENVIRONMENT, INSTALL_DVC, Dvc, python_of_dvc
from container_doors.adapters.shell import Finished, call
from container_doors.core.errors import VersioningError
from container_doors.storage.complaints import explain, may_pass

_SHELF = Path(__file__).with_name("shelf.py")
_TRANSFER_S, _ASK_S = 1800.0, 120.0
_ATTEMPTS = 3


class DvcCheckpoints:
    """The folder ``checkpoints/`` of a DVC remote."""

    def __init__(self, directory: Path, where: str) -> None:
        """Store the folder and the address; nothing runs yet."""
        self._directory = directory
        self.where = where

    def names(self, experiment: str) -> list[str]:
        """List the files of an experiment."""
        return self._run_checked("ask", _ASK_S, "names", experiment).stdout.split()

    def put(self, path: Path, experiment: str, *, instead_of: Sequence[str] = ()) -> list[str]:
        """Send a file atomically, read it back, then delete the files that it replaces."""
        done = self._run_checked(
            "send the checkpoint to", _TRANSFER_S, "put", str(path.absolute()), experiment,
            *instead_of,
        )  # fmt: skip
        return done.stdout.split()

    def get(self, name: str, experiment: str, into: Path) -> None:
        """Fetch a file into a folder."""
        into.mkdir(parents=True, exist_ok=True)
        target = str((into / name).absolute())
        self._run_checked(
            "fetch the checkpoint from", _TRANSFER_S, "get", f"{experiment}/{name}", target
        )

    def sha256(self, name: str, experiment: str) -> str:
        """Return the hash of a file on the remote, read in DVC's own process."""
        done = self._run_checked("read back from", _TRANSFER_S, "sha256", f"{experiment}/{name}")
        return done.stdout.strip()

    def remove(self, names: Sequence[str], experiment: str) -> None:
        """Delete files."""
        if names:
            self._run_checked(
                "clear", _ASK_S, "remove", *(f"{experiment}/{name}" for name in names)
            )

    def _run_checked(self, what: str, timeout_s: float, *arguments: str) -> Finished:
        for attempt in range(_ATTEMPTS):
            done = self._call(what, timeout_s, *arguments)
            if done.exit_code == 0:
                return done
            if attempt == _ATTEMPTS - 1 or not may_pass(done.stderr):
                break
        complaint = explain(done.stderr)
        message = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise VersioningError(
            f"cannot {what} {self.where}: {(complaint and complaint.meaning) or message}",
            hint=complaint.remedy if complaint else "doors storage check shows more",
        )

    def _call(self, what: str, timeout_s: float, *arguments: str) -> Finished:
        try:
            return call(
                [*python_of_dvc(), _SHELF, *arguments],
                cwd=self._directory,
                hint=INSTALL_DVC,
                environment=DVC_ENVIRONMENT,
                tool="dvc",
                timeout_s=timeout_s,
            )
        except TimeoutError:
            raise VersioningError(
                f"cannot {what} {self.where}: it does not answer within {timeout_s:.0f} s",
                hint="doors storage check shows more",
            ) from None


def checkpoints_of(directory: Path) -> DvcCheckpoints | None:
    """Return the remote named ``checkpoints``, or the default one; None if there is neither."""
    config_list = Dvc(directory).run("config", "--list")
    config = dict(line.split("=", 1) for line in config_list.stdout.splitlines() if "=" in line)
    for name in ("checkpoints", config.get("core.remote")):
        url = config.get(f"remote.{name}.url")
        if url is not None:
            return DvcCheckpoints(directory, url)
    return None
