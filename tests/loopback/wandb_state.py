"""What a W&B server remembers: runs, their streams and files, and artifacts."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

HISTORY = "wandb-history.jsonl"
EVENTS = "wandb-events.jsonl"
SUMMARY = "wandb-summary.json"
LOG = "output.log"


def now() -> str:
    """This moment, as the server spells it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(eq=False)
class RemoteArtifact:
    """One version of an artifact; ``files`` and ``version_index`` come with the commit."""

    id: str
    entity: str
    project: str
    name: str
    type: str
    digest: str
    aliases: list[str] = field(default_factory=list)
    description: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    state: str = "PENDING"
    version_index: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    manifest: bytes = b""
    created_at: str = field(default_factory=now)

    @property
    def collection(self) -> tuple[str, str, str]:
        """What the versions of one artifact share."""
        return (self.entity, self.project, self.name)


@dataclass(eq=False)
class RemoteRun:
    """One run as the server has it; ``files`` holds the uploaded bytes by name."""

    id: str
    entity: str
    project: str
    lock: AbstractContextManager[Any] = field(repr=False)
    name: str | None = None
    notes: str | None = None
    tags: list[str] = field(default_factory=list)
    wire_config: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    artifacts: list[RemoteArtifact] = field(default_factory=list)
    exit_code: int | None = None
    times_opened: int = 0
    created_at: str = field(default_factory=now)
    _streams: dict[str, dict[int, str]] = field(default_factory=dict, repr=False)

    @property
    def storage_id(self) -> str:
        """The id that GraphQL knows the run by, spelled as the real server does."""
        return base64.b64encode(f"Run:v1:{self.id}:{self.project}:{self.entity}".encode()).decode()

    @property
    def state(self) -> str:
        """``running``, ``finished`` or ``failed``."""
        if self.exit_code is None:
            return "running"
        return "failed" if self.exit_code else "finished"

    @property
    def config(self) -> dict[str, Any]:
        """The user's configuration: plain values, without the client's own ``_wandb``."""
        return {key: entry["value"] for key, entry in self.wire_config.items() if key != "_wandb"}

    @property
    def history(self) -> list[dict[str, Any]]:
        """The logged rows, in the order of their line numbers."""
        return self._rows(HISTORY)

    @property
    def system(self) -> list[dict[str, Any]]:
        """The rows of system metrics."""
        return self._rows(EVENTS)

    @property
    def summary(self) -> dict[str, Any]:
        """The summary, with the client's ``_step``, ``_runtime`` and ``_wandb``."""
        rows = self._rows(SUMMARY)
        return rows[-1] if rows else {}

    def metric(self, key: str) -> list[Any]:
        """The values of one metric, in row order."""
        return [row[key] for row in self.history if key in row]

    def lines(self, stream: str) -> list[str]:
        """The lines of one stream that were written, in order."""
        with self.lock:
            return [line for _, line in sorted(self._streams.get(stream, {}).items())]

    def line_count(self, stream: str) -> int:
        """Where the next session is to go on: one past the last line, gaps included."""
        with self.lock:
            return max(self._streams.get(stream, {}), default=-1) + 1

    def write(self, stream: str, content: Iterable[str], *, offset: int = 0) -> None:
        """Write lines from ``offset`` on: what stood there is replaced, nothing is shifted."""
        with self.lock:
            lines = self._streams.setdefault(stream, {})
            lines.update(enumerate(content, start=offset))

    def _rows(self, stream: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(stream) if line]


class WandbState:
    """Everything that one server knows; ``lock`` guards all of it."""

    def __init__(self, entity: str) -> None:
        self.entity = entity
        self.lock = threading.RLock()
        self.artifacts: dict[str, RemoteArtifact] = {}
        self._runs: dict[tuple[str, str, str], RemoteRun] = {}
        self._blobs: dict[str, bytes] = {}

    @property
    def runs(self) -> dict[str, RemoteRun]:
        """The runs by id; of two projects' runs with one id, the later."""
        with self.lock:
            return {run.id: run for run in self._runs.values()}

    def find_run(self, *, entity: str | None, project: str, run_id: str) -> RemoteRun | None:
        """The run of that id in that project."""
        return self._runs.get((entity or self.entity, project, run_id))

    def run_stored_as(self, storage_id: str) -> RemoteRun | None:
        """The run that GraphQL knows by ``storage_id``."""
        return next((run for run in self._runs.values() if run.storage_id == storage_id), None)

    def open_run(self, *, entity: str, project: str, run_id: str) -> RemoteRun:
        """The run of that id, made if it is new."""
        fresh = RemoteRun(run_id, entity, project, self.lock)
        return self._runs.setdefault((entity, project, run_id), fresh)

    def stream(self, run: RemoteRun, document: Mapping[str, Any]) -> None:
        """Take in one file_stream request: lines by file and, at the end, the exit code."""
        for name, part in (document.get("files") or {}).items():
            run.write(name, part["content"], offset=part.get("offset", 0))
        if document.get("complete"):
            run.exit_code = document["exitcode"]

    def has_blob(self, md5: str) -> bool:
        """Whether bytes of that (base64) MD5 were uploaded before, to whichever artifact."""
        return md5 in self._blobs

    def keep_blob(self, data: bytes) -> None:
        """Keep uploaded bytes under their MD5, as manifests refer to them."""
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        self._blobs[base64.b64encode(digest).decode()] = data

    def versions(self, collection: tuple[str, str, str]) -> list[RemoteArtifact]:
        """The committed versions of one artifact, oldest first."""
        return [
            artifact
            for artifact in self.artifacts.values()
            if artifact.collection == collection and artifact.state == "COMMITTED"
        ]

    def commit(self, artifact: RemoteArtifact) -> None:
        """Make the artifact the newest version.

        Raises:
            KeyError: The manifest names bytes that were never uploaded.
        """
        entries = json.loads(artifact.manifest)["contents"]
        artifact.files = {
            name: self._blobs[entry["digest"]]
            for name, entry in entries.items()
            if "ref" not in entry
        }
        artifact.version_index = len(self.versions(artifact.collection))
        artifact.state = "COMMITTED"
        self.add_aliases(artifact, artifact.aliases)

    def add_aliases(self, artifact: RemoteArtifact, aliases: Iterable[str]) -> None:
        """Move aliases here: of all versions of a collection, one has a given alias."""
        wanted = set(aliases)
        for version in self.versions(artifact.collection):
            version.aliases = sorted(set(version.aliases) - wanted)
        artifact.aliases = sorted({*artifact.aliases, *wanted})
