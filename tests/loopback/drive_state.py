"""What a Google Drive remembers: files and folders by id, and who may do what."""

import hashlib
import re
import threading
import uuid
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

FOLDER = "application/vnd.google-apps.folder"
SERVICE_ACCOUNTS = ".gserviceaccount.com"
_NO_QUOTA = (
    "Service Accounts do not have storage quota. Leverage shared drives "
    "(https://developers.google.com/workspace/drive/api/guides/about-shareddrives), or use OAuth "
    "delegation (http://support.google.com/a/answer/7281227) instead."
)


class RefusedError(Exception):
    """What Drive answers instead of doing it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass(eq=False)
class RemoteFile:
    """A file or a folder; a folder may name a shared drive, and the only ones who see it."""

    id: str
    title: str
    parent: str
    mime_type: str = "application/octet-stream"
    content: bytes | None = None
    drive_id: str | None = None
    seen_by: Set[str] | None = None
    is_trashed: bool = False

    @property
    def metadata(self) -> dict[str, Any]:
        """The Drive v2 resource, with what PyDrive2 reads of it.

        https://developers.google.com/workspace/drive/api/reference/rest/v2/files
        """
        document: dict[str, Any] = {
            "kind": "drive#file",
            "id": self.id,
            "title": self.title,
            "mimeType": self.mime_type,
            "parents": [{"id": self.parent}],
            "labels": {"trashed": self.is_trashed},
        }
        if self.drive_id:
            document["driveId"] = self.drive_id
        if self.content is not None:
            md5 = hashlib.md5(self.content, usedforsecurity=False).hexdigest()
            document |= {"fileSize": str(len(self.content)), "md5Checksum": md5}
        return document


@dataclass(eq=False)
class Upload:
    """A resumable upload that is under way; its address is authority enough, as at Google."""

    who: str
    metadata: Mapping[str, Any]
    received: bytearray = field(default_factory=bytearray)


class DriveState:
    """All files of one Drive; ``lock`` guards them.

    Attributes:
        is_full: Whether whoever owns storage has used it up.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.files: dict[str, RemoteFile] = {}
        self.uploads: dict[str, Upload] = {}
        self.is_full = False

    def add_folder(
        self, title: str = "remote", *, parent: str = "root", drive_id: str | None = None,
        seen_by: Set[str] | None = None,
    ) -> str:  # fmt: skip
        """Make a folder, as a person would in the browser; returns its id."""
        folder = RemoteFile(f"F{uuid.uuid4().hex}", title, parent, FOLDER)
        folder.drive_id, folder.seen_by = drive_id, seen_by
        self.files[folder.id] = folder
        return folder.id

    def find(self, who: str, file_id: str) -> RemoteFile:
        """The file of that id, if ``who`` may see it.

        Raises:
            RefusedError: If there is none, for them.
        """
        found = self.files.get(file_id)
        if found is None or not self._is_seen(who, found):
            raise RefusedError(404, "notFound", f"File not found: {file_id}")
        return found

    def search(self, who: str, query: str) -> list[RemoteFile]:
        """What matches a query of the forms that PyDrive2 sends: parents, title, trashed."""
        parents = set(re.findall(r"'([^']+)' in parents", query))
        title = re.search(r"title='((?:[^'\\]|\\.)*)'", query)
        wanted = title[1].replace("\\'", "'").lower() if title else None
        with self.lock:
            return [
                file
                for file in self.files.values()
                if file.parent in parents
                and file.is_trashed == ("trashed=true" in query)
                and wanted in (None, file.title.lower())  # Drive does not mind the case
                and self._is_seen(who, file)
            ]

    def create(self, who: str, metadata: Mapping[str, Any], content: bytes | None) -> RemoteFile:
        """Make a file, or a folder where there is no content.

        Raises:
            RefusedError: If the parent is not there, or ``who`` has no storage to use.
        """
        parent = self.check_may_write(who, metadata)
        file = RemoteFile(
            f"I{uuid.uuid4().hex}", metadata.get("title", "Untitled"), parent.id, content=content
        )
        file.mime_type = metadata.get("mimeType") or file.mime_type
        file.drive_id = parent.drive_id
        with self.lock:
            self.files[file.id] = file
        return file

    def check_may_write(self, who: str, metadata: Mapping[str, Any]) -> RemoteFile:
        """The folder that a new file goes to.

        Since April 2025 a service account owns no storage, and writes into shared drives only.

        Raises:
            RefusedError: If it is not there, or there is no storage to use.
        """
        parent = self.find(who, (metadata.get("parents") or [{"id": "root"}])[0]["id"])
        if who.endswith(SERVICE_ACCOUNTS) and parent.drive_id is None:
            raise RefusedError(403, "storageQuotaExceeded", _NO_QUOTA)
        if self.is_full:
            said = "The user's Drive storage quota has been exceeded."
            raise RefusedError(403, "storageQuotaExceeded", said)
        return parent

    def contents(self, folder_id: str) -> dict[str, bytes]:
        """Every file below a folder that is not in the bin, by its path."""
        with self.lock:
            return dict(self._below(folder_id, ""))

    def _below(self, folder_id: str, prefix: str) -> Iterator[tuple[str, bytes]]:
        for file in self.files.values():
            if file.parent != folder_id or file.is_trashed:
                continue
            if file.content is not None:
                yield prefix + file.title, file.content
            else:
                yield from self._below(file.id, f"{prefix}{file.title}/")

    def _is_seen(self, who: str, file: RemoteFile) -> bool:
        above: RemoteFile | None = file
        while above is not None:
            if above.seen_by is not None and who not in above.seen_by:
                return False
            above = self.files.get(above.parent)
        return True
