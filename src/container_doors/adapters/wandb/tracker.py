"""Weights & Biases; implements :class:`container_doors.core.ports.Tracker`.

One W&B run belongs to one run here: its id is made from ours, and when it is opened again, we ask
which epochs it has. Every wait has a timeout: opening :data:`OPEN_S`, asking :data:`ASK_S`, sending
the model and closing :data:`SEND_S` each. We do not trust the client's report of success: after a
refused upload it ends without an error (wandb 0.31). So we ask the server.
"""

import contextlib
import glob
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from container_doors.adapters.wandb import pictures as wandb_pictures
from container_doors.adapters.wandb.account import server
from container_doors.adapters.wandb.errors import as_tracking_error
from container_doors.core.child_environment import WANDB, hide_secrets
from container_doors.core.config import Wandb
from container_doors.core.errors import RunError, TrackingError
from container_doors.core.ports import Remote, Results
from container_doors.core.records import Document, Epoch, RunRecord
from container_doors.tracking.mode import Choice

OPEN_S = 15.0
SEND_S = 30.0
ASK_S = 10

_RESULTS_OF = "weights_sha256"
"""The key in W&B's summary for the weights whose results it has."""

_STATE = "wandb.json"

_ARTIFACT = "container-door-detector"


class Segment(BaseModel):
    """A complete offline recording; the client writes a new one at each start."""

    model_config = ConfigDict(frozen=True)

    directory: str
    """Its folder's name in the ``wandb`` folder."""
    first_epoch: int
    last_epoch: int


class WandbState(Document):
    """``tracking/wandb.json``: what was sent, and what was recorded offline."""

    url: str | None = None
    confirmed_epoch: int = 0
    """The last epoch that the server confirmed."""
    segments: tuple[Segment, ...] = ()


def read_state(directory: Path) -> WandbState:
    """Read the state; use an empty one if it is damaged, because the server can be asked."""
    try:
        return WandbState.read(directory / _STATE)
    except RunError:
        return WandbState()


def wandb_id(record: RunRecord) -> str:
    """Return the run's id for W&B: readable, and unique even if the experiment's name is reused.

    It depends on ``run.json`` alone, which is moved with the run.
    """
    return f"{record.experiment}-{record.run_id[:8]}"


class WandbTracker:
    """Tracks online if that was chosen and works; otherwise offline, with a message."""

    def __init__(
        self,
        settings: Wandb,
        *,
        directory: Path,
        log: Path,
        choice: Choice,
        trainer_pid: int | None,
        say: Callable[[str], None],
    ) -> None:
        """Prepare to track.

        Args:
            settings: ``detection.wandb``.
            directory: The client's working folder.
            log: This log file is attached to the run at the end.
            choice: Online or offline, and why.
            trainer_pid: The process whose CPU and memory use is shown beside the GPU's.
            say: Receives messages for the person, one line each.
        """
        self._choice = choice
        self._say = say
        self._online = OnlineWandb(settings, directory=directory, log=log, trainer_pid=trainer_pid)
        self._offline = OfflineWandb(
            settings, directory=directory, log=log, trainer_pid=trainer_pid
        )
        self._active: OnlineWandb | OfflineWandb = self._offline
        self._experiment = ""

    def start(self, record: RunRecord) -> int:
        """Open the run, online if possible."""
        self._experiment = record.experiment
        reason = self._choice.reason
        if self._choice.mode == "online":
            try:
                last_epoch = self._online.start(record)
            except TrackingError as error:
                reason = error.problem
                self._online.forget()
            else:
                self._active = self._online
                self._say(f"W&B: online, because {reason}: {self._online.url}")
                return last_epoch
        last_epoch = self._offline.start(record)
        self._say(f"W&B: offline, because {reason}; later: doors track sync {record.experiment}")
        return last_epoch

    def log_epoch(self, epoch: Epoch, *, is_best: bool) -> None:
        """Send one epoch's metrics."""
        self._active.log_epoch(epoch, is_best=is_best)

    def log_results(self, results: Results) -> None:
        """Send the results of the finished model."""
        self._active.log_results(results)

    def finish(self, *, exit_code: int) -> None:
        """Close the run, and report where it is."""
        self._active.finish(exit_code=exit_code)
        if self._active is self._online:
            self._say(f"W&B: everything was sent to {self._online.url}")
        else:
            self._say(f"W&B: recorded offline; upload it: doors track sync {self._experiment}")


class _OpenRun:
    """What online and offline runs have in common: the client's run, and what is sent to it."""

    def __init__(
        self,
        settings: Wandb,
        *,
        directory: Path,
        log: Path,
        trainer_pid: int | None = None,
        send_s: float = SEND_S,
    ) -> None:
        """Prepare a run in ``directory``; sending has a timeout of ``send_s``."""
        self._log = log
        self._send_s = send_s
        self._settings = settings
        self._directory = directory
        self._trainer_pid = trainer_pid
        self._run: Any = None
        self._experiment = ""
        self._last_epoch = 0
        self._results_of: str | None = None

    @property
    def _state_path(self) -> Path:
        return self._directory / _STATE

    def _read_state(self) -> WandbState:
        return read_state(self._directory)

    def log_epoch(self, epoch: Epoch, *, is_best: bool) -> None:
        """Send one row; its step is the epoch's number.

        A lost row is sent with a later step: the client accepts no step before the last one.
        """
        with self._as_tracking_error("an epoch was not accepted"):
            step = max(epoch.number, self._run.starting_step, self._run.step)
            self._run.log({"epoch": epoch.number, **epoch.metrics}, step=step)
            if is_best:
                best = {f"best/{name}": value for name, value in epoch.metrics.items()
                        if name.startswith("val/")}  # fmt: skip
                self._run.summary.update({"best_epoch": epoch.number, **best})
        self._last_epoch = epoch.number

    def log_results(self, results: Results) -> None:
        """Send scores, plots, photographs and the model, unless they were sent before."""
        metadata = results.metadata
        weights = self._results_of = metadata.artifacts[results.weights.name].sha256
        with self._as_tracking_error("the results were not accepted"):
            if self._run.summary.get(_RESULTS_OF) != weights:
                images = wandb_pictures.photographs(results, self._directory / "pictures")
                shown = wandb_pictures.plots(results) | ({"predictions": images} if images else {})
                if shown:
                    # Otherwise the client adds epoch 0, if another process logged the epochs.
                    self._run.log({"epoch": self._last_epoch, **shown})
                model = _model(results, self._directory / "model")
                self._send(model, aliases=["latest", metadata.version])
                self._run.summary.update(_summary(results) | {_RESULTS_OF: weights})

    def _send(self, model: Any, *, aliases: list[str]) -> None:  # noqa: ANN401
        self._run.log_artifact(model, aliases=aliases)

    @hide_secrets(but=WANDB)
    def _open(self, record: RunRecord, mode: Literal["online", "offline"]) -> None:
        self._experiment = record.experiment
        with self._as_tracking_error(f"{urlsplit(server()).netloc} cannot be used"):
            import wandb

            self._directory.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                project=self._settings.project,
                entity=self._settings.entity,
                name=record.experiment,
                id=wandb_id(record),
                tags=self._settings.tags,
                dir=str(self._directory),
                mode=mode,
                resume="allow",
                config=_config(record),
                allow_val_change=True,
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    disable_git=True,  # the remote's URL can contain a token; config has the commit
                    disable_job_creation=True,
                    save_code=False,
                    init_timeout=OPEN_S,
                    finish_timeout=self._send_s,
                    finish_timeout_raises=True,
                    x_stats_pid=self._trainer_pid or os.getpid(),
                    x_stats_track_process_tree=True,
                ),
            )
            self._run.define_metric("epoch")
            self._run.define_metric("*", step_metric="epoch")

    def _close(self, exit_code: int) -> None:
        with self._as_tracking_error("not everything was sent"):
            if self._log.is_file():  # for a remote job, it comes later with the results
                pattern = glob.escape(str(self._log))
                self._run.save(pattern, base_path=self._log.parent, policy="end")
            self._run.finish(exit_code=exit_code)
        shutil.rmtree(self._directory / "pictures", ignore_errors=True)

    def _as_tracking_error(self, problem: str) -> AbstractContextManager[None]:
        return as_tracking_error(problem, hint=self._send_later)

    @property
    def _send_later(self) -> str:
        return f"send the rest later: doors track sync {self._experiment}"


class OnlineWandb(_OpenRun):
    """A run on the server."""

    url = ""
    _path = ""

    def start(self, record: RunRecord) -> int:
        """Open the run, or continue it after the last epoch that the server has."""
        self._open(record, "online")
        self.url, self._path = str(self._run.url), str(self._run.path)
        remote = ask(self._path, hint=self._send_later) if self._run.resumed else None
        self._last_epoch = 0 if remote is None else remote.last_epoch
        self._write_state(self._last_epoch)
        return self._last_epoch

    def forget(self) -> None:
        """Close a run that could not be opened; otherwise the client reports its id as in use."""
        import wandb

        with contextlib.suppress(Exception):
            wandb.teardown()

    def finish(self, *, exit_code: int) -> None:
        """Close the run, and ask the server whether it has everything."""
        self._close(exit_code)
        remote = self._ask_patiently()
        found = 0 if remote is None else remote.last_epoch
        if remote is None or found < self._last_epoch:
            raise TrackingError(
                f"{self.url} has {found} of {self._last_epoch} epochs", hint=self._send_later
            )
        self._write_state(found)
        if not self._is_complete(remote):
            raise TrackingError(
                f"{self.url} has all {found} epochs, but not the end of the run",
                hint=self._send_later,
            )

    def _ask_patiently(self) -> Remote | None:
        """Ask until everything is there, at most :data:`ASK_S`: the server shows it later."""
        deadline = time.monotonic() + ASK_S
        while True:
            remote = ask(self._path, hint=self._send_later)
            if self._is_complete(remote) or time.monotonic() > deadline:
                return remote
            time.sleep(1)

    def _is_complete(self, remote: Remote | None) -> bool:
        return (
            remote is not None
            and remote.last_epoch >= self._last_epoch
            and self._results_of in (None, remote.results_of)
            and remote.is_over
        )

    def _send(self, model: Any, *, aliases: list[str]) -> None:  # noqa: ANN401
        """Wait until the model is uploaded, because the summary sent next refers to it."""
        self._run.log_artifact(model, aliases=aliases).wait(timeout=round(self._send_s))

    def _write_state(self, confirmed_epoch: int) -> None:
        with self._as_tracking_error(f"{self._state_path} cannot be written"):
            state = self._read_state()
            state.model_copy(update={"url": self.url, "confirmed_epoch": confirmed_epoch}).write(
                self._state_path
            )


class OfflineWandb(_OpenRun):
    """A recording on disk, in the format that ``wandb sync`` uploads."""

    _first_epoch = 0

    def start(self, record: RunRecord) -> int:
        """Start a recording after the last epoch that is already on the server or recorded.

        An interrupted recording may lack lines, and makes ``wandb sync`` skip the recordings beside
        it. It is renamed, and its epochs are recorded again.
        """
        state = self._read_state()
        complete = {segment.directory for segment in state.segments}
        for path in sorted((self._directory / "wandb").glob("offline-run-*")):
            if path.name not in complete:
                path.rename(path.with_name(f"cut-off-{path.name}"))
        last = max([state.confirmed_epoch, *(segment.last_epoch for segment in state.segments)])
        self._open(record, "offline")
        self._first_epoch, self._last_epoch = last + 1, last
        return last

    def finish(self, *, exit_code: int) -> None:
        """Close the recording and store that it is complete."""
        directory = Path(self._run.dir).parent
        self._close(exit_code)
        with self._as_tracking_error(f"{self._state_path} cannot be written"):
            state = self._read_state()
            segment = Segment(
                directory=directory.name,
                first_epoch=self._first_epoch,
                last_epoch=self._last_epoch,
            )
            state.model_copy(update={"segments": (*state.segments, segment)}).write(
                self._state_path
            )


@hide_secrets(but=WANDB)
def ask(path: str, *, hint: str) -> Remote | None:
    """Ask the server what it has of ``entity/project/id``; None if it does not know the run."""
    with as_tracking_error(f"{server()} does not report what it has", hint=hint):
        import wandb

        try:
            found = wandb.Api(timeout=ASK_S).run(path)
        except wandb.errors.CommError as error:
            if "Could not find run" not in str(error):
                raise
            return None
        summary = dict(found.summary)
        return Remote(
            url=str(found.url),
            # After a lost connection, the summary of an epoch may be there without its row.
            last_epoch=min(int(summary.get("epoch", 0)), max(0, int(found.lastHistoryStep))),
            results_of=summary.get(_RESULTS_OF),
            is_over=found.state != "running",
        )


def _config(record: RunRecord) -> dict[str, Any]:
    """Return what W&B shows beside the curves: the params under their own names, and lineage."""
    document = record.model_dump(mode="json")
    lineage = (
        "run_id", "code", "dataset", "starting_weights", "hardware", "environment", "seed",
        "params_sha256",
    )  # fmt: skip
    return {**document["params"], **{key: document[key] for key in lineage}}


def _summary(results: Results) -> dict[str, Any]:
    """Return the scores of ``best.pt`` by split, and the model that they belong to."""
    metadata = results.metadata
    scores = {
        f"{split}/{name}": value
        for split, found in metadata.evaluation.splits.items()
        for name, value in found.ultralytics.items()
    }
    coco = {
        f"{split}/coco/{name}": value
        for split, found in metadata.evaluation.splits.items()
        for name, value in found.coco.items()
    }
    in_use = {
        f"{split}/operating/{name}": value
        for split, found in metadata.evaluation.splits.items()
        for name, value in found.operating_point.figures.items()
    }
    return {
        **scores,
        **coco,
        **in_use,
        "best_epoch": metadata.best_epoch,
        "version": metadata.version,
        "dataset_sha256": metadata.dataset_sha256,
    }


def _model(results: Results, folder: Path) -> Any:  # noqa: ANN401
    """Return the model as an artifact; ``folder`` keeps its files until they are sent."""
    import wandb

    metadata = results.metadata
    artifact = wandb.Artifact(
        _ARTIFACT,
        type="model",
        description=f"{metadata.version}: {metadata.model_architecture}, best.pt of epoch "
        f"{metadata.best_epoch} of {metadata.experiment_name}",
        metadata={
            "version": metadata.version,
            "git_tag": metadata.git_tag,
            "experiment": metadata.experiment_name,
            "run_id": metadata.run_id,
            "dataset_sha256": metadata.dataset_sha256,
            "params_sha256": metadata.params_sha256,
            "commit": metadata.code.commit,
            "best_epoch": metadata.best_epoch,
            "metrics": metadata.metrics,
        },
    )
    folder.mkdir(exist_ok=True)
    metadata.write(folder / "metadata.json")
    for path in (results.weights, folder / "metadata.json"):
        # Immutable: sent from its place, not copied into the client's staging folder first.
        artifact.add_file(str(path), name=path.name, policy="immutable")
    return artifact
