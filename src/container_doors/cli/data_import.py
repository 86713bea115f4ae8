"""``doors data import``: add photographs and labels of any tool to the data set."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from rich.table import Table

from container_doors.cli import console
from container_doors.cli.options.data import DATA
from container_doors.cli.options.shared import CONFIG
from container_doors.cli.output import say, say_document, shown
from container_doors.core.config import load_params
from container_doors.core.printable import printable
from container_doors.core.records import SPLITS
from container_doors.data.classes import read_choice
from container_doors.data.layout import UNLABELLED, UNSPLIT
from container_doors.data.photograph_suffixes import is_picture
from container_doors.data.video_frames import Sampling
from container_doors.steps.data.import_ import ImportOptions, ImportReport, import_data

_MOST_SHOWN = 20
_KINDS = ("images", "labels")


def import_(arguments: argparse.Namespace) -> int:
    """Import, and print what was done; exit 1 if sources disagree or photographs were skipped."""
    out = dataset_folder(arguments.out)
    with console.progress(quiet=arguments.json) as progress:
        report = import_data(arguments.sources, out, _options(arguments), progress=progress)
    if arguments.json:
        say_document(_document(report, out, is_dry=arguments.dry_run))
    else:
        _print(report, out, is_dry=arguments.dry_run)
    return 1 if report.disagreements or report.problems else 0


def dataset_folder(named: Path | None) -> Path:
    """Return the named folder, or else that of the parameters, or the usual one."""
    if named is not None:
        return named
    return Path(load_params(CONFIG, []).data.path) if CONFIG.exists() else DATA


def _options(arguments: argparse.Namespace) -> ImportOptions:
    return ImportOptions(
        classes=read_choice(arguments.kept_class, arguments.renamed, arguments.dropped),
        format_name=arguments.format,
        without_labels="unlabelled"
        if arguments.unlabelled
        else "negatives"
        if arguments.negatives
        else None,
        pictures=arguments.images,
        sampling=Sampling(arguments.every, at_scene_changes=arguments.scene_changes),
        keep_gps=arguments.keep_gps,
        relabel=arguments.relabel,
        is_checked=arguments.checked,
        skip_problems=arguments.skip_problems,
        dry_run=arguments.dry_run,
    )


def _document(report: ImportReport, out: Path, *, is_dry: bool) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "path": shown(out),
        "dry_run": is_dry,
        "sources": [
            {"name": name, "format": tool, "photographs": count}
            for name, tool, count in report.sources
        ],
        "classes": [
            {"name": name, "boxes": count, "fate": fate} for name, count, fate in report.classes
        ],
        "counts": dict(report.counts),
        "new_by_folder": dict(report.places),
        "notes": report.notes,
        "problems": report.problems,
        "disagreements": report.disagreements,
    }


def _print(report: ImportReport, out: Path, *, is_dry: bool) -> None:
    for name, tool, count in report.sources:
        say(f"{name}: {tool}, {count} photograph(s)")
    if report.classes:
        _print_classes(report)
    for title, lines in (
        ("", report.notes),
        ("skipped:", report.problems),
        ("not merged:", report.disagreements),
    ):
        _print_lines(title, lines)
    counts = report.counts
    say(
        f"{'would be ' * is_dry}new: {counts['new']} ({counts['doors']} doors), "
        f"updated: {counts['updated']}, unchanged: {counts['unchanged']}, "
        f"repeated: {counts['repeated']}, skipped: {counts['skipped'] + counts['not labelled']}"
    )
    if report.places:
        where = ", ".join(f"{count} in {place}" for place, count in report.places.items())
        say(f"{out}/images: {where}")
    say(f"next: {_next(report, out)}" if not is_dry else "nothing was written (--dry-run)")


def _print_classes(report: ImportReport) -> None:
    table = Table(title=None)
    for column in ("class", "boxes", ""):
        table.add_column(column, justify="right" if column == "boxes" else "left")
    for name, count, fate in report.classes[:_MOST_SHOWN]:
        table.add_row(printable(name), str(count), printable(fate))
    console.rich_console().print(table)


def _print_lines(title: str, lines: list[str]) -> None:
    if title and lines:
        say(title)
    for line in lines[:_MOST_SHOWN]:
        say(f"  {line}" if title else line)
    if len(lines) > _MOST_SHOWN:
        say(f"  and {len(lines) - _MOST_SHOWN} more")


def _next(report: ImportReport, out: Path) -> str:
    folder = shlex.quote(str(out))
    split = f"doors data split --path {folder}"
    if report.places[UNLABELLED] and len(report.places) == 1:
        return f"label the photographs in {out}/images/{UNLABELLED}, and import the labels"
    placed = [name for name in (*SPLITS, UNSPLIT) if _has_pictures(out / "images" / name)]
    if UNSPLIT in placed:
        return split
    if placed == ["train"]:  # what is placed stays where it is
        pairs = ([f"{out}/{kind}/{name}" for name in ("train", UNSPLIT)] for kind in _KINDS)
        back = " && ".join(shlex.join(["mv", *pair]) for pair in pairs)
        return f"all are in train; to divide them by scene: {back} && {split}"
    return f"doors data validate --path {folder}"


def _has_pictures(folder: Path) -> bool:
    return any(is_picture(path.name) for path in folder.rglob("*"))
