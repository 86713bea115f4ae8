"""Debian's Chromium without a window, driven over two pipes: no driver, no web socket."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

CHROMIUM = shutil.which("chromium")
_SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --remote-debugging-pipe"
)


class Page:
    """A page in a tab, spoken to by the DevTools protocol."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = os.fdopen(write, "wb", 0), os.fdopen(read, "rb")
        self._number, self._session = 0, ""
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        self._write.write(json.dumps(asked | session).encode() + b"\0")
        while True:
            answer = json.loads(b"".join(iter(self._byte, b"\0")))
            if "method" in answer:
                self.events.append(answer)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, path: Path) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.ask("Page.enable")
        self.ask("Page.navigate", url=path.absolute().as_uri())
        while self.evaluate("document.readyState") != "complete":
            pass

    def evaluate(self, expression: str) -> Any:
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def show(self, *, width_px: int, scheme: str = "light") -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=900,
            deviceScaleFactor=1,
            mobile=width_px < 500,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str, code: str, number: int, text: str = "") -> None:
        pressed = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def close(self) -> None:
        self._write.close()
        self._read.close()

    def _byte(self) -> bytes:
        byte = self._read.read(1)
        assert byte, "Chromium has ended"
        return byte


@contextmanager
def opened(path: Path, profile: Path) -> Iterator[Page]:
    """Show a file; the browser and its profile are this test's own."""
    with running(Page, profile) as page:
        page.open(path)
        yield page


PageKind = TypeVar("PageKind", bound=Page)


@contextmanager
def running(kind: type[PageKind], profile: Path) -> Iterator[PageKind]:
    """Run Chromium with a profile of its own until the block ends."""
    its_read, our_write = os.pipe()
    our_read, its_write = os.pipe()
    command = f"exec {CHROMIUM} {_SWITCHES} --user-data-dir={profile} 3<&{its_read} 4>&{its_write}"
    browser = subprocess.Popen(
        ["bash", "-c", command],
        pass_fds=(its_read, its_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(its_read)
    os.close(its_write)
    page = kind(our_write, our_read)
    try:
        yield page
    finally:
        page.close()  # at the end of its pipe Chromium ends, with the processes that it started
        browser.wait(20)
