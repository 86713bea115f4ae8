"""``doors data``: draw a data set, check it, pack it, fetch it."""

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from rich.table import Table

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.ray.workers import RayWorkers
from container_doors.cli import console
from container_doors.cli.output import complain, say, say_document, shown
from container_doors.cli.storage import uncommitted_configuration
from container_doors.core.config import Data, load_params
from container_doors.core.printable import printable
from container_doors.core.records import Finding
from container_doors.data.attributes import ATTRIBUTES_CSV
from container_doors.data.checks import Report
from container_doors.data.contact_sheet import check_sheet_name
from container_doors.data.leaks import COPY, SCENE
from container_doors.reporting.figures import count
from container_doors.steps.data.pack import pack_data
from container_doors.steps.data.pull import pull_data
from container_doors.steps.data.sample import draw_samples
from container_doors.steps.data.validate import check_data, draw_pairs

_MOST_PAIRS = 30
"""Near-duplicates within a split that are printed."""


def sample(arguments: argparse.Namespace) -> int:
    """Draw a data set and print its path."""
    counts = {split: getattr(arguments, split) for split in ("train", "val", "test")}
    with console.progress() as progress:
        draw_samples(
            arguments.out,
            counts=counts,
            seed=arguments.seed,
            progress=progress,
            is_plain=arguments.plain,
        )
    say(f"drew {sum(counts.values())} pictures into {arguments.out}")
    say(f"next: doors data validate --path {arguments.out}")
    return 0


def validate(arguments: argparse.Namespace) -> int:
    """Print every finding, then a table; exit 1 if one of them is an error."""
    if arguments.sheet is not None:
        check_sheet_name(arguments.sheet)
    with console.progress(quiet=arguments.json) as progress:
        workers = RayWorkers(say=progress.say) if arguments.on else None
        minimums = _minimums(arguments)
        report = check_data(arguments.path, minimums, progress=progress, workers=workers)
    document = _document(arguments, report)
    if arguments.report is not None:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if arguments.json:
        say_document(document)
    else:
        _print_findings(report, arguments.path)
        _print_table(report)
    if arguments.sheet is not None:
        _draw_sheet(report, arguments.sheet, quiet=arguments.json)
    return 1 if report.errors else 0


def pack(arguments: argparse.Namespace) -> int:
    """Write and push the archives, and print the git commands that remain."""
    with console.progress() as progress:
        store = DvcStore(Path.cwd(), progress=progress)
        pointers = pack_data(arguments.path, store=store, progress=progress)
    folders = dict.fromkeys(pointer.parent for pointer in pointers)
    ignored = [folder / ".gitignore" for folder in folders]
    files = [*pointers, *ignored, *uncommitted_configuration()]
    say("pushed; next:")
    say(f"  git add {' '.join(shlex.quote(str(file)) for file in files)}")
    say("  git commit, and elsewhere: git pull && doors data pull")
    return 0


def pull(arguments: argparse.Namespace) -> int:
    """Fetch the data set, and print in which form it was fetched."""
    with console.progress() as progress:
        store = DvcStore(Path.cwd(), progress=progress)
        form = pull_data(arguments.path, store=store, progress=progress, force=arguments.force)
    say(f"{arguments.path} is here, fetched as {form}")
    return 0


def _minimums(arguments: argparse.Namespace) -> Data:
    """Read the minimums from the configuration; the defaults if there is none."""
    if not arguments.overrides and not arguments.config.exists():
        return Data()
    return load_params(arguments.config, arguments.overrides).data


def _document(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "path": shown(arguments.path),
        "errors": len(report.errors),
        "warnings": len(report.warnings),
        "splits": {name: counts.model_dump() for name, counts in report.splits.items()},
        "scenes": report.scenes,
        "photographs_in_scenes": report.in_scenes,
        "findings": [
            {
                "severity": finding.severity,
                "rule": finding.rule,
                "path": str(finding.path),
                "line": finding.line,
                "expected": finding.expected,
                "found": finding.found,
                "remedy": finding.remedy,
                "dropped_by_ultralytics": finding.dropped,
                "other": None if finding.other is None else str(finding.other),
            }
            for finding in report.findings
        ],
    }


def _draw_sheet(report: Report, path: Path, *, quiet: bool) -> None:
    drawn, total = draw_pairs(report, path)
    line = (
        f"{drawn} of {total} pair(s) of photographs are shown in {path}"
        if drawn
        else f"no pair of photographs to show: {path} is not written"
    )
    (complain if quiet else say)(line)


def _print_findings(report: Report, folder: Path) -> None:
    findings, more = _without_most_pairs(report)
    for finding in findings:
        place = f"{folder / finding.path}:{finding.line}" if finding.line else folder / finding.path
        say(
            f"{place}: {finding.severity}: expected {finding.expected}, found {finding.found}; "
            f"{finding.remedy}"
        )
    if more:
        say(f"{more} more pairs like these within a split; --json lists them all")
    if report.dropped:
        say("", "Ultralytics would leave these out of training without stopping:")
        for path in report.dropped:
            say(f"  {path}")


def _scenes(report: Report) -> str:
    """Say what is known of scenes, which splits keep together and intervals count."""
    images = sum(counts.images for counts in report.splits.values())
    if report.scenes:
        known = f"{count(report.in_scenes, 'photograph')} of {images}"
        alone = "; each other counts as its own" if report.in_scenes < images else ""
        return f"scenes: {known} in {count(report.scenes, 'group')} of {ATTRIBUTES_CSV}{alone}"
    return (
        f"scenes: none known, so each photograph counts as independent; if some show one place or "
        f"truck, give them one group in {ATTRIBUTES_CSV} (doors data split --group-by HOW does)"
    )


def _without_most_pairs(report: Report) -> tuple[list[Finding], int]:
    """Leave out most pairs within a split: a burst of thirty frames has hundreds of them."""
    pairs = [one for one in report.findings if one.rule in {COPY, SCENE}]
    left_out = set(map(id, pairs[_MOST_PAIRS:]))
    return [one for one in report.findings if id(one) not in left_out], len(left_out)


def _print_table(report: Report) -> None:
    table = Table(title=None)
    table.add_column("split")
    for column in ("photographs", "doors", "without a door", "errors", "warnings"):
        table.add_column(column, justify="right")
    for name, counts in report.splits.items():
        findings = [finding for finding in report.findings if name in finding.path.parts]
        severities = [finding.severity for finding in findings]
        table.add_row(
            printable(name),
            str(counts.images),
            str(counts.doors),
            str(counts.background_images),
            str(severities.count("error")),
            str(severities.count("warning")),
        )
    console.rich_console().print(table)
    if report.layout is not None:
        say(_scenes(report))
    errors, warnings = len(report.errors), len(report.warnings)
    say(
        f"{errors} error(s), {warnings} warning(s): "
        + ("not fit" if errors else "fit")
        + " to train on"
    )
