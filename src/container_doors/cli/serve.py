"""``doors serve``: the published model over HTTP, with a page."""

import argparse
import os
import signal
import socket
from contextlib import ExitStack
from functools import partial

from container_doors.cli.output import complain, say
from container_doors.cli.used_model import open_used, quality_limits, say_used
from container_doors.core.errors import MissingToolError
from container_doors.core.installation import install_command, missing_in
from container_doors.prediction.service import ServiceLimits
from container_doors.steps.serve import AskedAccess, Token, choose_token, is_loopback, make_service

DONE, STOPPED = 0, 130


def serve(arguments: argparse.Namespace) -> int:
    """Answer until SIGTERM or Ctrl-C, which finish what was taken."""
    missing = missing_in("serve")
    if missing is not None:
        raise MissingToolError(
            f"this command needs the extra 'serve': {missing} is not installed",
            hint=install_command("serve"),
        )
    token = choose_token(
        AskedAccess(arguments.host, arguments.token, arguments.token_file, arguments.no_auth),
        os.environ,
    )
    from container_doors.adapters.http.server import bind

    with bind(arguments.host, arguments.port) as listener:
        return _serve(arguments, token, listener)


def _serve(arguments: argparse.Namespace, token: Token, listener: socket.socket) -> int:
    from container_doors.adapters.http.access import Access
    from container_doors.adapters.http.app import make_app
    from container_doors.adapters.http.logs import JsonLog
    from container_doors.adapters.http.metrics import Metrics
    from container_doors.adapters.http.server import run

    log = JsonLog()
    opened = open_used(arguments)
    say_used(opened, arguments)
    service = make_service(
        opened,
        limits=_limits(arguments),
        quality=quality_limits(),
        keep=arguments.keep,
        say=partial(log.event, "not kept"),
    )
    with ExitStack() as closing:
        closing.callback(service.close)
        metrics = Metrics(service)
        page = None
        if arguments.has_page and missing_in("demo") is None:
            from container_doors.adapters.http.demo import Demo

            name = opened.used.version or f"weights {opened.used.weights_sha256[:12]}"
            page = Demo(service, metrics, name=name)
            closing.callback(page.close)
        access = Access(token.text, tuple(arguments.allow_host))
        gate = make_app(service, access=access, log=log, metrics=metrics, page=page)
        ready = partial(_say_ready, arguments, token, listener.getsockname()[1])
        stopped_by = run(gate, service, listener, ready)
    complain("stopped; what was taken is answered")
    return STOPPED if stopped_by == signal.SIGINT else DONE


def _limits(arguments: argparse.Namespace) -> ServiceLimits:
    return ServiceLimits(
        file_bytes=arguments.max_mb * 1_000_000,
        pixels=arguments.max_megapixels * 1_000_000,
        files=arguments.max_files,
        seconds=arguments.timeout,
        queue=arguments.queue,
    )


def _say_ready(arguments: argparse.Namespace, token: Token, port: int) -> None:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    say(f"listening on http://{host}:{port}, interface at /docs; Ctrl-C stops it")
    if token.is_new:
        say(f"token: {token.text}")
    if token.text is not None and not is_loopback(arguments.host):
        complain("the token travels in clear text: use a network that you trust, or TLS before it")
    if arguments.keep is not None:
        say(f"photographs are kept in {arguments.keep}")
