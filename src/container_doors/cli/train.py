"""``doors train``."""

import argparse
from pathlib import Path

from container_doors import pipeline
from container_doors.adapters.git_repository import GitRepository
from container_doors.adapters.machine import describe_environment
from container_doors.adapters.yolo_detector import YoloDetector
from container_doors.adapters.yolo_trainer import YoloTrainer
from container_doors.cli import console
from container_doors.cli.upload import follower_for
from container_doors.config import Params, load_params
from container_doors.ports import Progress, World
from container_doors.records import Metadata
from container_doors.run import PUBLISHED, Run


def train(arguments: argparse.Namespace) -> int:
    """Train, evaluate and publish; print what came out."""
    params = load_params(arguments.config, arguments.overrides)
    run = Run(params.wandb.name if arguments.experiment is None else arguments.experiment)
    with console.progress() as progress:
        metadata = pipeline.train(
            params,
            run,
            world=real_world(params, progress),
            replace=arguments.replace,
            resume=arguments.resume,
        )
    print("\n".join(outcome(metadata, run)))
    return 0


def real_world(params: Params, progress: Progress) -> World:
    """Choose the adapters; nothing heavy is imported until they are used."""
    return World(
        trainer=YoloTrainer(),
        load_detector=YoloDetector,
        follower=follower_for(params, progress),
        repository=GitRepository(Path.cwd()),
        progress=progress,
        environment=describe_environment(),
    )


def outcome(metadata: Metadata, run: Run) -> list[str]:
    """Say what was measured, where the model is, and what to do next."""
    lines = [
        f"{split}: " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
        for split, scores in _by_split(metadata)
    ]
    return [
        *lines,
        f"published {metadata.version} in {PUBLISHED}",
        f"next: doors version --experiment {run.name}",
        f"      doors summary --experiment {run.name}",
    ]


def _by_split(metadata: Metadata) -> list[tuple[str, dict[str, float]]]:
    splits = metadata.evaluation.splits
    return [
        (f"{split} ({scores.images} photographs, {scores.doors} doors)", scores.ultralytics)
        for split, scores in splits.items()
    ]
