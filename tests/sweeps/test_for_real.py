"""A sweep with real trainings, killed in the middle of one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from container_doors.core.config import dump
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.scenes import draw_sample
from tests.tiny import tiny_params

PLAN = """\
space:
  detection.training.learning_rate: {low: 0.001, high: 0.1, log: true}
  detection.augmentation.mosaic: [0.0, 1.0]
budget: {trials: 2}
"""


@pytest.mark.slow
def test_real_trials_resume_after_a_kill_and_end_in_a_verdict(tmp_path: Path):
    params = tiny_params(epochs=3)
    data = params.data.model_copy(update={"min_train_images": 1, "min_val_images": 1})
    draw_sample(
        tmp_path / data.path,
        counts={"train": 8, "val": 4, "test": 6},
        seed=1,
        image_size_px=(160, 120),
    )
    (tmp_path / "params.yaml").write_text(dump(params.model_copy(update={"data": data})))
    (tmp_path / "sweep.yaml").write_text(PLAN)
    command = [sys.executable, "-m", "container_doors", "sweep", "--experiment", "s",
               "--set", "wandb.mode=disabled"]  # fmt: skip
    metrics = tmp_path / Run("s-trial001").metrics_jsonl

    killed = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    while killed.poll() is None and not (metrics.exists() and metrics.read_text()):
        sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["outcome"] for one in found["trials"]] == ["finished", "finished"]
    assert found["winner"] in (0, 1)
    assert bool(found["confirmation"]) == (found["not_confirmed"] is None)
    record = RunRecord.read(tmp_path / Run("s-trial001").record)
    assert len(record.resumed_after) <= 1, "the kill may come after its last epoch"
    assert (tmp_path / Run("s").sweep_page).read_text().startswith("<!doctype html>")
