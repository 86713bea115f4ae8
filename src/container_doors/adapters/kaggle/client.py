"""Kaggle's own client, without requests at import, without output, and with time-outs.

https://github.com/Kaggle/kaggle-cli: it authenticates while it is imported, ends the process
if there are no credentials, and sets no time-out for its requests.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any, TypeVar

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from container_doors.adapters.kaggle.account import damaged, how_to_log_in, sources
from container_doors.adapters.kaggle.errors import refused_credentials, translate_errors
from container_doors.adapters.kaggle.upload import Uploads
from container_doors.core.errors import HostError

_T = TypeVar("_T")

LONGEST_WAIT_S = 60.0
"""For a connection, and for each next byte. ``socket.setdefaulttimeout`` has no effect: requests
passes its own None to the socket."""

_DECOYS = {
    "KAGGLE_API_TOKEN": os.devnull,  # a file without a token, for which no server is asked
    "KAGGLE_USERNAME": "nobody",
    "KAGGLE_KEY": "none",
    "VERBOSE": "false",  # else it prints every request, with its token
    "VERBOSE_OUTPUT": "false",
}
"""What the client sees while it is imported; it accepts a key without asking Kaggle."""


@contextmanager
def _decoy_credentials() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _DECOYS}
    os.environ.update(_DECOYS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _decoy_credentials():
    from kaggle.api.kaggle_api_extended import KaggleApi


class BoundedAdapter(HTTPAdapter):
    """Sends requests with a time-out: ours, if the caller sets none."""

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> Response:
        """Send, as requests does."""
        return super().send(request, stream, timeout or LONGEST_WAIT_S, verify, cert, proxies)


class Client(Uploads, KaggleApi):  # type: ignore[misc] # it has no types
    """The client, quiet, with time-outs, and without its own minutes of retrying."""

    def build_kaggle_client(self) -> Any:  # noqa: ANN401 - it has no types
        """Build the HTTP client, with a time-out for each request."""
        built = super().build_kaggle_client()
        http = built.http_client()
        http._init_session()  # noqa: SLF001 - as the client itself does to read a log
        http._session.mount("https://", BoundedAdapter())  # noqa: SLF001
        return built

    def get_response_processor(self) -> None:
        """Do nothing: the client would print that there is a newer version."""

    def with_retry(self, func: Callable[..., _T], *_: object, **__: object) -> Callable[..., _T]:
        """Leave retries to the caller: the client's own take minutes, and print."""
        return func


def connect() -> Client:
    """Log in as the client does.

    Raises:
        HostError: If there are no credentials, or none that Kaggle accepts.
        UnreachableError: If Kaggle cannot be reached.
    """
    if not sources():
        problem = "; ".join(damaged()) or "there are no Kaggle credentials on this machine"
        raise HostError(problem, hint=how_to_log_in())
    client = Client()
    with translate_errors("check the credentials"), _discard_output():
        try:
            client.authenticate()
        except SystemExit:
            raise refused_credentials() from None
    return client


@contextmanager
def _discard_output() -> Iterator[None]:
    """Discard the client's advice; ours is in the error."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield
