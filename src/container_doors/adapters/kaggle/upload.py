"""Uploads files to Kaggle's storage, with progress, and resumes after an interruption.

The client starts an upload, stores its address in a file of the user for six days, and calls us
to send the bytes. Its own code for that has no time-out, and prints errors.
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import io
from collections.abc import Callable
from pathlib import Path
from time import sleep

import requests

Report = Callable[[str, int], None]
"""Called with a file's path, and how many of its bytes are sent."""

_WAIT_S = 60.0
_PAUSE_S = 1.0


def _say_nothing(_path: str, _sent: int) -> None:
    pass


class Uploads:
    """The part of the client that sends files."""

    report: Report = staticmethod(_say_nothing)
    """Called as bytes are sent."""

    def upload_complete(self, path: str, url: str, _quiet: bool, resume: bool = False) -> int:
        """Send a file, or the rest of it.

        Returns:
            One of the client's results: complete, expired (start again), incomplete (resume).

        Raises:
            requests.RequestException: If the storage cannot be reached, or refuses.
        """
        from kaggle.models.kaggle_models_extended import ResumableUploadResult as Result

        size = Path(path).stat().st_size
        with requests.Session() as session:
            start = _received(session, url, size) if resume else 0
            if start is None:
                return int(Result.EXPIRED)
            if start < size or not size:
                try:
                    answer = _put(session, url, Path(path), start=start, report=self.report)
                except (requests.ConnectionError, requests.Timeout):
                    return int(Result.INCOMPLETE)
                if answer.status_code >= 500:
                    sleep(_PAUSE_S)
                    return int(Result.INCOMPLETE)
                answer.raise_for_status()
        return int(Result.COMPLETE)


def _received(session: requests.Session, url: str, size: int) -> int | None:
    """Ask how many bytes the storage has received; None if the upload has expired."""
    headers = {"Content-Length": "0", "Content-Range": f"bytes */{size}"}
    answer = session.put(url, headers=headers, timeout=_WAIT_S)
    if answer.status_code in {404, 410}:
        return None
    if answer.status_code == 308:
        received = answer.headers.get("Range")  # bytes=0-99; absent if there is nothing yet
        return int(received.rpartition("-")[2]) + 1 if received else 0
    answer.raise_for_status()
    return size


def _put(
    session: requests.Session, url: str, path: Path, *, start: int, report: Report
) -> requests.Response:
    size = path.stat().st_size
    with _ReportingFile(path, start, report) as content:
        return session.put(
            url,
            data=content if size else b"",
            headers={"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {},
            timeout=_WAIT_S,
        )


class _ReportingFile(io.FileIO):
    """A file that reports how far it was read."""

    def __init__(self, path: Path, start: int, report: Report) -> None:
        super().__init__(str(path))
        self.seek(start)
        self._report = report

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(-1 if size is None else size) or b""
        self._report(str(self.name), self.tell())
        return block
