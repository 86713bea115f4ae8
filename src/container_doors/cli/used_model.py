"""Opens the model that a command uses, and says which one it is."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager

from container_doors.adapters.networks import RUNTIMES
from container_doors.cli.options.shared import CONFIG
from container_doors.cli.output import complain
from container_doors.core.config import QualityLimits, load_params
from container_doors.core.run import PUBLISHED
from container_doors.publishing.model_file import describe_threshold
from container_doors.steps.open_model import OpenedModel, open_model, published_folder


def open_used(arguments: argparse.Namespace) -> OpenedModel:
    """Open the model that the options of ``add_used_model`` name."""
    with _patient_threads():
        return open_model(
            published_folder(arguments.version)
            if arguments.version
            else arguments.weights or PUBLISHED,
            networks=RUNTIMES,
            backend=arguments.backend,
            conf=arguments.conf,
            max_detections=arguments.max_det,
            device=arguments.device,
        )


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
