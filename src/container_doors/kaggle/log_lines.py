"""The events in a job's log: lines for programs, between the lines for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from container_doors.core.parsing import parse_json

MARK = "@doors "


@dataclass(frozen=True, slots=True)
class Event:
    """One event: a log line for programs."""

    kind: str
    """``machine``, ``step``, ``record``, ``epoch``, ``alive``, ``kept``, ``stalled``, ``ended``."""
    facts: Mapping[str, Any]


_MOST_PARTS = 50
_MOST_BYTES = 4 * 1024**2


def line_is_cut(parts: Sequence[str]) -> bool:
    """Return whether more parts of an event's line follow: a host may cut a long line.

    >>> line_is_cut(['@doors {"is": "ali']), line_is_cut(["epoch 1/3"]), line_is_cut(["@doors []"])
    (True, False, False)
    """
    return parts[0].startswith(MARK + "{") and len(parts) < _MOST_PARTS


def parts_with(line: str, parts: list[str]) -> list[str]:
    """Add a line to the parts of a cut line; a new event drops a line that was never completed."""
    return [*parts, line] if not line.startswith(MARK) else [line]


def parse_event(line: str) -> Event | None:
    """Parse a line of a log; None if it is for people, or was cut.

    >>> parse_event('@doors {"is": "alive", "elapsed_s": 60.1}').facts["elapsed_s"]
    60.1
    >>> parse_event("epoch 1/3"), parse_event('@doors {"is": "ali')
    (None, None)
    """
    if not line.startswith(MARK):
        return None
    try:
        facts = parse_json(line.removeprefix(MARK), _MOST_BYTES)
        return Event(facts.pop("is"), facts)
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return None
