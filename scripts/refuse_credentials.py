"""Refuse a commit that contains credentials, whatever the file's name.

    uv run --frozen python scripts/refuse_credentials.py FILE ...

It runs before each commit (.pre-commit-config.yaml) on its files, and in .ci/run on all tracked
files. In a workspace of `doors init`, a hook does the same.
"""

import sys

from container_doors.cli.refuse_credentials import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
