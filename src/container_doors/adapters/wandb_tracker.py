"""Weights & Biases, behind :class:`container_doors.ports.Tracker`."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container_doors.config import Wandb
from container_doors.records import Epoch, RunRecord

_LOG = logging.getLogger(__name__)


class NoTracker:
    """For ``mode: disabled``: nobody watches."""

    def start(self, record: RunRecord) -> None:
        """Do nothing."""

    def log_epoch(self, epoch: Epoch) -> None:
        """Do nothing."""

    def log_summary(self, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def finish(self, *, exit_code: int) -> None:
        """Do nothing."""


class OfflineWandbTracker:
    """Writes a W&B run into ``directory``, for ``wandb sync`` to upload whenever there is a key.

    Nothing that goes wrong here may stop a training run: the first failure is logged, and the
    tracker is silent from then on.
    """

    def __init__(self, settings: Wandb, *, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._run: Any = None

    def start(self, record: RunRecord) -> None:
        """Open the run."""
        os.environ.setdefault("WANDB_SILENT", "true")
        try:
            import wandb

            self._directory.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                project=self._settings.project,
                entity=self._settings.entity,
                name=record.experiment,
                id=record.run_id,
                tags=self._settings.tags,
                dir=str(self._directory),
                mode="offline",
                config=_config(record),
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    disable_git=True,  # the remote's URL can hold a token; the commit is in config
                    disable_job_creation=True,
                    save_code=False,
                ),
            )
            self._run.define_metric("epoch")
            self._run.define_metric("*", step_metric="epoch")
        except Exception as error:  # noqa: BLE001 - wandb raises many kinds; none may stop training
            self._give_up(error)

    def log_epoch(self, epoch: Epoch) -> None:
        """Show one epoch's metrics."""
        self._try(lambda run: run.log({"epoch": epoch.number, **epoch.metrics}))

    def log_summary(self, values: Mapping[str, float]) -> None:
        """Show what the finished model scored."""
        self._try(lambda run: run.summary.update(dict(values)))

    def finish(self, *, exit_code: int) -> None:
        """Close the run; the folder to sync is then complete."""
        self._try(lambda run: run.finish(exit_code=exit_code))
        self._run = None

    def _try(self, action: Any) -> None:  # noqa: ANN401
        if self._run is None:
            return
        try:
            action(self._run)
        except Exception as error:  # noqa: BLE001 - as in start()
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._run = None
        _LOG.warning(
            "W&B is off for the rest of this run (%s: %s); metrics.jsonl has every epoch",
            type(error).__name__,
            error,
        )


def _config(record: RunRecord) -> dict[str, Any]:
    """What W&B shows beside the curves: params as they are spelled in the file, and lineage."""
    document = record.model_dump(mode="json")
    lineage = ("code", "dataset", "starting_weights", "hardware", "environment", "seed")
    return {**document["params"], **{key: document[key] for key in lineage}}
