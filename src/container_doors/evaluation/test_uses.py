"""The lock-box: how often a test split has been looked at, by whichever model.

A test split says what a model does on photographs that nobody has chosen by. Each choice that is
made after a look at it (this threshold, that experiment) makes it one more validation split.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from container_doors.core.files import make_folder, open_lock, unless_read_only, wait_for_lock
from container_doors.core.lines import Fault, append_line, parse_lines
from container_doors.core.measurements import TestUses
from container_doors.evaluation.matching import BoxXyxy

BY_TRAINING = "training"
"""``by`` of the look that each training ends with; it is counted once for each model."""


def split_sha256(photographs: Iterable[tuple[str, Sequence[BoxXyxy]]]) -> str:
    """Name the photographs and labels of a split by a hash; the model has no part in it."""
    content = [(image, list(doors)) for image, doors in photographs]
    return hashlib.sha256(json.dumps(sorted(content)).encode()).hexdigest()


def _say_nothing(_: str) -> None:
    pass


def record_use(
    path: Path, look: Mapping[str, str], *, say: Callable[[str], None] = _say_nothing
) -> TestUses:
    """Write a look down, and count.

    That of a training is written once: a training that was cut off may look again. A line that
    cannot be read was a look, perhaps at these very photographs; so it counts as one at them.

    Args:
        path: One line for each; made if there is none.
        look: ``split_sha256`` names the photographs and labels; the rest is for people.
        say: Hears of a look that cannot be written down, because nothing can be.
    """
    with _alone(path):
        looks, faults = _read(path)
        if look.get("by") != BY_TRAINING or _of_training(look) not in map(_of_training, looks):
            with unless_read_only(f"this look at test is not written down in {path}", say):
                append_line(path, dict(sorted(look.items())), keeps_tail=True)
            looks.append(look)
    at_this = sum(one["split_sha256"] == look["split_sha256"] for one in looks)
    return TestUses(at_this=at_this + len(faults), at_any=len(looks) + len(faults))


def restore_uses(path: Path, committed: str | None) -> list[str]:
    """Put back the looks that the last commit has and the file lacks: no count begins anew.

    Args:
        path: One line for each look.
        committed: Its text in the last commit; None where there is none.

    Returns:
        What was lost or could not be read, in sentences.
    """
    if committed is None and not path.exists():
        return []
    known, _ = _parsed((committed or "").encode())
    with _alone(path):
        looks, faults = _read(path)
        lost = list((Counter(map(_key, known)) - Counter(map(_key, looks))).elements())
        warnings = [f"{path}:{fault.number}: {fault.what}; it counts as a look" for fault in faults]
        if path.exists() and not looks and not faults and not lost:
            warnings.append(
                f"{path} is empty, though no look is ever taken from it: restore a copy"
            )
        what = f"{path} lacks {len(lost)} look(s) of the last commit, and they cannot be put back"
        with unless_read_only(what, warnings.append):
            for key in lost:
                append_line(path, dict(key), keeps_tail=True)
            if lost:
                warnings.append(
                    f"{path} lacked {len(lost)} look(s) of the last commit: they are back"
                )
    return warnings


def _read(path: Path) -> tuple[list[Mapping[str, str]], list[Fault]]:
    """Read every look; each line that cannot be read is a fault."""
    return _parsed(path.read_bytes() if path.exists() else b"")


def _parsed(data: bytes) -> tuple[list[Mapping[str, str]], list[Fault]]:
    content = parse_lines(data)
    faults = [*content.faults, *([content.tail] if content.tail else [])]
    looks: list[Mapping[str, str]] = []
    for line in content.lines:
        if all(isinstance(value, str) for value in line.values.values()) and (
            "split_sha256" in line.values
        ):
            looks.append(line.values)
        else:
            faults.append(Fault(line.number, "expected a look at a test split"))
    return looks, sorted(faults, key=lambda fault: fault.number)


def _key(look: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(look.items()))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others out for a moment; where nothing can be written, nobody has to be."""
    with ExitStack() as stack:
        with unless_read_only("not locked", _say_nothing):
            make_folder(path.parent)
            lock = stack.enter_context(open_lock(path.with_name(f".{path.name}.lock")))
            wait_for_lock(lock)
        yield


def _of_training(look: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(look.get(key) for key in ("by", "split_sha256", "weights_sha256"))
