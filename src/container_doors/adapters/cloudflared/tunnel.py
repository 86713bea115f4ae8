"""A tunnel from the internet to a loopback port, by Cloudflare's ``cloudflared``.

The address is read from its metrics endpoint (``/quicktunnel``, ``/ready``), because the format of
its log changes. A quick tunnel has a new address each time, and Cloudflare limits how often one
internet address may request one: a running process is therefore kept.
"""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from container_doors.adapters.processes import (
    command_tied_to_us,
    end_child,
    end_with_children,
    find_process,
    process_identity,
)
from container_doors.adapters.shell import redacted
from container_doors.adapters.ssh.server import free_port
from container_doors.core.child_environment import environment_for
from container_doors.core.errors import RateLimitedError, TunnelError

_LIMITED = ("429", "1015", "Too Many Requests")
_REFUSED_TOKEN = ("Unauthorized", "Invalid tunnel secret", "token is not valid")
_OPEN_S = 90.0
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Named:
    """A named tunnel of a Cloudflare account, with a permanent address."""

    hostname: str
    token: str = field(repr=False)


class CloudflaredTunnel:
    """A :class:`ports.Tunnel` to one port; a context manager that leaves no process behind."""

    def __init__(
        self,
        program: str,
        directory: Path,
        *,
        port: int,
        named: Named | None = None,
        protocol: str = "auto",
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Store the settings; nothing runs yet.

        Args:
            program: The path of cloudflared.
            directory: The private folder of its log and its process id.
            port: The loopback port of the SSH server.
            named: A named tunnel; by default a quick one.
            protocol: ``quic`` needs UDP to port 7844, ``http2`` needs TCP; ``auto`` tries both.
            meanwhile: Called regularly while the tunnel is open, to check the SSH server.
        """
        self._program = program
        self._directory = directory
        self._port = port
        self._named = named
        self._protocol = protocol
        self._meanwhile = meanwhile
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "CloudflaredTunnel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def log(self) -> Path:
        """The log of cloudflared."""
        return self._directory / "cloudflared.log"

    def open(self) -> str:
        """Start it and wait until it is connected.

        Returns:
            The host name of the tunnel.

        Raises:
            RateLimitedError: If Cloudflare refuses more tunnels for now.
            TunnelError: If it cannot be opened.
        """
        self.close()
        metrics = f"127.0.0.1:{free_port()}"
        self._run(metrics)
        end = monotonic() + _OPEN_S
        while monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                raise self._exit_error()
            hostname = self._named.hostname if self._named else _hostname(metrics)
            if hostname and _is_ready(metrics):
                return hostname
            sleep(_LOOK_S)
        self.close()
        raise TunnelError(
            f"cloudflared was not connected after {_OPEN_S:.0f} s: {self._last_error()}",
            hint="try --protocol http2, for networks that block UDP",
        )

    def wait(self) -> str:
        """Wait until it ends by itself; return the last error in its log."""
        while self._process is not None and self._process.poll() is None:
            self._meanwhile()
            sleep(_LOOK_S)
        return self._last_error()

    def close(self) -> None:
        """End it, or the process of an earlier notebook that was killed."""
        earlier = find_process(self._pid_file)
        if earlier is not None:
            end_with_children(earlier)
        if self._process is not None:
            end_child(self._process)
            self._process = None
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self._directory / "cloudflared.pid"

    def _run(self, metrics: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command_tied_to_us(self._program, self._arguments(metrics)),
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # interrupting a cell must not interrupt it
            )
        self._pid_file.write_text(process_identity(self._process.pid), encoding="utf-8")

    def _arguments(self, metrics: str) -> list[str]:
        common = ["tunnel", "--no-autoupdate", "--metrics", metrics]
        common += ["--pidfile", str(self._directory / "cloudflared.connected")]
        if self._protocol != "auto":
            common += ["--protocol", self._protocol]
        origin = f"ssh://127.0.0.1:{self._port}"
        return [*common, "run"] if self._named else [*common, "--url", origin]

    def _environment(self) -> dict[str, str]:
        environment = environment_for("cloudflared")
        return {**environment, "TUNNEL_TOKEN": self._named.token} if self._named else environment

    def _last_error(self) -> str:
        lines = [line for line in self._read_log().splitlines() if line.strip()]
        errors = [line for line in lines if " ERR " in line] or lines
        return errors[-1] if errors else "it printed nothing"

    def _read_log(self) -> str:
        log_text = self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""
        log_text = redacted(log_text)  # a proxy's address may contain a password
        return log_text.replace(self._named.token, "***") if self._named else log_text

    def _exit_error(self) -> TunnelError:
        log_text = self._read_log()
        if any(word in log_text for word in _LIMITED):
            return RateLimitedError(
                "Cloudflare opens no more quick tunnels for this address for now (429)",
                hint="wait some minutes, or use a named tunnel: docs/tunnel.md",
            )
        if any(word in log_text for word in _REFUSED_TOKEN):
            return TunnelError(
                "Cloudflare refuses the token of the named tunnel",
                hint="copy it again from the tunnel's page: docs/tunnel.md",
            )
        return TunnelError(f"cloudflared ended at once: {self._last_error()}",
                           hint=f"{self.log} has more")  # fmt: skip


def _hostname(metrics: str) -> str:
    answer = _get(f"http://{metrics}/quicktunnel")
    try:
        document = json.loads(answer)
    except ValueError:
        return ""
    return str(document.get("hostname", "")) if isinstance(document, dict) else ""


def _is_ready(metrics: str) -> bool:
    return bool(_get(f"http://{metrics}/ready"))


def _get(url: str) -> str:
    """Read a page on loopback; empty unless the answer is 200."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=2) as response:
            return str(response.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass
    return ""
