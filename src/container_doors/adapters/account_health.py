"""Check the accounts and stores that a run uses: git, DVC, Drive, W&B, Kaggle.

Each is used as training would use it. The messages are short and contain no secrets.
"""

import base64
import json
import netrc
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from container_doors.core.errors import (
    DoorsError,
    MissingToolError,
    ReadOnlyRemoteError,
    UnreachableError,
)
from container_doors.core.installation import is_kaggle
from container_doors.doctor.health import Health, failed, passed, warned

_WAIT_S = 15.0


def git() -> Health:
    """Check which commit a run would be made with."""
    from container_doors.adapters.git.repository import GitRepository

    repository = GitRepository(Path.cwd())
    try:
        state = repository.code_state(beside=_data())
        if state.clean is None:
            repository.check_ready()
    except DoorsError as error:
        found = failed if isinstance(error, MissingToolError) else warned
        return found("git", error.problem, error.hint)
    if state.commit is None:
        return warned(
            "git",
            "this is not a repository with a commit",
            "git clone the project: runs name the commit that they were made with",
        )
    if not state.clean:
        return warned(
            "git",
            f"{state.commit[:7]}, and files have changed since",
            "git commit, so that the run's code can be found again: git status names them",
        )
    return passed("git", f"{state.commit[:7]}, nothing changed since")


def _data() -> list[Path]:
    """Return the data folder, which is not code; nothing if the params cannot be read."""
    try:
        from container_doors.core.config import load_params

        return [Path(load_params(Path("params.yaml"), []).data.path)]
    except (DoorsError, ImportError):
        return []


def dvc_remote() -> Health:
    """Write, read and delete a small file on the remote, to check credentials and permissions."""
    from container_doors.adapters.dvc.remote import DvcRemote

    remote = DvcRemote(Path.cwd())
    try:
        if remote.url is None:
            return warned(
                "dvc remote", "none: no model can be pushed", "doors storage set DIRECTORY"
            )
        return passed("dvc remote", f"{remote.probe()}: writing, reading and deleting work")
    except ReadOnlyRemoteError as error:
        found = f"the data set can be pulled, but no model can be pushed: {error.problem}"
        return warned("dvc remote", found, error.hint)
    except DoorsError as error:
        return failed("dvc remote", error.problem, error.hint)


def drive_credentials() -> Health:
    """Check the Drive credentials of the environment, if there are any."""
    from container_doors.adapters.dvc.remote import DvcRemote
    from container_doors.storage.credentials import SOURCES, find_credentials
    from container_doors.storage.remotes import kind_of

    try:
        credentials = find_credentials(os.environ)
    except DoorsError as error:
        return failed("drive", error.problem, error.hint)
    if credentials is None:
        return passed("drive", f"no credentials in {', '.join(SOURCES)}; a folder needs none")
    whose = f"{credentials.kind} {credentials.account}, from {credentials.source}"
    url = _remote()
    if url is not None and kind_of(url) != "drive":
        return passed("drive", f"{whose}; not used, because the remote is {url}")
    if url is not None and not DvcRemote(Path.cwd()).uses(credentials):
        return warned("drive", f"{whose}, which DVC does not use yet", "doors storage set")
    return passed("drive", whose)


def _remote() -> str | None:
    from container_doors.adapters.dvc.remote import DvcRemote

    try:
        return DvcRemote(Path.cwd()).url
    except DoorsError:
        return None


def wandb() -> Health:
    """Ask W&B whether it accepts the key."""
    from container_doors.adapters.wandb.account import find_credentials, how_to_log_in, server

    try:
        credentials = find_credentials()
    except DoorsError as error:
        return warned("w&b", f"{error.problem}: runs are recorded offline", error.hint)
    if credentials is None:
        return warned("w&b", "no key: runs are recorded offline", how_to_log_in())
    key = credentials.environment.get("WANDB_API_KEY") or _key_in_netrc(server())
    try:
        name = _account_name(server(), key)
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            return _refused_key(server(), credentials.source, how_to_log_in())
        return warned(
            "w&b",
            f"{server()} does not answer: runs are recorded offline",
            "doors track sync sends them later",
        )
    if name is None:
        return _refused_key(server(), credentials.source, how_to_log_in())
    return passed("w&b", f"{name}, with the key in {credentials.source}")


def kaggle() -> Health:
    """Ask Kaggle for the account of the credentials that its client finds, and for its quota."""
    if is_kaggle():
        return passed("kaggle", "this is a Kaggle machine, which does not need your credentials")
    from container_doors.adapters.kaggle.account import damaged, how_to_log_in, sources

    found = sources()
    if damaged():
        return warned("kaggle", "; ".join(damaged()), how_to_log_in())
    if not found:
        return warned("kaggle", "no credentials: doors kaggle cannot be used here", how_to_log_in())
    is_open = next((source for source in found if source.is_open), None)
    if is_open:
        return warned("kaggle", f"other users can read {is_open.name}", f"chmod 600 {is_open.name}")
    return _kaggle_account()


def _kaggle_account() -> Health:
    from container_doors.adapters.kaggle.host import KaggleHost

    host = KaggleHost(pauses_s=())
    try:
        owner, quota = host.owner(), host.quota()
    except UnreachableError as error:
        return warned("kaggle", error.problem, error.hint)
    except DoorsError as error:
        return failed("kaggle", error.problem, error.hint)
    if quota is None:
        return passed("kaggle", owner)
    left_h = max(quota.allowed_h - quota.used_h, 0.0)
    return passed("kaggle", f"{owner}, {left_h:.1f} of {quota.allowed_h:.0f} GPU hours left")


def _refused_key(server: str, source: str, remedy: str) -> Health:
    found = f"{server} refuses the key in {source}: runs are recorded offline"
    return warned("w&b", found, remedy)


def _account_name(server: str, key: str) -> str | None:
    """Ask for the account's name like W&B's own client; None if the key belongs to no account."""
    basic = base64.b64encode(f"api:{key}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - https, or what WANDB_BASE_URL says
        f"{server}/graphql",
        data=json.dumps({"query": "query Viewer { viewer { id username entity } }"}).encode(),
        headers={"Authorization": f"Basic {basic}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_WAIT_S) as answer:  # noqa: S310 - as above
        try:
            viewer = (json.load(answer).get("data") or {}).get("viewer")
        except (ValueError, AttributeError):
            raise OSError("unexpected answer") from None
    return str(viewer.get("username")) if viewer else None


def _key_in_netrc(server: str) -> str:
    from container_doors.adapters.wandb.account import netrc_path

    path = netrc_path(os.environ)
    found = None if path is None else netrc.netrc(path).authenticators(urlsplit(server).netloc)
    return str(found[2]) if found else ""
