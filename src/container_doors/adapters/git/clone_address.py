"""The address that a clone keeps in ``.git/config``, which Kaggle publishes with the rest of it."""

import os
from pathlib import Path

from container_doors.adapters.git.repository import run_git, run_git_for_bytes
from container_doors.adapters.git_credentials import without_secrets
from container_doors.core.errors import VersioningError


def forget_password(directory: Path) -> bool:
    """Take the password out of the address that ``origin`` has, and a user who may be a token.

    Returns:
        Whether there were any.

    Raises:
        VersioningError: If they cannot be taken out.
    """
    asked = run_git_for_bytes(directory, ("config", "--get", "remote.origin.url"))
    address = os.fsdecode(asked.stdout.removesuffix(b"\n"))
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
