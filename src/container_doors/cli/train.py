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
from container_doors.cli.options.shared import CONFIG
from container_doors.cli.output import say
from container_doors.cli.publish import fetch_published
from container_doors.cli.signing import signed_checkpoints
from container_doors.cli.upload import follower_for, with_chosen_mode
from container_doors.core.config import Params, load_params, params_with
from container_doors.core.errors import ConfigError, ToBeContinued
from container_doors.core.ports import Progress, Stopping, World
from container_doors.core.records import Metadata, OperatingPoint
from container_doors.core.run import Run
from container_doors.reporting.figures import count
from container_doors.steps.published import is_published
from container_doors.steps.resume import differing_settings, run_to_resume, stored_params
from container_doors.steps.start import fetch_run
from container_doors.training.claim import is_finished
from container_doors.training.fetching import RunChoice
from container_doors.training.floors import StopBelowFloor, below_floor
from container_doors.training.history import read_epochs
from container_doors.training.logbook import link_log
from container_doors.training.stopping import StopRequests

OUTPUT_LOG = Path("/kaggle/working/train_output.log")
"""Where the specification (8.2) reads the log from another terminal."""


def train(arguments: argparse.Namespace) -> int:
    """Train, evaluate and publish; print the results."""
    params, run = _read_request(arguments)
    if arguments.unless_finished and is_finished(run):
        say(f"{run.name} is finished already ({run.directory})")
        return 0
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ and not arguments.alone:
        link_log(run.train_log, OUTPUT_LOG)
    hours = arguments.max_hours
    stop_requests = StopRequests(
        run.stop_request, deadline=None if hours is None else time() + hours * 3600
    )
    floors = dict(arguments.floors)
    stopping = StopBelowFloor(stop_requests, run.metrics_jsonl, floors)
    with console.progress() as progress, stop_requests.handling_sigterm():
        try:
            metadata = pipeline.train(
                params if arguments.alone else with_chosen_mode(params),
                run,
                world=real_world(params, progress, stopping=stopping, alone=arguments.alone),
                replace=arguments.replace,
                resume=arguments.resume or arguments.run is not None,
                choice=RunChoice(run=arguments.run, takes_over=arguments.take_over),
            )
        except ToBeContinued as reason:
            pruned = below_floor(read_epochs(run.metrics_jsonl), floors)
            if pruned is not None:
                progress.say(f"stopped for good: {pruned}")
                return 0
            progress.say(f"to be continued: {reason}")
            progress.say("next: the same command again, here or on another machine")
            return 0
    say(*scores(metadata), *what_to_do_next(metadata, run))
    return 0


def _read_request(arguments: argparse.Namespace) -> tuple[Params, Run]:
    """Return the params and the run; a resumed run has its own params."""
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
    return _stored_params(run, arguments.overrides), run


def _or(name: str | None, other: str) -> str:
    return other if name is None else name


def _fetch(run: Run, params: Params, arguments: argparse.Namespace) -> None:
    """Fetch a run that was started on another machine, with its params."""
    with console.progress() as progress:
        stopping = StopRequests(run.stop_request, deadline=None)
        world = real_world(params, progress, stopping=stopping, alone=arguments.alone)
        choice = RunChoice(run=arguments.run, takes_over=arguments.take_over)
        fetch_run(run, world=world, choice=choice)


def _stored_params(run: Run, overrides: Sequence[str]) -> Params:
    """Return the params of a run; report the settings in params.yaml that are not used."""
    try:
        present = load_params(CONFIG)
    except ConfigError:  # it is not needed
        present = None
    own = stored_params(run, present)
    differing = [] if present is None else differing_settings(own, present)
    if differing:
        where = f"its own settings, not those that {CONFIG} has now"
        say(f"resuming {run.name} with {where}: {', '.join(differing)}")
    return params_with(own, overrides, where=f"run.json of {run.name}, with --set,")


def real_world(
    params: Params, progress: Progress, *, stopping: Stopping, alone: bool = False
) -> World:
    """Return the adapters; large packages are imported only when they are used.

    Args:
        params: The params of the run.
        progress: Receives messages for the person.
        stopping: May request an early stop.
        alone: Whether the program that started this one does the tracking and the uploads.
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
    """Return the scores as lines for a person: mAP, and the rest as the model will be used."""
    return [
        f"{split} ({count(found.images, 'photograph')}, {count(found.doors, 'door')}): "
        + "".join(
            f"{name} {found.ultralytics[name]:.3f}, "
            for name in ("mAP50", "mAP50-95")
            if name in found.ultralytics
        )
        + _in_use(found.operating_point)
        for split, found in metadata.evaluation.splits.items()
    ]


def _in_use(point: OperatingPoint) -> str:
    ratios = {"precision": point.precision, "recall": point.recall}
    measured = [f"{name} {value:.3f}, " for name, value in ratios.items() if value is not None]
    alarms = count(point.false_positives, "false alarm")
    return f"at a confidence of {point.conf_threshold:g}: {''.join(measured)}{alarms}"


def what_to_do_next(metadata: Metadata, run: Run) -> list[str]:
    """Return the next commands; without publication there is no version to push."""
    if is_published(metadata.run_id):
        return [
            f"next: doors version --experiment {run.name}",
            f"      doors summary --experiment {run.name}",
        ]
    return [f"next: doors summary --experiment {run.name}", "      doors runs"]
