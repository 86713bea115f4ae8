"""The address that a clone keeps in ``.git/config``, which Kaggle publishes with the rest of it."""

import re
from pathlib import Path

from container_doors.adapters.git_repository import run_git
from container_doors.errors import VersioningError

_HIDDEN = re.compile(r"(?<=^https://)[^/]*\*\*\*@|(?<=^http://)[^/]*\*\*\*@")
"""A user and password of a URL, as :func:`shell.redacted` shows them."""


def forget_password(directory: Path) -> bool:
    """Take the user and password out of the address that ``origin`` has.

    Returns:
        Whether there were any.

    Raises:
        VersioningError: If they cannot be taken out.
    """
    asked = run_git(directory, "config", "--get", "remote.origin.url")
    address = asked.stdout.strip()
    public = _HIDDEN.sub("", address)
    if public == address:
        return False
    done = run_git(directory, "config", "remote.origin.url", public)
    if done.exit_code:
        raise VersioningError(
            f"{directory}/.git/config has a password in its address: {done.complaint}",
            hint=f"git remote set-url origin {public}",
        )
    return True
