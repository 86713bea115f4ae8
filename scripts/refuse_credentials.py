"""Refuse a commit that holds credentials, whatever they are called.

    uv run --frozen python scripts/refuse_credentials.py FILE ...

Before each commit (.pre-commit-config.yaml) of its files, in .ci/run of all that git keeps.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from container_doors.kaggle.confidential import holds_credentials


def main(names: Sequence[str]) -> int:
    """Name each file that looks like credentials; 1 if there is one."""
    found = [name for name in names if holds_credentials(Path(name))]
    for name in found:
        print(f"error: {name!a} looks like credentials")
    if found:
        print(
            "  hint: git rm --cached FILE, and keep it outside of the repository: doors remote set "
            "--credentials FILE; if it was ever pushed, make a new key (docs/security.md, rotation)"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
