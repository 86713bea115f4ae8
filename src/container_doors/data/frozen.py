"""Hold a split unchanged: its files and their hashes, in ``frozen.json`` beside ``data.yaml``."""

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container_doors.core.parsing import ParsingError, parse_json, read_bounded
from container_doors.core.records import Finding
from container_doors.data.faults import Fault
from container_doors.data.photographs import Photograph

FROZEN_JSON = "frozen.json"
_SPLIT = "test"
_MOST_BYTES = 64 * 1024**2
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Frozen:
    """The files of the test split when it was frozen."""

    files: Mapping[str, str]
    """SHA-256 by the path below the data set's folder: photographs and label files."""

    @property
    def sha256(self) -> str:
        """One hash of all of them."""
        lines = (f"{path}\0{digest}\n" for path, digest in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def text(self) -> str:
        """Return the document."""
        document = {
            "schema_version": 1,
            "split": _SPLIT,
            "sha256": self.sha256,
            "files": dict(sorted(self.files.items())),
        }
        return json.dumps(document, indent=2) + "\n"


def freeze(photographs: Sequence[Photograph]) -> Frozen:
    """List the files of the test split."""
    files = {}
    for each in photographs:
        if each.split == _SPLIT:
            for path, digest in ((each.image, each.image_sha256), (each.label, each.label_sha256)):
                if digest is not None:
                    files[path.as_posix()] = digest
    return Frozen(files)


def read_frozen(dataset: Path) -> Frozen | None:
    """Read what was frozen; None if nothing was.

    Raises:
        ParsingError: If it is not such a document, or was changed.
    """
    try:
        document = parse_json(read_bounded(dataset / FROZEN_JSON, _MOST_BYTES), _MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ParsingError("a file that can be read", error.strerror or str(error)) from None
    expected = "the list that was written when the split was frozen"
    if not _is_document(document):
        raise ParsingError(expected, "something else")
    frozen = Frozen(document["files"])
    if document.get("sha256") != frozen.sha256:
        raise ParsingError(expected, "another hash than that of its list")
    return frozen


def _is_document(document: Any) -> bool:  # noqa: ANN401 - JSON can hold anything
    return (
        isinstance(document, dict)
        and document.get("schema_version") == 1
        and document.get("split") == _SPLIT
        and isinstance(document.get("files"), dict)
        and all(isinstance(digest, str) for digest in document["files"].values())
    )


def frozen_changes(dataset: Path, photographs: Sequence[Photograph]) -> Iterator[Finding]:
    """Report each file of a frozen split that was added, removed or changed; at most twenty."""
    path = shlex.quote(str(dataset))
    again = f"doors data split --path {path} --unfreeze --freeze test"
    try:
        frozen = read_frozen(dataset)
    except ParsingError as error:
        remedy = f"restore it, for example with git or dvc checkout; or freeze anew: {again}"
        yield Fault("frozen-unreadable", error.expected, error.found, remedy).at(
            Path(FROZEN_JSON), error.line
        )
        return
    if frozen is None:
        return
    now = freeze(photographs).files
    names = sorted(
        name for name in now.keys() | frozen.files.keys() if now.get(name) != frozen.files.get(name)
    )
    for name in names[:_MOST_SHOWN]:
        yield _changed(name, frozen.files, now, again).at(Path(name))
    if len(names) > _MOST_SHOWN:
        found = f"{len(names) - _MOST_SHOWN} more files that were added, removed or changed"
        yield Fault("frozen-changed", _EXPECTED, found, f"restore them; or {again}").at(
            Path(FROZEN_JSON)
        )


_EXPECTED = "the test split as it was frozen"


def _changed(name: str, before: Mapping[str, str], now: Mapping[str, str], again: str) -> Fault:
    found, remedy = (
        ("a file that it did not have", "move it to another split, or remove it")
        if name not in before
        else ("no such file", "put it back")
        if name not in now
        else ("another content", "put the earlier one back")
    )
    return Fault(
        "frozen-changed",
        _EXPECTED,
        found,
        f"{remedy}; or, if the change is meant, earlier scores cannot be compared: {again}",
    )
