"""What a job says for programs, line by line, between what it says for people."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARK = "@doors "


@dataclass(frozen=True, slots=True)
class Told:
    """One line for programs."""

    kind: str
    """``machine``, ``step``, ``record``, ``epoch``, ``alive``, ``kept``, ``stalled``, ``ended``."""
    facts: Mapping[str, Any]


def told(line: str) -> Told | None:
    """Read a line of a log; None if it is for people, or was cut.

    >>> told('@doors {"is": "alive", "elapsed_s": 60.1}').facts["elapsed_s"]
    60.1
    >>> told("epoch 1/3"), told('@doors {"is": "ali')
    (None, None)
    """
    if not line.startswith(MARK):
        return None
    try:
        facts = json.loads(line.removeprefix(MARK))
        return Told(facts.pop("is"), facts)
    except (ValueError, LookupError, AttributeError, TypeError):
        return None
