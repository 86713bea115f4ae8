"""Collect the existing versions from tags, pointers and runs, and choose the next one."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.parsing import MOST_YAML_BYTES, ParsingError, parse_yaml, read_bounded
from container_doors.core.records import Metadata, RunRecord, Version
from container_doors.core.run import RUNS, runs_in
from container_doors.publishing.names import next_version, parse_name, parse_tag
from container_doors.publishing.pointers import restoring
from container_doors.publishing.publication import read_published


def version_for(
    record: RunRecord,
    weights_dir: Path,
    *,
    tags: Iterable[str],
    major: bool,
    minor: bool = False,
    runs: Path = RUNS,
) -> Version:
    """Return the version that this run already has, or else the next free one.

    A run gets its version at the end of its training, published or not, so that no two runs of a
    clone have the same number.

    Args:
        record: The run that made the model.
        weights_dir: The folder of the published model.
        tags: The repository's tags.
        major: Whether to start a new major number; asking twice has no further effect.
        minor: Whether to take the next number if its own is released; asking twice has no further
            effect.
        runs: The folder of the other runs.
    """
    released = known_versions(tags, weights_dir)
    own, others = None, set(released)
    for metadata in _metadata_of_runs(runs):
        if metadata.run_id == record.run_id:
            own = parse_name(metadata.version)
        else:
            others.add(parse_name(metadata.version))
    published = _published_if_readable(weights_dir)
    is_published = published is not None and published.run_id == record.run_id
    if published is not None and is_published:
        own = parse_name(published.version)
    elif published is not None:
        others.add(parse_name(published.version))
    if own is not None:
        is_free = _number(own) not in set(map(_number, others))
        is_valid = is_published or own in released or is_free
        is_wanted = begins_its_major(own, released) if major else not (minor and own in released)
        if is_valid and is_wanted:
            return own
        others.add(own)
    return next_version(
        others, experiment=record.experiment, date=f"{record.started_at:%Y%m%d}", major=major
    )


def _number(version: Version) -> tuple[int, int]:
    return version.major, version.minor


def _published_if_readable(weights_dir: Path) -> Metadata | None:
    """Read the published metadata; None if damaged: its version may still be in the pointers."""
    try:
        return read_published(weights_dir)
    except RunError:
        return None


def _metadata_of_runs(runs: Path) -> Iterator[Metadata]:
    """Read the metadata of each finished run; skip damaged ones, whose number is lost."""
    for run in runs_in(runs):
        with suppress(RunError):
            if run.metadata.exists():
                yield Metadata.read(run.metadata)


def known_versions(tags: Iterable[str], weights_dir: Path) -> set[Version]:
    """Collect the versions in git's tags and in the pointers in ``weights_dir``.

    A clone without tags still has the pointers.

    Args:
        tags: The repository's tags; other kinds of tags are ignored.
        weights_dir: The folder of the ``*.dvc`` files.

    Raises:
        VersioningError: If a pointer cannot be read, for instance after a failed merge.
    """
    tagged = {version for tag in tags if (version := parse_tag(tag))}
    named = {_named_by(pointer) for pointer in sorted(weights_dir.glob("*.dvc"))}
    return tagged | {parse_name(name) for name in named if name is not None}


def begins_its_major(version: Version, known: Iterable[Version]) -> bool:
    """Return whether no other version has this major number or a higher one.

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
            f"{pointer} is not a DVC pointer", hint=restoring(pointer, "doors version")
        ) from None
    return None if name is None else str(name)
