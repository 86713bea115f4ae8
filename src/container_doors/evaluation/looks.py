"""The lock-box: how often a test split has been looked at, by whichever model.

A test split says what a model does on photographs that nobody has chosen by. Each choice that is
made after a look at it (this threshold, that experiment) makes it one more validation split.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from container_doors.errors import RunError
from container_doors.files import replace_text


def add_look(path: Path, look: Mapping[str, str]) -> int:
    """Write a look down, and count those at the same split.

    Args:
        path: One line for each; made if there is none.
        look: ``split_sha256`` names the photographs and labels; the rest is for people.

    Raises:
        RunError: If a line cannot be read.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines.append(json.dumps(look, sort_keys=True))
    replace_text(path, "\n".join(lines) + "\n")
    return sum(
        _split_of(path, number, line) == look["split_sha256"]
        for number, line in enumerate(lines, start=1)
    )


def _split_of(path: Path, number: int, line: str) -> str:
    try:
        return str(json.loads(line)["split_sha256"])
    except (ValueError, KeyError, TypeError):
        raise RunError(
            f"{path}:{number}: expected a look at a test split, found {line[:60]!r}",
            hint=f"git checkout {path} restores it; a look that is lost was still a look",
        ) from None
