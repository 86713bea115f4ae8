"""What tracking costs an epoch of training, offline and online, as a ratio to none, in one run.

    uv run python benchmarks/tracking.py

One real training goes through rounds of three blocks of epochs, in shuffled order. In each block it
appends its epochs to the ``metrics.jsonl`` of another run: one that nobody follows, or one that
``doors track follow`` shows to W&B offline or online. Both followers live throughout, as they do
beside a run; while it is not their turn, they and all processes below them are stopped by a signal.
What they cost once, at their start and their end, falls outside the training and is printed apart.

The first epoch of a block is not timed: in it a follower catches up on what its timers missed.
Each epoch is divided by the median of its round, because a machine drifts; an interval holds 95 %
of what comes out when rounds are drawn again (bootstrap), and is a little narrow: in simulation it
held the truth nine times of ten. A median does not see what happens in one epoch of ten, such as
W&B's look at the machine every 15 s; the mean and the CPU time do. CPU time is the most that
tracking can take from a training that keeps all cores busy, but for what it displaces in caches,
and the only figure here that is finer than the noise. Online it errs upwards: after a pause the
client sends at once what it otherwise sends every 15 s.
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
"""As this file calls them, and as ``detection.wandb.mode`` does."""

TARGET_RATIO, TARGET_S = 1.001, 0.005
UNTIMED = 3  # at the very start: Ultralytics draws its batches, memory is filled
OPEN_S = 60.0
SETTLED_S = 5.0  # once it is open, the client tells of the machine
DRAWS = 5000
FEWEST_ROUNDS = 8  # with fewer, the interval is too narrow to be believed


@dataclass(frozen=True, slots=True)
class Slot:
    """What an epoch is used for."""

    mode: str = "off"
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of one epoch, in seconds."""

    epoch_s: float
    listening_s: float
    """Of the epoch: the training's own thread in its listener."""
    cpu_s: float
    """Of the processes that track."""
    server_cpu_s: float


def main() -> int:
    """Train once and print what each way of tracking cost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs-per-block", type=int, default=5, help="the first is not timed")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--pictures", type=int, default=32, help="to train on; half as many to val")
    asked = parser.parse_args()
    if asked.epochs_per_block < 2 or asked.rounds < 1 or asked.pictures < 2:
        parser.error("expected two epochs per block, one round and two pictures, or more")
    plan = _plan(asked.rounds, asked.epochs_per_block)
    params = {mode: _params(asked, len(plan), its_name) for mode, its_name in MODES.items()}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        counts = {"train": asked.pictures, "val": asked.pictures // 2}
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
    print(f"{asked.pictures} pictures at {asked.image_size} px on {cores} cores, {asked.rounds} "
          f"rounds of 3 blocks of {asked.epochs_per_block - 1} timed epochs")  # fmt: skip
    _print(training.samples, arms, asked.rounds)
    return 0


def _plan(rounds: int, epochs_per_block: int) -> list[Slot]:
    random = np.random.default_rng(0)
    return [Slot()] * UNTIMED + [
        Slot(mode, is_timed=place > 0)
        for _ in range(rounds)
        for mode in random.permutation(list(MODES)).tolist()
        for place in range(epochs_per_block)
    ]


def _params(asked: argparse.Namespace, epochs: int, wandb_mode: str) -> Params:
    settings = {
        "model.architecture": "yolov11n",
        "model.pretrained": "false",
        "training.epochs": epochs,
        "training.image_size_px": asked.image_size,
        "training.cache": "ram",
        "training.learning_rate": "1.0e-6",  # or validation takes ever longer, or ever shorter
        "training.warmup_epochs": 0,
        "training.patience": 0,
        "training.save_period": epochs,  # alike in every mode, and its waits for the disk are not
        "augmentation.close_mosaic": 0,
        "wandb.mode": wandb_mode,
    }
    pairs = [f"detection.{key}={value}" for key, value in settings.items()]
    return load_params(ROOT / "params.yaml", pairs)


@contextmanager
def _server() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Run the stand-in for W&B's server; yields it, and what a client must be told."""
    argv = [sys.executable, "-m", "tests.loopback.wandb_backend"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline() for _ in range(2)] if process.stdout else []
            told = (line.removeprefix("export ").strip().partition("=") for line in lines)
            yield psutil.Process(process.pid), {name: value for name, _, value in told}
        finally:
            process.terminate()


class Arm:
    """A run that gets some of the epochs, and the processes that follow it, if any do."""

    def __init__(self, run: Run, params: Params) -> None:
        self.recorder = Recorder(run, epochs=params.training.epochs, progress=self)
        self.once: dict[str, float] = {}
        self._run = run
        self._processes: list[psutil.Process] = []
        self._said: list[str] = []
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
        """Remember what the follower says."""
        self._said.append(text)

    def step(self, what: str, done: int, total: int) -> None:
        """Show nothing."""

    def epoch(self, epoch: Epoch, *, total: int, is_best: bool) -> None:
        """Show nothing."""

    @contextmanager
    def followed(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Have a follower, at rest until :meth:`go_on`; at the end see that it had everything."""
        follower, began = FollowerProcess({**QUIET, **environment}), time.perf_counter()
        follower.start(self._run, progress=self)
        started = psutil.Process().children()
        self._processes = [one for one in started if str(self._run.directory) in one.cmdline()]
        try:
            while not self._said and time.perf_counter() < began + OPEN_S:
                time.sleep(0.01)
            self._check(self._said[:1], f"W&B: {self._run.name},")
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
        self._check(self._said[-1:], "W&B: everything is at", "W&B: recorded offline")

    def _check(self, said: Sequence[str], *expected: str) -> None:
        """Measure no tracker that does not track."""
        if not any(line.startswith(expected) for line in said):
            raise AssertionError(
                f"{self._run.name} is not tracked: expected {expected}, found {said}"
            )

    def go_on(self) -> None:
        """Let the follower and all that is below it work."""
        top = self._processes[:1]
        self._processes = top + [below for one in top for below in one.children(recursive=True)]
        for process in self._processes:
            process.resume()

    def rest(self) -> None:
        """Stop them all, until :meth:`go_on`."""
        for process in self._processes:
            process.suspend()

    def cpu_s(self) -> float:
        """Add up the CPU time of all that were there when they last went on."""
        return sum(map(_cpu_s, self._processes))


class Training:
    """The training's listener: hands each epoch to its arm, and measures."""

    def __init__(
        self, plan: Sequence[Slot], arms: Mapping[str, Arm], server: psutil.Process
    ) -> None:
        self._plan, self._arms, self._server = plan, arms, server
        self._began = self._cpu_s = self._server_cpu_s = 0.0
        self.samples: dict[str, list[Sample]] = {mode: [] for mode in arms}

    def batch_finished(self, *, epoch: int, batch: int, batches: int) -> None:
        """Do nothing: the bar is for a person."""

    def set_back(self, setback: Recovery) -> None:
        """Give up: an epoch that was trained again would count twice."""
        raise AssertionError(str(setback))

    def wish_to_stop(self, epoch_s: float) -> str | None:
        """Wish for nothing."""

    def epoch_finished(self, epoch: Epoch) -> None:
        """Append an epoch where it belongs; whatever is done after that is of no epoch's time."""
        slot, to_come = self._plan[epoch.number - 1], self._plan[epoch.number :]
        arm, told = self._arms[slot.mode], time.perf_counter()
        arm.recorder.epoch_finished(epoch)
        ended = time.perf_counter()
        if slot.is_timed:
            cpu_s, server_cpu_s = arm.cpu_s() - self._cpu_s, _cpu_s(self._server)
            self.samples[slot.mode].append(
                Sample(ended - self._began, ended - told, cpu_s, server_cpu_s - self._server_cpu_s)
            )
        if to_come and to_come[0].mode != slot.mode:
            arm.rest()
            arm = self._arms[to_come[0].mode]
            arm.go_on()
        self._cpu_s, self._server_cpu_s = arm.cpu_s(), _cpu_s(self._server)
        self._began = time.perf_counter()


def _cpu_s(process: psutil.Process) -> float:
    """Add up user and system time, its own and that of its ended children."""
    return float(sum(process.cpu_times()[:4]))


def _ended_children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _print(samples: Mapping[str, Sequence[Sample]], arms: Mapping[str, Arm], rounds: int) -> None:
    """Print a column for each mode, and how it stands to the target."""
    of = {mode: np.array([astuple(sample) for sample in found]) for mode, found in samples.items()}
    seconds = {mode: values[:, 0].reshape(rounds, -1) for mode, values in of.items()}
    cpu_s = {mode: float(values[:, 2].mean()) for mode, values in of.items()}
    off_s = float(np.median(seconds["off"]))
    target = TARGET_RATIO + TARGET_S / off_s
    tracked = [mode for mode in of if mode != "off"]
    medians = {mode: _ratio(seconds, mode, np.median) for mode in tracked}
    rows = {
        "": list(of),
        "an epoch, median": [f"{np.median(values):.3f} s" for values in seconds.values()],
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
    print("the server is a stand-in on the same cores: its work is in the times, and is not ours")
    print(f"target: {TARGET_RATIO} x + {TARGET_S * 1e3:g} ms, here a ratio of {target:.4f}")
    for mode, ratio in medians.items():
        by_cpu = "met" if 1 + cpu_s[mode] / off_s <= target else "missed"
        print(f"{mode}: {_verdict(ratio, target, rounds)}; {by_cpu} if all CPU time were lost")


def _ratio(
    seconds: Mapping[str, NDArray[np.float64]], mode: str, average: Callable[..., Any]
) -> tuple[float, float, float]:
    """Compare a mode with off, rounds in rows: the estimate, and the ends of its interval."""
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
