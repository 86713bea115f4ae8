"""Count the uses of the test set, by any model.

A test set measures a model on photographs that no choice depends on. Each choice made after a use
of it (a threshold, an experiment) turns it into one more validation set.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from container_doors.core.files import make_folder, open_lock, unless_read_only, wait_for_lock
from container_doors.core.lines import Fault, append_line, parse_lines, read_bytes
from container_doors.core.measurements import UseCounts
from container_doors.evaluation.matching import BoxXyxy

BY_TRAINING = "training"
"""``by`` of the use at the end of each training; it counts once for each model."""


def split_sha256(photographs: Iterable[tuple[str, Sequence[BoxXyxy]]]) -> str:
    """Return a hash of the photographs and labels of a split, independent of the model."""
    content = [(image, list(doors)) for image, doors in photographs]
    return hashlib.sha256(json.dumps(sorted(content)).encode()).hexdigest()


def _ignore(_: str) -> None:
    pass


def record_use(
    path: Path, use: Mapping[str, str], *, say: Callable[[str], None] = _ignore
) -> UseCounts:
    """Record a use of the test set, and count all of them.

    The use of a training is recorded once, even if the training is interrupted and repeated. An
    unreadable line counts as a use of these photographs, because it may have been one.

    Args:
        path: One line per use; created if there is no file.
        use: ``split_sha256`` names the photographs and labels; the rest is for people.
        say: Receives a message if the file system is read-only.
    """
    with _locked(path):
        uses, faults = _read(path)
        if use.get("by") != BY_TRAINING or _training_key(use) not in map(_training_key, uses):
            with unless_read_only(f"this use of the test set is not written to {path}", say):
                append_line(path, dict(sorted(use.items())), keeps_tail=True)
            uses.append(use)
    at_this = sum(one["split_sha256"] == use["split_sha256"] for one in uses)
    return UseCounts(at_this=at_this + len(faults), at_any=len(uses) + len(faults))


def restore_uses(path: Path, committed: str | None) -> list[str]:
    """Restore the uses that the last commit has and the file lacks, so that the count is not reset.

    Args:
        path: One line per use.
        committed: Its text in the last commit; None if it is not committed.

    Returns:
        Warnings: what was lost or could not be read.
    """
    if committed is None and not path.exists():
        return []
    committed_uses, _ = _parse((committed or "").encode())
    with _locked(path):
        uses, faults = _read(path)
        lost = list((Counter(map(_key, committed_uses)) - Counter(map(_key, uses))).elements())
        warnings = [f"{path}:{fault.number}: {fault.what}; it counts as a use" for fault in faults]
        if path.exists() and not uses and not faults and not lost:
            warnings.append(f"{path} is empty, but uses are never removed from it: restore a copy")
        problem = f"{path} lacks {len(lost)} use(s) of the last commit; they cannot be restored"
        with unless_read_only(problem, warnings.append):
            for key in lost:
                append_line(path, dict(key), keeps_tail=True)
            if lost:
                warnings.append(
                    f"{path} lacked {len(lost)} use(s) of the last commit; they were restored"
                )
    return warnings


def _read(path: Path) -> tuple[list[Mapping[str, str]], list[Fault]]:
    """Read every use; each line that cannot be read is a fault."""
    return _parse(read_bytes(path))


def _parse(data: bytes) -> tuple[list[Mapping[str, str]], list[Fault]]:
    content = parse_lines(data)
    faults = [*content.faults, *([content.tail] if content.tail else [])]
    uses: list[Mapping[str, str]] = []
    for line in content.lines:
        if all(isinstance(value, str) for value in line.values.values()) and (
            "split_sha256" in line.values
        ):
            uses.append(line.values)
        else:
            faults.append(Fault(line.number, "expected a use of a test set"))
    return uses, sorted(faults, key=lambda fault: fault.number)


def _key(use: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(use.items()))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the file for a moment; on a read-only file system no lock is needed."""
    with ExitStack() as stack:
        with unless_read_only("not locked", _ignore):
            make_folder(path.parent)
            lock = stack.enter_context(open_lock(path.with_name(f".{path.name}.lock")))
            wait_for_lock(lock)
        yield


def _training_key(use: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(use.get(key) for key in ("by", "split_sha256", "weights_sha256"))
