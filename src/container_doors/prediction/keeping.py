"""``doors serve --keep DIR``: photographs that were sent, and what was found, for labelling."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from container_doors.core.config import QualityLimits
from container_doors.core.errors import PredictionError
from container_doors.core.files import make_folder, put_in_place
from container_doors.core.predictions import PhotographResult, UsedModel
from container_doors.data.convert_pictures import is_heif
from container_doors.data.photograph_suffixes import is_picture
from container_doors.prediction.crops import PADDING
from container_doors.prediction.journal import Journal
from container_doors.prediction.settings import Settings, settle

PHOTOGRAPHS = "photographs"
LEAST_FREE_BYTES = 1 << 30
"""What is left free on the disk: other programs need it too."""


class Keep:
    """Keeps each photograph once, under its sha256, and its line in ``predictions.jsonl``.

    The folder is one of ``doors predict``, so ``doors monitor`` reads it; ``doors data prelabel``
    and ``doors data import --unlabelled`` take the photographs in it. Thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        used: UsedModel,
        limits: QualityLimits,
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Go on in a folder, or make it.

        Args:
            folder: Relative to the folder of this process, as paths in the results are.
            used: The model.
            limits: What the next step would refuse.
            say: Receives why a photograph was not kept.

        Raises:
            PredictionError: If it has other files, was made with another model or other settings,
                or if another process writes there.
        """
        settings = Settings(
            save=["jsonl"],
            padding=PADDING,
            every=1,
            relative_to=None if folder.is_absolute() else str(Path.cwd()),
            model=used,
            limits=limits,
        )
        self._folder = folder / PHOTOGRAPHS
        self._lock, self._say = threading.Lock(), say
        try:
            settle(folder, settings, is_resumed=True)
            make_folder(self._folder)
            self._journal = Journal(folder / "predictions.jsonl")
            self._kept = {one.sha256 for one in self._journal.results()}
        except PredictionError as error:
            raise PredictionError(error.problem, hint="another folder: --keep DIR") from None
        self.left_out = 0
        """Photographs that were not kept, because the disk was too full."""

    def add(self, data: bytes, name: str, result: PhotographResult) -> None:
        """Keep a photograph that could be read; nothing is kept twice.

        Args:
            data: Its file.
            name: The file's name, of which only the suffix is used.
            result: What the model finds with its own settings.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        with self._lock:
            if sha256 in self._kept:
                return
            try:
                self._put(data, f"{sha256}{_suffix(name, data)}", result)
            except OSError as error:
                self.left_out += 1
                self._say(f"a photograph was not kept: {error.strerror}")
            else:
                self._kept.add(sha256)

    def close(self) -> None:
        """Let other processes write there."""
        self._journal.close()

    def _put(self, data: bytes, name: str, result: PhotographResult) -> None:
        if shutil.disk_usage(self._folder).free - len(data) < LEAST_FREE_BYTES:
            raise OSError(errno.ENOSPC, f"less than {LEAST_FREE_BYTES} bytes would be free")
        path = self._folder / name
        staged = path.with_name(f".{name}.{os.getpid()}")
        try:
            staged.write_bytes(data)
            put_in_place(staged, path)
        finally:
            with suppress(OSError):
                staged.unlink(missing_ok=True)
        self._journal.append(result.model_copy(update={"path": str(path)}))


_MAGIC = {
    b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"II*\0": ".tif",
    b"MM\0*": ".tif", b"GIF8": ".gif", b"BM": ".bmp", b"\0\0\0\x0cjP": ".jp2",
}  # fmt: skip


def _suffix(name: str, data: bytes) -> str:
    r"""Return the suffix of a name, which chooses the decoder; else that of the content.

    >>> _suffix("A.HEIC", b""), _suffix("evil.jpg/../x.sh", b"GIF89a"), _suffix("a", b"?")
    ('.heic', '.gif', '.jpg')
    >>> _suffix("photograph", b"\0\0\0\x18ftypheic")
    '.heic'
    """
    if is_picture(name) and "." in name:
        return f".{name.rpartition('.')[2].lower()}"
    if is_heif(data):
        return ".heic"
    if data[4:12] == b"ftypavif":
        return ".avif"
    return next((suffix for start, suffix in _MAGIC.items() if data.startswith(start)), ".jpg")
