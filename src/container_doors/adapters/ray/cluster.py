"""A Ray cluster: that of ``RAY_ADDRESS``, or one that is started here and ends with the command."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import sleep
from typing import Any

import container_doors
from container_doors.core.errors import ClusterError, MissingToolError
from container_doors.core.installation import install_command

ADDRESS = "RAY_ADDRESS"
_ANSWER_S = 5.0
"""A head node that does not answer within it, three times in a row, is lost."""

_PATIENCE, _PAUSE_S = 3, 2.0

_SETTINGS = {
    # Without it, ``uv run`` would make every worker install the project anew.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process is connected to."""

    ray: Any
    """The module."""
    head: tuple[str, int]
    """Host and port of the head node."""

    def leave(self) -> None:
        """Leave it; one that was started here ends."""
        # Without its head node, Ray would wait for it for a minute, and then end this process.
        if _answers(*self.head):
            self.ray.shutdown()

    def capacity(self, resource: str) -> int:
        """Return how many processors (``CPU``) or GPUs (``GPU``) its living nodes have."""
        return int(self.ray.cluster_resources().get(resource, 0))

    def nodes(self) -> dict[str, str]:
        """Return the names of the living nodes, by their ids."""
        return {
            one["NodeID"]: one["NodeManagerHostname"] for one in self.ray.nodes() if one["Alive"]
        }

    def refuse_lost_head(self) -> None:
        """Check that the head node answers.

        Raises:
            ClusterError: If it does not, several times in a row.
        """
        for _ in range(_PATIENCE):
            if _answers(*self.head):
                return
            sleep(_PAUSE_S)
        raise ClusterError(
            f"the head node of the Ray cluster, {self.head[0]}:{self.head[1]}, was lost",
            hint="start the cluster again; then the same command goes on (predict: --resume)",
        )


def connect(*, say: Callable[[str], None]) -> Cluster:
    """Connect to the cluster of ``RAY_ADDRESS``; without it, start one on this machine.

    At the end of this process it is left, and one that was started here ends.

    Raises:
        MissingToolError: If Ray is not installed.
        ClusterError: If there is no cluster at that address, or one that this Ray cannot use.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    ray = _imported()
    address = os.environ.get(ADDRESS)
    if address:
        _refuse_silence(address)
    say(f"connecting to the Ray cluster at {address}" if address else "starting Ray here")
    try:
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _no_cluster(address, str(error)) from error
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return Cluster(ray, (host, int(port)))


@contextmanager
def connected(*, say: Callable[[str], None]) -> Iterator[Cluster]:
    """Connect as :func:`connect`, and leave the cluster when the block ends."""
    cluster = connect(say=say)
    try:
        yield cluster
    finally:
        cluster.leave()


@cache
def package_version() -> str:
    """Return the version of this package, with a part of the hash of its code."""
    root = Path(container_doors.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{container_doors.__version__} ({digest.hexdigest()[:12]})"


def refuse_other_version(there: str, host: str) -> None:
    """Check that a node has this package as it is here: it would compute something else.

    Raises:
        ClusterError: If it has another one.
    """
    if there != package_version():
        raise ClusterError(
            f"the node {host} has another version of container-doors: expected "
            f"{package_version()}, found {there}",
            hint="install the same commit or wheel on all nodes, and start Ray there again",
        )


def _imported() -> Any:  # noqa: ANN401 - a module
    try:
        import ray  # an extra, which takes a second
    except ModuleNotFoundError:
        raise MissingToolError(
            "Ray is not installed, and --on ray needs it", hint=install_command("ray")
        ) from None
    # When a node dies, Ray (2.60) prints its log among our results, whatever log_to_driver says.
    worker = ray._private.worker  # noqa: SLF001
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None
    return ray


def _refuse_silence(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal() and not _answers(host.strip("[]"), int(port)):
        raise _no_cluster(address, "nothing answers there")


def _no_cluster(address: str | None, reason: str) -> ClusterError:
    where = f"at {ADDRESS}={address}" if address else "could be started here"
    said = " ".join(reason.split())[:300]
    return ClusterError(
        f"no Ray cluster {where}: {said}",
        hint=f"on its head node 'ray status' says the address; without {ADDRESS} one is started "
        "here",
    )


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S):
            return True
    except OSError:
        return False
