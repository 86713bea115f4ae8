"""Measures the cost of tracking per training epoch, offline and online, as a ratio to none.

    uv run python benchmarks/tracking.py

One real training runs rounds of three blocks of epochs, in shuffled order. In each block it appends
its epochs to the ``metrics.jsonl`` of another run: one without a follower, or one that
``doors track follow`` sends to W&B offline or online. Both followers run the whole time, as in a
real run; outside of their blocks a signal stops them and all processes below them. Their cost at
start and end, once per run, is outside of the training and printed separately.

The first epoch of a block is not timed: in it a follower does what its timers missed. Each epoch is
divided by the median of its round, because a machine's speed drifts; the interval is a 95 %
bootstrap interval over rounds, and a little narrow: in simulation it covered the true value nine
times of ten. A median does not show an event in one epoch of ten, such as W&B's measurement of the
machine every 15 s; the mean and the CPU time do. CPU time is the most that tracking can take from a
training that keeps all cores busy, apart from cache effects, and the only figure here that is finer
than the noise. Online it is too high: after a pause the client sends at once what it otherwise
sends every 15 s.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from container_doors.adapters.follower import FollowerProcess
from container_doors.adapters.machine import describe_environment, describe_machine
from container_doors.adapters.wandb.account import QUIET
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.core.config import Params, load_params
from container_doors.core.records import (
    CodeState,
    DatasetFacts,
    Epoch,
    Recovery,
    RunRecord,
    StartingWeights,
)
from container_doors.core.run import Run
from container_doors.publishing.hashing import params_sha256
from container_doors.scenes import draw_sample
from container_doors.training.recorder import Recorder

ROOT = Path(__file__).resolve().parents[1]
MODES = {"off": "disabled", "offline": "offline", "online": "online"}
"""The names in this file, and the values of ``detection.wandb.mode``."""

TARGET_RATIO, TARGET_S = 1.001, 0.005
UNTIMED = 3  # epochs at the start: Ultralytics plots its batches, memory is allocated
OPEN_S = 60.0
SETTLED_S = 5.0  # after the start, the client sends facts about the machine
DRAWS = 5000
FEWEST_ROUNDS = 8  # with fewer, the interval is too narrow to be reliable


@dataclass(frozen=True, slots=True)
class Slot:
    """The use of one epoch."""

    mode: str = "off"
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one epoch, in seconds."""

    epoch_s: float
    listening_s: float
    """The part of the epoch that the training's own thread is in its listener."""
    cpu_s: float
    """CPU time of the tracking processes."""
    server_cpu_s: float


def main() -> int:
    """Train once, and print the cost of each tracking mode."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs-per-block", type=int, default=5, help="the first is not timed")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--pictures", type=int, default=32, help="in train; val has half as many")
    options = parser.parse_args()
    if options.epochs_per_block < 2 or options.rounds < 1 or options.pictures < 2:
        parser.error("expected two epochs per block, one round and two pictures, or more")
    plan = _plan(options.rounds, options.epochs_per_block)
    params = {mode: _params(options, len(plan), its_name) for mode, its_name in MODES.items()}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        counts = {"train": options.pictures, "val": options.pictures // 2}
        draw_sample(folder / "data", counts=counts, seed=0, image_size_px=(320, 240))
        server, environment = stack.enter_context(_server())
        arms = {mode: Arm(Run(mode, folder), params[mode]) for mode in MODES}
        for mode in ("offline", "online"):
            stack.enter_context(arms[mode].followed(environment))
        training = Training(plan, arms, server)
        YoloTrainer().train(
            params["off"],
            Run("trained", folder),
            data_yaml=folder / "data/data.yaml",
            weights=StartingWeights(source="random"),
            listener=training,
        )
    cores = len(psutil.Process().cpu_affinity())
    print(f"{options.pictures} pictures at {options.image_size} px on {cores} cores, "
          f"{options.rounds} rounds of 3 blocks of {options.epochs_per_block - 1} timed "
          "epochs")  # fmt: skip
    _print(training.samples, arms, options.rounds)
    return 0


def _plan(rounds: int, epochs_per_block: int) -> list[Slot]:
    random = np.random.default_rng(0)
    return [Slot()] * UNTIMED + [
        Slot(mode, is_timed=place > 0)
        for _ in range(rounds)
        for mode in random.permutation(list(MODES)).tolist()
        for place in range(epochs_per_block)
    ]


def _params(options: argparse.Namespace, epochs: int, wandb_mode: str) -> Params:
    settings = {
        "model.architecture": "yolov11n",
        "model.pretrained": "false",
        "training.epochs": epochs,
        "training.image_size_px": options.image_size,
        "training.cache": "ram",
        "training.learning_rate": "1.0e-6",  # otherwise the time of a validation drifts
        "training.warmup_epochs": 0,
        "training.patience": 0,
        "training.save_period": epochs,  # the same cost in every mode, but with noisy disk waits
        "augmentation.close_mosaic": 0,
        "wandb.mode": wandb_mode,
    }
    pairs = [f"detection.{key}={value}" for key, value in settings.items()]
    return load_params(ROOT / "params.yaml", pairs)


@contextmanager
def _server() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Run the stand-in for W&B's server; yield it, and the variables for its clients."""
    argv = [sys.executable, "-m", "tests.loopback.wandb_backend"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline() for _ in range(2)] if process.stdout else []
            pairs = (line.removeprefix("export ").strip().partition("=") for line in lines)
            yield psutil.Process(process.pid), {name: value for name, _, value in pairs}
        finally:
            process.terminate()


class Arm:
    """A run that gets some of the epochs, and the processes that follow it, if any do."""

    def __init__(self, run: Run, params: Params) -> None:
        self.recorder = Recorder(run, epochs=params.training.epochs, progress=self)
        self.once: dict[str, float] = {}
        self._run = run
        self._processes: list[psutil.Process] = []
        self._messages: list[str] = []
        document = params.model_dump(mode="json")
        RunRecord(
            run_id=uuid.uuid4().hex,
            experiment=run.name,
            status="running",
            started_at=datetime.now(UTC),
            params=document,
            params_sha256=params_sha256(document),
            code=CodeState(commit=None, clean=None),
            dataset=DatasetFacts(path="data", sha256="0" * 64, splits={}),
            starting_weights=StartingWeights(source="random"),
            hardware=describe_machine(params.training.device),
            environment=describe_environment(),
            seed=params.training.seed,
        ).write(run.record)

    def say(self, text: str) -> None:
        """Store the follower's message."""
        self._messages.append(text)

    def step(self, what: str, done: int, total: int) -> None:
        """Show nothing."""

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        """Show nothing."""

    @contextmanager
    def followed(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Run a follower, suspended until :meth:`go_on`; at the end check that it sent all."""
        follower, began = FollowerProcess({**QUIET, **environment}), time.perf_counter()
        follower.start(self._run, progress=self)
        started = psutil.Process().children()
        self._processes = [one for one in started if str(self._run.directory) in one.cmdline()]
        try:
            while not self._messages and time.perf_counter() < began + OPEN_S:
                time.sleep(0.01)
            self._check(self._messages[:1], f"W&B: {self._run.name},")
            self.once["start_s"] = time.perf_counter() - began
            time.sleep(SETTLED_S)
            self.go_on()
            self.once["start_cpu_s"] = self.cpu_s()
            self.rest()
            yield
        finally:
            self.go_on()
            before_s, began = self.cpu_s() + _ended_children_cpu_s(), time.perf_counter()
            follower.finish(exit_code=0)
            self.once["end_s"] = time.perf_counter() - began
            self.once["end_cpu_s"] = _ended_children_cpu_s() - before_s
        self._check(self._messages[-1:], "W&B: everything was sent to", "W&B: recorded offline")

    def _check(self, messages: Sequence[str], *expected: str) -> None:
        """Check that the tracker works."""
        if not any(line.startswith(expected) for line in messages):
            raise AssertionError(
                f"{self._run.name} is not tracked: expected {expected}, found {messages}"
            )

    def go_on(self) -> None:
        """Resume the follower and all processes below it."""
        top = self._processes[:1]
        self._processes = top + [below for one in top for below in one.children(recursive=True)]
        for process in self._processes:
            process.resume()

    def rest(self) -> None:
        """Suspend them all, until :meth:`go_on`."""
        for process in self._processes:
            process.suspend()

    def cpu_s(self) -> float:
        """Add up the CPU time of all processes that existed at the last :meth:`go_on`."""
        return sum(map(_cpu_s, self._processes))


class Training:
    """The training's listener: passes each epoch to its arm, and measures."""

    def __init__(
        self, plan: Sequence[Slot], arms: Mapping[str, Arm], server: psutil.Process
    ) -> None:
        self._plan, self._arms, self._server = plan, arms, server
        self._began = self._cpu_s = self._server_cpu_s = 0.0
        self.samples: dict[str, list[Sample]] = {mode: [] for mode in arms}

    def batch_finished(self, *, epoch: int, batch: int, batches: int) -> None:
        """Do nothing: the bar is for a person."""

    def training_recovered(self, recovery: Recovery) -> None:
        """Fail: an epoch that is trained again would count twice."""
        raise AssertionError(str(recovery))

    def reason_to_stop(self, epoch_s: float) -> str | None:
        """Never stop."""

    def epoch_finished(self, epoch: Epoch) -> None:
        """Append an epoch to the run of its arm; the work after that belongs to no epoch's time."""
        slot, next_slots = self._plan[epoch.number - 1], self._plan[epoch.number :]
        arm, started = self._arms[slot.mode], time.perf_counter()
        arm.recorder.epoch_finished(epoch)
        ended = time.perf_counter()
        if slot.is_timed:
            cpu_s, server_cpu_s = arm.cpu_s() - self._cpu_s, _cpu_s(self._server)
            self.samples[slot.mode].append(
                Sample(
                    ended - self._began,
                    ended - started,
                    cpu_s,
                    server_cpu_s - self._server_cpu_s,
                )
            )
        if next_slots and next_slots[0].mode != slot.mode:
            arm.rest()
            arm = self._arms[next_slots[0].mode]
            arm.go_on()
        self._cpu_s, self._server_cpu_s = arm.cpu_s(), _cpu_s(self._server)
        self._began = time.perf_counter()


def _cpu_s(process: psutil.Process) -> float:
    """Return user and system time, of the process and its ended children."""
    return float(sum(process.cpu_times()[:4]))


def _ended_children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _print(samples: Mapping[str, Sequence[Sample]], arms: Mapping[str, Arm], rounds: int) -> None:
    """Print a column for each mode, and whether it meets the target."""
    of = {mode: np.array([astuple(sample) for sample in found]) for mode, found in samples.items()}
    seconds = {mode: values[:, 0].reshape(rounds, -1) for mode, values in of.items()}
    cpu_s = {mode: float(values[:, 2].mean()) for mode, values in of.items()}
    off_s = float(np.median(seconds["off"]))
    target = TARGET_RATIO + TARGET_S / off_s
    tracked = [mode for mode in of if mode != "off"]
    medians = {mode: _ratio(seconds, mode, np.median) for mode in tracked}
    rows = {
        "": list(of),
        "epoch, median": [f"{np.median(values):.3f} s" for values in seconds.values()],
        "ratio of medians": ["1", *map(_spelled, medians.values())],
        "ratio of means": ["1", *(_spelled(_ratio(seconds, mode, np.mean)) for mode in tracked)],
        "CPU time of tracking": ["", *(f"{cpu_s[mode] * 1e3:.1f} ms" for mode in tracked)],
        "ratio if all were lost": ["1", *(f"{1 + cpu_s[mode] / off_s:.4f}" for mode in tracked)],
        "CPU time of the server": [f"{of[mode][:, 3].mean() * 1e3:.1f} ms" for mode in of],
        "listener in the training": [f"{np.median(of[mode][:, 1]) * 1e3:.2f} ms" for mode in of],
        "once, start: CPU, wait": ["", *(_once(arms[mode], "start") for mode in tracked)],
        "once, end: CPU, wait": ["", *(_once(arms[mode], "end") for mode in tracked)],
    }
    for name, cells in rows.items():
        print(f"{name:26}{cells[0]:>9}" + "".join(f"{cell:>25}" for cell in cells[1:]))
    print("the server is a stand-in on the same cores: the times include its work, not ours")
    print(f"target: {TARGET_RATIO} x + {TARGET_S * 1e3:g} ms, here a ratio of {target:.4f}")
    for mode, ratio in medians.items():
        by_cpu = "met" if 1 + cpu_s[mode] / off_s <= target else "missed"
        print(f"{mode}: {_verdict(ratio, target, rounds)}; {by_cpu} if all CPU time were lost")


def _ratio(
    seconds: Mapping[str, NDArray[np.float64]], mode: str, average: Callable[..., Any]
) -> tuple[float, float, float]:
    """Compare a mode with off, rounds in rows: return the estimate, and its interval's bounds."""
    level = np.median(np.hstack(list(seconds.values())), axis=1, keepdims=True)
    rounds = len(level)
    drawn = np.random.default_rng(0).integers(rounds, size=(DRAWS, rounds))

    def ratios(picked: NDArray[np.int64]) -> NDArray[np.float64]:
        tracked, off = (
            average((seconds[one] / level)[picked].reshape(len(picked), -1), axis=1)
            for one in (mode, "off")
        )
        return np.asarray(tracked / off)

    low, high = np.percentile(ratios(drawn), [2.5, 97.5])
    return float(ratios(np.arange(rounds)[None])[0]), float(low), float(high)


def _spelled(ratio: tuple[float, float, float]) -> str:
    return "{:.4f} [{:.3f}, {:.3f}]".format(*ratio)


def _once(arm: Arm, when: str) -> str:
    return f"{arm.once[f'{when}_cpu_s']:.1f} s, {arm.once[f'{when}_s']:.1f} s" if arm.once else ""


def _verdict(ratio: tuple[float, float, float], target: float, rounds: int) -> str:
    estimate, low, high = ratio
    by_interval = "met" if high <= target else "missed" if low > target else "undecided"
    if rounds < FEWEST_ROUNDS:
        by_interval = f"with under {FEWEST_ROUNDS} rounds undecided"
    unseen = " (not distinguishable from 0 at this noise)" if low <= 1 <= high else ""
    by_estimate = "met" if estimate <= target else "missed"
    return f"{by_estimate} by the estimate, {by_interval} by the interval{unseen}"


if __name__ == "__main__":
    raise SystemExit(main())
