"""Reads the photographs of a request into memory, bounded; nothing is written to a disk."""

import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from container_doors.adapters.http.refusals import Refusal, busy
from container_doors.prediction.service import ServiceLimits, Upload

_FORM = "multipart/form-data"


class _InMemory(MultiPartParser):
    spool_max_size = sys.maxsize


class Budget:
    """How many bytes of all requests may be in memory; used in one thread."""

    def __init__(self, most: int) -> None:
        """Begin with nothing in memory."""
        self._most, self._held = most, 0

    @contextmanager
    def share(self) -> Iterator["_Share"]:
        """Yield a request's share, which is given back at the end."""
        share = _Share(self)
        try:
            yield share
        finally:
            self._held -= share.held

    def has_room(self, size: int) -> bool:
        """Take so many bytes; False if there is no room."""
        if self._held + size > self._most:
            return False
        self._held += size
        return True


class _Share:
    def __init__(self, budget: Budget) -> None:
        self.held, self._budget = 0, budget

    def take(self, size: int) -> None:
        if not self._budget.has_room(size):
            raise busy(1)
        self.held += size


async def read_uploads(request: Request, limits: ServiceLimits, share: _Share) -> list[Upload]:
    """Read the photographs of a request.

    Raises:
        Refusal: If there is none, there are too many, or one is too large.
    """
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    most = limits.request_bytes if is_form else limits.file_bytes
    chunks = _counted(request, most, share)
    if is_form:
        uploads = await _form(request, chunks, limits)
    else:
        data = b"".join([chunk async for chunk in chunks])
        uploads = [Upload(request.query_params.get("name", "photograph"), data)]
    if not any(one.data for one in uploads):
        raise Refusal(
            422,
            "expected a photograph, found nothing",
            "curl --data-binary @photo.jpg, or a form: curl -F files=@photo.jpg",
        )
    for one in uploads:
        if len(one.data) > limits.file_bytes:
            raise too_large(limits.file_bytes)
    return uploads


def too_large(most: int) -> Refusal:
    """Refuse what has too many bytes."""
    return Refusal(
        413,
        f"a photograph may have {most / 1e6:g} MB at most",
        "send a smaller file, or start doors serve with a larger --max-mb",
    )


async def _counted(request: Request, most: int, share: _Share) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most + (1 << 16):  # a form has its own lines too
            raise too_large(most)
        share.take(len(chunk))
        yield chunk


async def _form(
    request: Request, chunks: AsyncGenerator[bytes, None], limits: ServiceLimits
) -> list[Upload]:
    parser = _InMemory(request.headers, chunks, max_files=limits.files, max_fields=0)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise _refused_form(error, limits) from None
    files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
    try:
        return [Upload(one.filename or "photograph", await one.read()) for one in files]
    finally:
        await form.close()


def _refused_form(error: Exception, limits: ServiceLimits) -> Refusal:
    text = str(error)
    if "Too many files" in text:
        return Refusal(
            413,
            f"one request may have {limits.files} photographs at most",
            "send several requests, or start doors serve with a larger --max-files",
        )
    if "Too many fields" in text:
        return Refusal(
            422,
            "expected files alone in the form, found another field",
            "settings are in the address: /v1/predict?conf=0.4",
        )
    return Refusal(422, "the form is damaged or cut off", "send it again: curl -F files=@photo.jpg")
