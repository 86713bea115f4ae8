"""The calls of Drive's API v2 that PyDrive2 makes for DVC.

https://developers.google.com/workspace/drive/api/reference/rest/v2
"""

import re
import uuid

from tests.loopback.drive_http import Reply, Request
from tests.loopback.drive_state import DriveState, RefusedError, RemoteFile, Upload

_FILES = re.compile(
    r"(?P<upload>(?:/resumable)?(?:/upload)?)/drive/v2/files(?:/(?P<id>[^/]+))?(?P<verb>/trash)?"
)
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_TOTAL = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")


def serve(state: DriveState, who: str, request: Request) -> Reply:
    """Answer one call of somebody who is known.

    Raises:
        RefusedError: If Drive would refuse.
    """
    found = _FILES.fullmatch(request.path)
    if found is None:
        raise RefusedError(404, "notFound", f"not served here: {request.path}")
    if found["upload"]:
        return _begin_upload(state, who, request)
    if found["id"] is None:
        return _list(state, who, request) if request.method == "GET" else _make(state, who, request)
    return _file(state, state.find(who, found["id"]), found["verb"], request)


def go_on(state: DriveState, request: Request) -> Reply:
    """Take in a part of a resumable upload; an empty file comes without a Content-Range."""
    upload = state.uploads[request.query["upload_id"]]
    upload.received += request.body
    total = _TOTAL.fullmatch(request.headers.get("content-range", "bytes */0"))
    if total is None or len(upload.received) < int(total[1]):
        until = {"Range": f"bytes=0-{len(upload.received) - 1}"} if upload.received else {}
        return Reply(308, headers=until)
    del state.uploads[request.query["upload_id"]]
    content = bytes(upload.received)
    return Reply.of(state.create(upload.who, upload.metadata, content).metadata)


def _begin_upload(state: DriveState, who: str, request: Request) -> Reply:
    state.check_may_write(who, request.document)
    upload_id = uuid.uuid4().hex
    state.uploads[upload_id] = Upload(who, request.document)
    address = f"https://{request.headers['host']}/upload/drive/v2/files"
    return Reply(headers={"Location": f"{address}?uploadType=resumable&upload_id={upload_id}"})


def _list(state: DriveState, who: str, request: Request) -> Reply:
    found = state.search(who, request.query.get("q", ""))
    size, start = int(request.query.get("maxResults", 100)), int(request.query.get("pageToken", 0))
    page = [file.metadata for file in found[start : start + size]]
    rest = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
    return Reply.of({"kind": "drive#fileList", "items": page, **rest})


def _make(state: DriveState, who: str, request: Request) -> Reply:
    return Reply.of(state.create(who, request.document, None).metadata)


def _file(state: DriveState, file: RemoteFile, verb: str | None, request: Request) -> Reply:
    if request.method == "DELETE":
        with state.lock:
            del state.files[file.id]
        return Reply(204)
    if verb == "/trash":
        file.is_trashed = True
    if request.query.get("alt") == "media":
        return _media(file, request)
    return Reply.of(file.metadata)


def _media(file: RemoteFile, request: Request) -> Reply:
    content = file.content or b""
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None:
        return Reply(200, content)
    first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    if first > last:
        return Reply(416, headers={"Content-Range": f"bytes */{len(content)}"})
    where = f"bytes {first}-{last}/{len(content)}"
    return Reply(206, content[first : last + 1], {"Content-Range": where})
