"""The lock-box: how often a test split has been looked at, by whichever model.

A test split says what a model does on photographs that nobody has chosen by. Each choice that is
made after a look at it (this threshold, that experiment) makes it one more validation split.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from container_doors.errors import RunError
from container_doors.evaluation.matching import BoxXyxy
from container_doors.files import replace_text
from container_doors.measurements import Looks

BY_TRAINING = "training"
"""``by`` of the look that each training ends with; it is counted once for each model."""


def split_sha256(photographs: Iterable[tuple[str, Sequence[BoxXyxy]]]) -> str:
    """Name the photographs and labels of a split by a hash; the model has no part in it."""
    content = [(image, list(doors)) for image, doors in photographs]
    return hashlib.sha256(json.dumps(sorted(content)).encode()).hexdigest()


def add_look(path: Path, look: Mapping[str, str]) -> Looks:
    """Write a look down, and count.

    That of a training is written once: a training that was cut off may look again.

    Args:
        path: One line for each; made if there is none.
        look: ``split_sha256`` names the photographs and labels; the rest is for people.

    Raises:
        RunError: If a line cannot be read.
    """
    with _alone(path.parent):
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        looks = [_read(path, number, line) for number, line in enumerate(lines, start=1)]
        if look.get("by") != BY_TRAINING or _of_training(look) not in map(_of_training, looks):
            lines.append(json.dumps(look, sort_keys=True))
            looks.append(dict(look))
            replace_text(path, "\n".join(lines) + "\n")
    at_this = sum(one["split_sha256"] == look["split_sha256"] for one in looks)
    return Looks(at_this=at_this, at_any=len(looks))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others out for a moment; the folder itself is locked, which leaves nothing behind."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _of_training(look: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(look.get(key) for key in ("by", "split_sha256", "weights_sha256"))


def _read(path: Path, number: int, line: str) -> dict[str, str]:
    try:
        look: dict[str, str] = json.loads(line)
        _ = look["split_sha256"]
        return look
    except (ValueError, KeyError, TypeError):
        raise RunError(
            f"{path}:{number}: expected a look at a test split, found {line[:60]!r}",
            hint=f"git checkout {path} restores it; a look that is lost was still a look",
        ) from None
