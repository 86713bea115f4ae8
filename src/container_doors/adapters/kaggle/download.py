"""Downloads a job's file: complete, or not at all.

Its address is signed and expires; a storage that refuses answers with a page, which must not become
the file. The host gives no hash of the content: a caller that has one compares it.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import requests

from container_doors.adapters.kaggle.errors import error_of_response, unreachable
from container_doors.core.errors import HostError, UnreachableError
from container_doors.core.files import put_in_place
from container_doors.core.ports import Progress

_WAIT_S = 60.0
_BLOCK_BYTES = 1 << 16
"""The most that an interruption costs: requests drops an incomplete block."""
_MB = 1_000_000
_EXPIRED = (400, 401, 403, 410)
"""What Google's storage answers to a signature that has expired."""


def download(
    address: Callable[[], str],
    target: Path,
    *,
    pauses_s: Sequence[float],
    progress: Progress,
) -> None:
    """Download a file and put it in its place as one step.

    Args:
        address: Requests a fresh signed address.
        target: The path; an earlier file stays until the new one is complete.
        pauses_s: How long to wait before each further attempt without a byte of progress.
        progress: Receives the megabytes.

    Raises:
        HostError: If it is refused, or the answer is not the file.
        UnreachableError: If it is interrupted, again and again.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    transfer = _Transfer(target.name, part, progress)
    waits = list(pauses_s)
    try:
        while not transfer.is_whole:
            before = transfer.received
            try:
                transfer.resume(address())
            except UnreachableError:
                if transfer.received > before:
                    waits = list(pauses_s)
                elif waits:
                    time.sleep(waits.pop(0))
                else:
                    raise
        put_in_place(part, target)
    finally:
        part.unlink(missing_ok=True)


class _Transfer:
    """A download over as many connections as it takes."""

    def __init__(self, name: str, part: Path, progress: Progress) -> None:
        self.received = 0
        self.is_whole = False
        self._name, self._part, self._progress = name, part, progress
        self._version: str | None = None

    def resume(self, url: str) -> None:
        """Receive until the end, or until an interruption."""
        action = f"send {self._name}"
        try:
            with requests.get(
                url, headers=self._resume_headers(), stream=True, timeout=_WAIT_S
            ) as answer:
                if answer.status_code in _EXPIRED:
                    raise UnreachableError(
                        f"Kaggle's storage will not {action}: its address has expired "
                        f"({answer.status_code})",
                        hint="run this again: it requests a fresh one",
                    )
                if answer.status_code not in {200, 206}:
                    raise error_of_response(action, answer)
                self._check_is_a_file(answer)
                self._receive(answer)
        except requests.RequestException as error:
            raise unreachable(action, error) from None

    def _resume_headers(self) -> dict[str, str]:
        """Ask for the rest of the same version; another version is sent completely."""
        if not self.received or self._version is None:
            return {"Accept-Encoding": "identity"}
        return {
            "Accept-Encoding": "identity",
            "Range": f"bytes={self.received}-",
            "If-Range": self._version,
        }

    def _check_is_a_file(self, answer: requests.Response) -> None:
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        if is_page and Path(self._name).suffix not in {".html", ".htm"}:
            raise HostError(
                f"expected {self._name}, found a page of HTML; nothing was saved",
                hint="is it a network's log-in page? Open any page in a browser, then try again",
            )

    def _receive(self, answer: requests.Response) -> None:
        if answer.status_code == 200:
            self.received = 0
        self._version = answer.headers.get("ETag")
        length = answer.headers.get("Content-Length")
        total = None if length is None else self.received + int(length)
        with self._part.open("ab" if self.received else "wb") as file:
            for block in answer.iter_content(_BLOCK_BYTES):
                file.write(block)
                self.received += len(block)
                self._report(total)
        if total is not None and self.received != total:  # urllib3 before 2 does not check this
            raise UnreachableError(
                f"{self._name} was interrupted: {self.received} of {total} bytes received",
                hint="run this again: the download resumes there",
            )
        self.is_whole = True
        self._report(self.received)

    def _report(self, total: int | None) -> None:
        megabytes = max(1, -(-(total or 0) // _MB))
        done = megabytes if self.is_whole else min(self.received // _MB, megabytes - 1)
        self._progress.step(f"downloading {self._name}, MB", done, megabytes)
