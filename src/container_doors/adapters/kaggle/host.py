"""Kaggle's batch machines, behind :class:`container_doors.core.ports.GpuHost`.

Everything goes through Kaggle's own client, which is imported when it is first needed. Where its
command only warns, this raises: https://github.com/Kaggle/kaggle-cli exits with 0 after a refused
push, and runs a job without the data that it could not find.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from requests import exceptions

from container_doors.adapters.kaggle.errors import refusal, translate_errors
from container_doors.core.errors import AbsentError, HostError, UnreachableError
from container_doors.core.ports import Job, JobState, Progress, Quota

if TYPE_CHECKING:
    from container_doors.adapters.kaggle.client import Client

_MB = 1_000_000
_PAGE = 100
_PAUSES_S = (1.0, 5.0)
"""Before a second and a third attempt; a long time without network is left to the caller."""

_DATASET_METADATA = "dataset-metadata.json"
_DATASETS: dict[str, Literal["ready", "failed"]] = {"ready": "ready", "failed": "failed"}
"""Every other state, and there are many, leads to one of these."""

_PHASES: dict[str, Literal["queued", "running", "complete", "failed", "cancelled"]] = {
    "QUEUED": "queued",
    "NEW_SCRIPT": "queued",
    "RUNNING": "running",
    "CANCEL_REQUESTED": "running",
    "COMPLETE": "complete",
    "ERROR": "failed",
    "CANCEL_ACKNOWLEDGED": "cancelled",
}


class KaggleHost:
    """The account whose credentials are on this machine; it logs in at the first request."""

    def __init__(self, *, pauses_s: Sequence[float] = _PAUSES_S) -> None:
        """Make it, without a request.

        Args:
            pauses_s: How long to wait before each further attempt.
        """
        self._pauses_s = pauses_s

    def owner(self) -> str:
        """Return the account's name."""
        return str(self._client.config_values["username"])

    def quota(self) -> Quota | None:
        """Ask for the GPU hours left; None if Kaggle does not report them."""
        answer = self._ask("report the quota", lambda client: client.quota_view())
        gpu = answer.gpu_quota
        if gpu is None or gpu.total_time_allowed is None:
            return None
        used_s = gpu.time_used.total_seconds() if gpu.time_used else 0.0
        return Quota(
            used_h=used_s / 3600,
            allowed_h=gpu.total_time_allowed.total_seconds() / 3600,
            renewed_at=_utc(answer.quota_refresh_time),
        )

    def dataset_state(self, slug: str) -> Literal["absent", "processing", "ready", "failed"]:
        """Return whether a job can read a data set of the account."""
        ref = f"{self.owner()}/{slug}"
        action = f"report the state of {ref}"
        try:
            state = self._ask(action, lambda client: client.dataset_status(ref))
        except AbsentError:
            return "absent"
        if state == "deleted":
            return "absent"
        return _DATASETS.get(state, "processing")

    def send_dataset(self, folder: Path, *, slug: str, title: str, progress: Progress) -> None:
        """Upload a folder's files as a private data set; it is then ``processing``.

        ``dataset-metadata.json`` is written into the folder. An interrupted upload resumes if it
        is sent again from the same folder within six days.
        """
        ref = f"{self.owner()}/{slug}"
        _describe_dataset(folder, ref=ref, title=title)
        action = f"store {ref}"
        with _report_upload(self._client, folder, progress):
            try:
                answer = self._ask_once(
                    action, lambda client: client.dataset_create_new(str(folder), quiet=True)
                )
            except UnreachableError:
                if self.dataset_state(slug) == "absent":
                    raise
                return  # only the answer was lost
        if answer.error:
            raise refusal(action, answer.error)

    def dataset_is_private(self, slug: str) -> bool:
        """Return whether only the account can read a data set."""
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetMetadataRequest

        request = ApiGetDatasetMetadataRequest()
        request.owner_slug, request.dataset_slug = self.owner(), slug

        def ask(client: "Client") -> Any:  # noqa: ANN401
            with client.build_kaggle_client() as kaggle:
                return kaggle.datasets.dataset_api_client.get_dataset_metadata(request)

        action = f"report who can read {slug}"
        answer = self._ask(action, ask)
        if answer.error_message:
            raise refusal(action, answer.error_message)
        return bool(answer.info.is_private) and not answer.info.collaborators

    def start(self, folder: Path) -> Job:
        """Start the job that a folder describes, in the form of ``kaggle kernels push``."""
        ref = _ref_of_private(folder)
        action = f"start {ref}"
        try:
            answer = self._ask_once(action, lambda client: client.kernels_push(str(folder)))
        except UnreachableError as error:
            return self._check_started(ref, error)
        if answer.error:
            raise refusal(action, answer.error)
        job = Job(ref=_ref_in(answer.url) or ref, url=answer.url or _url(ref), last_run_at=None)
        missing = [
            *answer.invalid_dataset_sources,
            *answer.invalid_kernel_sources,
            *answer.invalid_model_sources,
        ]
        if missing:
            self.delete(job.ref)
            raise HostError(
                f"{job.ref} would have run without {', '.join(missing)}, which Kaggle cannot find; "
                "the job was deleted",
                hint="does it exist, is it ready, and does this account own it? Then push again",
            )
        return job

    def is_private(self, ref: str) -> bool:
        """Return whether only the account can read a job."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        action = f"report who can read {ref}"
        answer = self._ask_about(action, "get_kernel", ApiGetKernelRequest(), ref)
        return answer.metadata.is_private is True

    def state(self, ref: str) -> JobState:
        """Return the state of a job."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

        answer = self._ask_about(
            f"report the state of {ref}",
            "get_kernel_session_status",
            ApiGetKernelSessionStatusRequest(),
            ref,
        )
        return JobState(_PHASES[answer.status.name], answer.failure_message or "")

    def log(self, ref: str) -> Iterator[str]:
        """Read a job's log from its beginning; it is empty if there is none yet.

        A line has the same number each time, as in the client: one write is never split.
        """
        with suppress(AbsentError), translate_errors(f"read the log of {ref}"):
            try:
                for event in self._client.kernels_logs_stream(ref):
                    yield from str(event.get("data") or "").splitlines()
            except (exceptions.ChunkedEncodingError, exceptions.ConnectionError) as error:
                if not _is_interruption(error):
                    raise

    def files(self, ref: str) -> list[str]:
        """List the files that a job has written so far, by path."""
        return sorted(self._addresses(ref))

    def download(self, ref: str, name: str, target: Path, *, progress: Progress) -> None:
        """Download one file, complete or not at all."""
        from container_doors.adapters.kaggle.download import download

        def address() -> str:
            url = self._addresses(ref).get(name)
            if url is None:
                raise AbsentError(
                    f"{ref} has written no {name}", hint="its log shows why: doors kaggle follow"
                )
            return url

        download(address, target, pauses_s=self._pauses_s, progress=progress)

    def jobs(self, prefix: str) -> list[Job]:
        """List the account's jobs whose slug begins with ``prefix``, newest first."""
        found: list[Job] = []
        token: str | None = None

        def ask(client: "Client") -> Any:  # noqa: ANN401
            return client.kernels_list_with_response(
                mine=True, page_size=_PAGE, sort_by="dateRun", page_token=token
            )

        while token != "":
            page = self._ask("list your jobs", ask)
            found += [
                Job(kernel.ref, _url(kernel.ref), _utc(kernel.last_run_time))
                for kernel in page.kernels
                if kernel.ref.rpartition("/")[2].startswith(prefix)
            ]
            token = page.next_page_token or ""
        return found

    def delete(self, ref: str) -> None:
        """End a job and delete all its files."""
        from kagglesdk.kernels.types.kernels_api_service import ApiDeleteKernelRequest

        action = f"delete {ref}"
        answer = self._ask_about(action, "delete_kernel", ApiDeleteKernelRequest(), ref)
        if answer.error_message:
            raise refusal(action, answer.error_message)

    @cached_property
    def _client(self) -> "Client":
        try:
            from container_doors.adapters.kaggle.client import connect
        except OSError as error:  # it makes its folder while it is imported
            raise HostError(
                f"Kaggle's client cannot make its folder {error.filename}: {error.strerror}",
                hint="set KAGGLE_CONFIG_DIR to a folder that can be written to",
            ) from None
        return connect()

    def _check_started(self, ref: str, error: UnreachableError) -> Job:
        """Check whether a job started although the answer was lost; it must not start twice."""
        try:
            self.state(ref)
        except AbsentError:
            raise error from None
        except UnreachableError:
            raise UnreachableError(
                f"{error.problem}; whether {ref} has started is not known",
                hint="when the network is back: `doors kaggle list` shows it",
            ) from None
        return Job(ref, _url(ref), None)

    def _addresses(self, ref: str) -> dict[str, str]:
        """Return the name and signed address of every file, from all pages."""
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

        found: dict[str, str] = {}
        request = ApiListKernelSessionOutputRequest()
        request.page_size, request.page_token = _PAGE, ""
        while True:
            page = self._ask_about(
                f"list the files of {ref}", "list_kernel_session_output", request, ref
            )
            found |= {file.file_name: file.url for file in page.files if file.url}
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def _ask_about(self, action: str, method: str, request: Any, ref: str) -> Any:  # noqa: ANN401
        """Send the request of a client's command about a job; return the complete answer."""
        request.user_name, request.kernel_slug = ref.split("/")

        def ask(client: "Client") -> Any:  # noqa: ANN401
            with client.build_kaggle_client() as kaggle:
                return getattr(kaggle.kernels.kernels_api_client, method)(request)

        return self._ask(action, ask)

    def _ask(self, action: str, question: "Callable[[Client], Any]") -> Any:  # noqa: ANN401
        """Send a request, and retry it if Kaggle cannot be reached; it must be safe to repeat."""
        for pause_s in self._pauses_s:
            with suppress(UnreachableError):
                return self._ask_once(action, question)
            time.sleep(pause_s)
        return self._ask_once(action, question)

    def _ask_once(self, action: str, question: "Callable[[Client], Any]") -> Any:  # noqa: ANN401
        client = self._client
        with translate_errors(action):
            return question(client)


def _describe_dataset(folder: Path, *, ref: str, title: str) -> None:
    """Write the metadata that the client reads; it skips folders without a message."""
    inner = [path.name for path in folder.iterdir() if path.is_dir()]
    if inner:
        raise HostError(
            f"{folder}/{inner[0]} is a folder, and would be left out", hint="pack it into one file"
        )
    described = {"id": ref, "title": title, "licenses": [{"name": "other"}]}
    (folder / _DATASET_METADATA).write_text(json.dumps(described), encoding="utf-8")


@contextmanager
def _report_upload(client: "Client", folder: Path, progress: Progress) -> Iterator[None]:
    """Report the upload's progress, in megabytes over all files."""
    total = sum(path.stat().st_size for path in folder.iterdir() if path.name != _DATASET_METADATA)
    total_mb = max(1, -(-total // _MB))
    sent: dict[str, int] = {}

    def report(path: str, count: int) -> None:
        sent[path] = count
        done_mb = min(sum(sent.values()) // _MB, total_mb - 1)
        progress.step("uploading, MB", done_mb, total_mb)

    client.report = report
    yield
    progress.step("uploading, MB", total_mb, total_mb)


def _ref_of_private(folder: Path) -> str:
    """Read which job a folder describes; refuse a public one."""
    described = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))
    if described.get("is_private") is not True:
        raise HostError(
            f"{folder}/kernel-metadata.json: expected is_private: true, found "
            f"{described.get('is_private')!r}",
            hint="a job can read the data set, and its page shows its output: it must be private",
        )
    return str(described["id"])


def _is_interruption(error: exceptions.RequestException) -> bool:
    """Return whether a log was interrupted or silent for too long, and not simply refused."""
    from urllib3.exceptions import ReadTimeoutError

    cause = error.args[0] if error.args else None
    return isinstance(error, exceptions.ChunkedEncodingError) or isinstance(cause, ReadTimeoutError)


def _ref_in(url: str | None) -> str | None:
    """Read owner and slug from a page's address; Kaggle may have made another slug of the title.

    >>> _ref_in("https://www.kaggle.com/code/someone/doors-exp1")
    'someone/doors-exp1'
    """
    parts = (url or "").partition("/code/")[2].split("/")
    return "/".join(parts[:2]) if len(parts) >= 2 else None


def _url(ref: str) -> str:
    return f"https://www.kaggle.com/code/{ref}"


def _utc(moment: datetime | None) -> datetime | None:
    """Add the time zone, which Kaggle's client leaves out: it is UTC."""
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)
