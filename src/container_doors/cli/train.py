"""``doors train``."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from time import time

from container_doors import pipeline
from container_doors.adapters.distributions import installed_packages
from container_doors.adapters.follower import NoFollower
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.machine import describe_environment
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.cli import console
from container_doors.cli.output import say
from container_doors.cli.parser import CONFIG
from container_doors.cli.publish import fetch_published
from container_doors.cli.signing import signed_checkpoints
from container_doors.cli.upload import as_chosen, follower_for
from container_doors.core.config import Params, load_params, params_with
from container_doors.core.errors import ConfigError, ToBeContinued
from container_doors.core.ports import Progress, Stopping, World
from container_doors.core.records import Metadata
from container_doors.core.run import Run
from container_doors.steps.publish import is_published
from container_doors.steps.resume import remembered, run_to_resume, said_otherwise
from container_doors.steps.start import fetch_run
from container_doors.training.claim import is_finished
from container_doors.training.fetching import RunChoice
from container_doors.training.logbook import lead_to
from container_doors.training.stopping import Wishes

OUTPUT_LOG = Path("/kaggle/working/train_output.log")
"""Where the specification (8.2) looks at a training from another terminal."""


def train(arguments: argparse.Namespace) -> int:
    """Train, evaluate and publish; print what came out."""
    params, run = _asked(arguments)
    if arguments.unless_finished and is_finished(run):
        say(f"{run.name} is finished already ({run.directory})")
        return 0
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ and not arguments.alone:
        lead_to(run.train_log, OUTPUT_LOG)
    hours = arguments.max_hours
    wishes = Wishes(run.stop_request, deadline=None if hours is None else time() + hours * 3600)
    with console.progress() as progress, wishes.heeding_sigterm():
        try:
            metadata = pipeline.train(
                params if arguments.alone else as_chosen(params),
                run,
                world=real_world(params, progress, stopping=wishes, alone=arguments.alone),
                replace=arguments.replace,
                resume=arguments.resume or arguments.run is not None,
                choice=RunChoice(run=arguments.run, takes_over=arguments.take_over),
            )
        except ToBeContinued as wish:
            progress.say(f"to be continued: {wish}")
            progress.say("next: the same command again, here or on another machine")
            return 0
    say(*scores(metadata), *what_to_do_next(metadata, run))
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[Params, Run]:
    """Read what is to be trained; a run that is to go on knows it by itself."""
    if arguments.config is not CONFIG or not (arguments.resume or arguments.run):
        params = load_params(arguments.config, arguments.overrides)
        return params, Run(_or(arguments.experiment, params.wandb.name))
    if arguments.experiment is None:
        run = run_to_resume(load_params(CONFIG).wandb.name)
    else:
        run = Run(arguments.experiment)
    if arguments.run is not None or not run.has_record:
        _fetch(run, load_params(CONFIG), arguments)
    if not run.has_record:
        return load_params(CONFIG, arguments.overrides), run
    return _remembered(run, arguments.overrides), run


def _or(name: str | None, other: str) -> str:
    return other if name is None else name


def _fetch(run: Run, params: Params, arguments: argparse.Namespace) -> None:
    """Bring a run here that was begun on another machine: what was asked of it stands there."""
    with console.progress() as progress:
        stopping = Wishes(run.stop_request, deadline=None)
        world = real_world(params, progress, stopping=stopping, alone=arguments.alone)
        choice = RunChoice(run=arguments.run, takes_over=arguments.take_over)
        fetch_run(run, world=world, choice=choice)


def _remembered(run: Run, overrides: Sequence[str]) -> Params:
    """Read what a run was begun with; what params.yaml says by now is named, and passed over."""
    try:
        present = load_params(CONFIG)
    except ConfigError:  # it is not asked
        present = None
    own = remembered(run, present)
    otherwise = [] if present is None else said_otherwise(own, present)
    if otherwise:
        where = f"its own settings, whatever {CONFIG} says by now"
        say(f"going on with {run.name} with {where}: {', '.join(otherwise)}")
    return params_with(own, overrides, where=f"run.json of {run.name}, with --set,")


def real_world(
    params: Params, progress: Progress, *, stopping: Stopping, alone: bool = False
) -> World:
    """Choose the adapters; nothing heavy is imported until they are used.

    Args:
        params: Of the run.
        progress: For the person.
        stopping: Who may wish it to end.
        alone: Whether whoever started it shows it, and keeps its checkpoints.
    """
    publishes = params.checkpoints.publish and not alone
    return World(
        trainer=YoloTrainer(),
        stopping=stopping,
        load_detector=YoloDetector,
        follower=NoFollower() if alone else follower_for(params, progress),
        checkpoints=signed_checkpoints(params) if publishes else None,
        repository=GitRepository(Path.cwd()),
        progress=progress,
        environment=describe_environment(),
        installed=installed_packages,
        fetch_published=None if alone else fetch_published(progress),
    )


def scores(metadata: Metadata) -> list[str]:
    """Say what was measured."""
    return [
        f"{split} ({found.images} photographs, {found.doors} doors): "
        + "  ".join(f"{name} {value:.3f}" for name, value in found.ultralytics.items())
        for split, found in metadata.evaluation.splits.items()
    ]


def what_to_do_next(metadata: Metadata, run: Run) -> list[str]:
    """Name the next commands; what is not published has no version to push."""
    if is_published(metadata.run_id):
        return [
            f"next: doors version --experiment {run.name}",
            f"      doors summary --experiment {run.name}",
        ]
    return [f"next: doors summary --experiment {run.name}", "      doors runs"]
