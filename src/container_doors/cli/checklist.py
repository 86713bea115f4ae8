"""Print checks: a table, every mismatch with its remedy, or one JSON document."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from container_doors.cli import console
from container_doors.cli.output import say, shown
from container_doors.core.records import Check

NOT_CHECKED = "not checked"


def print_checks(checks: Sequence[Check], *, failed: str) -> None:
    """Print one line for each check, then what is wrong.

    Args:
        checks: The checks, in the order in which they are printed.
        failed: The word for a check that failed.
    """
    if console.is_terminal():
        table = Table(box=None, pad_edge=False, show_header=False)
        for check in checks:
            table.add_row(*map(shown, (check.name, _state(check, failed), _summary(check))))
        console.rich_console().print(table)
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            say(f"{check.name:<{width}}  {_state(check, failed):<11}  {_summary(check)}")
    for check in checks:
        for mismatch in check.mismatches:
            say(mismatch)


def as_json(checks: Sequence[Check], *, failed: str, **facts: object) -> dict[str, Any]:
    """Return the checks as one JSON document."""
    return {
        "schema_version": 1,
        **facts,
        "checks": [
            {
                "name": check.name,
                "state": _state(check, failed),
                "said": _summary(check),
                "mismatches": [asdict(mismatch) for mismatch in check.mismatches],
            }
            for check in checks
        ],
    }


def exit_code(checks: Sequence[Check]) -> int:
    """Return 0 if all checks passed, 1 if any failed, 2 if any was not made."""
    answers = {check.is_ok for check in checks}
    return 1 if False in answers else 2 if None in answers else 0


def _state(check: Check, failed: str) -> str:
    return {True: "ok", False: failed, None: NOT_CHECKED}[check.is_ok]


def _summary(check: Check) -> str:
    if check.mismatches:
        return f"{len(check.mismatches)} mismatch{'es' if len(check.mismatches) > 1 else ''}, below"
    return check.not_checked or check.holds
