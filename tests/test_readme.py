"""The README's commands, run as they stand, in a clone of this repository."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.test_docs import commands

ELSEWHERE = (
    "pip install --target .uv uv",
    "uv run pytest",
    "uv run doors train --resume",
    "uv run doors track login",
    "uv run doors track sync",
    "uv run doors evaluate --target",
    "uv run doors gate",
    "uv run doors sync",
    "uv run doors verify",
    "uv run doors kaggle",
    "uv run doors tunnel",
    "uv run doors export",
    "uv run doors serve",
    "uv run doors doctor",
    "uv run doors completion",
)
"""Run by tests/test_demo.py, by whoever reads this, and by the tests of tracking, handover,
assessment, tunnel, export, service, doctor and completion: they need a run that was cut off, a
server or are one, a second machine, a model that is good, or a person's own shell."""

FEWER = re.compile(r"(--(?:train|val|test)) \d+")
"""How many pictures are drawn says nothing of a command; each costs a second."""

TINY = {
    "model": {"architecture": "yolov11n", "pretrained": False},
    "training": {"epochs": 1, "image_size_px": 64, "warmup_epochs": 0, "patience": 0},
    "data": {"min_train_images": 2, "min_val_images": 1},
}


@pytest.mark.slow
def test_every_command_does_what_it_says(tmp_path: Path, repository_root: Path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", repository_root, clone], check=True)
    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    for section, keys in TINY.items():
        params["detection"][section] |= keys
    # Its second training scores as little as the first, and is to be versioned all the same.
    params["detection"]["publishing"]["when"] = "always"
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    readme = (repository_root / "README.md").read_text(encoding="utf-8")
    # Validation comes first in the README, because a reader has photographs; here they are drawn.
    runnable = [command for command in commands(readme) if not command.startswith(ELSEWHERE)]
    runnable.sort(key=lambda command: "data sample" not in command)

    for command in runnable:
        done = subprocess.run(
            ["bash", "-euc", FEWER.sub(r"\1 4", command.replace("uv run ", ""))],
            cwd=clone,
            env=environment(tmp_path),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    assert (clone / "weights/detection/best.pt.dvc").exists()
    assert (clone / "summary.md").exists()
    assert (clone / "summary.html").exists()
    assert (clone / "reports/metrics.json").exists()


def environment(tmp_path: Path) -> dict[str, str]:
    """This environment's programs first, and a uv that has nothing left to install."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    uv = programs / "uv"
    uv.write_text("#!/bin/sh\nexit 0\n")
    uv.chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path}
