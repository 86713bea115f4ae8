"""Ultralytics, imported so that it keeps to itself: no global settings, no installs, no calls home.

Its environment is read once, at import, so every adapter that needs it comes through here.
"""

import contextlib
import copy
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from container_doors.adapters.machine import import_torch
from container_doors.adapters.yolo.loading import load_only_data
from container_doors.core.child_environment import secrets_put_away
from container_doors.core.files import temporary_folder, user_folder

_INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb", "sync")
_MESSAGES = ("vscode_msg", "openvino_msg")
_NOT_SO_HERE = ("WARNING cache='ram' may produce", "cache='ram' may produce")
"""An epoch's pictures follow from the seed and its number, in memory or not (see yolo_engine)."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@secrets_put_away()
def import_ultralytics() -> Any:  # noqa: ANN401 - the package is untyped
    """Import Ultralytics with settings of our own and its output in our log.

    Its integrations stay off: installing dvclive, mlflow or comet would otherwise switch them
    on, and W&B is ours (see docs/decisions.md). Nothing is downloaded for a plot: Matplotlib's
    own font stands in for Arial. On a CPU it computes on every core: of its own it leaves one
    out, which is half of a machine with two.
    """
    folder = _settings_folder()
    os.environ.update(
        YOLO_CONFIG_DIR=str(folder),
        YOLO_AUTOINSTALL="false",  # a run never changes the environment that it is recorded in
        YOLO_OFFLINE="true",  # no analytics and no look-ups; weights are fetched when we say so
        YOLO_VERBOSE="false",  # no progress bars of its own
        ULTRALYTICS_SAFE_LOAD="1",  # read at import, here and in every process that is started
    )
    _provide_font(folder / "Ultralytics")
    silence = logging.getLogger("ultralytics")
    silence.setLevel(logging.ERROR)
    torch = import_torch()
    with _threads_as_they_were():
        import ultralytics
    from ultralytics.utils import GIT, LOGGER, SETTINGS, torch_utils
    from ultralytics.utils.tqdm import TQDM

    load_only_data(ultralytics)
    off = dict.fromkeys((*_INTEGRATIONS, *_MESSAGES), False)
    if any(SETTINGS[key] for key in off):
        SETTINGS.update(off)  # type: ignore[no-untyped-call]
    _send_to_root(LOGGER)
    _silence(TQDM)
    setattr(torch_utils, "NUM_THREADS", torch.get_num_threads())  # noqa: B010
    # Written into every checkpoint by save_model(); a URL can hold a token.
    GIT.origin = without_credentials(GIT.origin)
    return ultralytics


@contextlib.contextmanager
def _threads_as_they_were() -> Iterator[None]:
    """Take back the one thread that Ultralytics, at import, asks of every process started later.

    With another number of threads sums are rounded otherwise: a training that is begun by such
    a process and carried on by a fresh one would not end with the same weights.
    """
    given = os.environ.get("OMP_NUM_THREADS")
    try:
        yield
    finally:
        if given is None:
            os.environ.pop("OMP_NUM_THREADS", None)


def without_credentials(url: str | None) -> str | None:
    """Drop the user name and password from a URL.

    >>> without_credentials("https://me:secret@example.org/a.git")
    'https://example.org/a.git'
    >>> without_credentials("git@example.org:a.git")
    'git@example.org:a.git'
    """
    if url is None or "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _settings_folder() -> Path:
    """Choose a folder that is ours and can be written; a read-only home is no reason to fail."""
    cache = user_folder("XDG_CACHE_HOME", ".cache")
    if cache is not None:
        folder = cache / "container-doors"
        with contextlib.suppress(OSError):
            (folder / "Ultralytics").mkdir(parents=True, exist_ok=True)
        if os.access(folder / "Ultralytics", os.W_OK):
            return folder
    # Ultralytics executes what it finds there: nobody else may have written to it.
    folder = temporary_folder() or Path(tempfile.mkdtemp(prefix="container-doors-"))
    (folder / "Ultralytics").mkdir(exist_ok=True)
    return folder


def _provide_font(folder: Path) -> None:
    import matplotlib as mpl

    arial = folder / "Arial.ttf"
    if not arial.exists():
        staged = arial.with_name(f".{os.getpid()}.ttf")
        shutil.copyfile(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", staged)
        staged.replace(arial)


def _send_to_root(logger: logging.Logger) -> None:
    """Hand its lines to our log, which decides where they go, without colours."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addFilter(_plain)
    logger.propagate = True
    logger.setLevel(logging.INFO)


def _silence(bar: Any) -> None:  # noqa: ANN401
    """Disable every progress bar: some of them ignore YOLO_VERBOSE, and ours is there."""
    begin = bar.__init__
    if begin.__name__ == "begin_disabled":
        return

    def begin_disabled(self: object, *arguments: object, **keywords: object) -> None:
        begin(self, *arguments, **(keywords | {"disable": True}))

    bar.__init__ = begin_disabled


def _plain(record: logging.LogRecord) -> bool:
    """Make an entry of each line, without colours; an empty one is layout for a terminal."""
    lines = [_ANSI.sub("", line).strip() for line in record.getMessage().splitlines()]
    *before, last = [line for line in lines if line] or [""]
    for line in before:
        entry = copy.copy(record)
        entry.msg, entry.args = line, ()
        logging.getLogger(record.name).callHandlers(entry)
    record.msg, record.args = last, ()
    return bool(last) and not last.startswith(_NOT_SO_HERE)
