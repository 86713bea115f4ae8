"""Given the same photographs, our trainer ends with the weights of Ultralytics', to the last bit.

Two trainings of two epochs, with warm-up, accumulated gradients, a smaller last batch and the
moving average; all that differs is who counts the batches and makes the steps.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from container_doors.adapters.yolo import state as yolo_state
from container_doors.adapters.yolo.environment import import_ultralytics
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.core.records import StartingWeights
from container_doors.core.run import Run
from container_doors.training.recorder import Recorder
from tests.tiny import Printing, tiny_data, tiny_params

import_ultralytics()

from ultralytics.models.yolo.detect import DetectionTrainer  # noqa: E402

from container_doors.adapters.yolo.engine import Engine  # noqa: E402
from tests.unplotted import Unplotted  # noqa: E402

pytestmark = pytest.mark.slow

SAME_PHOTOGRAPHS = {
    "build_dataset", "get_dataloader", "draws", "draw", "begin_epoch", "_epoch_batches",
}  # fmt: skip
"""What our trainer adds so that an epoch's photographs follow from the seed: both have it."""

FASTER_ON_A_CPU = ("setup_model", "build_optimizer")
"""They round in another order."""

COUNTED_BY_US = (
    "preprocess_batch", "optimizer_step", "save_model", "final_eval", "_handle_nan_recovery",
)  # fmt: skip


class Ours(Unplotted):
    setup_model = DetectionTrainer.setup_model
    build_optimizer = DetectionTrainer.build_optimizer


class Theirs(Unplotted):
    """Ultralytics' own loop and steps, on our photographs."""

    accumulate: Any = None  # theirs is an attribute, and ours a property


for name in (*FASTER_ON_A_CPU, *COUNTED_BY_US):
    setattr(Theirs, name, getattr(DetectionTrainer, name))


def test_nothing_else_of_our_trainer_could_make_a_difference():
    """``average_weights`` does nothing here, and ``pending`` counts for it."""
    ours = {name for name in vars(Engine) if not name.startswith("__")}

    assert ours - SAME_PHOTOGRAPHS - {*FASTER_ON_A_CPU, *COUNTED_BY_US} == {
        "accumulate", "pending", "average_weights",
    }  # fmt: skip


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_after_two_epochs_the_weights_are_the_same(tmp_path: Path, optimizer: str):
    data_yaml = tiny_data(tmp_path / "data", train=18)
    params = tiny_params(
        epochs=2, optimizer=optimizer, nominal_batch_size=12, warmup_epochs=1.5, learning_rate=0.01
    )
    states = []
    for trainer in (Ours, Theirs):
        run = Run("a", root=tmp_path / trainer.__name__)
        run.directory.mkdir(parents=True)
        YoloTrainer(vendor_trainer=trainer).train(
            params, run, data_yaml=data_yaml, weights=StartingWeights(source="random"),
            listener=Recorder(run, epochs=2, progress=Printing()),
        )  # fmt: skip
        states.append(yolo_state.load(run.resumable))
    ours, theirs = states

    assert theirs["ema_updates"] == ours["ema_updates"]
    assert 2 < ours["ema_updates"] < 10, "every batch, or every epoch, would be no accumulation"
    for key in ("model", "ema"):
        assert theirs[key].keys() == ours[key].keys()
        for name, weights in theirs[key].items():
            assert torch.equal(weights, ours[key][name]), f"{key} {name}"
    before, after = (_moments(state["optimizer"]) for state in states)
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def _moments(optimizer: dict[str, Any]) -> dict[tuple[int, str], torch.Tensor]:
    return {
        (number, name): value
        for number, of_weight in optimizer["state"].items()
        for name, value in of_weight.items()
        if isinstance(value, torch.Tensor)
    }
