"""A version's two forms: the specification's name, and a git tag in the format of GTO.

Both map one to one to :class:`records.Version`, so either can be parsed:

=====  =============================================  ==========================================
name   ``detection_v1.2_20261123_exp001_baseline``    in metadata.json, the report, the pointers
tag    ``detection@v1.2.0+20261123.exp001.baseline``  in git, for ``gto`` and ``dvc artifacts get``
=====  =============================================  ==========================================

A tag must be annotated, because GTO reads no others. ``dvc artifacts get . detection --rev`` takes
the part after the ``@``: ``v1.2.0+20261123.exp001.baseline``.
"""

import re
import shlex
from collections.abc import Iterable

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.printable import shortened
from container_doors.core.records import Version
from container_doors.core.run import Run

TAGS = "detection@v*"
"""A glob that matches every tag that :func:`git_tag` returns."""

_PREFIX = "detection_"
_NUMBER = r"(?P<major>0|[1-9][0-9]*)\.(?P<minor>0|[1-9][0-9]*)"
_NAME = re.compile(rf"detection_v{_NUMBER}_(?P<date>[0-9]{{8}})_(?P<experiment>.+)")
_SHORT = re.compile(rf"(?:{_PREFIX})?v?{_NUMBER}")
_TAG = re.compile(rf"detection@v{_NUMBER}\.0\+(?P<date>[0-9]{{8}})\.(?P<experiment>.+)")


def version_name(version: Version) -> str:
    """Return a version's name in the specification's form.

    >>> version_name(Version(major=1, minor=2, date="20261123", experiment="exp001_baseline"))
    'detection_v1.2_20261123_exp001_baseline'
    """
    return (
        f"{_PREFIX}v{version.major}.{version.minor}_{version.date}_{_checked(version.experiment)}"
    )


def git_tag(version: Version) -> str:
    """Return a version's tag in the format of GTO: its build metadata has ``.`` instead of ``_``.

    Git refuses a name that ends in ``.lock``. No experiment has ``--`` in its name, so ``--``
    replaces this one dot.

    >>> git_tag(Version(major=1, minor=2, date="20261123", experiment="exp001_baseline"))
    'detection@v1.2.0+20261123.exp001.baseline'
    >>> git_tag(Version(major=1, minor=2, date="20261123", experiment="door_lock"))
    'detection@v1.2.0+20261123.door--lock'
    """
    experiment = _checked(version.experiment).replace("_", ".")
    tag = f"detection@v{version.major}.{version.minor}.0+{version.date}.{experiment}"
    return f"{tag.removesuffix('.lock')}--lock" if tag.endswith(".lock") else tag


def parse_name(name: str) -> Version:
    """Parse a name that :func:`version_name` returned.

    Raises:
        VersioningError: If it does not have that form.
    """
    match = _NAME.fullmatch(name)
    version = match and _version(match, match["experiment"])
    if version is None:
        raise VersioningError(
            "expected a version such as detection_v1.0_20261123_exp001, found "
            f"{shortened(repr(name), 80)}",
            hint="write metadata.json again: doors metadata",
        )
    return version


def parse_tag(tag: str) -> Version | None:
    """Parse a tag that :func:`git_tag` returned; None for any other tag.

    >>> parse_tag("detection@v1.2.0+20261123.exp001.baseline")
    Version(major=1, minor=2, date='20261123', experiment='exp001_baseline')
    >>> parse_tag("v1.2.0") is None
    True
    """
    dotted = f"{tag.removesuffix('--lock')}.lock" if tag.endswith("--lock") else tag
    match = _TAG.fullmatch(dotted)
    version = match and _version(match, match["experiment"].replace(".", "_"))
    return version if version and git_tag(version) == tag else None


def versions_of_number(number: str, versions: Iterable[Version]) -> list[str]:
    """Return the full names of the versions with a number; none if it is no number.

    >>> known = [parse_name("detection_v1.0_20261123_a"), parse_name("detection_v1.1_20261124_b")]
    >>> versions_of_number("v1.1", known), versions_of_number("1.1", []), versions_of_number("", [])
    (['detection_v1.1_20261124_b'], [], [])
    """
    short = _SHORT.fullmatch(number)
    wanted = short and (int(short["major"]), int(short["minor"]))
    return [version_name(one) for one in versions if (one.major, one.minor) == wanted]


def versions_of_experiment(experiment: str, versions: Iterable[Version]) -> list[str]:
    """Return the full names of an experiment's versions, the highest number first.

    >>> known = [parse_name("detection_v1.0_20261123_a"), parse_name("detection_v1.1_20261124_b")]
    >>> versions_of_experiment("detection_a", known), versions_of_experiment("c", known)
    (['detection_v1.0_20261123_a'], [])
    """
    found = [one for one in versions if one.experiment == experiment.removeprefix(_PREFIX)]
    return [version_name(one) for one in sorted(found, key=_number, reverse=True)]


def _number(version: Version) -> tuple[int, int]:
    return version.major, version.minor


def tag_command(name: str, message: str | None = None) -> str:
    """Return the command that tags the last commit as a version.

    >>> tag_command("detection_v1.0_20261123_exp001")
    'git tag -a detection@v1.0.0+20261123.exp001 -m detection_v1.0_20261123_exp001'
    """
    tag = git_tag(parse_name(name))
    return f"git tag -a {shlex.quote(tag)} -m {shlex.quote(message or name)}"


def next_version(
    known: Iterable[Version], *, experiment: str, date: str, major: bool = False
) -> Version:
    """Return the next version: v1.0 first, then a minor number above the highest known one.

    The experiment's leading ``detection_`` is not repeated in the version. Two experiments
    that differ only in it still get two versions, because their numbers differ;
    ``experiment_name`` in metadata.json tells them apart.

    Args:
        known: All existing versions, in any order.
        experiment: The name of the run.
        date: Eight digits, ``YYYYMMDD``.
        major: Whether to start the next major number.

    >>> first = next_version([], experiment="detection_exp001", date="20261123")
    >>> version_name(first)
    'detection_v1.0_20261123_exp001'
    >>> version_name(next_version([first], experiment="exp002", date="20261124"))
    'detection_v1.1_20261124_exp002'
    >>> version_name(next_version([first], experiment="exp002", date="20261124", major=True))
    'detection_v2.0_20261124_exp002'
    """
    numbers = [(version.major, version.minor) for version in known]
    if not numbers:
        highest_major, minor = 1, 0
    elif major:
        highest_major, minor = max(numbers)[0] + 1, 0
    else:
        highest_major, minor = max(numbers)[0], max(numbers)[1] + 1
    return Version(
        major=highest_major,
        minor=minor,
        date=date,
        experiment=_checked(experiment.removeprefix(_PREFIX)),
    )


def _checked(experiment: str) -> str:
    """Return the name, or raise if the other form could not represent it."""
    return Run(experiment).name


def _version(match: re.Match[str], experiment: str) -> Version | None:
    try:
        return Version(
            major=int(match["major"]),
            minor=int(match["minor"]),
            date=match["date"],
            experiment=_checked(experiment),
        )
    except RunError:
        return None
