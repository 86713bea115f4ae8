"""``doors runs``: list the runs and versions side by side."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from container_doors.adapters.git.repository import GitRepository
from container_doors.cli import console
from container_doors.cli.output import say, say_document
from container_doors.core.printable import printable
from container_doors.reporting.figures import megabytes
from container_doors.steps.runs import SCORED_SPLITS, Row, Score, are_mixed, list_runs

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
    columns = _columns(readable)
    if readable and console.is_terminal():
        table = Table(*columns, box=None, pad_edge=False)
        for row in readable:
            cells = [printable(cell(row)) for cell in columns.values()]
            table.add_row(*cells, style="bold" if row.is_published else None)
        console.rich_console().print(table)
    elif readable:
        lines = [list(columns), *([cell(row) for cell in columns.values()] for row in readable)]
        widths = [max(len(printable(line[at])) for line in lines) for at in range(len(columns))]
        for line in lines:
            padded = (f"{printable(one):<{width}}" for one, width in zip(line, widths, strict=True))
            say("  ".join(padded).rstrip())
    say(*_footnotes(readable))
    for row in rows:
        if row.problem is not None:
            say(f"{row.name}  {row.status}: {row.problem}")


def _footnotes(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what the columns leave open: at which confidence, and on which photographs."""
    thresholds = _thresholds(rows)
    if thresholds:
        (one, *others) = thresholds
        at = "the confidence given" if others or one is None else f"a confidence of {one:g}"
        yield f"test recall and false alarms: in use, at {at}; mAP: by Ultralytics' definition"
    mixed = [split for split in SCORED_SPLITS if are_mixed(rows, split)]
    if mixed:
        yield (
            f"[1], [2], ...: measured on different photographs or labels of {' and '.join(mixed)}; "
            "only scores with the same number can be compared; [?]: it is not known on which"
        )
        yield "doors compare NAME NAME measures two runs on the same photographs"


def _thresholds(rows: Sequence[Row]) -> set[float | None]:
    return {row.test_conf_threshold for row in rows if row.test_false_alarms is not None}


def _number(row: Row) -> str:
    """Return the number, such as v1.0; the whole version is long, and is the name without a run."""
    return row.version.split("_")[1] if row.version and row.version.count("_") > 1 else NONE


def _state(row: Row) -> str:
    marks = ["published"] * row.is_published + ["tagged"] * row.is_released
    others = [] if row.status == "finished" else [row.status]
    return ", ".join([*marks, *others]) or "kept here"


def _columns(rows: Sequence[Row]) -> dict[str, Callable[[Row], str]]:
    """Return the columns; scores are marked if they are not all of the same photographs."""
    marked = {split: are_mixed(rows, split) for split in SCORED_SPLITS}
    has_thresholds = len(_thresholds(rows)) > 1

    def score(row: Row, split: str, value: Score | int | None, *, in_use: bool = False) -> str:
        if value is None:
            return NONE
        at = "" if row.test_conf_threshold is None else f" at {row.test_conf_threshold:g}"
        mark = f" [{row.measured_on.get(split, '?')}]" if marked[split] else ""
        return f"{value}{at if in_use and has_thresholds else ''}{mark}"

    return {
        "name": lambda row: row.name,
        "version": _number,
        "val mAP50-95": lambda row: score(row, "val", row.val.get("mAP50-95")),
        "test mAP50-95": lambda row: score(row, "test", row.test.get("mAP50-95")),
        "test recall": lambda row: score(row, "test", row.test.get("recall"), in_use=True),
        "false alarms": lambda row: score(row, "test", row.test_false_alarms, in_use=True),
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
        "test_conf_threshold": row.test_conf_threshold,
        "measured_on": row.measured_on,
        "size_bytes": row.size_bytes,
        "latency_ms": row.latency_ms,
        "date": row.date.isoformat() if row.date else None,
        "commit": row.commit,
        "problem": row.problem,
    }


def _score_as_json(score: Score) -> dict[str, float]:
    ends = {"low": score.low, "high": score.high}
    return {"value": score.value} | {end: at for end, at in ends.items() if at is not None}
