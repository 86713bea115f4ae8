"""Two states of a thing side by side, and in what they differ."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from container_doors.core.parsing import shortened
from container_doors.core.records import Mismatch
from container_doors.publishing.hashing import file_sha256

_LONGEST, _BEFORE = 200, 20
"""Characters of a line that are quoted; of these, before the first that differs."""

_SHOWN = 12
"""Digits of a hash that a person compares."""


def unequal(
    was: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Walk two documents side by side; what one lacks is None.

    >>> list(unequal({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}))
    [('a.c', 2, 3), ('d', None, 4)]
    """
    for key in sorted({*was, *now}):
        old, new = was.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from unequal(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}", old, new


def file_mismatches(folder: Path, expected: Mapping[str, str], hint: str) -> Iterator[Mismatch]:
    """Hash files by their names in a folder; one that is not there differs."""
    for name, sha256 in expected.items():
        path = folder / name
        yield from hash_mismatch(path, sha256, file_sha256(path) if path.is_file() else None, hint)


def hash_mismatch(where: Path, expected: str, found: str | None, hint: str) -> Iterable[Mismatch]:
    """Compare two hashes; yields nothing if they are the same."""
    if expected != found:
        yield Mismatch(str(where), digits(expected), digits(found), hint)


def first_difference(expected: str, found: str) -> tuple[str, str]:
    """Quote the first line in which two texts differ, of a long one what differs first.

    >>> first_difference("a" * 999 + "b", "a" * 999 + "c")
    ("'aaaaaaaaaaaaaaaaaaaab'", "'aaaaaaaaaaaaaaaaaaaac'")
    """
    lines: Sequence[tuple[str, str]] = list(
        zip([*expected.split("\n"), ""], [*found.split("\n"), ""], strict=False)
    )
    old, new = next(((old, new) for old, new in lines if old != new), ("its end", "more"))
    same = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, same - _BEFORE) if same > _LONGEST // 2 else 0
    return shortened(repr(old[start:]), _LONGEST), shortened(repr(new[start:]), _LONGEST)


def is_close(old: object, new: object, tolerance: float) -> bool:
    """Tell whether two figures are the same, as far as that can be measured."""
    return (
        isinstance(old, float)
        and isinstance(new, float)
        and math.isclose(old, new, abs_tol=tolerance, rel_tol=0)
    )


def shown(value: object) -> str:
    """Spell a value; what is not there is nothing."""
    return "nothing" if value is None else shortened(str(value), _LONGEST)


def digits(sha256: str | None) -> str:
    """Spell a hash so that a person can compare it."""
    return f"sha256 {sha256[:_SHOWN]}" if sha256 else "no such file"
