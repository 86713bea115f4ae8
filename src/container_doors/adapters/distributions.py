"""Find installed packages, also if a program is published under several package names.

Ultralytics and OpenCV have several builds, which write the same files. A version is asked for the
program, whatever the build is called. Only the standard library is imported at the top, because
``doors doctor`` runs on machines where packages are missing.
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
"""Package names by program; we depend on the first."""


def installed_builds(program: str) -> dict[str, str]:
    """Return the versions of the installed builds, by name."""
    found = {name: _version(name) for name in BUILDS.get(program, (program,))}
    return {name: number for name, number in found.items() if number}


def version_of(program: str) -> str | None:
    """Return the version of a program; None if it is not installed.

    If several builds are installed, the first of :data:`BUILDS` counts; :func:`clashes` checks
    whether that can be wrong.
    """
    return next(iter(installed_builds(program).values()), None)


def clashes() -> list[str]:
    """List installed builds of one program with different versions: their files are mixed."""
    every = (installed_builds(program) for program in BUILDS)
    return [
        " and ".join(f"{name} {number}" for name, number in builds.items())
        for builds in every
        if len(set(builds.values())) > 1
    ]


def installed_packages() -> "Sequence[Installed]":
    """List the installed packages by name; of two with the same name, the one that is imported."""
    found: dict[str, Installed] = {}
    for distribution in distributions():
        package = _describe(distribution)
        if package is not None:
            found.setdefault(package.name, package)
    return [found[name] for name in sorted(found)]


def _describe(distribution: Distribution) -> "Installed | None":
    from container_doors.core.ports import Installed

    metadata: Any = distribution.metadata  # a message, with headers
    name, number = metadata.get("Name"), metadata.get("Version")
    if not name or not number:
        return None  # a package that was not removed completely
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
    """Read the archive's sha256 that the installer stored (PEP 610), if it came from a URL."""
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
