"""``doors data split``: place photographs into train, val and test."""

import argparse
import shlex
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from container_doors.cli import console
from container_doors.cli.data_import import dataset_folder
from container_doors.cli.output import complain, say, say_document, shown
from container_doors.core.errors import DatasetError
from container_doors.core.printable import printable
from container_doors.core.records import SPLITS
from container_doors.data.folds import FEWEST_FOLDS
from container_doors.data.grouping import parse_criterion
from container_doors.data.layout import FOLDS_CSV
from container_doors.steps.data.split import (
    SplitOptions,
    SplitReport,
    Straddling,
    draw_sheets,
    parse_shares,
    split_data,
)

_MOST_FOLDS = 100
_MOST_SHOWN = 10


def split(arguments: argparse.Namespace) -> int:
    """Print the splits; exit 1 if a photograph can be in none, or a scene is in several."""
    options = _options(arguments)
    arguments.path = dataset_folder(arguments.path)
    if arguments.sheet is not None and arguments.sheet.exists() and not arguments.sheet.is_dir():
        raise DatasetError(
            f"{arguments.sheet}: expected a folder, found a file", hint="--sheet sheets"
        )
    with console.progress(quiet=arguments.json) as progress:
        report = split_data(
            arguments.path, options, progress=progress, is_dry_run=arguments.dry_run
        )
    sheets = draw_sheets(report, arguments.path, arguments.sheet) if arguments.sheet else []
    if arguments.json:
        say_document(_document(arguments, report))
    else:
        _print(arguments, report)
    for sheet in sheets:
        (complain if arguments.json else say)(f"drew {sheet}")
    return 1 if report.left_out or report.straddling else 0


def _options(arguments: argparse.Namespace) -> SplitOptions:
    folds = arguments.folds
    if folds is not None and not FEWEST_FOLDS <= folds <= _MOST_FOLDS:
        raise DatasetError(
            f"--folds {folds}: expected {FEWEST_FOLDS} to {_MOST_FOLDS}", hint="--folds 5"
        )
    return SplitOptions(
        shares=parse_shares(arguments.shares),
        criteria=[parse_criterion(text) for text in arguments.group_by],
        stratify=arguments.stratify,
        seed=arguments.seed,
        folds=folds,
        freeze=arguments.freeze is not None,
        unfreeze=arguments.unfreeze,
        rejoin=arguments.rejoin,
    )


def _document(arguments: argparse.Namespace, report: SplitReport) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "path": shown(arguments.path),
        "dry_run": arguments.dry_run,
        "splits": {
            name: {
                "photographs": count.photographs,
                "doors": count.doors,
                "scenes": count.scenes,
                "strata": dict(count.strata),
            }
            for name, count in report.counts.items()
        },
        "moves": [{"from": str(one.before), "to": str(one.after)} for one in report.moves],
        "finished_moves": report.finished,
        "left_out": [
            {"photographs": list(one.photographs), "reason": one.reason, "remedy": one.remedy}
            for one in report.left_out
        ],
        "straddling": [
            {
                "name": one.name,
                "kind": one.kind,
                "photographs": {split: list(names) for split, names in one.photographs.items()},
                "is_frozen": one.is_frozen,
            }
            for one in report.straddling
        ],
        "notes": report.notes,
        "frozen_sha256": report.frozen,
        "folds": report.folds,
    }


def _print(arguments: argparse.Namespace, report: SplitReport) -> None:
    _print_table(report)
    for fold, count in report.folds.items():
        say(f"fold {fold}: {count} photographs")
    for note in report.notes:
        say(f"note: {note}")
    for left in report.left_out:
        shown_names = ", ".join(left.photographs[:_MOST_SHOWN])
        more = len(left.photographs) - _MOST_SHOWN
        rest = f" and {more} more" if more > 0 else ""
        say(f"left where it is: {shown_names}{rest}: {left.reason}; {left.remedy}")
    if report.frozen is not None:
        say(f"the test split is frozen: sha256 {report.frozen}")
    count = len(report.moves)
    if arguments.dry_run:
        say(f"{count} photograph(s) would be moved; nothing was changed")
    else:
        say(f"moved {count} photograph(s)")
    if report.straddling:
        _print_straddling(arguments, report.straddling)
    elif not arguments.dry_run:
        _print_next(arguments, report)


def _print_next(arguments: argparse.Namespace, report: SplitReport) -> None:
    say(f"next: doors data validate --path {shlex.quote(str(arguments.path))}")
    if report.folds:
        say(f"      doors crossval, by the {len(report.folds)} folds of {FOLDS_CSV}")


def _print_straddling(arguments: argparse.Namespace, straddling: Sequence[Straddling]) -> None:
    """Name the scenes that are in several splits, and what brings each into one."""
    table = Table(title=None)
    for column in ("scene", "known by"):
        table.add_column(column)
    for split_name in SPLITS:
        table.add_column(split_name, justify="right")
    for one in straddling[:_MOST_SHOWN]:
        counts = (str(len(one.photographs.get(split_name, ()))) for split_name in SPLITS)
        table.add_row(printable(one.name), one.kind, *counts)
    say(f"{len(straddling)} scene(s) are in more than one split: scores on them mean nothing")
    console.rich_console().print(table)
    more = len(straddling) - _MOST_SHOWN
    if more > 0:
        say(f"and {more} more; all of them: --json")
    again = _same_command(arguments)
    if any(not one.is_frozen for one in straddling):
        say(f"hint: {again} --rejoin moves each into one split, train if it has a part of it")
    if any(one.is_frozen for one in straddling):
        say(
            "hint: the test split is frozen. Remove the photographs of these scenes from train and "
            f"val; or change it, after which earlier scores cannot be compared: {again} --rejoin "
            "--unfreeze --freeze test"
        )


def _same_command(arguments: argparse.Namespace) -> str:
    groups = [part for text in arguments.group_by for part in ("--group-by", text)]
    return shlex.join(["doors", "data", "split", "--path", str(arguments.path), *groups])


def _print_table(report: SplitReport) -> None:
    table = Table(title=None)
    table.add_column("split")
    strata = dict.fromkeys(name for count in report.counts.values() for name in count.strata)
    for column in ("photographs", "share", "scenes", "doors", *strata):
        table.add_column(printable(column), justify="right")
    total = sum(count.photographs for count in report.counts.values())
    for name, count in report.counts.items():
        table.add_row(
            name,
            str(count.photographs),
            f"{count.photographs / total:.0%}" if total else "",
            str(count.scenes),
            str(count.doors),
            *(str(count.strata.get(stratum, 0)) for stratum in strata),
        )
    console.rich_console().print(table)
