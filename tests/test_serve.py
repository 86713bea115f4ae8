"""``doors serve`` as people start it: a process of its own, and what it survives."""

import io
import json
import random
import signal
import socket
import subprocess
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from container_doors.cli import main
from tests.predicting import jpeg
from tests.prediction.picture_files import readable_files, saved, scene
from tests.served import Served, served

HOSTILE = 500


def said_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["serve", *arguments])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_are_not_let_in_by_oversight(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOORS_TOKEN", raising=False)

    code, said = said_of(["--host", host], capsys)

    assert code == 2
    assert "--token makes one" in said


def test_a_port_that_is_in_use_is_an_error_before_the_model_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = said_of(["--port", str(port)], capsys)

    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said


def test_without_a_model_it_says_where_one_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)

    code, said = said_of(["--port", "0"], capsys)

    assert code == 2
    assert "doors sync" in said


@pytest.mark.slow
def test_it_finds_what_doors_predict_finds_and_ends_when_all_is_answered(tmp_path: Path):
    files = {name.rpartition("/")[2]: data for name, data in list(readable_files())[:20]}
    with served(tmp_path, "--no-page", "--keep", "kept", "--max-files", "30") as running:
        sent = [("files", one) for one in files.items()]
        found = {one["path"]: one for one in running.predict(files=sent).json()}
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        for name, expected in predicted(running, list(files)).items():
            assert without_times(found[name]) == without_times(expected)

        with ThreadPoolExecutor(8) as clients:
            waiting = [clients.submit(running.predict, jpeg()) for _ in range(8)]
            while "doors_photographs_taken 0" in running.get("/metrics").text:
                if all(one.done() for one in waiting):
                    break
            code = running.end(signal.SIGTERM)
            codes = [one.result().status_code for one in waiting if not one.exception()]

    log = (tmp_path / "log").read_text()
    assert code == 0, log
    assert set(codes) <= {200, 503}
    assert "stopped; what was taken is answered" in log
    assert "Traceback" not in log
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == []
    kept = (tmp_path / "kept/predictions.jsonl").read_text().splitlines()
    assert len(kept) == len({*files.values(), jpeg()})


def predicted(running: Served, names: list[str]) -> dict[str, dict[str, Any]]:
    command = [*running.process.args[:3], "predict", "--weights", "model.onnx", "--json", *names]  # type: ignore[index]
    done = subprocess.run(
        command, cwd=running.folder, check=True, capture_output=True, text=True, timeout=100
    )
    lines = map(json.loads, done.stdout.splitlines())
    return {one["path"]: one for one in lines}


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "durations_ms"}


@pytest.mark.slow
def test_a_token_is_printed_once_and_asked_for(tmp_path: Path):
    with served(tmp_path, "--no-page", "--token") as running:
        assert running.process.stdout is not None
        token = running.process.stdout.readline().removeprefix("token: ").strip()
        headers = {"Authorization": f"Bearer {token}"}

        assert running.predict(jpeg()).status_code == 401
        assert running.predict(jpeg(), headers=headers).status_code == 200
        assert running.end(signal.SIGINT) == 130
    assert token not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_hostile_uploads_do_not_bring_it_down(tmp_path: Path):
    with served(tmp_path, "--no-page", "--max-mb", "2", "--max-megapixels", "20") as running:
        assert running.predict(jpeg()).status_code == 200
        uploads = list(hostile())
        for data in uploads[:50]:
            running.predict(data)
        before = running.memory_bytes()
        with ThreadPoolExecutor(6) as clients:
            codes = [one.status_code for one in clients.map(running.predict, uploads)]
        for attack in (huge_head, half_head, many_parts, cut_off):
            attack(running)

        assert len(codes) == HOSTILE
        assert set(codes) <= {200, 413, 422, 429}
        assert running.process.poll() is None
        assert running.predict(jpeg()).json()["status"] == "SUCCESS"
        assert running.memory_bytes() - before < 200e6
        assert running.end(signal.SIGTERM) == 0
    assert '"event": "fault"' not in (tmp_path / "log").read_text()


def hostile() -> Iterator[bytes]:
    """Bombs, pictures that are cut off or changed, and what is no picture."""
    numbers = random.Random(5)
    good = [data for _, data in readable_files()] + [saved(Image.fromarray(scene()), "GIF")]
    bombs = [png_bomb(20_000, 20_000), png_bomb(60_000, 60_000), scans_bomb(), b"0" * 3_000_000]
    for number in range(HOSTILE):
        data = bytearray(numbers.choice(good))
        match number % 5:
            case 0:
                yield bytes(data[: numbers.randrange(1, len(data))])
            case 1:
                for _ in range(20):
                    data[numbers.randrange(len(data))] = numbers.randrange(256)
                yield bytes(data)
            case 2:
                yield numbers.randbytes(numbers.randrange(1, 5000))
            case 3:
                yield bytes(data[:64]) + numbers.randbytes(3000)
            case _:
                yield bombs[number // 5 % len(bombs)]


def png_bomb(width: int, height: int) -> bytes:
    """A picture of few bytes that announces many pixels."""
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    body = zlib.compress(b"\0" * 1_000_000, 9)
    parts = [(b"IHDR", head), (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
        for kind, data in parts
    )


def scans_bomb() -> bytes:
    """A progressive JPEG with thousands of scans."""
    file = io.BytesIO()
    Image.fromarray(scene(400, 400)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * 2000 + b"\xff\xd9"


def huge_head(running: Served) -> None:
    with open_socket(running) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 60_000)
        assert b" 400 " in client.recv(100)


def half_head(running: Served) -> None:
    clients = [open_socket(running) for _ in range(100)]
    for one in clients:
        one.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: ")
    assert running.predict(jpeg()).status_code == 200
    for one in clients:
        one.close()


def many_parts(running: Served) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n0\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert running.predict(part * 10_000 + b"--x--\r\n", headers=headers).status_code == 413


def cut_off(running: Served) -> None:
    """Clients that leave in the midst of a body."""
    for _ in range(20):
        with open_socket(running) as client:
            client.sendall(
                b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n123"
            )


def open_socket(running: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), 10)
