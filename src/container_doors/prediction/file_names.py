"""Names for the files of each photograph: safe on every system, and never the same for two."""

import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath

from container_doors.core.predictions import PhotographResult
from container_doors.data.safe_names import safe_stem


class FileNames:
    """Names results in the order in which they are written.

    A photograph keeps its own name where that is free: its label file is then found by trainers.
    Of photographs with one name, the later ones get their folder's, then a part of the hash of
    their path. ``@`` and ``~`` are in no safe name, so none of these is another one's own name.
    """

    def __init__(self, before: Iterable[str] = ()) -> None:
        """Start with every name free, but for those of files that another shard has before."""
        self._taken: set[str] = set()
        self._videos: dict[str, str] = {}
        for path in before:
            self.take(path)

    def stem_of(self, result: PhotographResult) -> str:
        """Return the name without a suffix: ``img_001``, ``lane_7@000012`` for a frame."""
        if result.frame is None:
            return self.take(result.path)
        if result.path not in self._videos:
            self._videos[result.path] = self.take(result.path)
        return f"{self._videos[result.path]}@{result.frame.index:06d}"

    def take(self, path: str) -> str:
        """Return the name of the next file, without a suffix."""
        parts = PurePosixPath(path.replace("\\", "/"))
        stem = safe_stem(parts.name)
        parent = safe_stem(f"{parts.parent.name}.") if parts.parent.name.strip(".") else ""
        digest = hashlib.sha256(path.encode()).hexdigest()[:16]
        choices = (stem, f"{parent}~{stem}" if parent else stem, f"{stem}~{digest}")
        chosen = next((one for one in choices if one.casefold() not in self._taken), choices[-1])
        self._taken.add(chosen.casefold())
        return chosen
