"""``doors verify``: check that the model and its inputs have not changed."""

import argparse
from pathlib import Path

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.cli import checklist, console
from container_doors.cli.output import say_document
from container_doors.cli.signing import signature_policy
from container_doors.core.config import Params, load_params
from container_doors.core.ports import Progress
from container_doors.core.records import Check, Metadata
from container_doors.steps.verify import check_signature, measure_again, verify_model

_DIFFERS = "differs"


def verify(arguments: argparse.Namespace) -> int:
    """Print one line for each link of the chain, and every mismatch."""
    params = load_params(arguments.config, arguments.overrides)
    with console.progress(quiet=arguments.json) as progress:
        metadata, checks = verify_model(
            arguments.name,
            params,
            store=DvcStore(Path.cwd(), progress=progress),
            repository=GitRepository(Path.cwd()),
            progress=progress,
            fetch_data=arguments.data,
        )
        checks.append(signature := check_signature(signature_policy(params)))
        if arguments.re_evaluate and metadata is not None:
            checks.append(_measure_again(metadata, signature, params, progress))
    if arguments.json:
        version = metadata.version if metadata else None
        say_document(checklist.as_json(checks, failed=_DIFFERS, version=version))
    else:
        checklist.print_checks(checks, failed=_DIFFERS)
    return checklist.exit_code(checks)


def _measure_again(
    metadata: Metadata, signature: Check, params: Params, progress: Progress
) -> Check:
    if not signature.is_ok:
        return Check("figures", "", not_checked="the model is not signed as required")
    return measure_again(
        metadata,
        Path(params.data.path),
        load_detector=YoloDetector,
        hardware=describe_machine(params.training.device),
        progress=progress,
    )
