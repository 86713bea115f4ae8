"""What a client sees, over a real socket."""

import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import requests

from container_doors.adapters.http import gate, server
from container_doors.core.config import QualityLimits
from container_doors.core.predictions import PhotographResult, json_schema
from container_doors.prediction.sources import plan
from container_doors.steps.predict import Prediction, predict
from tests.adapters.http.serving import LIMITS, Gated, Serving, log_lines, serving
from tests.fakes import FakeProgress
from tests.predicting import FakeNetwork, jpeg, painted, put


@pytest.fixture(scope="module")
def running() -> Iterator[Serving]:
    with serving(is_logged=False) as one:
        yield one


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in {"durations_ms", "path"}}


def form(*files: tuple[str, bytes]) -> dict[str, Any]:
    return {"files": [("files", one) for one in files]}


def chunks(data: bytes, size: int = 10_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def large() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (400, 500, 3), dtype=np.uint8)
    return cv2.imencode(".png", noise)[1].tobytes()


def test_the_answer_is_what_doors_predict_prints(running: Serving, tmp_path: Path):
    (photograph,) = put(tmp_path, "a.jpg")
    printed: list[PhotographResult] = []
    sources = plan([str(photograph)], here=tmp_path, standard_input=io.BytesIO(), watch=None)
    predict(
        Prediction(sources, FakeNetwork().opened, limits=QualityLimits()),
        None,
        show=printed.append,
        progress=FakeProgress(),
    )

    answer = running.predict(photograph.read_bytes())

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert without_times(answer.json()) == without_times(printed[0].model_dump(mode="json"))
    assert len(answer.json()["detections"]) == 1


def test_a_form_gets_a_list_in_its_order_and_a_damaged_file_its_own_problem(running: Serving):
    answer = running.predict(
        **form(("white.jpg", jpeg(255)), ("damaged.jpg", b"\xff\xd8\xff no"), ("grey.jpg", jpeg()))
    )

    found = [(one["path"], one["status"], len(one["detections"])) for one in answer.json()]
    assert answer.status_code == 200
    assert found == [
        ("white.jpg", "SUCCESS", 0), ("damaged.jpg", "FAILED", 0), ("grey.jpg", "SUCCESS", 1),
    ]  # fmt: skip
    assert answer.json()[1]["problem"]


def test_what_a_client_asks_for_is_in_its_own_answer_alone(running: Serving):
    strict = running.predict(jpeg(), query="?conf=0.95&max_det=1&name=yard/a.jpg").json()
    usual = running.predict(jpeg()).json()

    assert (strict["detections"], strict["path"]) == ([], "yard/a.jpg")
    assert (strict["model"]["conf_threshold"], strict["model"]["max_detections"]) == (0.95, 1)
    assert (usual["model"]["conf_threshold"], len(usual["detections"])) == (0.25, 1)


@pytest.mark.parametrize(
    ("sent", "query", "status", "said"),
    [
        ({"data": b""}, "", 422, "found nothing"),
        ({"data": large()}, "", 413, "may have 0.2 MB at most"),
        ({"data": chunks(large())}, "", 413, "may have 0.2 MB at most"),
        (form(("a.png", large())), "", 413, "may have 0.2 MB at most"),
        (form(*[("a.jpg", jpeg())] * 4), "", 413, "3 photographs at most"),
        ({"data": b"0" * 700_000}, "", 413, "may have"),
        ({**form(("a.jpg", jpeg())), "data": {"conf": "0.1"}}, "", 422, "another field"),
        (
            {"data": b"--x\r\nno form", "headers": {"Content-Type": "multipart/form-data"}},
            "", 422, "damaged",
        ),
        ({"data": jpeg()}, "?conf=2", 422, "conf: "),
        ({"data": jpeg()}, "?max_det=0", 422, "max_det: "),
        ({"data": jpeg()}, "?cnof=0.9", 422, "expected conf, max_det, name as settings, found"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_refused_with_what_to_do(
    running: Serving, sent: dict[str, Any], query: str, status: int, said: str
):
    answer = running.predict(query=query, **sent)

    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text
    assert answer.json()["hint"]
    assert running.predict(jpeg()).status_code == 200


def test_a_photograph_of_too_many_pixels_is_not_decoded(running: Serving):
    wide = cv2.imencode(".png", np.zeros((1001, 1000, 3), np.uint8))[1].tobytes()

    answer = running.predict(wide).json()

    assert answer["status"] == "FAILED"
    assert "at most 1 million" in answer["problem"]


def test_what_would_wait_too_long_is_asked_to_come_again():
    network = Gated()
    with serving(network) as running, ThreadPoolExecutor(4) as clients:
        waiting = [clients.submit(running.predict, jpeg()) for _ in range(LIMITS.queue)]
        assert network.is_looking.wait(5)
        while running.service.taken < LIMITS.queue:
            time.sleep(0.01)

        refused = running.predict(jpeg())
        network.let_go()

        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        assert [one.result().status_code for one in waiting] == [200] * LIMITS.queue
        assert running.predict(jpeg()).status_code == 200


def test_a_request_that_takes_too_long_ends():
    network = Gated()
    with serving(network, limits=replace(LIMITS, seconds=0.2)) as running:
        answer = running.predict(jpeg())
        network.let_go()

    assert (answer.status_code, answer.json()["error"]) == (504, "it took more than 0.2 s")


def test_uploads_have_a_share_of_the_memory_together():
    with serving(limits=replace(LIMITS, files=1)) as running:
        begun = [slow_upload(running.port, 200_000, sent=199_999) for _ in range(2)]
        time.sleep(0.3)

        answer = running.predict(jpeg())
        for one in begun:
            one.close()
        time.sleep(0.3)

        assert answer.status_code == 429
        assert running.predict(jpeg()).status_code == 200


def slow_upload(port: int, size: int, *, sent: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), 5)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
    client.sendall(head.encode() + b"0" * sent)
    return client


def test_a_client_that_stops_sending_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gate, "_IDLE_S", 0.2)
    monkeypatch.setattr(gate, "_DRAIN_S", 0.1)
    monkeypatch.setattr(server, "_HEADER_S", 0.2)
    with serving() as running:
        body = slow_upload(running.port, 1000, sent=10)
        silent = socket.create_connection(("127.0.0.1", running.port), 5)
        half = socket.create_connection(("127.0.0.1", running.port), 5)
        half.sendall(b"GET / HTTP/1.1\r\nHost: ")

        assert b" 408 " in body.recv(100)
        assert (silent.recv(1), half.recv(1)) == (b"", b"")
        for one in (body, silent, half):
            one.close()


def test_a_head_has_a_bounded_size(running: Serving):
    with socket.create_connection(("127.0.0.1", running.port), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000)

        assert b" 400 " in client.recv(100)


def test_an_answer_is_sent_at_once():
    """Not after the client has acknowledged its first part, 40 ms later."""
    with server.bind("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_schema_and_the_probes_are_there(running: Serving):
    running.predict(jpeg())

    assert running.get("/v1/schema").json() == json_schema()
    assert running.get("/healthz").json() == {"status": "ok"}
    assert running.get("/readyz").json() == {"status": "ready"}
    metrics = running.get("/metrics").text
    assert re.search(r'doors_photographs_total\{status="SUCCESS"\} [1-9]', metrics)
    assert re.search(r'doors_requests_total\{path="/v1/predict",status="200"\} [1-9]', metrics)
    assert "process_resident_memory_bytes" in metrics


def test_the_interface_is_described(running: Serving):
    operation = running.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]

    assert set(operation["requestBody"]["content"]) == {
        "multipart/form-data", "application/octet-stream",
    }  # fmt: skip
    assert {"200", "413", "422", "429", "503", "504"} <= set(operation["responses"])


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_no_page_asks_another_host_for_anything(running: Serving, path: str):
    page = running.get(path)

    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    for address in re.findall(r'(?:src|href)="(/[^"]*)"', page.text):
        assert running.get(address).status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def test_without_gradio_the_page_says_how_to_get_it(running: Serving):
    assert "demo" in running.get("/").text


def test_a_photograph_is_posted(running: Serving):
    answer = running.get("/v1/predict")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json()["error"] == "expected POST, found GET"


@pytest.mark.parametrize("path", ["/redoc", "/gradio_api/file=/etc/passwd", "/login", "/%2e%2e/x"])
def test_nothing_else_is_there(running: Serving, path: str):
    assert running.get(path).status_code == 404


def test_the_log_has_neither_names_nor_contents(capsys: pytest.CaptureFixture[str]):
    with serving() as running:
        running.predict(**form(("secret-yard.jpg", jpeg()), ("\u202egpj.jpg", b"nothing")))
        running.get("/" + "a" * 500)
        running.get("/healthz")
    lines = log_lines(capsys)

    assert [(one["path"][:12], one["status"]) for one in lines] == [
        ("/v1/predict", 200), ("/aaaaaaaaaaa", 404),
    ]  # fmt: skip
    assert (lines[0]["photographs"], lines[0]["failed"], lines[0]["doors"]) == (2, 1, 1)
    assert "secret-yard" not in json.dumps(lines)
    assert len(lines[1]["path"]) == 200


def test_a_fault_of_ours_is_logged_and_the_service_goes_on(capsys: pytest.CaptureFixture[str]):
    def fail() -> None:
        raise ZeroDivisionError

    network = FakeNetwork(before=fail)
    with serving(network) as running:
        failed = running.predict(jpeg())
        network.before = lambda: None
        after = running.predict(jpeg())
    lines = log_lines(capsys)

    assert (failed.status_code, after.status_code) == (500, 200)
    assert "ZeroDivisionError" in next(one["trace"] for one in lines if one["event"] == "fault")
    assert "Traceback" not in failed.text


def test_names_are_short_and_may_have_any_letters(running: Serving):
    long = running.predict(**form(("ä" * 400 + ".jpg", jpeg())))
    answer = running.predict(**form(("Tür\n\x1b.jpg", jpeg())))

    assert len(long.json()[0]["path"]) <= 255
    assert answer.status_code == 200


def test_it_finishes_what_it_took_and_takes_nothing_new():
    network = Gated()
    with serving(network) as running, ThreadPoolExecutor(1) as client:
        taken = client.submit(running.predict, jpeg())
        assert network.is_looking.wait(5)

        running.stop()
        time.sleep(0.3)
        refused, ready = running.predict(jpeg()), running.get("/readyz")
        network.let_go()

        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert ready.status_code == 503
        assert taken.result().status_code == 200
        running.thread.join(5)
        with pytest.raises(requests.ConnectionError, match="refused"):
            running.get("/healthz")


def test_one_thread_uses_the_network():
    threads, at_once = set(), threading.Semaphore(1)

    def look() -> None:
        threads.add(threading.current_thread().name)
        assert at_once.acquire(blocking=False)
        time.sleep(0.02)
        at_once.release()

    with serving(FakeNetwork(before=look)) as running, ThreadPoolExecutor(4) as clients:
        sent = [clients.submit(running.predict, jpeg()) for _ in range(4)]
        assert [one.result().status_code for one in sent] == [200] * 4

    assert len(threads) == 1


def test_a_large_photograph_is_described_upright(running: Serving):
    assert running.predict(
        cv2.imencode(".jpg", painted(size=(600, 400)))[1].tobytes()
    ).json()["original_shape"] == [400, 600]  # fmt: skip
