"""The public Python interface: a published model, and what it finds in photographs.

from container_doors import Detector

doors = Detector("weights/detection")
for door in doors("photo.jpg"):
    print(door.box_xyxy, door.confidence)
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from io import BufferedIOBase, TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from container_doors.adapters.networks import RUNTIMES
from container_doors.core.config import QualityLimits
from container_doors.core.errors import MissingToolError
from container_doors.core.files import NotAFileError, open_file
from container_doors.core.predictions import (
    Door,
    ModelFile,
    Orientation,
    PhotographResult,
    UsedModel,
)
from container_doors.core.printable import printable
from container_doors.core.run import PUBLISHED
from container_doors.prediction import crops
from container_doors.prediction.finding import find_boxes, result_of
from container_doors.prediction.loaded import Loaded
from container_doors.prediction.pictures import (
    MOST_BYTES,
    Picture,
    UnreadablePictureError,
    decode,
)
from container_doors.steps.open_model import open_model

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import supervision as sv  # type: ignore[import-not-found,unused-ignore]

__all__ = ["Detector", "Door", "Found", "Photograph", "UnreadablePictureError"]

Photograph = str | os.PathLike[str] | bytes | BufferedIOBase | Image.Image | NDArray[np.uint8]
"""A path; the bytes of a file, or the open file; a picture of Pillow; or pixels of the shape
(height, width, 3)."""

Channels = Literal["BGR", "RGB"]

_UPRIGHT = Orientation(exif=None, is_applied=True)
_TURNED_BY_PILLOW = 274


class Found(Sequence[Door]):
    """The doors in one photograph, the most confident first: a sequence of :class:`Door`.

    A door has ``box_xyxy`` (left, top, right, bottom in pixels of the upright photograph, as the
    model placed them), ``bbox_tight`` (the same in whole pixels, inside the photograph),
    ``confidence`` in [0, 1] and ``class_id``, and says why the next step, which reads the
    container's number, would refuse it (``refused_for``, at the usual limits).
    """

    def __init__(self, result: PhotographResult, picture: Picture) -> None:
        self.result = result
        """All that is known: the JSON of ``doors predict``."""
        self.picture_bgr = picture.bgr
        """The photograph, upright: shape (height, width, 3), blue first."""

    @overload
    def __getitem__(self, index: int) -> Door: ...

    @overload
    def __getitem__(self, index: slice) -> list[Door]: ...

    def __getitem__(self, index: int | slice) -> Door | list[Door]:
        return self.result.detections[index]

    def __len__(self) -> int:
        return len(self.result.detections)

    def __repr__(self) -> str:
        return f"<Found: {len(self)} door(s) in {printable(self.result.path)}>"

    def to_json(self) -> str:
        """Return :attr:`result` as one line of JSON; ``doors predict --schema`` describes it."""
        return self.result.model_dump_json()

    def crop(self, door: Door, *, padding: float = crops.PADDING) -> NDArray[np.uint8]:
        """Cut a door out at full resolution.

        Args:
            door: One of these.
            padding: Added on each side, as a fraction of the door's width and height.

        Returns:
            Shape (height, width, 3), blue first; a copy.
        """
        pixels, _ = crops.cut(self.picture_bgr, door.bbox_tight, padding)
        return pixels.copy()

    def to_supervision(self) -> "sv.Detections":
        """Return the doors as ``supervision.Detections``.

        Raises:
            MissingToolError: If supervision is not installed.
        """
        try:
            import supervision  # noqa: PLC0415 - few use it
        except ModuleNotFoundError:
            raise _not_installed("supervision") from None
        return supervision.Detections(
            xyxy=np.array([one.box_xyxy for one in self], np.float32).reshape(-1, 4),
            confidence=np.array([one.confidence for one in self], np.float32),
            class_id=np.array([one.class_id for one in self], int),
        )

    def to_pandas(self) -> "pd.DataFrame":
        """Return the doors as a table, one row for each.

        Raises:
            MissingToolError: If pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415 - few use it  # noqa: ICN001
        except ModuleNotFoundError:
            raise _not_installed("pandas") from None
        names = ["path", "x_min", "y_min", "x_max", "y_max", "confidence", "class_id"]
        rows = [(self.result.path, *one.box_xyxy, one.confidence, one.class_id) for one in self]
        return pandas.DataFrame(rows, columns=names)


class Detector:
    """A model that finds the rear doors of containers in photographs.

    It may be used from several threads; one photograph is computed at a time, on all cores.
    """

    def __init__(
        self,
        where: str | os.PathLike[str] = PUBLISHED,
        *,
        backend: str = "auto",
        conf: float | None = None,
        device: str = "auto",
    ) -> None:
        """Open a model; it is used with the settings that it was tested at.

        Args:
            where: The folder of a published model, the name of the published version
                (``detection_v1.0_20261123_exp001``), or a file: ``best.pt``, ``model.onnx``, or
                OpenVINO's ``model.xml``.
            backend: ``pytorch``, the name of an export (``onnx``, ``openvino``), or ``auto``: the
                fastest export that finds the same boxes and whose runtime is installed here, else
                PyTorch.
            conf: The confidence threshold, in [0, 1]; by default that of the model.
            device: ``auto``, ``cpu``, ``cuda``, or a GPU's number.

        Raises:
            DoorsError: If there is no such model, if a file of it is damaged, or if nothing that is
                installed can use it; ``hint`` says what to do.
        """
        opened = open_model(
            where if isinstance(where, str) else Path(where),
            networks=RUNTIMES,
            backend=backend,
            conf=conf,
            device=device,
        )
        self.used: UsedModel = opened.used
        """The version, the hash of the weights, the backend and the thresholds."""
        self.model: ModelFile | None = opened.model
        """What the model was tested on, its licence, ...; None for a weight file alone."""
        self.device: str = opened.network.device
        """The device's name, for people."""
        self._network, self._lock = opened.network, threading.Lock()

    def __repr__(self) -> str:
        used = self.used
        name = used.version or used.weights_sha256[:12]
        return f"<Detector: {name}, {used.backend}, confidence above {used.conf_threshold:g}>"

    @overload
    def __call__(  # type: ignore[overload-overlap] # a file that is open is an iterator too
        self, photographs: Photograph, *, channels: Channels = "BGR"
    ) -> Found: ...

    @overload
    def __call__(
        self,
        photographs: list[Photograph] | tuple[Photograph, ...],
        *,
        channels: Channels = "BGR",
    ) -> list[Found]: ...

    @overload
    def __call__(
        self, photographs: Iterator[Photograph], *, channels: Channels = "BGR"
    ) -> Iterator[Found]: ...

    def __call__(
        self,
        photographs: Photograph | list[Photograph] | tuple[Photograph, ...] | Iterator[Photograph],
        *,
        channels: Channels = "BGR",
    ) -> Found | list[Found] | Iterator[Found]:
        """Find the doors in a photograph, or in each of several.

        Args:
            photographs: One, a list of them, or a generator, which is read as its results are
                used. Each is a path; the bytes of a file, or the open file in binary mode; a
                picture of Pillow, which is turned upright; or pixels of the shape
                (height, width, 3) or (height, width), uint8.
            channels: The order of the colours in pixels: ``BGR`` as OpenCV has it, or ``RGB``.

        Returns:
            A :class:`Found` for one photograph, a list of them for a list, an iterator of them for
            a generator. Each holds its photograph's pixels.

        Raises:
            UnreadablePictureError: If a file is no picture, damaged or too large. An iterator can
                be used on: the next photograph follows.
            FileNotFoundError: If there is no file at a path.
            TypeError: If something is no photograph.
            ValueError: If pixels have another shape.
        """
        if channels not in {"BGR", "RGB"}:
            raise ValueError(f"channels: expected 'BGR' or 'RGB', found {channels!r}")
        if isinstance(photographs, list | tuple):
            return [self._find(one, channels) for one in photographs]
        if isinstance(photographs, TextIOBase):
            raise TypeError('expected a file that is open in binary mode: open(path, "rb")')
        if isinstance(photographs, Iterator) and not isinstance(photographs, BufferedIOBase):
            # Not a generator, which would end at the first photograph that cannot be read.
            return map(partial(self._find, channels=channels), photographs)
        return self._find(photographs, channels)

    def _find(self, photograph: Photograph, channels: Channels) -> Found:
        started = time.perf_counter()
        read = _read(photograph, channels)
        read_ms = (time.perf_counter() - started) * 1e3
        loaded = Loaded(
            name=read.name,
            picture=read.picture,
            sha256=None if read.data is None else hashlib.sha256(read.data).hexdigest(),
            size_bytes=None if read.data is None else len(read.data),
            read_ms=read_ms,
        )
        with self._lock:
            boxes = find_boxes(self._network, read.picture, self.used)
        result = result_of(loaded, boxes, used=self.used, limits=QualityLimits())
        return Found(result, read.picture)


class _Read(NamedTuple):
    name: str
    data: bytes | None
    """Of a file."""
    picture: Picture


def _read(photograph: Any, channels: Channels) -> _Read:  # noqa: ANN401 - whatever a caller gives
    if isinstance(photograph, str | os.PathLike):
        path = Path(photograph)
        try:
            with open_file(path) as file:
                data = file.read(MOST_BYTES + 1)  # decode() refuses one that has more
            return _Read(str(photograph), data, decode(data, name=path.name))
        except (UnreadablePictureError, NotAFileError) as error:
            raise UnreadablePictureError(f"{printable(path)}: {error}") from None
    if isinstance(photograph, BufferedIOBase):
        photograph = photograph.read(MOST_BYTES + 1)
    if isinstance(photograph, bytes | bytearray | memoryview):
        data = bytes(photograph)
        return _Read("<bytes>", data, decode(data, name=""))
    if isinstance(photograph, Image.Image):
        return _Read("<PIL.Image>", None, _of_pillow(photograph))
    if isinstance(photograph, np.ndarray):
        return _Read("<array>", None, Picture(_of_array(photograph, channels), _UPRIGHT))
    raise TypeError(
        "expected a path, bytes, a picture of Pillow or pixels, found "
        f"{type(photograph).__name__}; several photographs are given as a list or a generator"
    )


def _of_pillow(picture: Image.Image) -> Picture:
    """Turn a picture upright; as Ultralytics does with those that are given to it."""
    exif = picture.getexif().get(_TURNED_BY_PILLOW)
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    rgb = _rgb_of_cmyk(upright) if upright.mode == "CMYK" else np.asarray(upright.convert("RGB"))
    pixels = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    known = exif if isinstance(exif, int) and exif in range(1, 9) else None
    return Picture(_of_array(pixels, "BGR"), Orientation(exif=known, is_applied=True))


def _rgb_of_cmyk(picture: Image.Image) -> NDArray[np.uint8]:
    """Convert as OpenCV does when it decodes a JPEG file of printing inks."""
    inks = np.asarray(picture).astype(np.int32)
    light = 255 - inks[..., 3:]
    return (light - (inks[..., :3] * light >> 8)).astype(np.uint8)


def _of_array(pixels: NDArray[Any], channels: Channels) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8 or not pixels.size or pixels.shape[2:] not in {(), (3,)}:
        raise ValueError(
            "expected pixels of the shape (height, width, 3) and type uint8, found "
            f"{pixels.shape} of {pixels.dtype}"
        )
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels[..., ::-1] if channels == "RGB" else pixels)


def _not_installed(package: str) -> MissingToolError:
    return MissingToolError(f"{package} is not installed", hint=f"pip install {package}")
