"""A job's file on its way here: whole, or not at all.

Its address is signed and expires; a storage that refuses answers with a page, which must not become
the file. Nobody says what the content should be: whoever wants to be sure compares a hash.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import requests

from container_doors.adapters.kaggle.errors import of_answer, unreachable
from container_doors.core.errors import HostError, UnreachableError
from container_doors.core.files import put_in_place
from container_doors.core.ports import Progress

_WAIT_S = 60.0
_BLOCK_BYTES = 1 << 16
"""What a cut costs at most: of a block that is not whole, requests gives nothing."""
_MB = 1_000_000
_EXPIRED = (400, 401, 403, 410)
"""What Google's storage answers to a signature that is no longer good."""


def download(
    address: Callable[[], str],
    target: Path,
    *,
    pauses_s: Sequence[float],
    progress: Progress,
) -> None:
    """Fetch a file and put it in its place as one step.

    Args:
        address: Asks for a fresh signed address.
        target: Where it goes; what was there stays until all of the new is here.
        pauses_s: How long to wait before each further attempt without a byte of progress.
        progress: Told in megabytes.

    Raises:
        HostError: If it is refused, or is something else.
        UnreachableError: If it is cut, again and again.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    transfer = _Transfer(target.name, part, progress)
    waits = list(pauses_s)
    try:
        while not transfer.is_whole:
            had = transfer.received
            try:
                transfer.go_on(address())
            except UnreachableError:
                if transfer.received > had:
                    waits = list(pauses_s)
                elif waits:
                    time.sleep(waits.pop(0))
                else:
                    raise
        put_in_place(part, target)
    finally:
        part.unlink(missing_ok=True)


class _Transfer:
    """What has arrived, over as many connections as it takes."""

    def __init__(self, name: str, part: Path, progress: Progress) -> None:
        self.received = 0
        self.is_whole = False
        self._name, self._part, self._progress = name, part, progress
        self._version: str | None = None

    def go_on(self, url: str) -> None:
        """Receive until the end, or until it is cut."""
        wish = f"send {self._name}"
        try:
            with requests.get(
                url, headers=self._from_here(), stream=True, timeout=_WAIT_S
            ) as answer:
                if answer.status_code in _EXPIRED:
                    raise UnreachableError(
                        f"Kaggle's storage will not {wish}: its address has expired "
                        f"({answer.status_code})",
                        hint="run this again: a fresh one is asked for",
                    )
                if answer.status_code not in {200, 206}:
                    raise of_answer(wish, answer)
                self._check_is_a_file(answer)
                self._receive(answer)
        except requests.RequestException as error:
            raise unreachable(wish, error) from None

    def _from_here(self) -> dict[str, str]:
        """Ask for the rest of the same version; another one is sent whole."""
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
                f"instead of {self._name} came a page of HTML, and nothing was kept",
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
                self._tell(total)
        if total is not None and self.received != total:  # urllib3 before 2 does not mind
            raise UnreachableError(
                f"{self._name} was cut: {self.received} of {total} bytes came",
                hint="run this again: it is taken up where it was cut",
            )
        self.is_whole = True
        self._tell(self.received)

    def _tell(self, total: int | None) -> None:
        megabytes = max(1, -(-(total or 0) // _MB))
        done = megabytes if self.is_whole else min(self.received // _MB, megabytes - 1)
        self._progress.step(f"downloading {self._name}, MB", done, megabytes)
