"""Which calls into the system may change a file, as Python's audit events name them.

https://docs.python.org/3/library/audit_events.html
"""

import os
from typing import Any

_CHANGES = (
    "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "os.utime", "os.fsync", "shutil.", "fcntl.flock", "ctypes.dlsym",
    "subprocess.Popen",
)  # fmt: skip
"""``os.fsync`` has no event: the tests raise it. ``ctypes.dlsym`` comes before an exchange."""

_REMOVALS = ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "subprocess.Popen")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def is_change(event: str, arguments: Any) -> bool:
    """Tell whether a file may be another after it; between two of them nothing changes."""
    if event == "open":
        return bool(arguments[2] & _WRITING)
    return event.startswith(_CHANGES)


def is_removal(event: str) -> bool:
    """Tell whether a file may be gone after it."""
    return event.startswith(_REMOVALS)
