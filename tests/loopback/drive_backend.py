"""A stand-in for Google Drive, on loopback, for the unmodified dvc command.

``python -m tests.loopback.drive_backend [LATENCY_S]`` serves until Ctrl-C. Nothing in the client
is changed: ``https_proxy`` leads it here, and ``HTTPLIB2_CA_CERTS`` has it trust us.
"""

import argparse
import re
import shlex
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.loopback import drive_api
from tests.loopback.drive_accounts import BOT, PERSON, Accounts
from tests.loopback.drive_certificates import make_certificates
from tests.loopback.drive_http import HOSTS, Reply, Request, Server
from tests.loopback.drive_state import DriveState, RefusedError

__all__ = ["BOT", "PERSON", "DriveBackend", "Fault"]


@dataclass
class Fault:
    """What goes wrong with the next ``times`` calls whose name matches ``only``.

    Attributes:
        status: Answer with this HTTP status.
        reason: As Google spells it, such as ``userRateLimitExceeded``.
        is_cut: Hang up instead, half-way through what the client sends, or through what it gets.
        only: A regular expression, found in :attr:`drive_http.Request.name`.
        times: How often.
    """

    status: int = 503
    reason: str = "backendError"
    is_cut: bool = False
    only: str = ""
    times: int = 1


class DriveBackend:
    """The server; ``calls`` counts what was asked, by kind.

    Attributes:
        state: The files.
        accounts: Who may come.
        latency_s: How much later every answer comes.
        faults: What is to go wrong, in turn.
    """

    def __init__(self, home: Path, *, latency_s: float = 0.0) -> None:
        self.state, self.accounts = DriveState(), Accounts()
        self.latency_s = latency_s
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        home.mkdir(parents=True, exist_ok=True)
        self._ca, server = make_certificates(home, HOSTS)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(server)
        self._server = Server(0, tls=tls, answer=self.answer, is_to_be_cut=self._cuts_upload)

    def __enter__(self) -> Self:
        self._server.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.end()

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be told to come here, and nowhere else."""
        proxy = f"http://127.0.0.1:{self._server.server_address[1]}"
        names = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
        return {
            **dict.fromkeys(names, proxy),
            "no_proxy": "",
            "NO_PROXY": "",
            "HTTPLIB2_CA_CERTS": str(self._ca),
            "GDRIVE_NON_INTERACTIVE": "1",
            "DVC_NO_ANALYTICS": "1",
        }

    def answer(self, request: Request) -> Reply:
        """The answer to one request."""
        with self.state.lock:
            self.calls[request.name] += 1
        if self.latency_s:
            time.sleep(self.latency_s)
        fault = self._take_fault(request)
        if fault and not fault.is_cut:
            said = f"a test of {fault.reason}"
            return Reply.refusal(RefusedError(fault.status, fault.reason, said))
        try:
            reply = self._serve(request)
        except RefusedError as refused:
            return Reply.refusal(refused)
        return replace(reply, is_cut=fault is not None)

    def _serve(self, request: Request) -> Reply:
        if request.path == "/token":
            return self.accounts.grant(request.form)
        if "upload_id" in request.query:
            return drive_api.go_on(self.state, request)
        who = self.accounts.owner(request.token)
        if who is None:
            raise RefusedError(401, "authError", "Invalid Credentials")
        return drive_api.serve(self.state, who, request)

    def _cuts_upload(self, request: Request) -> bool:
        """Whether the connection breaks while this is being sent."""
        has_body = int(request.headers.get("content-length", 0)) > 1
        return has_body and self._take_fault(request, is_cut=True) is not None

    def _take_fault(self, request: Request, *, is_cut: bool = False) -> Fault | None:
        """The first fault that strikes; it is used up by one."""
        with self.state.lock:
            for fault in self.faults:
                if (fault.is_cut or not is_cut) and fault.times and _strikes(fault, request):
                    fault.times -= 1
                    return fault
        return None


def _strikes(fault: Fault, request: Request) -> bool:
    return re.search(fault.only, request.name) is not None


def main() -> None:
    """Serve until Ctrl-C, for a person who wants to look at it by hand."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("latency_s", nargs="?", type=float, default=0.0, help="of each call")
    latency_s = parser.parse_args().latency_s
    with tempfile.TemporaryDirectory() as temporary, suppress(KeyboardInterrupt):
        home = Path(temporary)
        with DriveBackend(home, latency_s=latency_s) as backend:
            for name, content in (
                ("service.json", backend.accounts.add_service_account()),
                ("person.json", backend.accounts.add_person()),
            ):
                (home / name).write_text(content)
            for name, value in backend.environment.items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
            shared = backend.state.add_folder(drive_id="0ADshared")
            personal = backend.state.add_folder()
            sys.stdout.write(
                f"# a shared drive: gdrive://{shared}, a person's: gdrive://{personal}\n"
            )
            sys.stdout.write(f"# credentials: {home}/service.json, {home}/person.json\n")
            sys.stdout.flush()
            threading.Event().wait()


if __name__ == "__main__":
    main()
