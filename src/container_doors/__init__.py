"""From labelled photographs of shipping containers to a versioned detector of their rear doors.

To find doors in photographs: :class:`container_doors.Detector`. To read how a model is trained:
:mod:`container_doors.pipeline`, which tells the whole story in order.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from container_doors.detector import Detector as Detector
    from container_doors.detector import Door as Door
    from container_doors.detector import Found as Found

__version__ = "0.1.0"

__all__ = ["Detector", "Door", "Found"]


def __getattr__(name: str) -> object:
    """Import what is heavy when it is first used: the command line must open at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from container_doors import detector  # noqa: PLC0415

    return getattr(detector, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
