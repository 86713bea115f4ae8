"""Refuse a commit that contains credentials, whatever a file's name.

    python -P -m container_doors.cli.refuse_credentials FILE_OR_FOLDER ...

The hook that ``doors init`` installs runs it on a folder of what is staged.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from container_doors.cli.output import prepare_streams, say
from container_doors.kaggle.confidential import contains_credentials


def main(names: Sequence[str]) -> int:
    """Print each file that looks like credentials, by its path in a folder; 1 if there is one.

    Args:
        names: Files, or folders, which are searched as a whole.
    """
    prepare_streams()
    found = [name for path in map(Path, names) for name in _confidential(path)]
    if found:
        say(
            *(f"error: {str(name)!a} looks like credentials" for name in found),
            "  hint: git rm --cached FILE, and keep it outside of the repository: doors storage "
            "set --credentials FILE; if it was ever pushed, make a new key (docs/security.md, "
            "rotation)",
        )
    return 1 if found else 0


def _confidential(path: Path) -> Iterator[Path]:
    if not path.is_dir() or path.is_symlink():
        yield from [path] if contains_credentials(path) else []
        return
    for one in sorted(path.rglob("*")):
        if (one.is_symlink() or not one.is_dir()) and contains_credentials(one):
            yield one.relative_to(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
