"""``doors evaluate``, and what all commands that measure a run again have in common."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.machine import describe_machine
from container_doors.adapters.yolo.detector import YoloDetector
from container_doors.cli import console
from container_doors.cli.output import complain, say, say_document
from container_doors.core.config import Params
from container_doors.core.measurements import (
    Assessment,
    Estimate,
    Slice,
    TargetCheck,
    format_fraction,
)
from container_doors.core.ports import Detector
from container_doors.core.run import TEST_USES, Run
from container_doors.evaluation.scores import AT_BEST_F1, IN_USE
from container_doors.evaluation.targets import parse_target
from container_doors.reporting.figures import count
from container_doors.reporting.which_run import named_or_only
from container_doors.steps.detections import Part, document_with, is_kept
from container_doors.steps.evaluate import evaluate_split, restore_test_uses

FAULTS = 1


def evaluate(arguments: argparse.Namespace) -> int:
    """Print every score with its interval; an operating target that is not met is a fault."""
    target = None if arguments.target is None else parse_target(arguments.target)
    run = named_or_only(arguments.experiment, "evaluate --experiment")
    warn_of_lost_uses()
    with console.progress(quiet=arguments.json) as progress:
        found = evaluate_split(
            run, arguments.split, target=target, open_detector=open_detector, progress=progress
        )
    say_measured(run, found, _lines(run, found), as_json=arguments.json)
    return 0 if found.promise is None or found.promise.verdict == "met" else FAULTS


def say_measured(run: Run, part: Part, lines: Sequence[str], *, as_json: bool) -> None:
    """Print ``evaluation.json`` with the new measurement; or lines, and the file if it is there."""
    if as_json:
        say_document(json.loads(document_with(run, part).to_json()))
        return
    say(*lines, *([f"wrote {run.evaluation}"] if is_kept(run, part) else []))


def warn_of_lost_uses() -> None:
    """Restore lost lines of the record of test set uses from the last commit, and warn of them."""
    for line in restore_test_uses(GitRepository(Path.cwd())):
        complain(f"warning: {line}")


def open_detector(weights: Path, params: Params) -> Detector:
    """Open weights on the device that their params ask for."""
    return YoloDetector(
        weights,
        image_size_px=params.training.image_size_px,
        hardware=describe_machine(params.training.device),
    )


def _lines(run: Run, found: Assessment) -> list[str]:
    scenes = "" if found.scenes is None else f" of {count(found.scenes, 'scene')}"
    return [
        f"{run.label} on {found.split}: {count(found.photographs, 'photograph')}{scenes}, "
        f"{count(found.doors, 'door')}, {found.background_images} without a door",
        *(f"NOTE: {one}" for one in found.changed),
        *(_score(name, score, found) for name, score in found.scores.items()),
        *(f"  {name:10} undefined: {why}" for name, why in found.undefined.items()),
        *_alarms(found),
        *_operating_target(run, found),
        *_error_kinds(found),
        *_slices(found),
        *_test_uses(found),
    ]


def _slice(part: Slice) -> str:
    name = f"{part.attribute}: {part.value}"
    return f"  {name:50} {part.scores['recall']}  {part.verdict.split(',')[0]}"


def _slices(found: Assessment) -> list[str]:
    parts = [one for one in found.slices if one.doors]
    if not parts:
        return []
    target = format_fraction(found.recall_target)
    return [f"recall of each slice, compared with {target}:", *map(_slice, parts)]


def _test_uses(found: Assessment) -> list[str]:
    if found.looks is None:
        return []
    return [f"uses of this test set, with this one: {found.looks}; the list: {TEST_USES}"]


def _score(name: str, score: Estimate, found: Assessment) -> str:
    at = _in_use(found) if name in IN_USE else ", at the best F1" if name in AT_BEST_F1 else ""
    return f"  {name:10} {score}{at}"


def _in_use(found: Assessment) -> str:
    return f", at a confidence of {found.conf_threshold:.4g}"


def _alarms(found: Assessment) -> list[str]:
    return [
        f"  false alarms per photograph without a door: {one.per_photograph}{_in_use(found)}"
        for one in found.false_alarms
        if one.conf_threshold == found.conf_threshold
    ]


def _error_kinds(found: Assessment) -> list[str]:
    if not found.error_kinds:
        return []
    return [
        "what AP50 would gain without each kind of error, over all confidences, also those below "
        "the threshold:",
        *(f"  {one.kind:12} {one.count:4}  {one}" for one in found.error_kinds),
    ]


def _operating_target(run: Run, found: Assessment) -> list[str]:
    check = found.promise
    if check is None:
        return []
    return [
        f"  {check.promise}: {check.verdict}, at a confidence of {check.conf_threshold:.4f}",
        f"    {f'chosen on {check.chosen_split}:':15} {check.chosen_on}",
        f"    checked on {found.split}: {check.checked_on}",
        f"    cost: {_cost(check)}",
        f"  doors publish {run.label} puts this threshold beside the weights, where it is used",
    ]


def _cost(check: TargetCheck) -> str:
    if check.price is None:
        return "not known: there are no photographs to measure it on"
    of = "recall" if check.price.of == "doors" else "false alarms per photograph without a door"
    return f"{of} {check.price}"
