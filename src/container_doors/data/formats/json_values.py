"""Walks through parsed JSON, and names the path of what is not as expected: ``$.images[3].id``."""

import math
from collections.abc import Iterator
from typing import Any

from container_doors.data.formats.record import MalformedError

_LARGEST = 1e9
"""Of a coordinate; a larger one is no pixel."""


class Value:
    """A value with the path that leads to it."""

    __slots__ = ("raw", "where")

    def __init__(self, raw: Any, where: str) -> None:  # noqa: ANN401 - JSON can hold anything
        """Store a value; the path of a file's root is ``file: $``."""
        self.raw, self.where = raw, where

    def get(self, key: str) -> "Value | None":
        """Return a key's value; None if it is absent or null.

        Raises:
            MalformedError: If this is no object.
        """
        if not isinstance(self.raw, dict):
            raise self.fault("an object")
        found = self.raw.get(key)
        return None if found is None else Value(found, f"{self.where}.{key}")

    def need(self, key: str) -> "Value":
        """Return a key's value.

        Raises:
            MalformedError: If it is absent.
        """
        found = self.get(key)
        if found is None:
            raise MalformedError(f"{self.where}.{key}", "a value", "none")
        return found

    def each(self) -> Iterator["Value"]:
        """Yield the values of a list.

        Raises:
            MalformedError: If this is none.
        """
        if not isinstance(self.raw, list):
            raise self.fault("a list")
        for number, one in enumerate(self.raw):
            yield Value(one, f"{self.where}[{number}]")

    def number(self) -> float:
        """Return a finite number; also one that is written as text.

        Raises:
            MalformedError: If it is none.
        """
        raw = self.raw
        if isinstance(raw, str):
            try:
                raw = float(raw)
            except ValueError:
                raise self.fault("a number") from None
        is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
        if not is_number or not math.isfinite(raw) or abs(raw) > _LARGEST:
            raise self.fault("a number")
        return float(raw)

    def numbers(self) -> list[float]:
        """Return a list of numbers."""
        return [one.number() for one in self.each()]

    def text(self) -> str:
        """Return a text.

        Raises:
            MalformedError: If it is none.
        """
        if not isinstance(self.raw, str):
            raise self.fault("a text")
        return self.raw

    def fault(self, expected: str) -> MalformedError:
        """Make the error for this value."""
        return MalformedError(self.where, expected, repr(self.raw))


def truth(value: Value | None) -> bool:
    """Read a flag: true, 1, "1" or "true"."""
    return value is not None and str(value.raw).lower() in {"1", "1.0", "true"}


def size_of(value: Value, width: str, height: str) -> tuple[float, float] | None:
    """Read a size; None if it is not stated, or 0, as some tools write.

    Raises:
        MalformedError: If it is not two numbers.
    """
    wide, high = value.get(width), value.get(height)
    if wide is None or high is None:
        return None
    size = (wide.number(), high.number())
    return size if min(size) > 0 else None
