"""``train.log``: what happened, with levels, for whoever asks afterwards."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from container_doors.core.printable import printable

LOG = logging.getLogger("container_doors")


@contextmanager
def logbook(path: Path) -> Iterator[None]:
    """Write every log line from INFO up to ``path`` while inside, appending.

    Warnings of Python itself are logged too instead of being printed into a progress bar, and so
    is what ends a thread of the trainer, such as one that draws a picture onto a full disk. A log
    that cannot be written, on a full disk, stops nothing and prints nothing.
    """
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_Lines("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    complain, logging.raiseExceptions = logging.raiseExceptions, False
    hook, threading.excepthook = threading.excepthook, _log_thread
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.raiseExceptions = complain
        logging.captureWarnings(capture=False)
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def lead_to(log: Path, shown: Path) -> None:
    """Let ``tail -f`` of another path show the log: a link, and nothing else is ever replaced."""
    staged = shown.with_name(f".{shown.name}.{os.getpid()}")
    with suppress(OSError):  # no such folder, or a file system without links
        if shown.is_symlink() or not shown.exists():
            staged.symlink_to(log.absolute())
            staged.replace(shown)


class _Lines(logging.Formatter):
    """Indents what follows the first line of an entry, so that nothing in it passes for another."""

    def format(self, record: logging.LogRecord) -> str:
        """Write an entry without control characters."""
        return "\n    ".join(map(printable, super().format(record).split("\n")))


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    LOG.error(
        "a thread ended: %s", ended.exc_value,
        exc_info=(ended.exc_type, ended.exc_value or ended.exc_type(), ended.exc_traceback),
    )  # fmt: skip
