"""Chromium on a page of a server, with a record of the hosts that it asks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.chromium import Page, running

LIMIT_S = 60.0


class Browser(Page):
    """A page; what it does meanwhile is remembered."""

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
            for one in self.events
            if one["method"] == "Network.requestWillBeSent"
        ]
        return {urlsplit(one).netloc for one in asked if one.startswith("http")}


@contextmanager
def browsing(url: str, profile: Path) -> Iterator[Browser]:
    """Show a page; the browser and its profile are this test's own."""
    with running(Browser, profile) as page:
        page.go_to(url)
        yield page
