"""A stand-in for the W&B server, on loopback, for the unmodified wandb client in online mode.

``python -m tests.loopback.wandb_backend [PORT]`` serves until Ctrl-C.
"""

import argparse
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from tests.loopback.wandb_artifacts import ARTIFACT_OPERATIONS
from tests.loopback.wandb_graphql import Query, Refused
from tests.loopback.wandb_http import Reply, Request, Server
from tests.loopback.wandb_runs import RUN_OPERATIONS
from tests.loopback.wandb_state import RemoteArtifact, RemoteRun, WandbState

__all__ = ["KEY", "Fault", "RemoteArtifact", "RemoteRun", "WandbBackend"]

KEY = "wandb_v1_" + "K3y" * 25 + "77"

_OPERATIONS = {**RUN_OPERATIONS, **ARTIFACT_OPERATIONS}
_OPERATION_NAME = re.compile(r"\b(?:query|mutation)\s+(\w+)")
_RUN = r"(?P<entity>[^/]+)/(?P<project>[^/]+)/(?P<run_id>[^/]+)"
_FILE_STREAM = re.compile(rf"/files/{_RUN}/file_stream")
_RUN_FILE = re.compile(rf"/storage/run/{_RUN}/(?P<name>.+)")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with every request, or with those named in ``only``.

    A client whose telemetry is struck too takes 10 to 20 s longer to exit;
    ``WANDB_ERROR_REPORTING=false`` switches its telemetry off.

    Attributes:
        status: Answer with this HTTP status.
        hang: Accept, and answer nothing; once the fault is lifted the connection is dropped.
        delay_s: Answer this much later, and then as ever.
        only: GraphQL operations by name, ``file_stream``, ``storage``, ``telemetry``.
    """

    status: int | None = None
    hang: bool = False
    delay_s: float = 0.0
    only: Set[str] | None = None

    def concerns(self, name: str) -> bool:
        """Whether it strikes the request that is listed under ``name``."""
        return self.only is None or name.partition(" ")[0] in self.only


class WandbBackend:
    """The server; what it was sent is in ``runs``, and what went past it in ``requests``.

    Attributes:
        valid_keys: The API keys that are let in; any other gets a 401.
        keys_seen: The API keys that were offered.
        requests: GraphQL operations by name, ``file_stream`` and ``storage PATH``, as they arrived.
        unknown: What was asked for and is not served here.
    """

    def __init__(self, entity: str = "team", *, port: int = 0) -> None:
        self.valid_keys = {KEY}
        self.keys_seen: set[str] = set()
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self._state = WandbState(entity)
        self._changed = threading.Condition(self._state.lock)
        self._fault: Fault | None = None
        self._port = port
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, after a stop at the same port and with what was known before."""
        self._server = Server(self._port, self.answer)
        self._port = self._server.server_address[1]
        self._server.begin()

    def stop(self) -> None:
        """Be gone: open connections break, new ones are refused. Nothing is forgotten."""
        if self._server is None:
            return
        server, self._server = self._server, None
        with self._changed:
            self._changed.notify_all()
        server.end()

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self._port}"

    def environment(self, key: str = KEY) -> dict[str, str]:
        """What a process has to be told to come here."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": key}

    @property
    def runs(self) -> dict[str, RemoteRun]:
        """The runs by id."""
        return self._state.runs

    @property
    def fault(self) -> Fault | None:
        """What goes wrong at present."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        with self._changed:
            self._fault = fault
            self._changed.notify_all()

    def answer(self, request: Request) -> Reply | None:
        """The answer to one request; None drops the connection."""
        name, serve = self._route(request)
        if name != "telemetry":
            self.requests.append(name)
        fault = self._fault
        if fault and fault.concerns(name):
            time.sleep(fault.delay_s)
            if fault.hang:
                self._hang_until_lifted(fault)
                return None
            if fault.status:
                return Reply.error(fault.status, "this is a test of faults")
        return serve(request)

    def _hang_until_lifted(self, fault: Fault) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._fault is not fault or self._server is None)

    def _route(self, request: Request) -> tuple[str, Callable[[Request], Reply]]:
        """What the request is listed as, and what serves it."""
        path = request.path
        if path == "/graphql":
            return _operation(request), self._graphql
        if _FILE_STREAM.fullmatch(path):
            return "file_stream", self._file_stream
        if path.startswith("/storage/"):
            return f"storage {path.removeprefix('/storage/')}", self._storage
        if path.startswith("/sdk/otel/"):
            return "telemetry", lambda _: Reply()
        return f"{request.method} {path}", self._nothing

    def _graphql(self, request: Request) -> Reply:
        if not self._lets_in(request.key):
            return _UNAUTHORIZED
        operation = _operation(request)
        if operation not in _OPERATIONS:
            return self._cannot(operation)
        variables = json.loads(request.body).get("variables") or {}
        query = Query(variables, lambda path: self._signed(path, request.key))
        try:
            with self._state.lock:
                return Reply(document={"data": _OPERATIONS[operation](self._state, query)})
        except Refused as refusal:
            return Reply(refusal.status, refusal.document)
        except KeyError as missing:
            return self._cannot(f"{operation} without {missing}")

    def _cannot(self, what: str) -> Reply:
        self.unknown.append(what)
        return Reply.error(200, f"not served here: {what}")

    def _file_stream(self, request: Request) -> Reply:
        if not self._lets_in(request.key):
            return _UNAUTHORIZED
        found = _FILE_STREAM.fullmatch(request.path)
        with self._state.lock:
            run = self._state.find_run(**found.groupdict()) if found else None
            if run is None:
                return Reply.error(404, "run not found")
            self._state.stream(run, json.loads(request.body))
        return Reply(document={})

    def _storage(self, request: Request) -> Reply:
        if request.signature not in map(_signature, self.valid_keys):
            return _UNAUTHORIZED
        with self._state.lock:
            self._keep(request.path, request.body)
        return Reply()

    def _keep(self, path: str, body: bytes) -> None:
        if path.startswith("/storage/artifact/"):
            self._state.keep_blob(body)
        elif path.startswith("/storage/manifest/"):
            self._state.artifacts[path.rpartition("/")[2]].manifest = body
        elif found := _RUN_FILE.fullmatch(path):
            run = self._state.open_run(
                entity=found["entity"], project=found["project"], run_id=found["run_id"]
            )
            run.files = {**run.files, found["name"]: body}

    def _nothing(self, request: Request) -> Reply:
        self.unknown.append(f"{request.method} {request.path}")
        return Reply.error(404, "404 page not found")

    def _lets_in(self, key: str) -> bool:
        self.keys_seen.add(key)
        return key in self.valid_keys

    def _signed(self, path: str, key: str) -> str:
        return f"{self.url}/storage/{quote(path)}?signature={_signature(key)}"


_UNAUTHORIZED = Reply.error(401, "user is not logged in")


def _operation(request: Request) -> str:
    document = json.loads(request.body)
    found = _OPERATION_NAME.search(document["query"])
    return document.get("operationName") or (found[1] if found else "anonymous")


def _signature(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def main() -> None:
    """Serve until Ctrl-C, for a person who wants to look at it by hand."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("port", nargs="?", type=int, default=0, help="any by default")
    with WandbBackend(port=parser.parse_args().port) as backend, suppress(KeyboardInterrupt):
        for name, value in backend.environment().items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
