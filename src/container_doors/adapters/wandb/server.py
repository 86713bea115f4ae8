"""The W&B server as it is asked and served after a run: ``doors track sync``."""

import os
import sys
from pathlib import Path

from container_doors.adapters.shell import call
from container_doors.adapters.wandb.account import QUIET, Credentials, how_to_log_in, server
from container_doors.adapters.wandb.tracker import OnlineWandb, ask, read_state, wandb_id
from container_doors.core.errors import TrackingError
from container_doors.core.ports import Remote, Tracker
from container_doors.core.records import RunRecord
from container_doors.core.run import Run

_SEND_S = 600.0
"""For one recording, or one model: nobody's GPU waits for it."""


class WandbServer:
    """A :class:`ports.TrackingServer`, for one run."""

    def __init__(self, run: Run, credentials: Credentials | None) -> None:
        """Prepare to be asked.

        Raises:
            TrackingError: If there is no key.
        """
        if credentials is None:
            raise TrackingError(f"there is no key for {server()}", hint=how_to_log_in())
        os.environ.update(QUIET | credentials.environment | {"WANDB_MODE": "online"})
        self._directory, self._log = run.tracking, run.train_log

    def ask(self, record: RunRecord) -> Remote | None:
        """Ask what the server has of a run."""
        settings = record.known_params.wandb
        parts = [settings.entity, settings.project, wandb_id(record)]
        path = "/".join(part for part in parts if part)
        return ask(path, hint=f"try again later: doors track sync {record.experiment}")

    def send_recordings(self, *, after_epoch: int) -> None:
        """Send, with W&B's own ``sync``, what fits on: it knows no epochs, and would double them.

        A recording that does not go through is no loss: its epochs are sent again one by one,
        without the system metrics that it holds.
        """
        for segment in read_state(self._directory).segments:
            directory = self._directory / "wandb" / segment.directory
            if segment.first_epoch != after_epoch + 1 or not directory.is_dir():
                continue
            if not self._send(directory):
                return
            after_epoch = segment.last_epoch

    def tracker(self, record: RunRecord) -> Tracker:
        """Make a tracker for a run that is on-line, or fails."""
        settings = record.known_params.wandb
        return OnlineWandb(settings, directory=self._directory, log=self._log, send_s=_SEND_S)

    def _send(self, directory: Path) -> bool:
        """Send one recording; its exit code is 0 even if it could not be read, so look."""
        for marker in directory.glob("*.synced"):
            marker.unlink()
        try:
            call(
                [sys.executable, "-P", "-m", "wandb", "sync", "--yes", directory],
                cwd=Path.cwd(),
                hint="uv sync",
                environment={"PYTHONSAFEPATH": "1"},
                timeout_s=_SEND_S,
                tool="wandb",
            )
        except TimeoutError:
            return False
        return any(directory.glob("*.synced"))
