"""Refuse a commit that contains credentials, whatever the file's name.

    uv run --frozen python scripts/refuse_credentials.py FILE ...

It runs before each commit (.pre-commit-config.yaml) on its files, and in .ci/run on all tracked
files.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from container_doors.kaggle.confidential import contains_credentials


def main(names: Sequence[str]) -> int:
    """Print each file that looks like credentials; 1 if there is one."""
    found = [name for name in names if contains_credentials(Path(name))]
    for name in found:
        print(f"error: {name!a} looks like credentials")
    if found:
        print(
            "  hint: git rm --cached FILE, and keep it outside of the repository: doors storage "
            "set --credentials FILE; if it was ever pushed, make a new key (docs/security.md, "
            "rotation)"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
