"""What the trainer is told before its first epoch."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from container_doors.adapters.yolo.callbacks import Callbacks
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.core.config import Augmentation
from container_doors.core.run import Run
from container_doors.training.conditions import DrawnCondition
from container_doors.training.draws import Draw
from container_doors.training.recorder import Recorder
from tests.tiny import Printing, tiny_data, tiny_params


def test_a_training_gets_the_conditions_of_its_params(tmp_path: Path):
    robust = Augmentation.model_validate({"preset": "robust"})
    params = tiny_params(epochs=1).model_copy(update={"augmentation": robust})
    run = Run("a", root=tmp_path)
    listener = Recorder(run, epochs=1, progress=Printing())
    given: dict[str, Any] = {}
    trainer = SimpleNamespace(
        draws=SimpleNamespace(mosaic_window=None), draw=lambda **settings: given.update(settings)
    )

    callbacks = Callbacks(params, run, listener, resume=False, retries={})
    callbacks.by_event()["on_train_start"](trainer)

    assert given["conditions"] == robust.conditions


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A training split as our trainer has it, without mosaic."""
    import_ultralytics()
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset

    from container_doors.adapters.yolo.engine import DrawnDataset

    data_yaml = tiny_data(tmp_path_factory.mktemp("set") / "data", train=6)
    found = YOLODataset(
        str(data_yaml.parent / "images/train"),
        imgsz=128,
        augment=True,
        hyp=get_cfg(overrides={"mosaic": 0.0}),
        data={"names": {0: "container_door"}, "channels": 3},
    )
    found.__class__ = DrawnDataset
    return found


def item(dataset: Any, *conditions: DrawnCondition, photograph: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = dataset[Draw(photograph, 11, None, conditions)]
    return found


def test_a_condition_changes_the_picture_of_the_same_augmentation_and_keeps_its_boxes(dataset: Any):
    clean = item(dataset)
    dark = item(dataset, DrawnCondition("darkness", 0.25))

    assert dark["img"].shape == clean["img"].shape
    assert dark["img"].is_contiguous()
    expected = (clean["img"].numpy() / 255) ** 2.2 * 0.25
    assert np.abs((dark["img"].numpy() / 255) ** 2.2 - expected).mean() < 0.02
    assert all((dark[key] == clean[key]).all() for key in ("cls", "bboxes", "batch_idx"))


def test_an_occluder_is_on_the_doors_of_the_augmented_picture(dataset: Any):
    number = next(n for n in range(6) if len(item(dataset, photograph=n)["bboxes"]) == 1)
    clean = item(dataset, photograph=number)

    hidden = item(dataset, DrawnCondition("occluder", 0.8), photograph=number)

    changed = (hidden["img"] != clean["img"]).any(dim=0).numpy()
    x, y, width, height = (clean["bboxes"][0].numpy() * 128).tolist()
    left, right = round(x - width / 2), round(x + width / 2)
    top, bottom = round(y - height / 2), round(y + height / 2)
    assert changed.sum() == pytest.approx(0.8 * width * height, rel=0.1)
    assert changed[top:bottom, left:right].sum() == changed.sum()
    assert (hidden["bboxes"] == clean["bboxes"]).all()
