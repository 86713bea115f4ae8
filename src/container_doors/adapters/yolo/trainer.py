"""Training with Ultralytics; implements :class:`container_doors.core.ports.Trainer`."""

import errno
import hashlib
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.callbacks import Callbacks
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.recovery import (
    free_memory,
    is_out_of_memory,
    not_finite_epoch,
)
from container_doors.adapters.yolo.resume import finish, refused_checkpoint, restore_run
from container_doors.adapters.yolo.weights import check_works, open_weights
from container_doors.adapters.yolo.workers import WorkersError, supervised
from container_doors.core.child_environment import NETWORK, hide_secrets
from container_doors.core.config import Params
from container_doors.core.errors import RunError, ToBeContinued, WeightsError
from container_doors.core.files import put_in_place
from container_doors.core.ports import TrainingListener
from container_doors.core.records import Hardware, Recovery, StartingWeights
from container_doors.core.run import PRETRAINED, Run
from container_doors.publishing.hashing import file_sha256
from container_doors.training.arguments import (
    Argument,
    trainer_arguments,
    vendor_architecture,
)
from container_doors.training.cache import cache_in_memory
from container_doors.training.checkpoint import forget, use_newest_intact
from container_doors.training.logbook import LOG

_OFFICIAL = {
    "yolo11n": "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
    "yolo11s": "85a76fe86dd8afe384648546b56a7a78580c7cb7b404fc595f97969322d502d5",
}
"""sha256 of the COCO weights that Ultralytics publishes (release v8.4.0 of its assets)."""


_RETRIES = 3
"""How often an epoch is tried again with other pictures."""


class YoloTrainer:
    """Trains with Ultralytics' YOLO."""

    def __init__(self, *, vendor_trainer: type | None = None) -> None:
        """Use our trainer class (:class:`Engine`), or another one derived from Ultralytics'."""
        self._vendor_trainer = vendor_trainer

    def describe_hardware(self, params: Params) -> Hardware:
        """Choose the device, check that it computes, and describe it."""
        return describe_machine(params.training.device)

    def starting_weights(self, params: Params) -> StartingWeights:
        """Find or download pretrained weights, if requested, and check that they fit."""
        if not params.model.pretrained:
            return StartingWeights(source="random")
        vendor_name = vendor_architecture(params.model.architecture)
        source, path = "file", Path(params.model.weights or PRETRAINED / f"{vendor_name}.pt")
        if params.model.weights is None and not path.exists():
            source = "download"
            _download(vendor_name, path)
        if not path.is_file():
            raise WeightsError(
                f"detection.model.weights: no file at {path}",
                hint="name an existing .pt, or start from random weights: "
                "--set detection.model.pretrained=false --set detection.model.weights=null",
            )
        _check_fits(path, vendor_name)
        sha256 = file_sha256(path)
        official = _OFFICIAL.get(vendor_name)
        return StartingWeights(
            source="download" if source == "download" else "file",
            path=str(path),
            sha256=sha256,
            official=None if official is None else sha256 == official,
        )

    @hide_secrets()
    def refused_checkpoint(self, folder: Path) -> str | None:
        """Load a checkpoint as data only; return why that fails, or None."""
        return refused_checkpoint(folder)

    @hide_secrets()
    def train(
        self,
        params: Params,
        run: Run,
        *,
        data_yaml: Path,
        weights: StartingWeights,
        listener: TrainingListener,
        resume: bool = False,
    ) -> None:
        """Train to the end, and write ``run.best_weights`` and ``run.last_weights``.

        A resumed training takes all weights from its checkpoint. After an error that can be
        recovered from, the next attempt starts from the newest checkpoint: with half the batch size
        if memory ran out, with other pictures if an epoch was not finite.
        """
        import_ultralytics()
        hardware = describe_machine(params.training.device)
        device = ",".join(hardware.devices) or hardware.device
        arguments = trainer_arguments(params, run, data_yaml=data_yaml, device=device)
        batch_size, retries = params.training.batch_size, Counter[int]()
        if resume:
            checkpoint, batch_size = restore_run(run, arguments)
            if checkpoint.is_last:
                finish(run)
                return
        while True:
            callbacks = Callbacks(params, run, listener, resume=resume, retries=retries)
            try:
                model = _starting_model(
                    params, StartingWeights(source="random") if resume else weights
                )
                self._train_once(
                    model, arguments | {"batch": batch_size}, callbacks, params, data_yaml
                )
            except RuntimeError as error:
                reason = listener.reason_to_stop(0.0)
                if isinstance(error, WorkersError) and reason:  # a stop ends workers like this
                    raise ToBeContinued(reason) from None
                recovery = _recovery(error, run, params, batch_size=batch_size, retries=retries)
            else:
                return
            free_memory()
            batch_size, resume = recovery.batch_size, recovery.after_epoch > 0
            if not resume:
                forget(run)
            listener.training_recovered(recovery)

    def _train_once(
        self,
        model: Any,  # noqa: ANN401 - ultralytics.YOLO
        arguments: Mapping[str, Argument],
        callbacks: Callbacks,
        params: Params,
        data_yaml: Path,
    ) -> None:
        from container_doors.adapters.yolo.engine import Engine

        for event, callback in callbacks.by_event().items():
            model.add_callback(event, callback)
        try:
            with supervised():
                model.train(
                    trainer=self._vendor_trainer or Engine,
                    **arguments,
                    cache="ram" if cache_in_memory(params, data_yaml.parent) else False,
                )
        finally:
            callbacks.wait()


def _starting_model(params: Params, weights: StartingWeights) -> Any:  # noqa: ANN401 - ultralytics.YOLO
    """Build the network from the starting weights, if their file has not changed."""
    if weights.path is None:
        return import_ultralytics().YOLO(f"{vendor_architecture(params.model.architecture)}.yaml")
    return open_weights(Path(weights.path), sha256=weights.sha256)


def _recovery(
    error: RuntimeError, run: Run, params: Params, *, batch_size: int, retries: Counter[int]
) -> Recovery:
    """Decide how to recover from an error, or raise it with an explanation."""
    after_epoch = use_newest_intact(run, LOG.warning, refused_checkpoint).epoch or 0
    lost = not_finite_epoch(error)
    if lost is not None and retries[lost] < _RETRIES:
        retries[lost] += 1
        return Recovery(after_epoch=after_epoch, reason="not finite", batch_size=batch_size)
    processes = params.training.processes
    each = batch_size // processes // 2
    if is_out_of_memory(error) and each > 0:
        return Recovery(
            after_epoch=after_epoch, reason="out of memory", batch_size=each * processes
        )
    raise _user_error(error, run) from error


@hide_secrets(but=NETWORK)
def _download(vendor_name: str, path: Path) -> None:
    """Download the published weights, and keep them only if their sha256 is the known one."""
    import_ultralytics()
    from ultralytics.utils.downloads import attempt_download_asset

    way_on = (
        "put the file there by hand (https://github.com/ultralytics/assets/releases), name "
        "another with --set detection.model.weights=FILE, or start from random weights with "
        "--set detection.model.pretrained=false"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".download-{os.getpid()}") / path.name
    staged.parent.mkdir(exist_ok=True)
    try:
        attempt_download_asset(staged.resolve())
        expected = _OFFICIAL.get(vendor_name)
        found = hashlib.sha256(staged.read_bytes()).hexdigest()
        if expected is not None and found != expected:
            raise WeightsError(
                f"the downloaded {path.name} is damaged: expected sha256 {expected}, found {found}",
                hint=f"try again, or {way_on}",
            )
        put_in_place(staged, path)
    except (OSError, RuntimeError) as error:  # its downloader raises ConnectionError and URLError
        raise WeightsError(
            f"no pretrained weights at {path}, and they cannot be downloaded: {error}",
            hint=way_on,
        ) from None
    finally:
        shutil.rmtree(staged.parent, ignore_errors=True)


@hide_secrets()
def _check_fits(path: Path, vendor_name: str) -> None:
    """Compare every layer with the architecture; only the class layers may differ."""
    try:
        found = open_weights(path).model
    except WeightsError as error:
        raise WeightsError(error.problem, hint=_other_weights(path, vendor_name)) from None
    shapes = {name: value.shape for name, value in found.state_dict().items()}
    own = import_ultralytics().YOLO(f"{vendor_name}.yaml", task="detect")
    expected = own.model.state_dict()
    differing = [
        name
        for name in expected.keys() | shapes.keys()
        if ".cv3." not in name
        and (name not in expected or name not in shapes or expected[name].shape != shapes[name])
    ]
    if differing:
        raise WeightsError(
            f"{path} is not a {vendor_name}: {len(differing)} of {len(expected)} tensors differ, "
            f"the first is {min(differing)}",
            hint="set detection.model.architecture to what the file holds, or name another file",
        )
    check_works(path, found)


def _other_weights(path: Path, vendor_name: str) -> str:
    """Return the hint for starting weights that cannot be opened."""
    random = "--set detection.model.pretrained=false"
    if path == PRETRAINED / f"{vendor_name}.pt":
        away = shlex.join(["mv", str(path), f"{path}.damaged"])
        return f"{away}: it is downloaded again; or start from random weights: {random}"
    return (
        "put a whole copy of that file there, name another with --set detection.model.weights=FILE,"
        f" or start from random weights: {random} --set detection.model.weights=null"
    )


def _user_error(error: RuntimeError, run: Run) -> Exception:
    """Explain an error that the user can correct; return any other one as it is."""
    text = str(error)
    disk_full = shutil.disk_usage(run.directory).free < 200 * 2**20
    if disk_full and any(sign in text.lower() for sign in ("write", "unexpected pos", "no space")):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run.directory))
    if is_out_of_memory(error):
        return RunError(
            f"out of memory with batch size 1: {text.splitlines()[0]}",
            hint="lower detection.training.image_size_px",
        )
    if not_finite_epoch(error) is not None:
        return RunError(
            f"{text}, also after {_RETRIES} retries with other pictures",
            hint="lower detection.training.learning_rate and train again",
        )
    if isinstance(error, WorkersError):
        return RunError(
            f"training on several GPUs failed: {text}",
            hint=f"{run.train_log} has the workers' output; a training on one GPU "
            "(--set detection.training.device=0) shows whether several GPUs are the cause",
        )
    return error
