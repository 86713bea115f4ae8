"""``doors sync``: fetch a model that was trained elsewhere, and check it."""

import argparse
from pathlib import Path

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.wandb.account import find_credentials
from container_doors.adapters.wandb.server import WandbServer
from container_doors.adapters.yolo.detector import load_door_detector
from container_doors.adapters.yolo.weights import check_door_weights
from container_doors.cli import checklist, console
from container_doors.cli.output import say, say_document
from container_doors.cli.signing import signature_policy
from container_doors.core.config import Data, load_params
from container_doors.core.errors import DoorsError
from container_doors.core.ports import Progress, TrackingServer
from container_doors.core.records import Check, Metadata
from container_doors.core.run import Run
from container_doors.steps.checklist import check_synced, check_weights_only
from container_doors.steps.release import is_released, release_model
from container_doors.steps.sync import sync_model, sync_weights

_FAILED = "failed"


def sync(arguments: argparse.Namespace) -> int:
    """Fetch the model, check it, print the checklist, and commit if asked to."""
    with console.progress(quiet=arguments.json) as progress:
        repository = GitRepository(Path.cwd())
        if arguments.outputs is not None:
            weights_checks = _sync_weights(arguments.outputs, repository, progress)
            if weights_checks is not None:
                return _say_weights(weights_checks, json=arguments.json)
        metadata = sync_model(
            arguments.outputs,
            store=DvcStore(Path.cwd(), progress=progress),
            repository=repository,
            progress=progress,
            policy=signature_policy(),
            try_weights=check_door_weights,
        )
        checks = _checks(metadata)
        is_good = all(check.is_ok is not False for check in checks)
        if is_good and arguments.commit:
            _release(metadata, repository, progress)
    if arguments.json:
        say_document(checklist.as_json(checks, failed=_FAILED, version=metadata.version))
    else:
        checklist.print_checks(checks, failed=_FAILED)
        released = is_released(metadata, repository)
        say(_outcome(metadata, is_good=is_good, is_released=released))
    return 0 if is_good else 1


def _sync_weights(
    outputs: Path, repository: GitRepository, progress: Progress
) -> list[Check] | None:
    store = DvcStore(Path.cwd(), progress=progress)
    weights = sync_weights(
        outputs,
        store=store,
        repository=repository,
        progress=progress,
        policy=signature_policy(),
        try_weights=check_door_weights,
    )
    if weights is None:
        return None
    return check_weights_only(
        weights, _dataset(), load_detector=load_door_detector, hardware=describe_machine("auto")
    )


def _say_weights(checks: list[Check], *, json: bool) -> int:
    """Print the checks of weights without metadata; there is no version to commit."""
    if json:
        say_document(checklist.as_json(checks, failed=_FAILED, version=None))
    else:
        checklist.print_checks(checks, failed=_FAILED)
        say("weights/detection/best.pt is here, but its version is not known: put "
            "metadata.json.dvc beside best.pt.dvc and run this again")  # fmt: skip
    return 0 if all(check.is_ok is not False for check in checks) else 1


def _checks(metadata: Metadata) -> list[Check]:
    return check_synced(
        metadata,
        _dataset(),
        load_detector=load_door_detector,
        hardware=describe_machine("auto"),
        server=_server(metadata),
    )


def _dataset() -> Path:
    params = Path("params.yaml")
    return Path((load_params(params, []).data if params.exists() else Data()).path)


def _server(metadata: Metadata) -> TrackingServer | str:
    """Return the tracking server, or the reason why it is not asked, which is not a failure."""
    try:
        if metadata.known_params.wandb.mode == "disabled":
            return "the run was not tracked (detection.wandb.mode)"
        return WandbServer(Run(metadata.experiment_name), find_credentials())
    except DoorsError as error:
        return f"{error.problem}: {error.hint}"


def _release(metadata: Metadata, repository: GitRepository, progress: Progress) -> None:
    commit = release_model(metadata, repository)
    what = f"committed {commit[:12]}" if commit else "committed already"
    progress.say(f"{what}, tagged {metadata.git_tag}; next: git push --follow-tags")


def _outcome(metadata: Metadata, *, is_good: bool, is_released: bool) -> str:
    if not is_good:
        return f"{metadata.version} is here, but some checks failed"
    if is_released:
        return f"{metadata.version} is here, committed and tagged"
    return f"{metadata.version} is here; doors sync --commit commits its pointers and tags them"
