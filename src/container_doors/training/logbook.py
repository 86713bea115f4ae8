"""``train.log``: the log of a training, with levels."""

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
    """Append all log lines of level INFO and above to ``path`` until the block ends.

    Python's own warnings are logged too, instead of printed into a progress bar. So are exceptions
    that end a thread of the trainer, for example one that draws a picture onto a full disk. If the
    log itself cannot be written, on a full disk, nothing stops and nothing is printed.
    """
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_IndentingFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
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


def link_log(log: Path, shown: Path) -> None:
    """Link ``shown`` to the log, for ``tail -f``; replace a link there, but never a file."""
    staged = shown.with_name(f".{shown.name}.{os.getpid()}")
    with suppress(OSError):  # no such folder, or a file system without links
        if shown.is_symlink() or not shown.exists():
            staged.symlink_to(log.absolute())
            staged.replace(shown)


class _IndentingFormatter(logging.Formatter):
    """Indents all but the first line of an entry, so that no line looks like another entry."""

    def format(self, record: logging.LogRecord) -> str:
        """Return an entry without control characters."""
        return "\n    ".join(map(printable, super().format(record).split("\n")))


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    LOG.error(
        "a thread ended: %s", ended.exc_value,
        exc_info=(ended.exc_type, ended.exc_value or ended.exc_type(), ended.exc_traceback),
    )  # fmt: skip
