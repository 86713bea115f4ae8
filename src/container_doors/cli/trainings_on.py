"""Chooses where many runs are trained, by ``--on``."""

import argparse

from container_doors.cli.options.trainings import SESSION_H
from container_doors.cli.ray_trainings import RayTrainings
from container_doors.cli.trainings import LocalTrainings
from container_doors.core.config import Params
from container_doors.core.errors import ConfigError
from container_doors.core.ports import Progress, Stopping, Trainings


def trainings_on(
    arguments: argparse.Namespace, params: Params, progress: Progress, *, stopping: Stopping
) -> Trainings:
    """Return what trains many runs there.

    Args:
        arguments: With those of :func:`cli.options.trainings.add_place`.
        params: Say which of the GPUs here may be used.
        progress: Receives messages.
        stopping: May ask a training here for a stop.
    """
    if arguments.on == "local":
        return LocalTrainings(params, progress, stopping=stopping)
    if arguments.on == "ray":
        return RayTrainings(params, progress, stopping=stopping)
    from container_doors.cli.kaggle_trainings import KaggleTrainings  # it takes a second

    return KaggleTrainings(
        progress,
        hours=SESSION_H if arguments.hours is None else arguments.hours,
        with_changes=arguments.dirty,
    )


def is_agreed(arguments: argparse.Namespace) -> bool:
    """Ask, before anything else, whether jobs may be sent; but for Kaggle, nothing is asked.

    Raises:
        ConfigError: If an option of Kaggle's is given for another place.
    """
    if arguments.on != "kaggle":
        given = {"--hours": arguments.hours is not None, "--dirty": arguments.dirty}
        for option in (name for name, is_given in given.items() if is_given):
            raise ConfigError(
                f"{option} would be ignored with --on {arguments.on}",
                hint="leave it out: it is for --on kaggle",
            )
        return True
    from container_doors.cli.kaggle import agreed

    return agreed("send jobs of two trainings each to Kaggle, until all are trained?",
                  yes=arguments.yes)  # fmt: skip
