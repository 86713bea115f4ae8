"""``doors publish``: publish the model of any finished run, or an earlier version."""

import argparse
from collections.abc import Callable
from pathlib import Path

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import load_door_detector
from container_doors.adapters.yolo.weights import check_door_weights
from container_doors.cli import console
from container_doors.cli.output import say
from container_doors.cli.signing import signature_policy
from container_doors.cli.storage import uncommitted_configuration
from container_doors.core.errors import ConfigError, NoRunError
from container_doors.core.ports import Detector, Progress
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.publishing.names import versions_of_experiment
from container_doors.reporting.which_run import named_or_only
from container_doors.steps.publish import publish_run
from container_doors.steps.published import Outside, published_if_readable
from container_doors.steps.restore import released_versions, restore_version
from container_doors.steps.sync import pointers_here, put_in_place


def publish(arguments: argparse.Namespace) -> int:
    """Publish the model and print the next step; refuse a worse one unless asked to."""
    if arguments.version is not None:
        return _publish_version(arguments)
    name = arguments.name
    run = named_or_only(None, "publish") if name is None else Run.named(name)
    with console.progress() as progress:
        _, outcome = publish_run(run, anyway=arguments.anyway, outside=real_outside(progress))
    say(outcome, f"next: doors version --experiment {run.label}")
    return 0


def real_outside(progress: Progress) -> Outside:
    """Return the real dependencies; nothing heavy is imported until a model is loaded."""
    return Outside(GitRepository(Path.cwd()), _load, progress, fetch_published(progress))


def fetch_published(progress: Progress) -> Callable[[], object]:
    """Return a function that fetches the published model when only its pointers are here."""

    def fetch() -> None:
        store = DvcStore(Path.cwd(), progress=progress)
        put_in_place(
            pointers_here(),
            "HEAD",
            store=store,
            policy=signature_policy(),
            try_weights=check_door_weights,
            progress=progress,
        )

    return fetch


def _publish_version(arguments: argparse.Namespace) -> int:
    if arguments.anyway:
        raise ConfigError(
            "--anyway is for a run, but --version names a version",
            hint="leave --anyway out",
        )
    with console.progress() as progress:
        metadata = restore_version(
            arguments.version,
            store=DvcStore(Path.cwd(), progress=progress),
            repository=GitRepository(Path.cwd()),
            policy=signature_policy(),
            try_weights=check_door_weights,
            progress=progress,
        )
    added = [PUBLISHED, *uncommitted_configuration()]
    say(f"published {metadata.version} in {PUBLISHED}; next, to share it:")
    if GitRepository(Path.cwd()).uncommitted([*added, REPORTS]):
        say(
            f"  git add {' '.join(map(str, added))} {REPORTS}/",
            f'  git commit -m "Back to {metadata.version}"',
        )
    say("  git push, and elsewhere: doors sync")
    return 0


def with_version(error: NoRunError) -> NoRunError:
    """Return the error with the command that publishes a version of the missing run.

    The run is on the machine that trained it, but its model is in the storage.
    """
    known = released_versions(GitRepository(Path.cwd()))
    versions = versions_of_experiment(error.run_name, known)
    if not versions:
        return error
    published = published_if_readable()
    if published is not None and published.version in versions:
        hint = (
            f"its version {published.version} is published, but its run is on the machine that "
            "trained it: doors verify --re-evaluate measures the published model"
        )
    else:
        hint = f"a version of it is in the storage: doors publish --version {versions[0]}"
    return NoRunError(error.problem, hint=hint, run_name=error.run_name)


def _load(weights: Path, image_size_px: int) -> Detector:
    return load_door_detector(
        weights, image_size_px=image_size_px, hardware=describe_machine("auto")
    )
