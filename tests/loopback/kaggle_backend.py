"""A stand-in for Kaggle, on loopback, for the unmodified client; it really runs what is pushed.

``python -m tests.loopback.kaggle_backend [SESSION_LIMIT_S]`` serves until Ctrl-C. Nothing in the
client is changed: ``HTTPS_PROXY`` leads it here, and ``REQUESTS_CA_BUNDLE`` has it trust us, in
child processes too.
"""

import base64
import re
import shlex
import ssl
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.loopback import kaggle_api
from tests.loopback.drive_certificates import make_certificates
from tests.loopback.kaggle_api import Rules
from tests.loopback.kaggle_http import HOSTS, STORAGE, Reply, Request, Server
from tests.loopback.kaggle_session import Session
from tests.loopback.kaggle_state import Account, KaggleState, Kernel, RefusedError

__all__ = ["USER", "Fault", "KaggleBackend", "Rules"]

USER = "someone"


@dataclass
class Fault:
    """What goes wrong with the next ``times`` calls whose name matches ``only``.

    Attributes:
        status: Answer with this HTTP status; 200 is served first, and then spoilt.
        message: In the error's JSON.
        retry_after: Seconds, as a header of it.
        is_page: Answer 200 with a page of HTML.
        sent_share: Hang up after this share of the answer; of what the client sends, at half.
        is_cut_sending: Hang up while the client sends.
        is_lost: Do what is asked, and then answer with ``status``.
        hangs: Accept, and answer nothing.
        only: A regular expression, found in :attr:`kaggle_http.Request.name`.
        times: How often.
    """

    status: int = 200
    message: str = "Something went wrong"
    retry_after: str = "7"
    is_page: bool = False
    sent_share: float = 1.0
    is_cut_sending: bool = False
    is_lost: bool = False
    hangs: bool = False
    only: str = ""
    times: int = 1


class KaggleBackend:
    """The server.

    Attributes:
        state: Accounts, data sets, kernels.
        rules: How it behaves.
        faults: What is to go wrong, in turn.
        requests: All that was asked, with bodies and headers.
        account: The person whose credentials :attr:`environment` has.
    """

    def __init__(self, home: Path, rules: Rules | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.state, self.rules = KaggleState(home), rules or Rules()
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.account = self.state.add_account(USER)
        self._ca, server = make_certificates(home, HOSTS)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(server)
        self._tls = tls
        self._port = 0
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for kernel in list(self.state.kernels.values()):
            for session in kernel.sessions:
                session.kill()

    def open(self) -> None:
        """Serve, again at the same port if it served before."""
        self._server = Server(
            self._port, tls=self._tls, answer=self.answer, is_to_be_cut=self._cuts_sending
        )
        self._port = self._server.server_address[1]
        self._server.begin()

    def close(self) -> None:
        """Be out of reach; kernels go on."""
        if self._server is not None:
            self._server.end()
            self._server = None

    @property
    def proxy(self) -> dict[str, str]:
        """What leads a process here, and nowhere else by TLS; plain loopback servers stay."""
        address = f"http://127.0.0.1:{self._port}"
        return {
            "HTTPS_PROXY": address,
            "https_proxy": address,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(self._ca),
        }

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be told to come here, as :attr:`account`."""
        return {**self.proxy, "KAGGLE_API_TOKEN": next(iter(self.account.tokens))}

    @property
    def names(self) -> list[str]:
        """What was asked, in order."""
        return [request.name for request in self.requests]

    @property
    def sent(self) -> bytes:
        """Every byte of every body that came in."""
        return b"\n".join(request.body for request in self.requests)

    def kernel(self, slug: str) -> Kernel:
        """The person's kernel."""
        return self.state.kernels[f"{self.account.name}/{slug}"]

    def session(self, slug: str) -> Session:
        """The last session of the person's kernel."""
        return self.kernel(slug).session

    def answer(self, request: Request) -> Reply:
        """The answer to one request."""
        with self.state.lock:
            self.requests.append(request)
        fault = self._take_fault(request)
        if fault is None:
            return self._serve(request)
        if fault.hangs:
            return Reply(hangs=True)
        if fault.is_lost:
            self._serve(request)
        if fault.status != 200:
            said = {"code": fault.status, "message": fault.message}
            return Reply.of(said, fault.status, **{"Retry-After": fault.retry_after})
        if fault.is_page:
            return Reply.page("Please log in to this network")
        return replace(self._serve(request), sent_share=fault.sent_share)

    def _serve(self, request: Request) -> Reply:
        try:
            if request.host == STORAGE:
                serve = kaggle_api.upload if request.name == "upload" else kaggle_api.output
                return serve(self.state, request)
            if request.name == "IntrospectToken":
                return Reply.of(kaggle_api.introspect(self.state, request.document["token"]))
            who = self._who(request)
            if request.name == "log":
                return kaggle_api.log(self.state, self.rules, who, request)
            if request.name not in kaggle_api.CALLS:
                return Reply.error(404, f"no {request.name} here")
            with self.state.lock:
                call = kaggle_api.CALLS[request.name]
                return Reply.of(call(self.state, self.rules, who, request.document))
        except RefusedError as refused:
            return Reply.error(refused.status, str(refused))

    def _who(self, request: Request) -> Account:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        account = self.state.whose(value) if kind == "Bearer" else None
        if kind == "Basic":
            name, _, key = base64.b64decode(value).decode().partition(":")
            account = self.state.accounts.get(name)
            account = account if account and account.key == key else None
        if account is None:
            raise RefusedError(401, "Unauthenticated")
        return account

    def _cuts_sending(self, request: Request) -> bool:
        """Whether the connection breaks while this is being sent."""
        return self._take_fault(request, is_cut_sending=True) is not None

    def _take_fault(self, request: Request, *, is_cut_sending: bool = False) -> Fault | None:
        """The first fault that strikes; it is used up by one."""
        with self.state.lock:
            for fault in self.faults:
                if (
                    fault.is_cut_sending == is_cut_sending
                    and fault.times
                    and re.search(fault.only, request.name)
                ):
                    fault.times -= 1
                    return fault
        return None


def main(session_limit_s: str = "43200") -> None:
    """Serve until Ctrl-C, for a person who wants to look at it by hand."""
    with tempfile.TemporaryDirectory() as temporary, suppress(KeyboardInterrupt):
        rules = Rules(session_limit_s=float(session_limit_s), dataset_polls=2)
        with KaggleBackend(Path(temporary), rules) as backend:
            for name, value in backend.environment.items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
            sys.stdout.write(f"# files are in {temporary}; try: kaggle kernels list --mine\n")
            sys.stdout.flush()
            threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
