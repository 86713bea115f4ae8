"""Opens the model that a command uses, and says which one it is."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from container_doors.adapters.networks import RUNTIMES
from container_doors.cli.options.shared import CONFIG
from container_doors.cli.output import complain
from container_doors.core.config import QualityLimits, load_params
from container_doors.core.run import PUBLISHED
from container_doors.prediction.exports import PYTORCH
from container_doors.publishing.model_file import describe_threshold
from container_doors.steps.open_model import (
    AUTO,
    OpenedModel,
    open_model,
    published_folder,
)


def open_used(arguments: argparse.Namespace) -> OpenedModel:
    """Open the model that the options of ``add_used_model`` name."""
    with _patient_threads():
        return UsedOptions.of(arguments).open()


@dataclass(frozen=True, slots=True)
class UsedOptions:
    """The options of ``add_used_model``, which can be sent to another machine."""

    where: Path | str
    backend: str
    conf: float | None
    max_detections: int | None
    device: str

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "UsedOptions":
        """Take them from what was typed."""
        return cls(
            published_folder(arguments.version)
            if arguments.version
            else arguments.weights or PUBLISHED,
            arguments.backend,
            arguments.conf,
            arguments.max_det,
            arguments.device,
        )

    def open(self) -> OpenedModel:
        """Open the model."""
        return open_model(
            self.where,
            networks=RUNTIMES,
            backend=self.backend,
            conf=self.conf,
            max_detections=self.max_detections,
            device=self.device,
        )

    def elsewhere(self) -> "UsedOptions":
        """Return the options for a worker, which has one processor, or the GPU that it was given.

        A version is that of the published folder here. Without ``--device`` it is the processor.
        """
        where = PUBLISHED if isinstance(self.where, str) else self.where
        device = "cpu" if self.device == AUTO else self.device if self.is_on_processor else "cuda"
        return replace(self, where=where.absolute(), device=device)

    def here(self) -> "UsedOptions":
        """Return the options that open the same model on this machine, which may have no GPU."""
        backend = self.backend if self.is_on_processor or self.backend != AUTO else PYTORCH
        return replace(self, backend=backend, device="cpu")

    @property
    def is_on_processor(self) -> bool:
        """Whether no GPU is asked for."""
        return self.device in {AUTO, "cpu"}


def quality_limits() -> QualityLimits:
    """Read the limits of this workspace's params; elsewhere they are the defaults."""
    return load_params(CONFIG).quality if CONFIG.exists() else QualityLimits()


def say_used(opened: OpenedModel, arguments: argparse.Namespace) -> None:
    """Say which model is used, and how, on standard error."""
    used = opened.used
    name = used.version or "weights of no version"
    if arguments.conf is not None:
        threshold = f"{used.conf_threshold:.4g} (--conf)"
    elif opened.model is not None:
        threshold = describe_threshold(opened.model.conf_threshold)
    else:
        threshold = f"{used.conf_threshold:.4g} (the usual one: no model.json beside the weights)"
    complain(
        f"{name} ({used.weights_sha256[:12]}), threshold {threshold}, {used.backend} on "
        f"{opened.network.device}",
        *(f"not used: {one}" for one in opened.passed_over),
    )


@contextmanager
def _patient_threads() -> Iterator[None]:
    """Let PyTorch's threads sleep while they wait, and not keep a processor from the decoder.

    OpenMP reads this when PyTorch is imported. With a second program on two cores, a photograph
    takes 0.5 s of processor time instead of 2.8 s; the boxes are the same.
    """
    name = "OMP_WAIT_POLICY"
    if name in os.environ:
        yield
        return
    os.environ[name] = "PASSIVE"
    try:
        yield
    finally:
        del os.environ[name]
