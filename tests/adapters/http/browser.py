"""Chromium on a page of a server, with a record of the hosts that it asks."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.chromium import _SWITCHES, CHROMIUM, Page

LIMIT_S = 60.0


class Browser(Page):
    """A page; what it does meanwhile is remembered."""

    def __init__(self, write: int, read: int) -> None:
        super().__init__(write, read)
        self._events: list[dict[str, Any]] = []

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        self._write.write(json.dumps(asked | session).encode() + b"\0")
        while True:
            answer = json.loads(b"".join(iter(self._byte, b"\0")))
            if "method" in answer:
                self._events.append(answer)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def go_to(self, url: str) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=url)

    def wait_for(self, expression: str) -> None:
        until = time.monotonic() + LIMIT_S
        while not self.evaluate(expression):
            assert time.monotonic() < until, expression
            time.sleep(0.1)

    def choose_file(self, selector: str, path: Path) -> None:
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def hosts_asked(self) -> set[str]:
        self.evaluate("1")
        asked = [
            one["params"]["request"]["url"]
            for one in self._events
            if one["method"] == "Network.requestWillBeSent"
        ]
        return {urlsplit(one).netloc for one in asked if one.startswith("http")}


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[Browser]:
    """Show a page; the browser and its profile are this test's own."""
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
    page = Browser(our_write, our_read)
    try:
        page.go_to(url)
        yield page
    finally:
        page.close()
        browser.wait(20)
