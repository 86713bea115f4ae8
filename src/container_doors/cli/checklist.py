"""Checks, shown: a table, every mismatch with its remedy, or one JSON document."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from container_doors.records import Check

NOT_CHECKED = "not checked"


def print_checks(checks: Sequence[Check], *, failed: str) -> None:
    """Print one line for each check, then what is amiss.

    Args:
        checks: In the order of the story.
        failed: What a check that did not hold is called.
    """
    console = Console()
    if console.is_terminal:
        table = Table(box=None, pad_edge=False, show_header=False)
        for check in checks:
            table.add_row(*map(Text, (check.name, _state(check, failed), _said(check))))
        console.print(table, highlight=False)
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(f"{check.name:<{width}}  {_state(check, failed):<11}  {_said(check)}")
    for check in checks:
        for mismatch in check.mismatches:
            print(mismatch)


def as_json(checks: Sequence[Check], *, failed: str, **facts: object) -> str:
    """Write the checks as one document."""
    document: dict[str, Any] = {
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
    return json.dumps(document, indent=2)


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
