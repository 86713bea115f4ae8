"""What a file or a set of params is, by its content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container_doors.core.records import Artifact


def file_sha256(path: Path) -> str:
    """Hash a file without holding it in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prefix_of_sha256(path: Path, sha256: str) -> int | None:
    """Find how many of a text's first bytes, in whole lines, have a hash; None if none have."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            size += len(line)
            if digest.hexdigest() == sha256:
                return size
    return None


def text_sha256(text: str) -> str:
    """Hash a text as it is in a file.

    >>> text_sha256("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode()).hexdigest()


def params_sha256(params: Mapping[str, Any]) -> str:
    """Hash params by what they say: neither the order of keys nor the spelling of YAML counts.

    >>> params_sha256({"a": 1, "b": 0.5}) == params_sha256({"b": 0.50, "a": 1})
    True
    """
    canonical = json.dumps(
        params, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text_sha256(canonical)


def artifact(path: Path) -> Artifact:
    """Describe a file that a run leaves."""
    return Artifact(sha256=file_sha256(path), size_bytes=path.stat().st_size)
