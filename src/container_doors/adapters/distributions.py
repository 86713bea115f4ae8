"""Which installed distributions supply a program that is published under several names.

Ultralytics and OpenCV are each built more than once, and the builds write the same files. Whoever
asks for a version means the program, whatever the build is called. Nothing that may be missing is
imported at the top, for the doctor looks here on machines where packages are missing.
"""

import json
import re
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from container_doors.core.ports import Installed

BUILDS = {
    "ultralytics": ("ultralytics-opencv-headless", "ultralytics"),
    "opencv": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
}
"""The names by program; the first is the one that we depend on."""


def installed_builds(program: str) -> dict[str, str]:
    """Find the version of each build that is installed, by its name."""
    found = {name: _version(name) for name in BUILDS.get(program, (program,))}
    return {name: number for name, number in found.items() if number}


def version_of(program: str) -> str | None:
    """Find the version of a program; None if it is not installed.

    Where several builds are installed, the first of :data:`BUILDS` counts; :func:`clashes` tells
    whether that can be wrong.
    """
    return next(iter(installed_builds(program).values()), None)


def clashes() -> list[str]:
    """Describe builds of one program whose versions differ: their files are mixed on the disk."""
    every = (installed_builds(program) for program in BUILDS)
    return [
        " and ".join(f"{name} {number}" for name, number in builds.items())
        for builds in every
        if len(set(builds.values())) > 1
    ]


def installed_packages() -> "Sequence[Installed]":
    """List what Python finds here, by name; of a name that stands twice, what is imported."""
    found: dict[str, Installed] = {}
    for distribution in distributions():
        described = _described(distribution)
        if described is not None:
            found.setdefault(described.name, described)
    return [found[name] for name in sorted(found)]


def _described(distribution: Distribution) -> "Installed | None":
    from container_doors.core.ports import Installed

    metadata: Any = distribution.metadata  # a message, with headers
    name, number = metadata.get("Name"), metadata.get("Version")
    if not name or not number:
        return None  # a folder that an installer left half removed
    classified = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier") or ()
                  if one.startswith("License :: ")]  # fmt: skip
    stated = metadata.get("License") or ""
    names = classified or ([stated] if stated and "\n" not in stated else [])
    return Installed(
        name=re.sub(r"[-_.]+", "-", name).lower(),
        version=number,
        licence=metadata.get("License-Expression"),
        licence_name=", ".join(names) or None,
        sha256=_sha256_of_archive(distribution),
    )


def _sha256_of_archive(distribution: Distribution) -> str | None:
    """Read what the installer has kept of the file (PEP 610), where it was named by address."""
    try:
        document = json.loads(distribution.read_text("direct_url.json") or "{}")
        sha256 = document.get("archive_info", {}).get("hashes", {}).get("sha256")
    except (ValueError, AttributeError):
        return None
    return sha256 if isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256) else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
