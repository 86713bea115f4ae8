"""``doors runs``: list the runs and versions side by side."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from container_doors.adapters.git.repository import GitRepository
from container_doors.cli import console
from container_doors.cli.output import say, say_document
from container_doors.core.printable import printable
from container_doors.reporting.figures import megabytes
from container_doors.steps.runs import Row, Score, list_runs

NONE = "-"


def runs(arguments: argparse.Namespace) -> int:
    """Print a table, or one JSON document."""
    rows = list_runs(GitRepository(Path.cwd()), sort=arguments.sort)
    if arguments.json:
        say_document({"schema_version": 1, "runs": [_as_json(row) for row in rows]})
        return 0
    if not rows:
        say("no run yet: doors train")
        return 0
    _print(rows)
    return 0


def _print(rows: Sequence[Row]) -> None:
    readable = [row for row in rows if row.problem is None]
    if readable and console.is_terminal():
        table = Table(*_COLUMNS, box=None, pad_edge=False)
        for row in readable:
            cells = [printable(cell(row)) for cell in _COLUMNS.values()]
            table.add_row(*cells, style="bold" if row.is_published else None)
        console.rich_console().print(table)
    elif readable:
        lines = [list(_COLUMNS), *([cell(row) for cell in _COLUMNS.values()] for row in readable)]
        widths = [max(len(printable(line[at])) for line in lines) for at in range(len(_COLUMNS))]
        for line in lines:
            padded = (f"{printable(one):<{width}}" for one, width in zip(line, widths, strict=True))
            say("  ".join(padded).rstrip())
    for row in rows:
        if row.problem is not None:
            say(f"{row.name}  {row.status}: {row.problem}")


def _cell(value: Score | int | None) -> str:
    return NONE if value is None else str(value)


def _number(row: Row) -> str:
    """Return the number, such as v1.0; the whole version is long, and is the name without a run."""
    return row.version.split("_")[1] if row.version and row.version.count("_") > 1 else NONE


def _state(row: Row) -> str:
    marks = ["published"] * row.is_published + ["tagged"] * row.is_released
    others = [] if row.status == "finished" else [row.status]
    return ", ".join([*marks, *others]) or "kept here"


_COLUMNS: dict[str, Callable[[Row], str]] = {
    "name": lambda row: row.name,
    "version": _number,
    "val mAP50-95": lambda row: _cell(row.val.get("mAP50-95")),
    "test mAP50-95": lambda row: _cell(row.test.get("mAP50-95")),
    "test recall": lambda row: _cell(row.test.get("recall")),
    "false alarms": lambda row: _cell(row.test_false_alarms),
    "size": lambda row: NONE if row.size_bytes is None else megabytes(row.size_bytes),
    "ms": lambda row: NONE if row.latency_ms is None else f"{row.latency_ms:.1f}",
    "date": lambda row: NONE if row.date is None else f"{row.date:%Y-%m-%d}",
    "commit": lambda row: row.commit[:8] if row.commit else NONE,
    "state": _state,
}


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "status": row.status,
        "version": row.version,
        "is_published": row.is_published,
        "is_released": row.is_released,
        "val": {name: _score_as_json(score) for name, score in row.val.items()},
        "test": {name: _score_as_json(score) for name, score in row.test.items()},
        "test_false_alarms": row.test_false_alarms,
        "size_bytes": row.size_bytes,
        "latency_ms": row.latency_ms,
        "date": row.date.isoformat() if row.date else None,
        "commit": row.commit,
        "problem": row.problem,
    }


def _score_as_json(score: Score) -> dict[str, float]:
    ends = {"low": score.low, "high": score.high}
    return {"value": score.value} | {end: at for end, at in ends.items() if at is not None}
