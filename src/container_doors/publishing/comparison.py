"""Compare two states of a document, a file or a figure, and quote how they differ."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from container_doors.core.printable import shortened
from container_doors.core.records import Mismatch
from container_doors.publishing.hashing import file_sha256

_LONGEST, _BEFORE = 200, 20
"""Characters quoted of a line, and how many of them come before the first difference."""

_SHOWN = 12
"""Digits of a hash that are shown."""


def differing_fields(
    was: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields in which two documents differ; a missing value is None.

    >>> list(differing_fields({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}))
    [('a.c', 2, 3), ('d', None, 4)]
    """
    for key in sorted({*was, *now}):
        old, new = was.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differing_fields(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}", old, new


def file_mismatches(folder: Path, expected: Mapping[str, str], hint: str) -> Iterator[Mismatch]:
    """Compare the hashes of files in a folder; a missing file is a mismatch."""
    for name, sha256 in expected.items():
        path = folder / name
        yield from hash_mismatch(path, sha256, file_sha256(path) if path.is_file() else None, hint)


def hash_mismatch(where: Path, expected: str, found: str | None, hint: str) -> Iterable[Mismatch]:
    """Compare two hashes; yield nothing if they are equal."""
    if expected != found:
        yield Mismatch(str(where), format_hash(expected), format_hash(found), hint)


def first_difference(expected: str, found: str) -> tuple[str, str]:
    """Quote the first line in which two texts differ; of a long line, the part that differs.

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
    """Return whether two figures are equal within a tolerance."""
    return (
        isinstance(old, float)
        and isinstance(new, float)
        and math.isclose(old, new, abs_tol=tolerance, rel_tol=0)
    )


def format_value(value: object) -> str:
    """Return a value as text; a missing value is "nothing"."""
    return "nothing" if value is None else shortened(str(value), _LONGEST)


def format_hash(sha256: str | None) -> str:
    """Return the first digits of a hash as text, for people."""
    return f"sha256 {sha256[:_SHOWN]}" if sha256 else "no such file"
