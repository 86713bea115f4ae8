"""Checks, shown: a table, every mismatch with its remedy, or one JSON document."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from container_doors.cli import console
from container_doors.cli.output import say, shown
from container_doors.core.records import Check

NOT_CHECKED = "not checked"


def print_checks(checks: Sequence[Check], *, failed: str) -> None:
    """Print one line for each check, then what is amiss.

    Args:
        checks: In the order of the story.
        failed: What a check that did not hold is called.
    """
    if console.is_terminal():
        table = Table(box=None, pad_edge=False, show_header=False)
        for check in checks:
            table.add_row(*map(shown, (check.name, _state(check, failed), _said(check))))
        console.rich_console().print(table)
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            say(f"{check.name:<{width}}  {_state(check, failed):<11}  {_said(check)}")
    for check in checks:
        for mismatch in check.mismatches:
            say(mismatch)


def as_json(checks: Sequence[Check], *, failed: str, **facts: object) -> dict[str, Any]:
    """Write the checks as one document."""
    return {
        "schema_version": 1,
        **facts,
        "checks": [
            {
                "name": check.name,
                "state": _state(check, failed),
                "said": _said(check),
                "mismatches": [asdict(mismatch) for mismatch in check.mismatches],
            }
            for check in checks
        ],
    }


def exit_code(checks: Sequence[Check]) -> int:
    """Say 0 if everything holds, 1 if anything does not, 2 if something was not looked at."""
    answers = {check.is_ok for check in checks}
    return 1 if False in answers else 2 if None in answers else 0


def _state(check: Check, failed: str) -> str:
    return {True: "ok", False: failed, None: NOT_CHECKED}[check.is_ok]


def _said(check: Check) -> str:
    if check.mismatches:
        return f"{len(check.mismatches)} mismatch{'es' if len(check.mismatches) > 1 else ''}, below"
    return check.not_checked or check.holds
