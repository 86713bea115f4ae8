"""Cloudflare's ``cloudflared`` and its edge on loopback: same command line, log and endpoints.

It carries the bytes. The edge is a folder: a file per host name holds the port that a tunnel
listens on, ``limited`` holds how many more requests for a quick tunnel are refused, and ``seen``
gets a line with the arguments and variables of each start.

    python cloudflared.py EDGE tunnel --no-autoupdate --metrics ADDRESS --url ssh://127.0.0.1:PORT
    python cloudflared.py EDGE access ssh --hostname HOST
"""

import argparse
import json
import os
import secrets
import socket
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "eyJhIjoiYSIsInQiOiJ0IiwicyI6InRva2VuLW9mLW9uZXMtb3duIn0"
NAMED_PORT = 22022


def main() -> int:
    edge = Path(sys.argv[1])
    with (edge / "seen").open("a") as seen:
        seen.write(json.dumps({"argv": sys.argv[2:], "environment": dict(os.environ)}) + "\n")
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="version", version="cloudflared version 2026.9.1")
    commands = parser.add_subparsers(dest="command", required=True)
    tunnel = commands.add_parser("tunnel")
    tunnel.add_argument("--no-autoupdate", action="store_true")
    tunnel.add_argument("--metrics", required=True)
    tunnel.add_argument("--pidfile")
    tunnel.add_argument("--protocol", choices=("auto", "quic", "http2"), default="auto")
    tunnel.add_argument("--url", default="")
    tunnel.add_argument("action", nargs="?", choices=("run",))
    access = commands.add_parser("access")
    access.add_argument("kind", choices=("ssh",))
    access.add_argument("--hostname", required=True)
    arguments = parser.parse_args(sys.argv[2:])
    return serve(edge, arguments) if arguments.command == "tunnel" else come_in(edge, arguments)


def log(level: str, message: str) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    sys.stderr.write(f"{now} {level} {message}\n")
    sys.stderr.flush()


def serve(edge: Path, arguments: argparse.Namespace) -> int:
    if arguments.action == "run":
        if os.environ.get("TUNNEL_TOKEN") != TOKEN:
            log(
                "ERR",
                "Register tunnel error from server side error=Unauthorized: Invalid tunnel secret",
            )
            return 1
        hostname, origin = "ssh.example.org", NAMED_PORT
    else:
        log("INF", "Requesting new quick Tunnel on trycloudflare.com...")
        if is_limited(edge):
            log(
                "ERR",
                "Error unmarshaling QuickTunnel response: error code: 1015 "
                'error="invalid character" status_code="429 Too Many Requests"',
            )
            return 1
        hostname = f"{secrets.token_hex(4)}-of-four-words.trycloudflare.com"
        origin = int(arguments.url.removeprefix("ssh://127.0.0.1:"))
        log("INF", f"|  https://{hostname}  |")
    listener = socket.create_server(("127.0.0.1", 0))
    (edge / hostname).write_text(str(listener.getsockname()[1]))
    log("INF", "Registered tunnel connection connIndex=0 protocol=quic")
    answer_metrics(arguments, hostname)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=carry, args=[connection, origin], daemon=True).start()


def is_limited(edge: Path) -> bool:
    file = edge / "limited"
    left = int(file.read_text()) if file.exists() else 0
    file.write_text(str(max(0, left - 1)))
    return left > 0


def answer_metrics(arguments: argparse.Namespace, hostname: str) -> None:
    pages = {
        "/ready": {"status": 200, "readyConnections": 1, "connectorId": "c"},
        "/quicktunnel": {"hostname": "" if arguments.action else hostname},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            body = json.dumps(page).encode()
            self.send_response(200 if page else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    host, _, port = arguments.metrics.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def carry(connection: socket.socket, origin: int) -> None:
    with connection, socket.create_connection(("127.0.0.1", origin)) as inside:
        back = threading.Thread(target=pour, args=[inside, connection], daemon=True)
        back.start()
        pour(connection, inside)
        back.join()


def pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def come_in(edge: Path, arguments: argparse.Namespace) -> int:
    file = edge / arguments.hostname
    try:
        outside = socket.create_connection(("127.0.0.1", int(file.read_text())))
    except OSError:
        log("ERR", "failed to connect to origin error=websocket: bad handshake")
        return 1

    def down() -> None:
        while data := outside.recv(65536):
            os.write(1, data)
        os._exit(0)

    threading.Thread(target=down, daemon=True).start()
    while data := os.read(0, 65536):
        outside.sendall(data)
    outside.shutdown(socket.SHUT_WR)
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
