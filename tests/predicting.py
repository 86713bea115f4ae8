"""A network that sees what is painted, and sources for it."""

import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from container_doors.core.ports import FoundBoxes
from container_doors.steps.open_model import OpenedModel
from tests.prediction.finding import USED, found

WIDTH, HEIGHT = 64, 48
GREY, WHITE = 90, 255
HEAD = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
BOX = (16.0, 12.0, 48.0, 36.0)


@dataclass
class FakeNetwork:
    """A :class:`ports.Network` that finds a door in what is not white."""

    backend: str = "pytorch"
    device: str = "a sundial"
    seen: list[int] = field(default_factory=list)
    """The grey level of each picture, in the order in which they came."""
    before: Callable[[], None] = lambda: None
    remembers: bool = True

    def find(
        self,
        picture: NDArray[np.uint8],
        *,
        conf_threshold: float,
        iou_threshold: float,
        max_detections: int,
    ) -> FoundBoxes:
        self.before()
        level = int(picture[0, 0, 0])
        if self.remembers:
            self.seen.append(level)
        return found([] if level > 240 else [BOX])

    @property
    def opened(self) -> OpenedModel:
        return OpenedModel(self, USED, None)


def painted(level: int = GREY, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> NDArray[np.uint8]:
    """A picture of one grey; the level tells it apart, a JPEG of one colour keeps it."""
    return np.full((size[1], size[0], 3), level, np.uint8)


def jpeg(level: int = GREY) -> bytes:
    return cv2.imencode(".jpg", painted(level))[1].tobytes()


def put(folder: Path, *names: str, level: int = GREY) -> list[Path]:
    """Write photographs."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(level))
    return paths


def put_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def put_video(
    path: Path, levels: Sequence[int], *, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Path:
    """Write a video of ten frames a second, each of one grey."""
    writer = cv2.VideoWriter(
        str(path.with_suffix(".avi")), cv2.VideoWriter.fourcc(*"MJPG"), 10, size
    )
    assert writer.isOpened()
    for level in levels:
        writer.write(painted(level, size=size))
    writer.release()
    if path.suffix != ".avi":
        shutil.move(path.with_suffix(".avi"), path)
    return path


class MotionJpeg:
    """A camera in the network, as cheap ones are: JPEGs in an endless answer; it may break."""

    def __init__(self, connections: Sequence[Sequence[int]], *, pause_s: float = 0.02) -> None:
        """Say which grey levels each connection gets before it is cut; later ones are refused."""
        self.paths: list[str] = []
        camera = self
        left = iter(connections)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.paths.append(self.path)
                levels = next(left, None)
                if levels is None:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=frame")
                self.end_headers()
                for level in levels:
                    data = jpeg(level)
                    self.wfile.write(HEAD % len(data) + data + b"\r\n")
                    time.sleep(pause_s)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://admin:s3cret@127.0.0.1:{self._server.server_port}/live?token=t0ken"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "MotionJpeg":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
