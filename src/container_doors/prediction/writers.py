"""The files that a prediction writes for each photograph, and its tables.

Files are written beside and renamed: a kill leaves none that is half written. They are not forced
to the disk one by one, which would take longer than the prediction.
"""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import cv2

from container_doors.core.files import make_folder, put_in_place
from container_doors.core.predictions import Crop, Door, PhotographResult
from container_doors.prediction.crops import cut
from container_doors.prediction.drawing import draw
from container_doors.prediction.pictures import Picture

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""The first characters of what a spreadsheet would compute, with the wide forms of four: OWASP,
https://owasp.org/www-community/attacks/CSV_Injection"""


class FileWriter(Protocol):
    """Writes files of one kind."""

    def write(
        self, result: PhotographResult, picture: Picture | None, stem: str
    ) -> PhotographResult:
        """Write the files of a photograph, whole; again, if they are there.

        Args:
            result: What was found.
            picture: None if it could not be read.
            stem: The name of its files, without a suffix.

        Returns:
            The result, with the names of files that belong into it.
        """


class Pictures:
    """``pictures/``: the photographs with the doors drawn in, for people."""

    def __init__(self, folder: Path) -> None:
        """Write below an output folder."""
        self._folder = folder / "pictures"
        make_folder(self._folder)

    def write(
        self, result: PhotographResult, picture: Picture | None, stem: str
    ) -> PhotographResult:
        """Write a JPEG."""
        if picture is not None:
            data = io.BytesIO()
            draw(picture.bgr, result.detections).save(data, "JPEG", quality=90)
            put(self._folder / f"{stem}.jpg", data.getvalue())
        return result


class Crops:
    """``crops/``: each door at full resolution, as PNG: every pixel is that of the photograph."""

    def __init__(self, folder: Path, padding: float) -> None:
        """Write below an output folder, with a padding as in :func:`crops.cut`."""
        self._folder, self._padding = folder / "crops", padding
        make_folder(self._folder)

    def write(
        self, result: PhotographResult, picture: Picture | None, stem: str
    ) -> PhotographResult:
        """Write a PNG for each door that has an area, and name it in the result."""
        if picture is None:
            return result
        doors = [
            self._with_crop(door, picture, f"{stem}_{number}.png")
            for number, door in enumerate(result.detections, start=1)
        ]
        return result.model_copy(update={"detections": doors})

    def _with_crop(self, door: Door, picture: Picture, name: str) -> Door:
        left, top, right, bottom = door.bbox_tight
        if left >= right or top >= bottom:
            return door
        pixels, offset_xy = cut(picture.bgr, door.bbox_tight, self._padding)
        # OpenCV's default: level 1 with its other filters takes twice as long for as large a file.
        _, data = cv2.imencode(".png", pixels)
        put(self._folder / name, data.tobytes())
        height, width = pixels.shape[:2]
        crop = Crop(file=f"crops/{name}", offset_xy=offset_xy, size_px=(width, height))
        return door.model_copy(update={"crop": crop})


class YoloLabels:
    """``labels/``: as Ultralytics' ``save_txt`` with ``save_conf``; no file without a door."""

    def __init__(self, folder: Path) -> None:
        """Write below an output folder."""
        self._folder = folder / "labels"
        make_folder(self._folder)

    def write(
        self,
        result: PhotographResult,
        picture: Picture | None,  # noqa: ARG002 - of the protocol
        stem: str,
    ) -> PhotographResult:
        """Write a line for each door: class, center, size, confidence."""
        if result.detections and result.original_shape is not None:
            lines = [_yolo_line(door, result.original_shape) for door in result.detections]
            put(self._folder / f"{stem}.txt", "".join(lines).encode())
        return result


def _yolo_line(door: Door, shape: tuple[int, int]) -> str:
    height, width = shape
    left, top, right, bottom = door.box_xyxy
    values = (
        door.class_id,
        (left + right) / 2 / width,
        (top + bottom) / 2 / height,
        (right - left) / width,
        (bottom - top) / height,
        door.confidence,
    )
    return " ".join(f"{value:g}" for value in values) + "\n"


class Table:
    """``predictions.csv``: a row for each door, and one for a photograph without a door."""

    COLUMNS = (
        "path", "frame", "status", "problem", "width_px", "height_px", "door", "class_id",
        "confidence", "left", "top", "right", "bottom", "area_share", "edges_touched",
        "character_height_px", "brightness", "contrast", "sharpness", "refused_for", "crop",
        "model_version", "weights_sha256",
    )  # fmt: skip

    def __init__(self, folder: Path, earlier: Iterable[PhotographResult]) -> None:
        """Write the rows of an earlier start anew, then append to them."""
        path = folder / "predictions.csv"
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with staged.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(self.COLUMNS)
                for result in earlier:
                    file.write(_rows(result))
            put_in_place(staged, path)
        finally:
            staged.unlink(missing_ok=True)
        self._file = path.open("ab", buffering=0)

    def append(self, result: PhotographResult) -> None:
        """Append the rows of a photograph."""
        rest = _rows(result).encode()
        while rest:
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _rows(result: PhotographResult) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, Table.COLUMNS, restval="", lineterminator="\n")
    height, width = result.original_shape or ("", "")
    of_photograph = {
        "path": _plain(result.path),
        "frame": "" if result.frame is None else result.frame.index,
        "status": result.status,
        "problem": _plain(result.problem or ""),
        "width_px": width,
        "height_px": height,
        "model_version": _plain(result.model.version or ""),
        "weights_sha256": result.model.weights_sha256,
    }
    doors = [_cells(number, door) for number, door in enumerate(result.detections, start=1)]
    writer.writerows(of_photograph | cells for cells in doors or [{}])
    return text.getvalue()


def _cells(number: int, door: Door) -> dict[str, object]:
    quality = door.quality.model_dump() if door.quality else {}
    names = ("brightness", "contrast", "sharpness")
    return {
        "door": number,
        "class_id": door.class_id,
        "confidence": door.confidence,
        **dict(zip(("left", "top", "right", "bottom"), door.bbox_tight, strict=True)),
        "area_share": door.area_share,
        "edges_touched": " ".join(door.edges_touched),
        "character_height_px": door.character_height_px,
        **{name: quality[name] for name in names if name in quality},
        "refused_for": " ".join(door.refused_for),
        "crop": door.crop.file if door.crop else "",
    }


def _plain(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula.

    >>> _plain("=1+1.jpg"), _plain("door.jpg")
    ("'=1+1.jpg", 'door.jpg')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def put(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all; not forced to the disk."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_bytes(data)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
