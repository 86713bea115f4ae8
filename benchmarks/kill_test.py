"""Kills a training at random moments, resumes it each time, and compares it with one not killed.

    uv run python benchmarks/kill_test.py --kills 20
    uv run python benchmarks/kill_test.py --kills 6 --trouble disk-full
    uv run python benchmarks/kill_test.py --kills 6 --trouble remote-down
    uv run python benchmarks/kill_test.py --kills 12 --damage

Everything is real: the command ``doors train``, git, DVC with a folder as its remote. After every
second kill the next command runs in a fresh clone, which has only the data and the code. At the
end the weights must be identical, bit by bit, to those of a training without interruption; a kill
may cost only the epoch that was running; and the model is published once.

With ``disk-full`` the run's folder is on a small tmpfs, which is filled instead of a kill (Linux,
as root). With ``remote-down`` the remote cannot be reached while the training runs, so every
command resumes in the same clone. With ``--damage`` one copy of the checkpoint is damaged after
each kill, the newest or the one before it, here or on the remote: by a flipped byte, a truncation,
an emptied file or its deletion; one whole copy always stays. No command may advise to start again.
"""

import argparse
import contextlib
import hashlib
import json
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from container_doors.adapters.workspace import commit, create_workspace, track
from container_doors.core.config import dump, load_params
from container_doors.core.run import PUBLISHED, Run
from container_doors.scenes import draw_sample
from container_doors.training.checkpoint import faults
from container_doors.training.history import read_epochs

ROOT = Path(__file__).parents[1]
NAME = "killed"
_AT_THE_END = 4
"""Kills after the last epoch, at most."""

DATA = Path("data/processed/detection")
RESUMED = re.compile(r"resuming \S+ after epoch (\d+)")


@dataclass
class Cost:
    """The cost of the kills of one kind."""

    kills: int = 0
    repeated: list[int] = field(default_factory=list)
    """The number of finished epochs that were trained again, for each kill."""


@dataclass
class Pace:
    """The times of a training without a kill."""

    start_s: float
    epoch_s: float
    end_s: float


def main() -> int:
    """Run the test; the exit code is 1 if anything was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--trouble", choices=("disk-full", "remote-down"))
    parser.add_argument("--damage", action="store_true", help="damage one copy after each kill")
    options = parser.parse_args()
    moments = random.Random(options.seed)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        workspace = _workspace(folder / "workspace", options)
        print(f"{options.pictures} pictures, {options.epochs} epochs, seed {options.seed}",
              flush=True)  # fmt: skip
        alone = _clone(workspace, folder / "alone")
        pace = _train_alone(alone)
        print(f"without a kill: {pace.start_s:.0f} s to start, {pace.epoch_s:.1f} s per epoch, "
              f"{pace.end_s:.0f} s to evaluate and publish", flush=True)  # fmt: skip
        _delete_checkpoints(workspace)
        with _small_disk(folder) if options.trouble == "disk-full" else nullcontext():
            last, costs = _kill_and_resume(workspace, folder, options, moments, pace)
        return _verdict(alone, last, costs, options)


def _workspace(directory: Path, options: argparse.Namespace) -> Path:
    overrides = [
        "model.architecture=yolov11n", "model.pretrained=false", "training.image_size_px=64",
        f"training.epochs={options.epochs}", "training.batch_size=8", "training.device=cpu",
        "training.nominal_batch_size=20", "training.patience=0", "data.min_train_images=1",
        "data.min_val_images=1", "wandb.mode=disabled", "checkpoints.every_minutes=0.001",
        "augmentation.close_mosaic=3", "training.warmup_epochs=1",
    ]  # fmt: skip
    params = load_params(ROOT / "params.yaml", [f"detection.{pair}" for pair in overrides])
    create_workspace(
        directory,
        files={"params.yaml": dump(params), ".gitignore": ROOT / ".gitignore",
               ".dvcignore": ROOT / ".dvcignore"},
    )  # fmt: skip
    count = options.pictures
    counts = {"train": count, "val": count // 6, "test": count // 6}
    draw_sample(directory / DATA, counts=counts, seed=0, image_size_px=(320, 240))
    track(directory, DATA)
    commit(directory, "Data")
    return directory


def _clone(workspace: Path, target: Path) -> Path:
    """Make the clone of another machine: the code, the data, and the address of the remote."""
    _must("git", "clone", "--quiet", str(workspace), str(target), cwd=workspace)
    remote = workspace / "remote-storage"
    _must("dvc", "remote", "modify", "--local", "storage", "url", str(remote), cwd=target)
    _must("dvc", "pull", "--quiet", cwd=target)
    return target


def _kill_and_resume(
    workspace: Path, folder: Path, options: argparse.Namespace, moments: random.Random, pace: Pace
) -> tuple[Path, dict[str, Cost]]:
    costs = {"the same clone": Cost(), "a fresh clone": Cost()}
    here = _clone(workspace, folder / "clone-0")
    runs = folder / "disk" if options.trouble == "disk-full" else None
    if runs is not None:
        (here / "runs").symlink_to(runs)
    finished_before, where = 0, "the same clone"
    damages = Damages(moments) if options.damage else None
    for kill in range(1, options.kills + 1):
        with _unreachable(workspace) if options.trouble == "remote-down" else nullcontext():
            output, ended = _interrupt(here, _moment(kill, options, moments, pace), runs)
        finished = len(read_epochs(Run(NAME, here / "runs").metrics_jsonl))
        resumed = RESUMED.search(output)
        if resumed:
            costs[where].repeated.append(max(finished_before - int(resumed[1]), 0))
            costs[where].kills += 1
        print(f"{kill:>2}: {ended}; "
              f"{'resumed after epoch ' + resumed[1] if resumed else 'not resumed'}; "
              f"{finished} epochs", flush=True)  # fmt: skip
        finished_before = finished
        where = "the same clone"
        is_moving = kill % 2 == 0 and options.trouble is None and _can_move(workspace, damages)
        if damages is not None:
            damages.after(output, here, workspace, is_moving=is_moving)
        if is_moving:
            where = "a fresh clone"
            here = _clone(workspace, folder / f"clone-{kill}")
    output = _train_to_the_end(here)
    if damages is not None:
        damages.check(output)
    resumed = RESUMED.search(output)
    if resumed:
        costs[where].repeated.append(max(finished_before - int(resumed[1]), 0))
        costs[where].kills += 1
    return here, costs


def _can_move(workspace: Path, damages: "Damages | None") -> bool:
    """Tell whether a fresh clone would find a whole copy: one that is finished sends none."""
    return damages is None or any(map(_is_whole_archive, _archives(workspace)))


def _archives(workspace: Path) -> list[Path]:
    return [*(workspace / f"remote-storage/checkpoints/{NAME}").glob("*.tar")]


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def _truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


class Damages:
    """Damages one copy of a checkpoint after the other, in different ways."""

    WAYS = (_flip, _truncate, _empty, Path.unlink)

    def __init__(self, moments: random.Random) -> None:
        self._moments = moments
        self._done = 0

    def after(self, output: str, here: Path, workspace: Path, *, is_moving: bool) -> None:
        """Check and print the messages about the last damage, and do the next."""
        self.check(output)
        for line in output.splitlines():
            if "skipped" in line or "previous checkpoint is intact" in line:
                print(f"      {line.strip()}", flush=True)
        print(f"    {self._do(here, workspace, is_moving=is_moving)}", flush=True)

    def check(self, output: str) -> None:
        """Exit if a message advises to start again."""
        if "--replace" in output:
            sys.exit(f"a message advises to start again:\n{output}")

    def _do(self, here: Path, workspace: Path, *, is_moving: bool) -> str:
        """Damage the next copy that is not the only whole one; return which, and how."""
        run = Run(NAME, here / "runs")
        archives = sorted(
            _archives(workspace), key=lambda path: path.name.split("-")[2], reverse=True
        )
        remote = [path for path in archives if _is_whole_archive(path)]
        local = [
            folder for folder in (run.resumable.parent, run.previous_checkpoint)
            if folder.exists() and not faults(folder)
        ]  # fmt: skip
        whole = remote if is_moving else [*local, *remote]
        if len(whole) < 2:
            return "nothing is damaged: only one copy is whole"
        name, path = self._choose(remote, [] if is_moving else local)
        way = self.WAYS[self._done // 2 % len(self.WAYS)]
        way(path)
        self._done += 1
        return f"damaged: {name}, {path.name}: {way.__name__.strip('_')}"

    def _choose(self, remote: list[Path], local: list[Path]) -> tuple[str, Path]:
        """Choose the newest and the one before in turn, here and on the remote."""
        kinds = [("the newest here", local[:1]), ("the one before here", local[1:2]),
                 ("the newest on the remote", remote[:1]),
                 ("the one before on the remote", remote[1:2])]  # fmt: skip
        order = [*kinds[self._done % 4 :], *kinds[: self._done % 4]]
        name, found = next((name, found[0]) for name, found in order if found)
        if found.is_dir():
            found = self._moments.choice(sorted(found.iterdir()))
        return name, found


def _is_whole_archive(path: Path) -> bool:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stem.endswith(sha256[:16])


@dataclass(frozen=True)
class Moment:
    """When to kill: a number of seconds after a line of output."""

    after: str
    delay_s: float


def _moment(kill: int, options: argparse.Namespace, moments: random.Random, pace: Pace) -> Moment:
    """Choose: most after an epoch, some while it starts, the last ones while it publishes."""
    if kill > options.kills - min(_AT_THE_END, options.kills // 4):
        return Moment("evaluating best.pt on val", moments.uniform(0.0, pace.end_s))
    if kill % 5 == 0:
        return Moment("", moments.uniform(0.5, pace.start_s))
    if kill % 5 == 1:
        return Moment(f" {NAME}", moments.uniform(0.0, 5.0 + pace.epoch_s))
    return Moment("\nepoch ", moments.uniform(0.0, 1.5 * pace.epoch_s))


def _interrupt(here: Path, moment: Moment, disk: Path | None) -> tuple[str, str]:
    """Start, kill or fill the disk, and wait; return the output, and how it ended."""
    with tempfile.NamedTemporaryFile("w+") as output:
        with subprocess.Popen(
            _doors("train", "--experiment", NAME), cwd=here, stdout=output, stderr=output
        ) as process:
            while process.poll() is None and moment.after not in Path(output.name).read_text():
                time.sleep(0.05)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment.delay_s)
            if process.poll() is None and disk is None:
                process.send_signal(signal.SIGKILL)
            elif process.poll() is None and disk is not None:
                _fill(disk / "ballast")
            code = process.wait(600)
        if disk is not None:
            (disk / "ballast").unlink(missing_ok=True)
        text = Path(output.name).read_text()
    if code not in (-signal.SIGKILL, 0, 2) or "Traceback" in text:
        sys.exit(f"it ended with exit code {code}:\n{text}")
    if "is finished already" in text or "was finished on another machine" in text:
        return "", "was finished before"
    return text, {0: "finished", 2: "ended with a full disk"}.get(code, "killed")


def _status(here: Path) -> str | None:
    try:
        return str(json.loads((here / f"runs/{NAME}/run.json").read_text())["status"])
    except FileNotFoundError:
        return None


def _train_alone(here: Path) -> Pace:
    run, began, first_s = Run(NAME, here / "runs"), time.monotonic(), 0.0
    with subprocess.Popen(
        _doors("train", "--experiment", NAME), cwd=here, stdout=subprocess.DEVNULL
    ) as process:
        last_s = 0.0
        while process.poll() is None:
            time.sleep(0.05)
            if not first_s and run.metrics_jsonl.exists():
                first_s = time.monotonic() - began
            if not last_s and _status(here) == "trained":
                last_s = time.monotonic() - began
    if process.returncode:
        sys.exit(f"the training without a kill ended with exit code {process.returncode}")
    epoch_s = statistics.median(
        epoch.metrics["perf/epoch_s"] for epoch in read_epochs(run.metrics_jsonl)
    )
    return Pace(first_s - epoch_s, epoch_s, time.monotonic() - began - last_s)


def _train_to_the_end(here: Path) -> str:
    done = subprocess.run(
        _doors("train", "--experiment", NAME), cwd=here, capture_output=True, text=True, check=False
    )
    if done.returncode and "is finished already" not in done.stderr:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def _verdict(alone: Path, last: Path, costs: dict[str, Cost], options: argparse.Namespace) -> int:
    published = [here / PUBLISHED for here in (alone, last)]
    lost = [
        f"{name} differs"
        for name in ("best.pt", "last.pt")
        if not _same(*(_weights(folder / name) for folder in published))
    ]
    left, right = (_curves(here) for here in (alone, last))
    if left != right:
        lost.append("metrics.jsonl differs")
    for where, cost in costs.items():
        worst = max(cost.repeated, default=0)
        print(f"{where}: resumed {cost.kills} times, finished epochs trained again: "
              f"{worst} at most, {sum(cost.repeated)} in all")  # fmt: skip
        if worst > (3 if options.damage else 1):
            lost.append(f"{worst} finished epochs were trained again after one kill")
    versions = [_version(here) for here in (alone, last)]
    if versions[0] != versions[1]:
        lost.append(f"published as {versions[1]}, but as {versions[0]} without a kill")
    print("\n".join(lost) or "the weights and every epoch are those of the training without a "
          "kill; published once")  # fmt: skip
    return 1 if lost else 0


def _weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=False)["model"].state_dict()
    return found


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _curves(here: Path) -> list[dict[str, Any]]:
    epochs = read_epochs(Run(NAME, here / "runs").metrics_jsonl)
    return [
        {key: value for key, value in epoch.metrics.items() if not key.startswith("perf/")}
        for epoch in epochs
    ]


def _version(here: Path) -> str:
    return str(json.loads((here / PUBLISHED / "metadata.json").read_text())["version"]).split("_")[
        1
    ]


def _delete_checkpoints(workspace: Path) -> None:
    """Delete the remote's checkpoints: the next training must not see the finished one."""
    shutil.rmtree(workspace / "remote-storage/checkpoints", ignore_errors=True)


@contextmanager
def _unreachable(workspace: Path) -> Iterator[None]:
    remote = workspace / "remote-storage"
    away = remote.rename(remote.with_name("away"))
    try:
        yield
    finally:
        away.rename(remote)


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    disk = folder / "disk"
    disk.mkdir()
    _must("mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(disk), cwd=folder)
    try:
        yield
    finally:
        _must("umount", "--lazy", str(disk), cwd=folder)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**20))
        except OSError:
            return


def _doors(*words: str) -> list[str]:
    """Return the command; with --take-over a clone does not wait for the process that is dead."""
    return [sys.executable, "-m", "container_doors", *words, "--take-over"]


def _must(program: str, *words: str, cwd: Path) -> None:
    beside = Path(sys.executable).with_name(program)
    argv = [str(beside) if beside.exists() else program, *words]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{program} {words[0]}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
