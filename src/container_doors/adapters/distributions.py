"""Which installed distributions supply a program that is published under several names.

Ultralytics and OpenCV are each built more than once, and the builds write the same files. Whoever
asks for a version means the program, whatever the build is called.
"""

from importlib.metadata import PackageNotFoundError, version

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


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
