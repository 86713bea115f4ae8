"""The page at ``/``: try photographs in a browser or on a phone. Gradio shows it.

Gradio has many addresses of its own, which read files, fetch from other hosts and call functions:
those that this page needs are let through, and no others. What is uploaded lies in a folder of this
process until it has been read, and what is answered is in the page itself.
"""

import base64
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as LateError
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import Response
from numpy.typing import NDArray

from container_doors.adapters.http.metrics import Metrics
from container_doors.adapters.http.refusals import Refusal
from container_doors.adapters.http.uploads import Budget, read_uploads
from container_doors.core.predictions import Door, PhotographResult
from container_doors.data.drawing import FOUND, MISTAKE
from container_doors.prediction.crops import cut
from container_doors.prediction.drawing import IN_WORDS
from container_doors.prediction.pictures import Picture
from container_doors.prediction.service import (
    Asked,
    BusyError,
    Service,
    StoppingError,
    TooLateError,
    Upload,
)

_HERE = Path(__file__).parent
LEAST_CONFIDENCE = 0.05
"""The page hides doors below its slider; this is where the slider begins."""

_LONGEST_PX, _LONGEST_CROP_PX, _MOST_CROPS = 1600, 800, 20
_ABANDONED_S = 120.0

_UPLOAD, _PROGRESS = "/gradio_api/upload", "/gradio_api/upload_progress"
_JOIN = "/gradio_api/queue/join"
_PATHS = frozenset(
    {"/", "/config", "/theme.css", "/manifest.json", "/favicon.ico", "/robots.txt"}
    | {_UPLOAD, _PROGRESS, _JOIN}
    | {f"/gradio_api/{name}" for name in ("queue/data", "startup-events", "theme.css", "app_id")}
)
_FOLDERS = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
_FOREIGN = re.compile(rb"<meta[^>]*https?://[^>]*>|https://github\.com/gradio-app/[\w./-]*")


class Demo:
    """The page. While it is used, a folder holds what was uploaded and not yet read."""

    def __init__(self, service: Service, metrics: Metrics, *, name: str) -> None:
        """Make the folder.

        Args:
            service: Looks at the photographs.
            metrics: Counts them.
            name: Of the model, for people.
        """
        self._service, self._metrics, self._name = service, metrics, name
        self._folder = tempfile.TemporaryDirectory(prefix="doors-serve-")
        os.environ |= {
            "GRADIO_TEMP_DIR": self._folder.name,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "1",
        }
        self._names: dict[str, str] = {}
        """The clients' names of what was uploaded and not yet read, by the path here."""

    def has(self, path: str) -> bool:
        """Return whether a path is one of those that the page needs."""
        return path in _PATHS or path.startswith(_FOLDERS)

    def most_bytes(self, path: str) -> int | None:
        """Return how large a request to it may be; None if it has no limit of its own."""
        return self._service.limits.file_bytes + (1 << 16) if path == _UPLOAD else None

    def close(self) -> None:
        """Delete what was uploaded and not read."""
        self._folder.cleanup()

    def mount(self, app: FastAPI, budget: Budget) -> None:
        """Add the page to an application, whose uploads share a budget."""
        import gradio as gr

        self._add_upload(app, budget)
        system = ["system-ui", "sans-serif"]
        theme = gr.themes.Default(font=system, font_mono=["ui-monospace", "monospace"])
        gr.mount_gradio_app(
            app,
            self._blocks(),
            path="/",
            theme=theme,
            css=(_HERE / "demo.css").read_text(encoding="utf-8"),
            head=f"<script>{(_HERE / 'demo.js').read_text(encoding='utf-8')}</script>",
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            pwa=False,
            max_file_size=self._service.limits.file_bytes,
        )
        mounted: Any = app.routes[-1]
        mounted.app = _Guarded(mounted.app, self._is_ours)

    def _blocks(self) -> Any:  # noqa: ANN401 - Gradio's
        import gradio as gr

        used = self._service.used
        least = min(LEAST_CONFIDENCE, used.conf_threshold)
        with gr.Blocks(title="Container doors", analytics_enabled=False) as blocks:
            gr.HTML(_heading(self._name, is_kept=self._service.keep is not None))
            photograph = gr.File(
                label="Photograph: choose, take or drop one",
                file_types=["image", ".heic", ".heif"],
                height=170,
            )
            threshold = gr.Slider(
                least, 0.95, value=round(used.conf_threshold, 2), step=0.01,
                label="Least confidence",
            )  # fmt: skip
            found = gr.HTML(elem_id="found")
            gr.HTML(_LICENCE)
            show = "(least) => { window.doorsShow(least); }"
            photograph.upload(
                self._look, photograph, [found, photograph], api_visibility="private"
            ).then(None, threshold, None, js=show)
            threshold.input(None, threshold, None, js=show)
        blocks.queue(max_size=self._service.limits.queue, default_concurrency_limit=4)
        return blocks

    def _add_upload(self, app: FastAPI, budget: Budget) -> None:
        limits = self._service.limits

        @app.post(_UPLOAD, include_in_schema=False)
        async def upload(request: Request) -> list[str]:
            with budget.share() as share:
                uploads = await read_uploads(request, limits, share)
                self._forget_abandoned()
                if len(uploads) + len(self._names) > limits.queue:
                    raise Refusal(429, "too many photographs are waiting", "try again")
                return [self._put(one) for one in uploads]

        @app.get(_PROGRESS, include_in_schema=False)
        async def progress() -> Response:
            return Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")

    def _put(self, upload: Upload) -> str:
        suffix = "".join(re.findall(r"\.\w{1,8}$", upload.name, re.ASCII))
        path = Path(self._folder.name, f"{secrets.token_hex(16)}{suffix}")
        path.write_bytes(upload.data)
        self._names[str(path)] = upload.name
        return str(path)

    def _forget_abandoned(self) -> None:
        before = time.time() - _ABANDONED_S
        for path in [one for one in Path(self._folder.name).rglob("*") if one.is_file()]:
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                self._names.pop(str(path), None)

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, str) and path in self._names

    def _look(self, path: str | None) -> tuple[str, None]:
        """Look at an uploaded photograph; return what is shown, and an empty place for the next."""
        if path is None:
            return "", None
        try:
            upload = self._take(Path(path))
            (future,) = self._service.submit([upload], self._rendered, Asked(LEAST_CONFIDENCE))
            return future.result(self._service.limits.seconds), None
        except FileNotFoundError:
            return _problem("the upload was too long ago: send it again"), None
        except BusyError as error:
            return _problem(str(error)), None
        except StoppingError:
            return _problem("the service is stopping"), None
        except (LateError, TooLateError, CancelledError):
            return _problem(f"it took more than {self._service.limits.seconds:g} s"), None

    def _take(self, path: Path) -> Upload:
        """Read a photograph, and delete it; Gradio has made a copy of it, of the same name."""
        data = path.read_bytes()
        for copy in Path(self._folder.name).rglob(path.name):
            copy.unlink(missing_ok=True)
        name = self._names.pop(str(Path(self._folder.name, path.name)), path.name)
        return Upload(name, data)

    def _rendered(self, result: PhotographResult, picture: Picture | None) -> str:
        self._metrics.found(result)
        if picture is None:
            return _problem(f"{result.path} could not be read: {result.problem}")
        return _found(result, picture)


class _Guarded:
    """Gradio, with no file but what was uploaded, and no address of another host in its page."""

    def __init__(self, app: Any, is_ours: Callable[[object], bool]) -> None:  # noqa: ANN401
        self._app, self._is_ours = app, is_ours

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401
        if scope["type"] == "http" and scope["path"] == _JOIN:
            body = await _whole(receive)
            if not self._may_join(body):
                raise Refusal(422, "expected an uploaded photograph", "upload it again")
            receive = _again(body, receive)
        if scope["type"] == "http" and scope["path"] == "/":
            send = _without_foreign(send)
        await self._app(scope, receive, send)

    def _may_join(self, body: bytes) -> bool:
        """Return whether each file that a call names was uploaded for it."""
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            return False
        data = asked.get("data") if isinstance(asked, dict) else None
        if not isinstance(data, list):
            return False
        files = [one for one in data if isinstance(one, dict)]
        are_plain = all(one is None or isinstance(one, dict | int | float | str) for one in data)
        return are_plain and all(
            self._is_ours(one.get("path")) and not {"children", "root"} & one.keys()
            for one in files
        )


async def _whole(receive: Callable[[], Awaitable[Any]]) -> bytes:
    body, is_more = b"", True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    rest = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Any:  # noqa: ANN401
        return rest.pop() if rest else await receive()

    return read


def _without_foreign(send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Remove the addresses of Gradio's own pictures, sites and examples from the page."""
    begun: list[Any] = []
    parts: list[bytes] = []

    async def answer(message: Any) -> None:  # noqa: ANN401
        if message["type"] == "http.response.start":
            begun.append(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = _FOREIGN.sub(b"", b"".join(parts))
        start = begun[0]
        kept = [one for one in start["headers"] if one[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await send(start | {"headers": [*kept, length]})
        await send({"type": "http.response.body", "body": body})

    return answer


_LICENCE = """<p class="doors-licence">The model was trained with Ultralytics YOLO, which is
AGPL-3.0: you may have the source code of this program, from whoever runs it.</p>"""


def _heading(name: str, *, is_kept: bool) -> str:
    kept = "Photographs are kept, for labelling." if is_kept else "Photographs are not kept."
    return (
        f"<h1>Container doors</h1><p>Finds the rear doors of containers, with {escape(name)}. "
        f'{kept} <a href="/docs">For programs</a></p>'
    )


def _problem(text: str) -> str:
    return f'<p class="doors-problem" role="alert">{escape(text)}</p>'


def _found(result: PhotographResult, picture: Picture) -> str:
    """Show the photograph with all doors; the page's script hides those below its slider."""
    height, width = picture.bgr.shape[:2]
    boxes = "".join(_box(one, width) for one in result.detections)
    crops = "".join(_crop(one, picture) for one in result.detections[:_MOST_CROPS])
    alt = f"{result.path} with the doors that were found"
    return f"""<div class="doors-result" data-result="{escape(result.model_dump_json())}">
<p class="doors-summary" role="status"></p>
<div class="doors-picture"><img src="{_jpeg(picture.bgr, _LONGEST_PX)}" alt="{escape(alt)}">
<svg viewBox="0 0 {width} {height}" aria-hidden="true">{boxes}</svg></div>
<p><a class="doors-download" download="prediction.json" href="data:,">Download the JSON</a></p>
<div class="doors-crops">{crops}</div></div>"""


def _box(door: Door, width: int) -> str:
    left, top, right, bottom = door.box_xyxy
    colour = MISTAKE if door.refused_for else FOUND
    size = max(width / 40, 10)
    return (
        f'<g data-confidence="{door.confidence}"><rect x="{left:.1f}" y="{top:.1f}" '
        f'width="{right - left:.1f}" height="{bottom - top:.1f}" stroke="{colour}"/>'
        f'<text x="{left:.1f}" y="{max(top - size / 4, size):.1f}" font-size="{size:.0f}" '
        f'fill="{colour}">{door.confidence:.2f}</text></g>'
    )


def _crop(door: Door, picture: Picture) -> str:
    pixels, _ = cut(picture.bgr, door.bbox_tight)
    if not pixels.size:
        return ""
    reasons = ", ".join(IN_WORDS[reason] for reason in door.refused_for)
    why = f"; the next step would refuse it: {reasons}" if reasons else ""
    return (
        f'<figure data-confidence="{door.confidence}"><img src="{_jpeg(pixels, _LONGEST_CROP_PX)}" '
        f'alt="the door"><figcaption>{escape(f"{door.confidence:.2f}{why}")}</figcaption></figure>'
    )


def _jpeg(pixels: NDArray[np.uint8], longest_px: int) -> str:
    """Encode a picture, made smaller, as an address that holds it."""
    height, width = pixels.shape[:2]
    factor = longest_px / max(height, width)
    if factor < 1:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
