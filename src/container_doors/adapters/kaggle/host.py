"""Kaggle's batch machines, behind :class:`container_doors.core.ports.GpuHost`.

Everything goes through Kaggle's own client, which is imported when it is first needed. What its
command would only warn of is an error here: https://github.com/Kaggle/kaggle-cli exits with 0 after
a refused push, and runs a job without the data that it could not find.
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

from container_doors.adapters.kaggle.errors import refusal, translated
from container_doors.core.errors import AbsentError, HostError, UnreachableError
from container_doors.core.ports import Job, JobState, Progress, Quota

if TYPE_CHECKING:
    from container_doors.adapters.kaggle.client import Client

_MB = 1_000_000
_PAGE = 100
_PAUSES_S = (1.0, 5.0)
"""Before a second and a third attempt at what may pass; an hour without network is for others."""

_DATASET_METADATA = "dataset-metadata.json"
_DATASETS: dict[str, Literal["ready", "failed"]] = {"ready": "ready", "failed": "failed"}
"""Everything else, and there is a lot of it, is on its way to one of these."""

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
    """The account whose credentials are on this machine; it is logged in at the first question."""

    def __init__(self, *, pauses_s: Sequence[float] = _PAUSES_S) -> None:
        """Ask nobody yet.

        Args:
            pauses_s: How long to wait before each further attempt at what may pass.
        """
        self._pauses_s = pauses_s

    def owner(self) -> str:
        """Name the account."""
        return str(self._client.config_values["username"])

    def quota(self) -> Quota | None:
        """Ask for the GPU hours left; None if Kaggle does not say."""
        said = self._ask("say how much quota is left", lambda client: client.quota_view())
        gpu = said.gpu_quota
        if gpu is None or gpu.total_time_allowed is None:
            return None
        used_s = gpu.time_used.total_seconds() if gpu.time_used else 0.0
        return Quota(
            used_h=used_s / 3600,
            allowed_h=gpu.total_time_allowed.total_seconds() / 3600,
            renewed_at=_utc(said.quota_refresh_time),
        )

    def dataset_state(self, slug: str) -> Literal["absent", "processing", "ready", "failed"]:
        """Say whether a job can read a data set of the account."""
        ref = f"{self.owner()}/{slug}"
        try:
            state = self._ask(f"say how {ref} is", lambda client: client.dataset_status(ref))
        except AbsentError:
            return "absent"
        if state == "deleted":
            return "absent"
        return _DATASETS.get(state, "processing")

    def send_dataset(self, folder: Path, *, slug: str, title: str, progress: Progress) -> None:
        """Upload a folder's files as a private data set; it is then ``processing``.

        ``dataset-metadata.json`` is written into the folder. An upload that was cut goes on if it
        is sent again from the same folder within six days.
        """
        ref = f"{self.owner()}/{slug}"
        _describe_dataset(folder, ref=ref, title=title)
        wish = f"keep {ref}"
        with _told(self._client, folder, progress):
            try:
                answer = self._ask_once(
                    wish, lambda client: client.dataset_create_new(str(folder), quiet=True)
                )
            except UnreachableError:
                if self.dataset_state(slug) == "absent":
                    raise
                return  # only the answer was lost
        if answer.error:
            raise refusal(wish, answer.error)

    def dataset_is_private(self, slug: str) -> bool:
        """Say whether nobody but the account can read a data set."""
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetMetadataRequest

        request = ApiGetDatasetMetadataRequest()
        request.owner_slug, request.dataset_slug = self.owner(), slug

        def ask(client: "Client") -> Any:  # noqa: ANN401
            with client.build_kaggle_client() as kaggle:
                return kaggle.datasets.dataset_api_client.get_dataset_metadata(request)

        wish = f"say who can read {slug}"
        said = self._ask(wish, ask)
        if said.error_message:
            raise refusal(wish, said.error_message)
        return bool(said.info.is_private) and not said.info.collaborators

    def start(self, folder: Path) -> Job:
        """Start the job that a folder describes, in the form of ``kaggle kernels push``."""
        ref = _ref_of_private(folder)
        wish = f"start {ref}"
        try:
            answer = self._ask_once(wish, lambda client: client.kernels_push(str(folder)))
        except UnreachableError as error:
            return self._found_started(ref, error)
        if answer.error:
            raise refusal(wish, answer.error)
        job = Job(ref=_ref_in(answer.url) or ref, url=answer.url or _url(ref), last_run_at=None)
        lacks = [
            *answer.invalid_dataset_sources,
            *answer.invalid_kernel_sources,
            *answer.invalid_model_sources,
        ]
        if lacks:
            self.delete(job.ref)
            raise HostError(
                f"{job.ref} would have run without {', '.join(lacks)}, which Kaggle does not find; "
                "it was ended",
                hint="is it there, ready, and this account's? Then push again",
            )
        return job

    def is_private(self, ref: str) -> bool:
        """Say whether nobody but the account can read a job."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest

        said = self._of_job(f"say who can read {ref}", "get_kernel", ApiGetKernelRequest(), ref)
        return said.metadata.is_private is True

    def state(self, ref: str) -> JobState:
        """Say where a job is; nothing at all means that it waits."""
        from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

        said = self._of_job(
            f"say how {ref} is",
            "get_kernel_session_status",
            ApiGetKernelSessionStatusRequest(),
            ref,
        )
        return JobState(_PHASES[said.status.name], said.failure_message or "")

    def log(self, ref: str) -> Iterator[str]:
        """Read a job's log from its beginning; none yet is an empty one.

        A line counts the same each time, as the client counts: what is written at once is whole.
        """
        with suppress(AbsentError), translated(f"read the log of {ref}"):
            try:
                for event in self._client.kernels_logs_stream(ref):
                    yield from str(event.get("data") or "").splitlines()
            except (exceptions.ChunkedEncodingError, exceptions.ConnectionError) as error:
                if not _is_a_cut(error):
                    raise

    def files(self, ref: str) -> list[str]:
        """List what a job has left so far, by path."""
        return sorted(self._addresses(ref))

    def download(self, ref: str, name: str, target: Path, *, progress: Progress) -> None:
        """Download one file, whole or not at all."""
        from container_doors.adapters.kaggle.download import download

        def address() -> str:
            url = self._addresses(ref).get(name)
            if url is None:
                raise AbsentError(
                    f"{ref} has left no {name}", hint="its log says why: doors kaggle follow"
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
        """End a job and destroy all that it has left."""
        from kagglesdk.kernels.types.kernels_api_service import ApiDeleteKernelRequest

        wish = f"delete {ref}"
        said = self._of_job(wish, "delete_kernel", ApiDeleteKernelRequest(), ref)
        if said.error_message:
            raise refusal(wish, said.error_message)

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

    def _found_started(self, ref: str, error: UnreachableError) -> Job:
        """Look whether a job began whose start was not answered; it must not be started twice."""
        try:
            self.state(ref)
        except AbsentError:
            raise error from None
        except UnreachableError:
            raise UnreachableError(
                f"{error.problem}; whether {ref} has begun is not known",
                hint="when the network is back: `doors kaggle list` says",
            ) from None
        return Job(ref, _url(ref), None)

    def _addresses(self, ref: str) -> dict[str, str]:
        """Every file's name and signed address, of all pages."""
        from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

        found: dict[str, str] = {}
        request = ApiListKernelSessionOutputRequest()
        request.page_size, request.page_token = _PAGE, ""
        while True:
            page = self._of_job(
                f"list the files of {ref}", "list_kernel_session_output", request, ref
            )
            found |= {file.file_name: file.url for file in page.files if file.url}
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def _of_job(self, wish: str, method: str, request: Any, ref: str) -> Any:  # noqa: ANN401
        """Ask what the client's command would ask, for the whole of the answer."""
        request.user_name, request.kernel_slug = ref.split("/")

        def ask(client: "Client") -> Any:  # noqa: ANN401
            with client.build_kaggle_client() as kaggle:
                return getattr(kaggle.kernels.kernels_api_client, method)(request)

        return self._ask(wish, ask)

    def _ask(self, wish: str, question: "Callable[[Client], Any]") -> Any:  # noqa: ANN401
        """Ask, and ask again after what may pass: only what may be asked twice."""
        for pause_s in self._pauses_s:
            with suppress(UnreachableError):
                return self._ask_once(wish, question)
            time.sleep(pause_s)
        return self._ask_once(wish, question)

    def _ask_once(self, wish: str, question: "Callable[[Client], Any]") -> Any:  # noqa: ANN401
        client = self._client
        with translated(wish):
            return question(client)


def _describe_dataset(folder: Path, *, ref: str, title: str) -> None:
    """Write what the client wants to know; it passes over folders without a word."""
    inner = [path.name for path in folder.iterdir() if path.is_dir()]
    if inner:
        raise HostError(
            f"{folder}/{inner[0]} is a folder, and would be left out", hint="pack it into one file"
        )
    described = {"id": ref, "title": title, "licenses": [{"name": "other"}]}
    (folder / _DATASET_METADATA).write_text(json.dumps(described), encoding="utf-8")


@contextmanager
def _told(client: "Client", folder: Path, progress: Progress) -> Iterator[None]:
    """Have the upload told in megabytes over all files."""
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
    """Read which job a folder describes; a public one is none of ours."""
    described = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))
    if described.get("is_private") is not True:
        raise HostError(
            f"{folder}/kernel-metadata.json: expected is_private: true, found "
            f"{described.get('is_private')!r}",
            hint="a job sees the data set, and shows what it prints: it must be private",
        )
    return str(described["id"])


def _is_a_cut(error: exceptions.RequestException) -> bool:
    """Tell a log that was cut, or silent for too long, from one that could not be asked for."""
    from urllib3.exceptions import ReadTimeoutError

    cause = error.args[0] if error.args else None
    return isinstance(error, exceptions.ChunkedEncodingError) or isinstance(cause, ReadTimeoutError)


def _ref_in(url: str | None) -> str | None:
    """Read owner and slug off a page's address; Kaggle may have made another slug of the title.

    >>> _ref_in("https://www.kaggle.com/code/someone/doors-exp1")
    'someone/doors-exp1'
    """
    parts = (url or "").partition("/code/")[2].split("/")
    return "/".join(parts[:2]) if len(parts) >= 2 else None


def _url(ref: str) -> str:
    return f"https://www.kaggle.com/code/{ref}"


def _utc(moment: datetime | None) -> datetime | None:
    """Kaggle's client leaves the time zone out; it is UTC."""
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)
