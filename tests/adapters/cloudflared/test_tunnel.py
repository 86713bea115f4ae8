"""A tunnel, with a cloudflared of ours that speaks as the real one does."""

import hashlib
import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from container_doors.adapters.cloudflared import release as cloudflared_release
from container_doors.adapters.cloudflared.release import find_or_download
from container_doors.adapters.cloudflared.tunnel import (
    CloudflaredTunnel,
    Named,
)
from container_doors.core.errors import MissingToolError, RateLimitedError, TunnelError
from tests.loopback import cloudflared


@pytest.fixture
def edge(tmp_path: Path) -> Path:
    (tmp_path / "edge").mkdir()
    return tmp_path / "edge"


@pytest.fixture
def program(edge: Path, tmp_path: Path) -> str:
    return install(tmp_path, edge)


def install(folder: Path, edge: Path) -> str:
    path = folder / "cloudflared"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {cloudflared.__file__} {edge} "$@"\n')
    path.chmod(0o755)
    return str(path)


def seen(edge: Path) -> dict[str, object]:
    return dict(json.loads((edge / "seen").read_text().splitlines()[-1]))


def test_a_quick_tunnel_carries_bytes_to_a_port_of_loopback(
    program: str, edge: Path, tmp_path: Path
):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        CloudflaredTunnel(program, tmp_path / "t", port=server.getsockname()[1]) as tunnel,
    ):
        hostname = tunnel.open()
        assert hostname.endswith(".trycloudflare.com")

        outside = socket.create_connection(("127.0.0.1", int((edge / hostname).read_text())))
        outside.sendall(b"knock")
        inside, _ = server.accept()
        assert inside.recv(5) == b"knock"
        inside.close()
        outside.close()


def test_no_process_is_left_after_the_end(program: str, tmp_path: Path):
    with CloudflaredTunnel(program, tmp_path / "t", port=9) as tunnel:
        tunnel.open()
        pid = int((tmp_path / "t" / "cloudflared.pid").read_text().split()[0])

    assert not psutil.pid_exists(pid)


def test_what_a_killed_notebook_left_is_ended_by_the_next(program: str, tmp_path: Path):
    killed = CloudflaredTunnel(program, tmp_path / "t", port=9)
    killed.open()

    with CloudflaredTunnel(program, tmp_path / "t", port=9) as tunnel:
        tunnel.open()
        assert killed._process is not None
        killed._process.wait(10)


def test_a_limit_on_requests_is_told_apart(program: str, edge: Path, tmp_path: Path):
    (edge / "limited").write_text("1")

    with CloudflaredTunnel(program, tmp_path / "t", port=9) as tunnel:
        with pytest.raises(RateLimitedError, match="no more quick tunnels"):
            tunnel.open()
        assert tunnel.open()


def test_a_tunnel_that_dies_is_noticed_and_the_next_has_another_address(
    program: str, tmp_path: Path
):
    with CloudflaredTunnel(program, tmp_path / "t", port=9) as tunnel:
        first = tunnel.open()
        os.kill(int((tmp_path / "t" / "cloudflared.pid").read_text().split()[0]), signal.SIGKILL)
        assert "Registered" in tunnel.wait()
        assert tunnel.open() != first


def test_the_token_of_a_named_tunnel_is_in_no_argument_and_in_no_log(
    program: str, edge: Path, tmp_path: Path
):
    named = Named("ssh.example.org", cloudflared.TOKEN)
    with CloudflaredTunnel(program, tmp_path / "t", port=9, named=named) as tunnel:
        assert tunnel.open() == "ssh.example.org"
        pid = int((tmp_path / "t" / "cloudflared.pid").read_text().split()[0])
        assert cloudflared.TOKEN not in " ".join(psutil.Process(pid).cmdline())
        assert cloudflared.TOKEN not in tunnel.log.read_text() + repr(named)

    assert seen(edge)["argv"][-1] == "run"  # type: ignore[index]


def test_a_token_that_is_refused_is_said_to_be_refused(program: str, tmp_path: Path):
    named = Named("ssh.example.org", "another")
    with (
        CloudflaredTunnel(program, tmp_path / "t", port=9, named=named) as tunnel,
        pytest.raises(TunnelError, match="refuses the token"),
    ):
        tunnel.open()


def test_the_password_of_a_proxy_is_not_quoted(tmp_path: Path):
    program = tmp_path / "cloudflared"
    program.write_text(
        "#!/bin/sh\necho '- ERR proxy http://me:passw0rd@proxy:3128 refuses' >&2\nexit 1\n"
    )
    program.chmod(0o755)

    with (
        CloudflaredTunnel(str(program), tmp_path / "t", port=9) as tunnel,
        pytest.raises(TunnelError, match="refuses") as caught,
    ):
        tunnel.open()
    assert "passw0rd" not in str(caught.value)


def test_a_program_that_ends_at_once_is_quoted(tmp_path: Path):
    path = tmp_path / "cloudflared"
    path.write_text("#!/bin/sh\necho 'flag provided but not defined: -metrics' >&2; exit 2\n")
    path.chmod(0o755)

    with pytest.raises(TunnelError, match="not defined: -metrics"):
        CloudflaredTunnel(str(path), tmp_path / "t", port=9).open()


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_there = self.path.startswith(f"/{cloudflared_release.VERSION}/cloudflared-linux-")
            self.send_response(200 if is_there else 404)
            self.end_headers()
            self.wfile.write(b"#!/bin/sh\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_release_is_downloaded_once_and_checked(releases: str, tmp_path: Path):
    sha256 = hashlib.sha256(b"#!/bin/sh\n").hexdigest()

    path = Path(find_or_download(tmp_path / "d", releases=releases, sha256=sha256))
    assert os.access(path, os.X_OK)
    assert find_or_download(tmp_path / "d", releases="http://127.0.0.1:9", sha256=sha256)


def test_another_program_in_its_place_is_not_kept(releases: str, tmp_path: Path):
    with pytest.raises(TunnelError, match="not the released program"):
        find_or_download(tmp_path / "d", releases=releases)

    assert not list(tmp_path.rglob("cloudflared*"))


def test_a_download_that_fails_names_what_to_do(releases: str, tmp_path: Path):
    with pytest.raises(MissingToolError, match="cannot download") as caught:
        find_or_download(tmp_path / "d", releases=f"{releases}/gone")

    assert "Internet" in caught.value.hint


def test_the_one_on_the_path_comes_first(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_or_download(tmp_path / "d") == program
