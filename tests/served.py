"""``doors serve`` as a process of its own, with a network of a few layers."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.prediction.networks import write_onnx

START_S, LIMIT_S = 180.0, 60.0


@dataclass
class Served:
    """The process, and what it says."""

    process: subprocess.Popen[str]
    folder: Path
    url: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def predict(self, data: Any = None, *, query: str = "", **more: Any) -> requests.Response:
        return requests.post(f"{self.url}/v1/predict{query}", data=data, timeout=LIMIT_S, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=LIMIT_S, **more)

    def memory_bytes(self) -> int:
        resident: int = psutil.Process(self.process.pid).memory_info().rss
        return resident

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """Start it in a folder that is empty, and wait until it listens."""
    write_onnx(folder / "model.onnx")
    (folder / "tmp").mkdir()
    command = [sys.executable, "-m", "container_doors", "serve", "--weights", "model.onnx"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", "0", *options],
            cwd=folder,
            env=os.environ | {"TMPDIR": str(folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    one = Served(process, folder)
    watch = threading.Timer(START_S, process.kill)
    watch.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"listening on (http://\S+:\d+),", line)
        assert found, line + (folder / "log").read_text()
        one.url = found[1]
        watch.cancel()
        yield one
    finally:
        watch.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
