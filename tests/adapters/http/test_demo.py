"""The page with Gradio: what it lets through, and what a browser shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.adapters.http.browser import Browser, browsing
from tests.chromium import CHROMIUM
from tests.predicting import jpeg
from tests.served import Served, served

pytestmark = pytest.mark.slow  # Gradio takes ten seconds to start


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    options = ("--queue", "8", "--max-mb", "1")
    with served(tmp_path_factory.mktemp("page"), *options) as one:
        yield one


def upload(running: Served, data: bytes, name: str = "a.jpg") -> requests.Response:
    url = f"{running.url}/gradio_api/upload"
    return requests.post(url, files=[("files", (name, data))], timeout=10)


def join(running: Served, data: Any) -> requests.Response:
    functions = running.get("/config").json()["dependencies"]
    index = next(one["id"] for one in functions if one["backend_fn"])
    sent = {"data": data, "fn_index": index, "session_hash": "abc"}
    return requests.post(f"{running.url}/gradio_api/queue/join", json=sent, timeout=10)


def answer(running: Served) -> str:
    """Wait for what is shown."""
    stream = running.get("/gradio_api/queue/data?session_hash=abc", stream=True)
    for line in stream.iter_lines():
        message = json.loads(line.partition(b"data: ")[2] or b"{}")
        if message.get("msg") == "process_completed":
            assert message["success"], message
            return str(message["output"]["data"][0])
    raise AssertionError


def file_of(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def test_an_upload_is_looked_at_and_deleted(running: Served):
    (path,) = upload(running, jpeg(), "yard<b>.jpg").json()
    assert Path(path).read_bytes() == jpeg()

    assert join(running, [file_of(path)]).status_code == 200
    shown = answer(running)

    number = len(running.predict(jpeg(), query="?conf=0.05").json()["detections"])
    assert number
    assert "yard&lt;b&gt;.jpg" in shown
    assert shown.count("<rect ") == shown.count("<figure ") == number
    folders = [*(running.folder / "tmp").glob("doors-serve-*")]
    assert not [one for one in folders[0].rglob("*") if one.is_file() and one.stat().st_size]


@pytest.mark.parametrize(
    "data",
    [
        [file_of("/etc/passwd")],
        [file_of("http://127.0.0.1:1/x.jpg")],
        [[file_of("/etc/passwd")]],
        [{"path": None}],
        ["text", {"children": [file_of("/etc/passwd")]}],
        "text",
    ],
)
def test_no_other_file_is_read_and_no_other_host_asked(running: Served, data: Any):
    assert join(running, data).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=https://example.com/",
        "/gradio_api/info",
        "/gradio_api/call/_look/1",
        "/gradio_api/runs",
        "/monitoring",
        "/gradio_api/vibe-code",
    ],
)
def test_what_the_page_does_not_need_is_not_there(running: Served, path: str):
    assert running.get(path).status_code == 404


def test_a_damaged_photograph_is_a_sentence(running: Served):
    (path,) = upload(running, b"<script>").json()
    join(running, [file_of(path)])

    assert 'role="alert">a.jpg could not be read' in answer(running)


def test_the_page_names_no_other_host(running: Served):
    page = running.get("/").text.replace(running.url, "")
    others = set(re.findall(r"https?://[\w.-]+", page))

    assert not others


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_photograph_is_tried_on_a_phone_without_the_internet(running: Served, tmp_path: Path):
    (tmp_path / "door.jpg").write_bytes(jpeg())
    with browsing(running.url, tmp_path / "profile") as browser:
        browser.show(width_px=390)
        browser.wait_for("!!document.querySelector('input[type=file]')")
        browser.choose_file("input[type=file]", tmp_path / "door.jpg")
        browser.wait_for("document.querySelector('.doors-summary')?.textContent")

        assert_fits(browser)
        assert browser.evaluate("document.querySelectorAll('.doors-crops figure').length")
        assert browser.evaluate("document.querySelector('.doors-download').href.slice(0, 5)") == (
            "blob:"
        )
        browser.evaluate("window.doorsShow(0.95)")
        assert browser.evaluate("document.querySelector('.doors-summary').textContent") == "no door"
        assert browser.hosts_asked() == {f"127.0.0.1:{running.port}"}


def assert_fits(browser: Browser) -> None:
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_uploads_that_nobody_looks_at_are_bounded(running: Served):
    """The last of this file: no more uploads are taken for two minutes."""
    large = upload(running, b"0" * 1_100_000)
    several = [upload(running, jpeg()).status_code for _ in range(9)]

    assert large.status_code == 413
    assert several[-1] == 429
