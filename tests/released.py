"""A model that a stand-in trained, versioned, released and pushed by the real git and DVC."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from container_doors import pipeline
from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.core.config import Data, Params, Training, dump
from container_doors.core.run import Run
from container_doors.steps.data.pack import pack_data
from container_doors.steps.release import release_model
from container_doors.steps.version import version_model
from tests.builders import a_small_dataset
from tests.fakes import FakeProgress, FakeTrainer, FakeWorld
from tests.tiny import tiny_network

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(epochs=3, batch_size=2, learning_rate=0.001),
)
DATA = Path(PARAMS.data.path)
PROGRAMS = Path(sys.executable).parent


def shell(command: str, where: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a person types it."""
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command], cwd=where, check=False, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path}, timeout=120,
    )  # fmt: skip


def must(command: str, where: Path) -> str:
    done = shell(command, where)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class TrainerOfNetworks(FakeTrainer):
    """Its weights are a YOLO11n's that learned nothing: ``doors sync`` tries what arrives."""

    def train(self, params: Params, run: Run, **given: Any) -> None:
        super().train(params, run, **given)
        import torch

        network = tiny_network()
        for path in (run.best_weights, run.last_weights):
            torch.save({"model": network, "ema": None}, path)


def release(folder: Path, root: Path, trainer: FakeTrainer | None = None) -> Path:
    """Make the repository in ``folder``, which becomes the working directory; its remote beside."""
    a_small_dataset(folder / DATA)
    (folder / DATA / "labels/train.cache").write_text("left out by .dvcignore")
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(root / name, folder)
    os.chdir(folder)
    Path("params.yaml").write_text(dump(PARAMS))
    remote = folder.parent / "remote"
    remote.mkdir()
    must(f"git init -q && dvc init -q && dvc remote add -q -d storage {remote}", folder)
    store, repository = DvcStore(folder), GitRepository(folder)
    pack_data(DATA, store=store, progress=FakeProgress())
    must(f"dvc push -q {DATA}.dvc && git add -A && git commit -qm data", folder)
    fakes = FakeWorld(trainer=trainer or FakeTrainer())
    world = replace(fakes.world, repository=repository)
    pipeline.train(PARAMS, Run("exp1"), world=world)
    metadata, _ = version_model("exp1", store=store, progress=FakeProgress())
    release_model(metadata, repository)
    return folder
