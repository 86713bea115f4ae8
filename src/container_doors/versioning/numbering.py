"""Which versions there are already, wherever this clone can know it from."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from container_doors.errors import VersioningError
from container_doors.records import Version
from container_doors.versioning.names import parse_name, parse_tag


def known_versions(tags: Iterable[str], weights_dir: Path) -> set[Version]:
    """Collect the versions of git's tags, and those that the pointers in ``weights_dir`` name.

    A clone without the tags, or one where nobody ever tagged, still has the pointers.

    Args:
        tags: Of the repository; foreign ones are passed over.
        weights_dir: Where the ``*.dvc`` files are.

    Raises:
        VersioningError: If a pointer cannot be read, for instance after a failed merge.
    """
    tagged = {version for tag in tags if (version := parse_tag(tag))}
    named = {_named_by(pointer) for pointer in sorted(weights_dir.glob("*.dvc"))}
    return tagged | {parse_name(name) for name in named if name is not None}


def begins_its_major(version: Version, known: Iterable[Version]) -> bool:
    """Tell whether nothing else has this major number or a later one.

    >>> first = Version(major=2, minor=0, date="20261123", experiment="exp002")
    >>> begins_its_major(first, [first])
    True
    """
    others = (other for other in known if other != version)
    return version.minor == 0 and all(other.major < version.major for other in others)


def _named_by(pointer: Path) -> str | None:
    try:
        document = yaml.safe_load(pointer.read_text(encoding="utf-8"))
        name = (document.get("meta") or {}).get("version")
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError):
        raise VersioningError(
            f"{pointer} is not a pointer of DVC", hint=f"git diff {pointer}; git checkout restores"
        ) from None
    return None if name is None else str(name)
