"""Remove secrets from a clone's address in ``.git/config``, which Kaggle publishes."""

import os
from pathlib import Path

from container_doors.adapters.git.repository import run_git, run_git_for_bytes
from container_doors.adapters.git_credentials import without_secrets
from container_doors.core.errors import VersioningError


def forget_password(directory: Path) -> bool:
    """Remove the password from the address of ``origin``, and a user name that may be a token.

    Returns:
        Whether there was one.

    Raises:
        VersioningError: If it cannot be removed.
    """
    config = run_git_for_bytes(directory, ("config", "--get", "remote.origin.url"))
    address = os.fsdecode(config.stdout.removesuffix(b"\n"))
    public = without_secrets(address)
    if public == address:
        return False
    done = run_git(directory, "config", "remote.origin.url", public)
    if done.exit_code:
        raise VersioningError(
            f"{directory}/.git/config has a password in its address: {done.complaint}",
            hint=f"git remote set-url origin {public}",
        )
    return True
