"""Hash files, texts and params."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from container_doors.core.files import open_file
from container_doors.core.records import Artifact


def file_sha256(path: Path) -> str:
    """Hash a file without reading it into memory at once."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prefix_of_sha256(path: Path, sha256: str) -> int | None:
    """Return the size in bytes of the leading whole lines that have this hash; None if none do."""
    digest, size = hashlib.sha256(), 0
    with open_file(path) as file:
        for line in file:
            digest.update(line)
            size += len(line)
            if digest.hexdigest() == sha256:
                return size
    return None


def text_sha256(text: str) -> str:
    """Hash a text as its UTF-8 bytes.

    >>> text_sha256("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode()).hexdigest()


def params_sha256(params: Mapping[str, Any]) -> str:
    """Hash params by value: the order of keys and the formatting of YAML do not matter.

    >>> params_sha256({"a": 1, "b": 0.5}) == params_sha256({"b": 0.50, "a": 1})
    True
    """
    canonical = json.dumps(
        params, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text_sha256(canonical)


def artifact(path: Path) -> Artifact:
    """Return the hash and the size of a file that a run produced."""
    return Artifact(sha256=file_sha256(path), size_bytes=path.stat().st_size)
