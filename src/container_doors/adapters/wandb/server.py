"""Query the W&B server, and upload to it after a run: ``doors track sync``."""

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
"""Timeout for one recording, or one model; no GPU waits for it."""


class WandbServer:
    """A :class:`ports.TrackingServer`, for one run."""

    def __init__(self, run: Run, credentials: Credentials | None) -> None:
        """Prepare requests for ``run``.

        Raises:
            TrackingError: If there is no key.
        """
        if credentials is None:
            raise TrackingError(f"there is no key for {server()}", hint=how_to_log_in())
        os.environ.update(QUIET | credentials.environment | {"WANDB_MODE": "online"})
        self._directory, self._log = run.tracking, run.train_log

    def ask(self, record: RunRecord) -> Remote | None:
        """Return what the server has of a run; None if it does not know it."""
        settings = record.known_params.wandb
        parts = [settings.entity, settings.project, wandb_id(record)]
        path = "/".join(part for part in parts if part)
        return ask(path, hint=f"try again later: doors track sync {record.experiment}")

    def send_recordings(self, *, after_epoch: int) -> None:
        """Send the recordings that continue after ``after_epoch``, with W&B's own ``sync``.

        Others are left out: ``sync`` does not know epochs and would send them twice. If a recording
        fails, its epochs are sent again one by one, without its system metrics.
        """
        for segment in read_state(self._directory).segments:
            directory = self._directory / "wandb" / segment.directory
            if segment.first_epoch != after_epoch + 1 or not directory.is_dir():
                continue
            if not self._send(directory):
                return
            after_epoch = segment.last_epoch

    def tracker(self, record: RunRecord) -> Tracker:
        """Return a tracker that works online, or fails."""
        settings = record.known_params.wandb
        return OnlineWandb(settings, directory=self._directory, log=self._log, send_s=_SEND_S)

    def _send(self, directory: Path) -> bool:
        """Send one recording; check the result, because the exit code is 0 even if it failed."""
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
