from pathlib import Path

import pytest

from container_doors.core.config import Params, Training
from container_doors.core.run import Run
from container_doors.training.arguments import (
    changed_since,
    trainer_arguments,
)

ULTRALYTICS = {
    "epochs": 7, "batch": 4, "optimizer": "SGD", "lr0": 0.02, "weight_decay": 0.001,
    "warmup_epochs": 1.0, "warmup_bias_lr": 0.0, "patience": 5, "imgsz": 320, "seed": 3,
    "workers": 2, "hsv_h": 0.015, "hsv_s": 0.7, "hsv_v": 0.4, "degrees": 10.0, "translate": 0.1,
    "scale": 0.5, "shear": 10.0, "perspective": 0.0, "flipud": 0.0, "fliplr": 0.5, "mosaic": 1.0,
    "close_mosaic": 10, "mixup": 0.0, "copy_paste": 0.0,
}  # fmt: skip


@pytest.fixture
def params() -> Params:
    return Params(
        training=Training(
            epochs=7,
            batch_size=4,
            optimizer="SGD",
            learning_rate=0.02,
            weight_decay=0.001,
            warmup_epochs=1.0,
            patience=5,
            image_size_px=320,
            seed=3,
            workers=2,
        )
    )


def test_every_hyperparameter_reaches_the_trainer(params: Params):
    arguments = trainer_arguments(params, Run("a"), data_yaml=Path("d.yaml"), device="cpu")

    assert {key: arguments[key] for key in ULTRALYTICS} == ULTRALYTICS


def test_the_trainer_knows_every_argument(params: Params):
    from container_doors.adapters.yolo.environment import import_ultralytics

    import_ultralytics()
    from ultralytics.utils import DEFAULT_CFG_DICT

    arguments = trainer_arguments(params, Run("a"), data_yaml=Path("d.yaml"), device="cpu")

    assert arguments.keys() <= DEFAULT_CFG_DICT.keys()


def test_the_operating_point_never_reaches_the_trainer(params: Params):
    arguments = trainer_arguments(params, Run("a"), data_yaml=Path("d.yaml"), device="cpu")

    assert not {"conf", "iou"} & arguments.keys()


@pytest.mark.parametrize(("scheduler", "cosine"), [("cosine", True), ("linear", False)])
def test_the_schedule_is_the_one_asked_for(params: Params, scheduler: str, cosine: bool):
    training = params.training.model_copy(update={"lr_scheduler": scheduler})
    asked = params.model_copy(update={"training": training})

    arguments = trainer_arguments(asked, Run("a"), data_yaml=Path("d.yaml"), device="cuda:1")

    assert arguments["cos_lr"] is cosine
    assert arguments["device"] == "1"
    assert Path(str(arguments["project"])).is_absolute()


def test_several_gpus_are_asked_for_by_their_numbers(params: Params):
    arguments = trainer_arguments(params, Run("a"), data_yaml=Path("d"), device="cuda:1,cuda:0")

    assert arguments["device"] == "1,0"


def test_what_a_checkpoint_was_made_with_is_compared_with_what_is_asked_for(params: Params):
    arguments = trainer_arguments(params, Run("a"), data_yaml=Path("d.yaml"), device="cpu")
    kept = {**arguments, "device": "0", "batch": 2, "data": "elsewhere", "more": 1}

    assert changed_since(arguments, kept) == {}
    assert changed_since(arguments, {**kept, "lr0": 0.5}) == {"lr0": (0.5, 0.02)}
