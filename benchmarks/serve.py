"""Measures ``doors serve``: how much it adds to the model's own time, and what 32 clients do to it.

    uv run python benchmarks/serve.py --weights weights/detection [--seconds 600]

The model's own time is what the same answers say of reading, preparing, the network and
suppression. Then many clients send photographs one after the other, and come again when they are
told to. The memory is that of the service after a tenth of the time, and at the end.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import requests

from container_doors.scenes import draw_sample

MOST_ADDED_MS, MOST_GROWTH = 10.0, 0.10
_WARM_UP, _LIMIT_S = 10, 60.0


def main() -> int:
    """Print all; exit 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--photographs", type=Path, help="a folder (default: drawn ones)")
    parser.add_argument("--requests", type=int, default=200, help="of the single client")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        photographs = _photographs(arguments.photographs, Path(name))
        with _serving(arguments.weights.absolute(), Path(name)) as (url, process):
            single = _single(url, photographs, arguments.requests)
            many = _many(url, photographs, arguments.clients, arguments.seconds, process)
    return 0 if _print(single, many, arguments) else 1


class _Single(NamedTuple):
    p95_ms: float
    own_p95_ms: float
    median_added_ms: float


class _Many(NamedTuple):
    statuses: Counter[int]
    lost: int
    p95_ms: float
    before_bytes: int
    after_bytes: int


def _photographs(folder: Path | None, working: Path) -> list[bytes]:
    if folder is None:
        folder = working / "drawn"
        draw_sample(folder, counts={"train": 8}, seed=3, image_size_px=(1600, 1200))
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in {".jpg", ".png"}]
    return [path.read_bytes() for path in files[:50]]


@contextmanager
def _serving(weights: Path, working: Path) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "container_doors", "serve", "--port", "0", "--no-page"]
    with (
        (working / "log").open("w") as log,
        subprocess.Popen(
            [*command, "--weights", str(weights)], stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.match(r"listening on (\S+),", line)
            if found is None:
                raise SystemExit((working / "log").read_text())
            yield found[1], psutil.Process(process.pid)
        finally:
            process.terminate()


def _single(url: str, photographs: Sequence[bytes], number: int) -> _Single:
    walls, owns = [], []
    with requests.Session() as client:
        for index in range(-_WARM_UP, number):
            began = time.perf_counter()
            answer = client.post(
                f"{url}/v1/predict", photographs[index % len(photographs)], timeout=_LIMIT_S
            )
            wall_ms = (time.perf_counter() - began) * 1000
            if index >= 0:
                walls.append(wall_ms)
                owns.append(sum(answer.json()["durations_ms"].values()))
    return _Single(_p95(walls), _p95(owns), float(np.median(np.subtract(walls, owns))))


def _many(
    url: str,
    photographs: Sequence[bytes],
    clients: int,
    seconds: float,
    process: psutil.Process,
) -> _Many:
    until = time.monotonic() + seconds
    statuses: Counter[int] = Counter()
    durations_ms: list[float] = []
    lost = [0]
    lock = threading.Lock()

    def send(first: int) -> None:
        number = first
        with requests.Session() as client:
            while time.monotonic() < until:
                number += 1
                began = time.perf_counter()
                try:
                    answer = client.post(
                        f"{url}/v1/predict",
                        photographs[number % len(photographs)],
                        timeout=_LIMIT_S,
                    )
                except requests.RequestException:
                    with lock:
                        lost[0] += 1
                    continue
                with lock:
                    statuses[answer.status_code] += 1
                    if answer.status_code == requests.codes.ok:
                        durations_ms.append((time.perf_counter() - began) * 1000)
                if answer.status_code == requests.codes.too_many:
                    time.sleep(float(answer.headers["Retry-After"]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(clients)]
    for one in threads:
        one.start()
    time.sleep(seconds / 10)
    before = process.memory_info().rss
    for one in threads:
        one.join()
    return _Many(statuses, lost[0], _p95(durations_ms), before, process.memory_info().rss)


def _p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95)) if values else float("nan")


def _print(single: _Single, many: _Many, arguments: argparse.Namespace) -> bool:
    added_ms = single.p95_ms - single.own_p95_ms
    growth = many.after_bytes / many.before_bytes - 1
    answered, again = many.statuses[200], many.statuses[429]
    others = sum(many.statuses.values()) - answered - again
    for line in (
        f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}",
        f"one client, {arguments.requests} requests: p95 {single.p95_ms:.1f} ms, the model's own "
        f"{single.own_p95_ms:.1f} ms",
        f"  added   {added_ms:+.1f} ms (bar: {MOST_ADDED_MS:g}), at the median "
        f"{single.median_added_ms:.1f} ms; ratio {single.p95_ms / single.own_p95_ms:.2f}",
        f"{arguments.clients} clients, {arguments.seconds:g} s: {answered} answered "
        f"({answered / arguments.seconds:.1f} a second, p95 {many.p95_ms:.0f} ms)",
        f"  {again} asked to come again, {many.lost} lost, {others} other answers (bar: 0)",
        f"  memory  {many.before_bytes / 1e6:.0f} MB after a tenth, "
        f"{many.after_bytes / 1e6:.0f} MB at the end: {growth:+.1%} (bar: {MOST_GROWTH:.0%})",
    ):
        print(line)
    return added_ms <= MOST_ADDED_MS and not many.lost + others and growth <= MOST_GROWTH


if __name__ == "__main__":
    sys.exit(main())
