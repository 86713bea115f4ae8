"""Move photographs between splits, with their label files; a kill half-way loses nothing.

The moves and the new tables are written down first, in a hidden folder of the data set. Whoever
comes next finishes what is written there. A label file is linked to its new place before its
photograph moves, so that at no moment a photograph is without its labels.
"""

import json
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from container_doors.core.errors import DatasetError
from container_doors.core.files import (
    force_name_to_disk,
    link_file,
    make_folder,
    open_lock,
    put_in_place,
    replace_text,
    try_lock,
)
from container_doors.core.parsing import ParsingError, parse_json, read_bounded
from container_doors.core.records import Finding
from container_doors.data.attributes import ATTRIBUTES_CSV
from container_doors.data.data_yaml import DATA_YAML
from container_doors.data.faults import Fault
from container_doors.data.frozen import FROZEN_JSON
from container_doors.data.layout import FOLDS_CSV, label_of
from container_doors.data.source_table import SOURCES_CSV

TABLES = (str(DATA_YAML), ATTRIBUTES_CSV, SOURCES_CSV, FOLDS_CSV, FROZEN_JSON)
"""Files that are written together with the moves, in this order."""

_PLAN = ".doors-split"
_MOVES = "moves.json"
_MOST_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Move:
    """A photograph's path before and after, below the data set's folder."""

    before: Path
    after: Path


def _no_progress(done: int, total: int) -> None:
    pass


@contextmanager
def locked(dataset: Path) -> Iterator[None]:
    """Keep other commands that change the data set out.

    Raises:
        DatasetError: If another one is running.
    """
    real = dataset.resolve()
    path = real.with_name(f".{real.name}.import.lock")
    with open_lock(path) as lock:
        if not try_lock(lock):
            raise DatasetError(
                f"another command is changing {dataset}",
                hint="wait until it has ended, then run the same command again",
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_interrupted(dataset: Path) -> bool:
    """Return whether moves are written down that are not finished."""
    return (dataset / _PLAN / _MOVES).exists()


def interrupted(dataset: Path) -> Iterator[Finding]:
    """Report moves that are not finished."""
    if is_interrupted(dataset):
        path = shlex.quote(str(dataset))
        yield Fault(
            "split-interrupted",
            "every photograph in its place",
            "a split that was interrupted",
            f"finish it: doors data split --path {path}",
        ).at(Path(_PLAN, _MOVES))


def write_plan(dataset: Path, moves: Sequence[Move], tables: Mapping[str, bytes]) -> None:
    """Write the moves and the new tables down; from here on they will be finished.

    Raises:
        DatasetError: If the place of a photograph is taken.
    """
    refuse_taken(dataset, moves)
    plan = dataset / _PLAN
    shutil.rmtree(plan, ignore_errors=True)  # of a command that was killed before it was decided
    make_folder(plan)
    for name, content in tables.items():
        staged = plan / f"{name}.part"
        staged.write_bytes(content)
        put_in_place(staged, plan / name)
    paths = [[each.before.as_posix(), each.after.as_posix()] for each in moves]
    replace_text(plan / _MOVES, json.dumps(paths))


def finish(dataset: Path, *, on_progress: Callable[[int, int], None] = _no_progress) -> int:
    """Do what is written down, and remove it.

    Returns:
        The number of photographs that were moved, by this call or by an interrupted one.

    Raises:
        DatasetError: If a photograph is in neither place, or what is written down is damaged.
    """
    plan = dataset / _PLAN
    moves = _read_moves(plan / _MOVES)
    for done, move in enumerate(moves, start=1):
        _move(dataset, move)
        on_progress(done, len(moves))
    for name in TABLES:
        if (plan / name).exists():
            put_in_place(plan / name, dataset / name)
    (plan / _MOVES).unlink()
    shutil.rmtree(plan, ignore_errors=True)
    for folder in dict.fromkeys((dataset / move.before).parent for move in moves):
        _remove_empty(folder, dataset)
        _remove_empty(label_of(folder / "any.jpg").parent, dataset)
    return len(moves)


def refuse_taken(dataset: Path, moves: Sequence[Move]) -> None:
    """Refuse to overwrite a picture or a label file, and to make two pictures share one.

    Raises:
        DatasetError: If a place is taken.
    """
    labels: dict[Path, Move] = {}
    for move in moves:
        target = dataset / move.after
        other = labels.setdefault(label_of(target), move)
        taken = next(
            (path for path in (target, label_of(target)) if path.exists() or path.is_symlink()),
            None,
        )
        if taken is not None or other is not move:
            by = taken.relative_to(dataset) if taken else other.before
            raise DatasetError(
                f"{dataset / move.before}: expected a name that {move.after.parent} does not have, "
                f"found {by} too",
                hint="rename it, and its label file; nothing was moved",
            )


def _read_moves(path: Path) -> list[Move]:
    try:
        pairs = parse_json(read_bounded(path, _MOST_BYTES), _MOST_BYTES)
    except ParsingError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(pairs, list):
        raise _damaged(path, "no list")
    return [_parse_move(path, pair) for pair in pairs]


def _parse_move(path: Path, pair: object) -> Move:
    """Check one move: both places are below ``images``, which no other program guarantees."""
    match pair:
        case [str(before), str(after)] if _is_inside(before) and _is_inside(after):
            return Move(Path(before), Path(after))
    raise _damaged(path, f"{pair!r}"[:100])


def _is_inside(text: str) -> bool:
    place = PurePosixPath(text)
    return not place.is_absolute() and "images" in place.parts and ".." not in place.parts


def _damaged(path: Path, found: str) -> DatasetError:
    return DatasetError(
        f"{path}: expected the moves of an interrupted split, found {found}",
        hint=f"restore the data set (dvc checkout), or remove {path.parent} and look at the "
        "photographs and tables yourself",
    )


def _move(dataset: Path, move: Move) -> None:
    before, after = dataset / move.before, dataset / move.after
    old_label, new_label = label_of(before), label_of(after)
    is_here = before.exists() or before.is_symlink()
    if not is_here and not (after.exists() or after.is_symlink()):
        raise DatasetError(
            f"{before}: expected a photograph there or in {after}, found none",
            hint="put it back (dvc checkout), then run the same command again",
        )
    for folder in (after.parent, new_label.parent):
        make_folder(folder)
    if is_here:
        if (old_label.exists() or old_label.is_symlink()) and not new_label.exists():
            staged = new_label.with_name(f".{new_label.name}.part")
            staged.unlink(missing_ok=True)
            link_file(old_label, staged)  # a copy, where there are no links, takes a moment
            staged.rename(new_label)
        before.rename(after)
        force_name_to_disk(after)
    old_label.unlink(missing_ok=True)


def _remove_empty(folder: Path, dataset: Path) -> None:
    """Remove folders that are empty now, up to the folder of their split."""
    while folder != dataset and folder.parent.name not in {"images", "labels"}:
        if not _is_removed(folder):
            return
        folder = folder.parent
    _is_removed(folder)


def _is_removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # not empty, or a link
        return False
    return True
