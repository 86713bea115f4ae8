"""A way in from the internet to a port of loopback, by Cloudflare's ``cloudflared``.

It is asked through its metrics endpoint (``/quicktunnel``, ``/ready``), because the address in
its log stands in a box that changes. A quick tunnel has a new address each time, and Cloudflare
limits how often one address of the internet may ask for one: a process that lives is kept.
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
    as_left_over,
    dying_with_us,
    end_child,
    end_with_children,
    left_over,
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
    """A tunnel of one's own Cloudflare account, with an address that stays."""

    hostname: str
    token: str = field(repr=False)


class CloudflaredTunnel:
    """A :class:`ports.Tunnel` to one port; a context that leaves no process behind."""

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
        """Remember what to run; nothing runs yet.

        Args:
            program: The path of cloudflared.
            directory: For its log and its process id; its owner's alone.
            port: Of loopback, where the SSH server listens.
            named: A tunnel of one's own; otherwise a quick one.
            protocol: ``quic`` needs UDP to port 7844, ``http2`` does with TCP; ``auto`` tries.
            meanwhile: Called now and then while the tunnel is open, to look after what it leads to.
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
        """What cloudflared says."""
        return self._directory / "cloudflared.log"

    def open(self) -> str:
        """Run it until it is connected.

        Returns:
            The host name by which it is reached.

        Raises:
            RateLimitedError: If Cloudflare gives out no tunnel for now.
            TunnelError: If it cannot be opened.
        """
        self.close()
        metrics = f"127.0.0.1:{free_port()}"
        self._run(metrics)
        end = monotonic() + _OPEN_S
        while monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                raise self._why_it_ended()
            hostname = self._named.hostname if self._named else _hostname(metrics)
            if hostname and _is_ready(metrics):
                return hostname
            sleep(_LOOK_S)
        self.close()
        raise TunnelError(
            f"cloudflared was not connected after {_OPEN_S:.0f} s: {self._last_words()}",
            hint="try --protocol http2, for networks that let no UDP out",
        )

    def wait(self) -> str:
        """Wait until it ends by itself; returns its last words."""
        while self._process is not None and self._process.poll() is None:
            self._meanwhile()
            sleep(_LOOK_S)
        return self._last_words()

    def close(self) -> None:
        """End it, or what an earlier notebook that was killed left of it."""
        earlier = left_over(self._pid_file)
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
                dying_with_us(self._program, self._arguments(metrics)),
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the button that interrupts a cell is for the cell alone
            )
        self._pid_file.write_text(as_left_over(self._process.pid), encoding="utf-8")

    def _arguments(self, metrics: str) -> list[str]:
        common = ["tunnel", "--no-autoupdate", "--metrics", metrics]
        common += ["--pidfile", str(self._directory / "cloudflared.connected")]
        if self._protocol != "auto":
            common += ["--protocol", self._protocol]
        origin = f"ssh://127.0.0.1:{self._port}"
        return [*common, "run"] if self._named else [*common, "--url", origin]

    def _environment(self) -> dict[str, str]:
        seen = environment_for("cloudflared")
        return {**seen, "TUNNEL_TOKEN": self._named.token} if self._named else seen

    def _last_words(self) -> str:
        lines = [line for line in self._said().splitlines() if line.strip()]
        errors = [line for line in lines if " ERR " in line] or lines
        return errors[-1] if errors else "it said nothing"

    def _said(self) -> str:
        said = self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""
        said = redacted(said)  # a proxy's address may hold a password
        return said.replace(self._named.token, "***") if self._named else said

    def _why_it_ended(self) -> TunnelError:
        said = self._said()
        if any(word in said for word in _LIMITED):
            return RateLimitedError(
                "Cloudflare gives out no more quick tunnels to this address for now (429)",
                hint="wait some minutes, or use a named tunnel: docs/tunnel.md",
            )
        if any(word in said for word in _REFUSED_TOKEN):
            return TunnelError(
                "Cloudflare refuses the token of the named tunnel",
                hint="copy it again from the tunnel's page: docs/tunnel.md",
            )
        return TunnelError(f"cloudflared ended at once: {self._last_words()}",
                           hint=f"{self.log} says more")  # fmt: skip


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
    """Read a page of loopback; empty while it does not answer 200."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=2) as response:
            return str(response.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass
    return ""
