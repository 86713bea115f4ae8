"""Times `doors predict --on ray` by two workers against one, each with one processor and thread.

    uv run python benchmarks/machines.py --weights weights/detection

Drawn photographs of 12 megapixels; a cluster of one node, then of two on this machine. The start of
Ray and of the workers is timed by itself. The efficiency is the rate of two over twice that of one.
It takes two processors that have nothing else to do: other programs take from two workers what one
does not use. So the processor seconds of a photograph, of Ray and this process too, are printed as
well, and `--waits` times a stand-in that only waits: how well the work is handed out, whatever else
the processors do. Without a model (no `--weights`) a stand-in multiplies matrices for as long.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import Any, NamedTuple

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray
from ray.cluster_utils import Cluster

from container_doors.adapters.networks import RUNTIMES
from container_doors.adapters.ray.workers import RayWorkers
from container_doors.core.config import QualityLimits
from container_doors.core.ports import FoundBoxes
from container_doors.core.predictions import PhotographResult, UsedModel
from container_doors.prediction.pictures import decode
from container_doors.prediction.sources import plan
from container_doors.scenes import draw_sample
from container_doors.steps.open_model import OpenedModel, open_model
from container_doors.steps.predict import Prediction, Target
from container_doors.steps.predict_on import CHUNK, Elsewhere, predict_on

TARGET = 0.85
SIZE_PX, SMALL_PX = (4000, 3000), (160, 120)
STAND_IN_MS, WAITS_MS = 60.0, 100.0
_ROOT = Path(__file__).parents[1]
_USED = UsedModel(
    version=None,
    weights_sha256="0" * 64,
    backend="stand-in",
    image_size_px=640,
    conf_threshold=0.25,
    iou_threshold=0.7,
    max_detections=300,
)


@dataclass
class StandIn:
    """A network that only takes time: of the processor, or of the clock."""

    waits: bool
    backend: str = "stand-in"
    device: str = "processor"

    def find(self, picture: NDArray[np.uint8], **_: Any) -> FoundBoxes:  # noqa: ANN401
        """Multiply, or wait, until its time is over."""
        if self.waits:
            sleep(WAITS_MS / 1000)
            return _nothing()
        matrix = picture[:128, :128, 0].astype(np.float64)
        until = process_time() + STAND_IN_MS / 1000
        while process_time() < until:
            matrix = matrix @ matrix % 1.0
        return _nothing()


def _nothing() -> FoundBoxes:
    empty = np.zeros((0, 4), np.float32)
    return FoundBoxes(empty, empty[:, 0], empty[:, 0].astype(np.int64), 0.0, 0.0, 0.0)


def open_stand_in(*, waits: bool) -> OpenedModel:
    """Open it."""
    return OpenedModel(StandIn(waits), _USED, None)


def draw_photographs(folder: Path, count: int, *, size_px: tuple[int, int]) -> None:
    """Draw a few scenes, and enlarge them; the same ones again and again."""
    with TemporaryDirectory() as drawn:
        draw_sample(Path(drawn), counts={"train": 8}, seed=0)
        files = [path.read_bytes() for path in sorted(Path(drawn).rglob("*.jpg"))]
    scenes = [decode(data, name="scene.jpg").bgr for data in files]
    encoded = [cv2.imencode(".jpg", cv2.resize(one, size_px))[1].tobytes() for one in scenes]
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(encoded[number % len(encoded)])


@contextmanager
def cluster_of(nodes: int) -> Iterator[None]:
    """Start nodes of one processor each on this machine, and name them in RAY_ADDRESS."""
    of_node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 10**8}
    cluster: Any = Cluster(
        initialize_head=True, head_node_args={**of_node, "include_dashboard": False}
    )
    for _ in range(1, nodes):
        cluster.add_node(**of_node)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield
    finally:
        del os.environ["RAY_ADDRESS"]
        cluster.shutdown()


class Timed(NamedTuple):
    """What was timed of some workers."""

    first_s: float
    """Until the first results."""
    rate: float
    """Photographs per second from then on."""
    processor_s: float
    """Of a photograph, in all processes, from then on."""


def time_workers(nodes: int, photographs: Path, open_there: Callable[[], OpenedModel]) -> Timed:
    """Time workers on so many nodes."""
    seen: list[float] = []
    used: list[float] = []

    def show(_: PhotographResult) -> None:
        seen.append(perf_counter())
        if not used:
            used.append(processor_seconds())

    sources = plan([str(photographs)], here=Path.cwd(), standard_input=io.BytesIO())
    opened = open_there()
    prediction = Prediction(sources, opened, limits=QualityLimits(), with_times=False)
    with TemporaryDirectory() as scratch, cluster_of(nodes):
        began = perf_counter()
        predict_on(
            prediction,
            Target(Path(scratch) / "out"),
            Elsewhere(RayWorkers(say=lambda _: None), open_there),
            show=show,
            progress=_Quiet(),
        )
        ended, used_until_end = perf_counter(), processor_seconds()
    after = len(seen) - CHUNK  # all of a shard are shown at once
    duration_s, processor_s = ended - seen[0], used_until_end - used[0]
    return Timed(seen[0] - began, after / duration_s, processor_s / after)


def processor_seconds() -> float:
    """Return what this process and all that it has started have used; workers that end are lost."""
    here = psutil.Process()
    times = [one.cpu_times() for one in (here, *here.children(recursive=True))]
    return sum(one.user + one.system for one in times)


class _Quiet:
    def say(self, text: str) -> None: ...
    def step(self, what: str, done: int, total: int) -> None: ...
    def epoch(self, epoch: object, *, total: int, is_best: bool) -> None: ...


def main() -> int:
    """Time one and two, and print the efficiency."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="the folder of a model; a stand-in without")
    parser.add_argument("--photographs", type=int, default=640)
    parser.add_argument("--waits", action="store_true", help="time a stand-in that only waits")
    options = parser.parse_args()
    # The workers import the package from where this does, with one thread each.
    os.environ["PYTHONPATH"] = f"{_ROOT / 'src'}:{_ROOT}"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    open_there: Callable[[], OpenedModel] = partial(open_stand_in, waits=options.waits)
    if options.weights is not None:
        where = options.weights.absolute()
        open_there = partial(open_model, where, networks=RUNTIMES, device="cpu")
    timed = []
    with TemporaryDirectory() as folder:
        size_px = SMALL_PX if options.waits else SIZE_PX
        draw_photographs(Path(folder), options.photographs, size_px=size_px)
        for nodes in (1, 2):
            timed.append(time_workers(nodes, Path(folder), open_there))
            first_s, rate, processor_s = timed[-1]
            print(
                f"{nodes} worker(s): first results after {first_s:.1f} s, then {rate:.2f} per s, "
            )
            print(f"    {processor_s:.3f} processor seconds each", flush=True)
    efficiency = timed[1].rate / timed[0].rate / 2
    print(f"processor seconds: {timed[0].processor_s / timed[1].processor_s:.2f} of one worker's")
    print(f"efficiency: {efficiency:.2f} (target: {TARGET:g})")
    return 0 if efficiency >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
