"""A run that fakes have trained, on the smallest data set there is."""

import os
from pathlib import Path

import pytest

from container_doors import pipeline
from container_doors.core.config import Data, Params, Training, dump
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.publishing.hashing import artifact
from container_doors.steps.detections import EVALUATED_SPLITS
from container_doors.steps.version import version_model
from tests.builders import a_small_dataset
from tests.fakes import FakeProgress, FakeRepository, FakeStore, FakeWorld

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(epochs=3, batch_size=2, learning_rate=0.001),
)
RUN = Run("exp1")


def train_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train there, and stay there; returns the data set."""
    dataset = folder / PARAMS.data.path
    a_small_dataset(dataset)
    monkeypatch.chdir(folder)
    pipeline.train(PARAMS, RUN, world=FakeWorld().world)
    return dataset


def forget_detections(run: Run = RUN) -> None:
    """Leave a run as earlier releases did, which kept nothing of what their training detected."""
    for split in EVALUATED_SPLITS:
        run.detections_json(split).unlink()


def train_and_version_in(folder: Path) -> tuple[FakeStore, FakeRepository]:
    """Train there, version the model, and stay there; its params are in ``params.yaml``."""
    a_small_dataset(folder / PARAMS.data.path)
    os.chdir(folder)
    Path("params.yaml").write_text(dump(PARAMS))
    world, store = FakeWorld(), FakeStore()
    pipeline.train(PARAMS, RUN, world=world.world)
    version_model(RUN.name, store=store, progress=FakeProgress())
    return store, world.repository


def train_others(run: Run, content: str = "others") -> None:
    """Give a run other weights, as if it had trained these."""
    run.best_weights.write_text(content)
    record = RunRecord.read(run.record)
    artifacts = record.artifacts | {"best.pt": artifact(run.best_weights)}
    record.model_copy(update={"artifacts": artifacts}).write(run.record)
