"""``predictions.jsonl``: one line for each photograph, and where a killed prediction goes on."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from container_doors.core.errors import PredictionError
from container_doors.core.files import force_name_to_disk, lock_place, open_file, try_lock
from container_doors.core.predictions import SCHEMA, PhotographResult
from container_doors.core.printable import printable, shortened

MOST_LINE_BYTES = 1 << 24
"""A photograph with 300 doors has a hundredth of it."""


class Journal:
    """A file of results that grows by whole lines; one process writes to it at a time."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it; a line that was cut off by a kill is removed.

        Raises:
            PredictionError: If another process writes to it.
        """
        self.path = path
        is_new = not path.exists()
        self._file = path.open("a+b", buffering=0)  # a buffer would be lost with the process
        self._lock = lock_place(path.with_name(f".{path.name}.lock")).open("a+", encoding="utf-8")
        if not try_lock(self._lock):
            self.close()
            raise PredictionError(
                f"{path}: another process writes to it now",
                hint="wait until it ends, or choose another --out",
            )
        if is_new:
            force_name_to_disk(path)
        self._end = self._without_torn_line()

    def append(self, result: PhotographResult) -> None:
        """Append a result; a write that fails leaves the file as it was.

        Raises:
            OSError: If it fails, for example because the disk is full.
        """
        line = f"{result.model_dump_json()}\n".encode()
        rest = line
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            with suppress(OSError):  # else it is a torn line, which the next start removes
                self._file.truncate(self._end)
            raise
        self._end += len(line)

    def results(self) -> Iterator[PhotographResult]:
        """Read all results, one after the other.

        Raises:
            PredictionError: If a line is no result of this release.
        """
        with open_file(self.path) as file:
            lines = iter(lambda: file.readline(MOST_LINE_BYTES), b"")
            for number, line in enumerate(lines, start=1):
                yield self._parsed(line, number)

    def close(self) -> None:
        """Let other processes write."""
        self._file.close()
        self._lock.close()

    def _parsed(self, line: bytes, number: int) -> PhotographResult:
        try:
            return PhotographResult.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            found = printable(line[:40].decode("utf-8", "backslashreplace").rstrip())
            raise PredictionError(
                f"{self.path}:{number}: expected a result in the format {SCHEMA}, found {found} "
                f"({place and f'{place}: '}{shortened(first['msg'])})",
                hint="delete this line, and its photograph is done again; or choose another --out",
            ) from None

    def _without_torn_line(self) -> int:
        """Cut off what follows the last line end; return the file's size."""
        size = self._file.seek(0, os.SEEK_END)
        end = size
        while end:
            start = max(0, end - MOST_LINE_BYTES)
            self._file.seek(start)
            found = self._file.read(end - start) or b""
            if b"\n" in found:
                end = start + found.rindex(b"\n") + 1
                break
            end = start
        if end < size:
            self._file.truncate(end)
        return end
