"""``doors data review``: labels in doubt as a page, and decisions that are applied."""

import argparse
import shlex
from pathlib import Path

from container_doors.cli import console
from container_doors.cli.data_import import dataset_folder
from container_doors.cli.data_prelabel import open_published_detector, say_left_out
from container_doors.cli.output import say, say_document, shown
from container_doors.core.errors import ConfigError
from container_doors.core.printable import shortened
from container_doors.reporting.review_page import DECISIONS_NAME
from container_doors.steps.data.review import (
    AppliedReport,
    ReviewOptions,
    ReviewReport,
    apply_review,
    review_labels,
)

PAGE = Path("label_review.html")
_MOST_SHOWN = 20


def review(arguments: argparse.Namespace) -> int:
    """Write the page, or apply decisions; exit 1 if photographs cannot be read."""
    if arguments.apply is not None:
        return _apply(arguments)
    if arguments.dry_run:
        raise ConfigError(
            "--dry-run is for --apply; without it no label is changed",
            hint="leave --dry-run out, or name the decisions: --apply FILE",
        )
    dataset = dataset_folder(arguments.path)
    output: Path = arguments.out or PAGE
    with console.progress(quiet=arguments.json) as progress:
        report = review_labels(
            dataset,
            output,
            ReviewOptions(_apply_command(dataset), arguments.predictions, arguments.most),
            open_detector=open_published_detector,
            progress=progress,
        )
    if arguments.json:
        say_document(_document(report, output))
    else:
        _print(report, output, dataset)
    return 1 if report.problems else 0


def _apply_command(dataset: Path) -> str:
    return f"doors data review --path {shlex.quote(shown(dataset))} --apply {DECISIONS_NAME}"


def _document(report: ReviewReport, output: Path) -> dict[str, object]:
    return {
        "schema_version": 1,
        "page": shown(output),
        "photographs": report.photographs,
        "not_predicted": report.not_predicted,
        "kinds": dict(report.kinds),
        "shown": report.shown,
        "doubts": [
            {
                "image": shown(one.image),
                "kind": one.kind,
                "score": one.score,
                "confidence": one.confidence,
                "box_xyxy": one.box,
                "proposed_xyxy": one.proposed,
            }
            for one in report.doubts
        ],
        "notes": [shown(one) for one in report.notes],
        "problems": [shown(one) for one in report.problems],
    }


def _print(report: ReviewReport, output: Path, dataset: Path) -> None:
    say_left_out(report.problems)
    say(*report.notes)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds.items()))
    say(f"{report.photographs} photograph(s), {len(report.doubts)} doubt(s): {kinds or 'none'}")
    if not report.doubts:
        say(f"{output} has nothing to decide")
        return
    say(f"{output} shows the {report.shown} strongest; decide there, save, and:")
    say(f"  doors data review --path {shlex.quote(str(dataset))} --apply {DECISIONS_NAME}")


def _apply(arguments: argparse.Namespace) -> int:
    if arguments.predictions or arguments.out:
        raise ConfigError(
            "--apply changes labels; --predictions and --out are for the page",
            hint="leave them out",
        )
    dataset = dataset_folder(arguments.path)
    report = apply_review(arguments.apply, dataset, is_dry_run=arguments.dry_run)
    if arguments.json:
        say_document({
            "schema_version": 1,
            "dry_run": arguments.dry_run,
            "changes": [
                {
                    "label": shown(one.path),
                    "added": one.added,
                    "changed": one.changed,
                    "removed": one.removed,
                }
                for one in report.changes
            ],
            "rejected": report.rejected,
            "undecided": report.undecided,
            "notes": [{"image": shown(image), "note": shown(note)} for image, note in report.notes],
            "backup": None if report.backup is None else shown(report.backup),
        })  # fmt: skip
    else:
        _print_applied(report, dataset, is_dry_run=arguments.dry_run)
    return 0


def _print_applied(report: AppliedReport, dataset: Path, *, is_dry_run: bool) -> None:
    for one in report.changes:
        say(f"{one.path}: {one.added} added, {one.changed} changed, {one.removed} removed")
    for image, note in report.notes[:_MOST_SHOWN]:
        say(f"note on {image}: {shortened(note)}")
    if len(report.notes) > _MOST_SHOWN:
        say(f"and {len(report.notes) - _MOST_SHOWN} more notes")
    say(
        f"{'would change' if is_dry_run else 'changed'} {len(report.changes)} label file(s); "
        f"{report.rejected} rejected, {report.undecided} undecided"
    )
    if report.backup is not None:
        say(f"as they were: {report.backup}")
        say(f"next: doors data validate --path {shlex.quote(str(dataset))}")
