"""Publishes two models over each other and kills itself, again and again; run by the tests.

    python -m tests.publishing.killing FOLDER HOW SWAP

Each publication runs in a forked process, so that a kill costs milliseconds and not an import.
"""

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from time import monotonic

from container_doors.core import files
from container_doors.core.records import Metadata, Version
from container_doors.core.run import Run
from container_doors.publishing import publication
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.metadata import build_metadata
from tests.builders import a_trained_run

POINTER = "outs:\n- md5: 0\n  path: best.pt\n"
RANDOM_KILLS = 60

Model = tuple[Run, Metadata]


def two_models(root: Path, *, size: int = 100_000) -> list[Model]:
    """Make two trained runs whose weights differ in every byte."""
    models: list[Model] = []
    for name, byte in (("model_a", b"a"), ("model_b", b"b")):
        run, record, evaluation = a_trained_run(root / "runs", name, weights=byte * size)
        version = Version(major=1, minor=len(models), date="20261123", experiment=name)
        models.append((run, build_metadata(record, evaluation, version)))
    return models


def whole(destination: Path) -> str:
    """Name the one model that every file in ``destination`` is of; fail if there is none."""
    metadata = Metadata.read(destination / "metadata.json")
    for name, described in metadata.artifacts.items():
        for path in (destination / name, destination / "weights" / name):
            assert file_sha256(path) == described.sha256, f"{path} is of another model"
    experiment = metadata.experiment_name
    assert (destination / "args.yaml").read_text() == f"name: {experiment}\n"
    assert (destination / "PR_curve.png").read_text() == f"{experiment} BoxPR_curve.png"
    assert (destination / "best.pt.dvc").read_text() == POINTER
    assert (destination / ".gitignore").read_text() == "/best.pt\n"
    return experiment


def beside(destination: Path) -> list[str]:
    """List what lies in the folder above ``destination``; the lock stays there for good."""
    return [path.name for path in destination.parent.iterdir() if path.name != ".detection.lock"]


def published(models: list[Model], destination: Path) -> None:
    """Begin with the first model, as a team's git and DVC have it."""
    publication.publish(*models[0], destination)
    (destination / "best.pt.dvc").write_text(POINTER)
    (destination / ".gitignore").write_text("/best.pt\n")


def at_every_step(models: list[Model], destination: Path) -> Counter[str]:
    """Kill before the first call into the system, then before the second, and so on."""
    found: Counter[str] = Counter()
    ended = False
    while not ended:
        child = os.fork()
        if child == 0:
            _die_at(found["kills"])
            publication.publish(*models[1], destination)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in {0, -signal.SIGKILL}, "the child ended by an error, not by the kill"
        ended = status == 0
        found["kills"] += not ended
        if _look(destination, found) == "model_b":
            publication.publish(*models[0], destination)
    return found


def at_random(models: list[Model], destination: Path) -> Counter[str]:
    """Publish both in turn until killed."""
    found: Counter[str] = Counter()
    dice = random.Random(0)
    began = monotonic()
    publication.publish(*models[0], destination)
    takes_s = min(monotonic() - began, 0.1)  # a busy disk must not make the test slow
    for _ in range(RANDOM_KILLS):
        child = os.fork()
        if child == 0:
            while True:
                for model in models:
                    publication.publish(*model, destination)
        time.sleep(dice.uniform(0, 3 * takes_s))
        os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == -signal.SIGKILL, "the child ended by an error, not by the kill"
        found["kills"] += 1
        _look(destination, found)
    publication.publish(*models[0], destination)
    return found


def _die_at(step: int) -> None:
    left = step

    def count(event: str, _: object) -> None:
        nonlocal left
        if event.startswith(("open", "os.", "shutil.", "fcntl.", "ctypes.")):
            left -= 1
            if left == -1:  # once: to kill is an event as well
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def _look(destination: Path, found: Counter[str]) -> str:
    """Name what a kill left; only two renames may leave the folder absent, until healed."""
    leftovers = [name for name in beside(destination) if name.startswith(".")]
    found["leftovers"] += bool(leftovers)
    if not destination.exists():
        found["absent"] += 1
        publication.recover(destination)
    model = whole(destination)
    found[model] += 1
    publication.recover(destination)
    assert beside(destination) == [destination.name]
    assert whole(destination) == model
    return model


def main(root: Path, how: str, swap: str) -> None:
    models, destination = two_models(root), root / "weights" / "detection"
    if swap == "two-renames":
        files._exchange = lambda one, other: False
    published(models, destination)
    found = {"every-step": at_every_step, "random": at_random}[how](models, destination)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
