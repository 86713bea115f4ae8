"""The calls of Kaggle's API that its client makes for this project, by name.

https://github.com/Kaggle/kaggle-cli and kagglesdk 0.1.38 are where the names and fields are from;
what Kaggle answers to a refused push is known word by word for the number of sessions only.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.loopback.kaggle_http import STORAGE, Reply, Request
from tests.loopback.kaggle_session import Session
from tests.loopback.kaggle_state import (
    Account,
    Dataset,
    KaggleState,
    Kernel,
    RefusedError,
    now,
    slug_of,
)

PAGE = 20
MOST_SESSIONS = "Maximum batch GPU session count of 2 reached."
NO_QUOTA = "You have exceeded your weekly GPU quota."
NO_PHONE = "Phone verification is required to use GPUs or the internet."
NOT_THERE = "Permission 'kernels.get' was denied"


@dataclass
class Rules:
    """How this Kaggle behaves; a test changes what it is about.

    Attributes:
        session_limit_s: When a session is killed.
        queued_s: How long one waits before.
        dataset_polls: How often a new data set is not ready yet.
        dataset_status: What becomes of it then.
        status: What every session's status is said to be; ``""`` says nothing at all.
        log_cut_s: When a log's stream is cut, again and again.
        link_s: How long an output's address is good for.
        mounts_short: Whether data sets appear at ``/kaggle/input/SLUG``, as they used to.
        forgets_privacy: Whether what is sent as private becomes public.
        invalid_sources: Data sets that are not found, by reference.
        refusal: What a push is refused with.
        takes_no_delete: What a deletion is refused with.
        shown_instead: A folder whose files are listed in the place of a kernel's own, as those of
            an earlier version may be after one was cancelled.
    """

    session_limit_s: float = 12 * 3600.0
    queued_s: float = 0.0
    dataset_polls: int = 0
    dataset_status: str = "READY"
    status: str | None = None
    log_cut_s: float | None = None
    link_s: float = 600.0
    mounts_short: bool = False
    forgets_privacy: bool = False
    invalid_sources: set[str] = field(default_factory=set)
    refusal: str = ""
    takes_no_delete: str = ""
    shown_instead: Path | None = None


Call = Callable[[KaggleState, Rules, Account, dict[str, Any]], Any]


def introspect(state: KaggleState, token: str) -> dict[str, Any]:
    """Say whose token it is."""
    account = state.whose(token)
    return {"active": True, "username": account.name} if account else {"active": False}


def _start_blob_upload(state: KaggleState, _: Rules, __: Account, ask: dict[str, Any]) -> Any:
    token = state.start_blob(ask["name"], int(ask.get("contentLength", 0)))
    return {"token": token, "createUrl": f"https://{STORAGE}/upload/{token}"}


def _create_dataset(state: KaggleState, rules: Rules, who: Account, ask: dict[str, Any]) -> Any:
    ref = f"{who.name}/{ask['slug']}"
    if ref in state.datasets:
        return {"status": "error", "error": "The requested title is already in use by a dataset."}
    dataset = Dataset(
        who.name,
        ask["slug"],
        ask["title"],
        ask.get("isPrivate", False) and not rules.forgets_privacy,
        state.home / "datasets" / ref,
        rules.dataset_polls,
        rules.dataset_status,
    )
    state.add_dataset(dataset, [file["token"] for file in ask.get("files", [])])
    return {"status": "ok", "ref": f"/{ref}", "url": f"https://www.kaggle.com/datasets/{ref}"}


def _dataset(state: KaggleState, who: Account, ask: dict[str, Any]) -> Dataset:
    dataset = state.datasets.get(f"{ask['ownerSlug']}/{ask['datasetSlug']}")
    if dataset is None or (dataset.is_private and dataset.owner != who.name):
        raise RefusedError(403, "Permission 'datasets.get' was denied")
    return dataset


def _dataset_status(state: KaggleState, _: Rules, who: Account, ask: dict[str, Any]) -> Any:
    return {"status": _dataset(state, who, ask).asked_status()}


def _dataset_metadata(state: KaggleState, _: Rules, who: Account, ask: dict[str, Any]) -> Any:
    dataset = _dataset(state, who, ask)
    invited = [{"username": name, "role": "READER"} for name in dataset.collaborators]
    said = {"datasetSlug": dataset.slug, "ownerUser": dataset.owner, "title": dataset.title}
    return {"info": _true({**said, "isPrivate": dataset.is_private, "collaborators": invited})}


def _save_kernel(state: KaggleState, rules: Rules, who: Account, ask: dict[str, Any]) -> Any:
    owner, _, slug = ask["slug"].rpartition("/")
    slug = slug_of(ask.get("newTitle") or slug)
    needs_phone = ask.get("enableGpu") or ask.get("enableInternet")
    refusal = (
        rules.refusal
        or (NO_PHONE if needs_phone and not who.is_phone_verified else "")
        or (MOST_SESSIONS if ask.get("enableGpu") and len(state.running(who.name)) >= 2 else "")
        or (NO_QUOTA if ask.get("enableGpu") and _used_s(state, who) >= who.gpu_allowed_s else "")
    )
    if owner != who.name or refusal:
        return {"error": refusal or "You may not write there"}
    kernel = state.kernels.get(f"{owner}/{slug}")
    if kernel is None:
        kernel = Kernel(
            owner, slug, ask.get("newTitle", slug), ask, False, len(state.kernels), now()
        )
        state.kernels[kernel.ref] = kernel
    else:
        kernel.version += 1
    kernel.request, kernel.last_run_at = ask, now()
    kernel.is_private = bool(ask.get("isPrivate")) and not rules.forgets_privacy
    invalid = _run(state, rules, kernel)
    return {
        "ref": f"/code/{kernel.ref}",
        "url": f"https://www.kaggle.com/code/{kernel.ref}",
        "versionNumber": kernel.version,
        "kernelId": kernel.number,
        "invalidDatasetSources": invalid,
    }


def _run(state: KaggleState, rules: Rules, kernel: Kernel) -> list[str]:
    """Begin a session; returns the sources that it has to do without."""
    ask: Mapping[str, Any] = kernel.request
    sources = ask.get("datasetDataSources", [])
    usable = {
        ref: dataset
        for ref in sources
        if (dataset := state.datasets.get(ref)) and ref not in rules.invalid_sources
        if dataset.owner == kernel.owner or not dataset.is_private
    }
    session = Session(
        state.home / "sessions" / f"{kernel.ref}-{len(kernel.sessions) + 1}",
        bool(ask.get("enableGpu")),
        bool(ask.get("enableInternet")),
        min(
            rules.session_limit_s, float(ask.get("sessionTimeoutSeconds") or rules.session_limit_s)
        ),
    )
    kernel.sessions.append(session)
    inputs = {
        dataset.slug if rules.mounts_short else f"datasets/{ref}": dataset.folder
        for ref, dataset in usable.items()
        if dataset.polls_left <= 0  # what is not ready yet is mounted empty, or not at all
    }
    session.begin(str(ask["text"]), inputs, queued_s=rules.queued_s)
    return [ref for ref in sources if ref not in usable]


def _kernel(state: KaggleState, who: Account, owner: str, slug: str) -> Kernel:
    kernel = state.kernels.get(f"{owner}/{slug}")
    if kernel is None or (kernel.is_private and kernel.owner != who.name):
        raise RefusedError(403, NOT_THERE)
    return kernel


def _of_ask(state: KaggleState, who: Account, ask: dict[str, Any]) -> Kernel:
    return _kernel(state, who, ask["userName"], ask["kernelSlug"])


def _session_status(state: KaggleState, rules: Rules, who: Account, ask: dict[str, Any]) -> Any:
    session = _of_ask(state, who, ask).session
    if rules.status is not None:
        return {"status": rules.status} if rules.status else {}
    if session.status == "QUEUED":
        return {}
    said = {"status": session.status}
    return {**said, "failureMessage": session.failure} if session.failure else said


def _session_output(state: KaggleState, rules: Rules, who: Account, ask: dict[str, Any]) -> Any:
    session = _of_ask(state, who, ask).session
    folder = rules.shown_instead or session.working
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not session.is_over:
        files = []  # kept when the session ends
    first = int(ask.get("pageToken") or 0)
    size = min(int(ask.get("pageSize") or PAGE), 200)
    page = files[first : first + size]
    listed = [
        {
            "fileName": str(path.relative_to(folder)),
            "url": f"https://{STORAGE}/output/{path.name}?X-Goog-Signature="
            + state.sign(path, rules.link_s),
        }
        for path in page
    ]
    said = {"files": listed, "log": json.dumps(session.events) if session.is_over else ""}
    is_more = first + size < len(files)
    return {**said, "nextPageToken": str(first + size)} if is_more else said


def _get_kernel(state: KaggleState, _: Rules, who: Account, ask: dict[str, Any]) -> Any:
    kernel = _of_ask(state, who, ask)
    source = {"source": kernel.request["text"], "language": "python", "kernelType": "script"}
    return {"metadata": _described(kernel), "blob": {**source, "slug": kernel.slug}}


def _list_kernels(state: KaggleState, _: Rules, who: Account, ask: dict[str, Any]) -> Any:
    mine = [kernel for kernel in state.kernels.values() if kernel.owner == who.name]
    mine.sort(key=lambda kernel: kernel.last_run_at, reverse=True)
    first, size = int(ask.get("pageToken") or 0), int(ask.get("pageSize") or PAGE)
    token = str(first + size) if first + size < len(mine) else ""
    page = mine[first : first + size]
    return {"kernels": [_described(kernel) for kernel in page], "nextPageToken": token}


def _delete_kernel(state: KaggleState, rules: Rules, who: Account, ask: dict[str, Any]) -> Any:
    if rules.takes_no_delete:
        return {"errorMessage": rules.takes_no_delete}
    kernel = _of_ask(state, who, ask)
    for session in kernel.sessions:
        session.kill()
    del state.kernels[kernel.ref]
    return {}


def _quota(state: KaggleState, _: Rules, who: Account, __: dict[str, Any]) -> Any:
    gpu = {
        "timeUsed": f"{int(_used_s(state, who))}s",
        "totalTimeAllowed": f"{int(who.gpu_allowed_s)}s",
        "hasEverRun": True,
    }
    return {"quotaRefreshTime": _spelled(now() + timedelta(days=3)), "gpuQuota": gpu}


CALLS: dict[str, Call] = {
    "StartBlobUpload": _start_blob_upload,
    "CreateDataset": _create_dataset,
    "GetDatasetStatus": _dataset_status,
    "GetDatasetMetadata": _dataset_metadata,
    "SaveKernel": _save_kernel,
    "GetKernelSessionStatus": _session_status,
    "ListKernelSessionOutput": _session_output,
    "GetKernel": _get_kernel,
    "ListKernels": _list_kernels,
    "DeleteKernel": _delete_kernel,
    "GetAcceleratorQuotaStatistics": _quota,
}


def log(state: KaggleState, rules: Rules, who: Account, request: Request) -> Reply:
    """A log: live while the session runs, afterwards as it was kept."""
    owner, slug = request.path.split("/")[-2:]
    session = _kernel(state, who, owner, slug).session
    if session.is_over:
        return Reply(200, json.dumps(session.events).encode(), {"Content-Type": "text/plain"})
    stream = _live(session, rules.log_cut_s)
    return Reply(200, stream, {"Content-Type": "text/event-stream"})


def _live(session: Session, cut_s: float | None) -> Iterator[bytes]:
    sent, ends_at = 0, session.duration_s + (cut_s or 10**9)
    while True:
        with session.changed:
            left = ends_at - session.duration_s
            if len(session.events) == sent and not session.is_over and left > 0:
                session.changed.wait(min(left, 1.0))
            events, is_over = session.events[sent:], session.is_over
        for event in events:
            yield b"data: " + json.dumps(event).encode() + b"\n\n"
        sent += len(events)
        if is_over and sent == len(session.events):
            yield b"data: END_OF_LOG\n\n"
            return
        if session.duration_s >= ends_at:
            raise ConnectionAbortedError


def upload(state: KaggleState, request: Request) -> Reply:
    """A file, or a part of it, or the question how much of it is here."""
    blob = state.blobs.get(request.path.rpartition("/")[2])
    if blob is None or blob.is_expired:
        return Reply(404, b"no such upload")
    place = request.headers.get("content-range", "")
    start = int(place.removeprefix("bytes ").split("-")[0]) if "-" in place else 0
    if not place.startswith("bytes */"):
        with blob.path.open("r+b" if blob.path.exists() else "wb") as file:
            file.truncate(start)
            file.seek(start)
            file.write(request.body)
    if blob.received == blob.size:
        return Reply.of({"name": blob.name})
    has = {"Range": f"bytes=0-{blob.received - 1}"} if blob.received else {}
    return Reply(308, b"", has)


def output(state: KaggleState, request: Request) -> Reply:
    """A file that a kernel has left, or the rest of it."""
    path, good_until = state.signed.get(request.query.get("X-Goog-Signature", ""), (None, 0.0))
    if path is None or time.monotonic() > good_until:
        said = b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>"
        return Reply(403, said, {"Content-Type": "application/xml"})
    content = path.read_bytes()
    tag = f'"{hash(content) & 0xFFFFFFFF:08x}"'
    kind = {"Content-Type": "application/octet-stream", "ETag": tag, "Accept-Ranges": "bytes"}
    wanted = request.headers.get("range", "")
    if wanted and request.headers.get("if-range") == tag:
        return Reply(206, content[int(wanted.removeprefix("bytes=").rstrip("-")) :], kind)
    return Reply(200, content, kind)


def _used_s(state: KaggleState, who: Account) -> float:
    """Two T4s are billed once."""
    sessions = [
        session
        for kernel in state.kernels.values()
        if kernel.owner == who.name
        for session in kernel.sessions
        if session.has_gpu
    ]
    return who.gpu_used_s + sum(session.duration_s for session in sessions)


def _described(kernel: Kernel) -> dict[str, Any]:
    names = (
        "language", "kernelType", "enableGpu", "enableInternet", "datasetDataSources",
        "machineShape",
    )  # fmt: skip
    said = {name: kernel.request[name] for name in names if name in kernel.request}
    return _true(
        {
            **said,
            "id": kernel.number,
            "ref": kernel.ref,
            "title": kernel.title,
            "author": kernel.owner,
            "slug": kernel.slug,
            "lastRunTime": _spelled(kernel.last_run_at),
            "isPrivate": kernel.is_private,
        }
    )


def _true(document: dict[str, Any]) -> dict[str, Any]:
    """Leave false fields out, as JSON of protocol buffers does."""
    return {name: value for name, value in document.items() if value not in (False, [], None)}


def _spelled(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
