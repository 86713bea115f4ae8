"""Which versions there are already, wherever this clone can know it from."""

from collections.abc import Iterable
from pathlib import Path

from container_doors.errors import VersioningError
from container_doors.parsing import MOST_YAML_BYTES, ParsingError, parse_yaml, read_bounded
from container_doors.records import RunRecord, Version
from container_doors.versioning.names import next_version, parse_name, parse_tag
from container_doors.versioning.publication import read_published


def version_for(
    record: RunRecord, weights_dir: Path, *, tags: Iterable[str], major: bool
) -> Version:
    """Keep the version that this very run was published with; otherwise take the next.

    Args:
        record: The run that made the model.
        weights_dir: Where models are published.
        tags: Of the repository.
        major: Ask for a number that begins a major version; asking twice is asking once.
    """
    known = known_versions(tags, weights_dir)
    published = read_published(weights_dir)
    if published is not None:
        current = parse_name(published.version)
        is_ours = published.run_id == record.run_id
        if is_ours and not (major and not begins_its_major(current, known)):
            return current
        known.add(current)
    return next_version(
        known, experiment=record.experiment, date=f"{record.started_at:%Y%m%d}", major=major
    )


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
        document = parse_yaml(read_bounded(pointer, MOST_YAML_BYTES))
        name = (document.get("meta") or {}).get("version")
    except (ParsingError, AttributeError):
        raise VersioningError(
            f"{pointer} is not a pointer of DVC", hint=f"git diff {pointer}; git checkout restores"
        ) from None
    return None if name is None else str(name)
