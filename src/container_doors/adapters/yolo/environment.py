"""Import Ultralytics without global settings, automatic installs and network requests.

It reads its environment once, at import, so every adapter that needs it imports it through here.
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

from container_doors.adapters.machine import import_torch, missing_extra
from container_doors.adapters.yolo.loading import load_only_data
from container_doors.core.child_environment import hide_secrets
from container_doors.core.files import temporary_folder, user_folder

_INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb", "sync")
_MESSAGES = ("vscode_msg", "openvino_msg")
_IRRELEVANT_WARNINGS = ("WARNING cache='ram' may produce", "cache='ram' may produce")
"""With our seeds an epoch's pictures are the same with or without a cache (see ``engine.py``)."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@hide_secrets()
def import_ultralytics() -> Any:  # noqa: ANN401 - the package is untyped
    """Import Ultralytics with our own settings and with its output in our log.

    Its integrations stay off: otherwise an installed dvclive, mlflow or comet would switch them
    on, and W&B is our own adapter (see docs/decisions.md). Nothing is downloaded for a plot:
    Matplotlib's own font replaces Arial. On a CPU it uses every core: by default it leaves one
    unused, which is half of a machine with two.
    """
    folder = _settings_folder()
    os.environ.update(
        YOLO_CONFIG_DIR=str(folder),
        YOLO_AUTOINSTALL="false",  # a run never changes the environment that it records
        YOLO_OFFLINE="true",  # no analytics and no look-ups; we download weights ourselves
        YOLO_VERBOSE="false",  # no progress bars
        ULTRALYTICS_SAFE_LOAD="1",  # read at import, here and in every child process
    )
    _provide_font(folder / "Ultralytics")
    logger = logging.getLogger("ultralytics")
    logger.setLevel(logging.ERROR)
    torch = import_torch()
    with _omp_threads_restored():
        try:
            import ultralytics
        except ModuleNotFoundError as error:
            raise missing_extra(error) from None
    from ultralytics.utils import GIT, LOGGER, SETTINGS, torch_utils
    from ultralytics.utils.tqdm import TQDM

    load_only_data(ultralytics)
    off = dict.fromkeys((*_INTEGRATIONS, *_MESSAGES), False)
    if any(SETTINGS[key] for key in off):
        SETTINGS.update(off)  # type: ignore[no-untyped-call]
    _send_to_root(LOGGER)
    _silence(TQDM)
    setattr(torch_utils, "NUM_THREADS", torch.get_num_threads())  # noqa: B010
    # save_model() writes it into every checkpoint; a URL can contain a token.
    GIT.origin = without_credentials(GIT.origin)
    return ultralytics


@contextlib.contextmanager
def _omp_threads_restored() -> Iterator[None]:
    """Restore OMP_NUM_THREADS, which Ultralytics sets to 1 at import for all child processes.

    Sums are rounded differently with another number of threads: a training that such a process
    starts and a new one resumes would not end with the same weights.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)


def without_credentials(url: str | None) -> str | None:
    """Remove the user name and password from a URL.

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
    """Return our own writable settings folder; a temporary one if the home is read-only."""
    cache = user_folder("XDG_CACHE_HOME", ".cache")
    if cache is not None:
        folder = cache / "container-doors"
        with contextlib.suppress(OSError):
            (folder / "Ultralytics").mkdir(parents=True, exist_ok=True)
        if os.access(folder / "Ultralytics", os.W_OK):
            return folder
    # Ultralytics executes files that it finds there: no other user may write to it.
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
    """Pass the logger's lines on to our log, without colours."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addFilter(_plain)
    logger.propagate = True
    logger.setLevel(logging.INFO)


def _silence(bar: Any) -> None:  # noqa: ANN401
    """Disable every progress bar: some of them ignore YOLO_VERBOSE, and we have our own."""
    begin = bar.__init__
    if begin.__name__ == "begin_disabled":
        return

    def begin_disabled(self: object, *arguments: object, **keywords: object) -> None:
        begin(self, *arguments, **(keywords | {"disable": True}))

    bar.__init__ = begin_disabled


def _plain(record: logging.LogRecord) -> bool:
    """Log each line as its own entry, without colours; drop empty lines."""
    lines = [_ANSI.sub("", line).strip() for line in record.getMessage().splitlines()]
    *before, last = [line for line in lines if line] or [""]
    for line in before:
        entry = copy.copy(record)
        entry.msg, entry.args = line, ()
        logging.getLogger(record.name).callHandlers(entry)
    record.msg, record.args = last, ()
    return bool(last) and not last.startswith(_IRRELEVANT_WARNINGS)
