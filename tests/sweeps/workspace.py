"""A workspace with what a sweep needs: few small pictures, params, a search space."""

from pathlib import Path

from container_doors.core.config import Augmentation, Data, Params, Training, Wandb, dump
from container_doors.scenes import draw_sample

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(
        epochs=6, batch_size=2, learning_rate=0.0003, warmup_epochs=1, patience=0, device="cpu"
    ),
    augmentation=Augmentation(close_mosaic=0),
    wandb=Wandb(mode="disabled"),
)
SPACE = """\
space:
  detection.training.learning_rate: {low: 1e-4, high: 1e-2, log: true}
  detection.training.warmup_epochs: {low: 0, high: 5, step: 1}
  detection.training.optimizer: [AdamW, SGD]
"""
PLAN = f"""{SPACE}
budget: {{trials: 12}}
pruning: {{rule: median, after_epochs: 2, after_trials: 3}}
"""


def make_workspace(folder: Path, plan: str = PLAN) -> Path:
    """Write it; returns the plan's path."""
    draw_sample(
        folder / PARAMS.data.path,
        counts={"train": 3, "val": 2, "test": 8},
        seed=1,
        image_size_px=(64, 48),
    )
    (folder / "params.yaml").write_text(dump(PARAMS))
    (folder / "sweep.yaml").write_text(plan)
    return folder / "sweep.yaml"
