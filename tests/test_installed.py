"""The wheel, installed by pip into a bare environment: no uv, no repository, no torch."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from PIL import Image

from container_doors.core.records import Metadata, RunRecord
from tests.builders import a_small_dataset
from tests.loopback.kaggle_backend import KaggleBackend
from tests.prediction.networks import write_onnx
from tests.prediction.published import export, publish
from tests.test_kaggle_run import TINY

MOST_MB = 500
PACKAGES = ("torch", "torchvision", "ultralytics", "hotcoco", "onnxruntime", "openvino")

pytestmark = pytest.mark.slow


class Bare:
    """An environment with the wheel in it, and a person's home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bare/bin/python"
        self.environment = {
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "HOME": str(folder),
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        }
        (folder / "gitconfig").write_text("[user]\n\tname = P\n\temail = p@example.com\n")

    def run(
        self,
        *command: str,
        cwd: Path,
        exit_code: int = 0,
        timeout_s: float = 400,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.environment | dict(variables or {}),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=timeout_s,
        )
        assert done.returncode == exit_code, f"{command}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Bare:
    folder = tmp_path_factory.mktemp("installed")
    made = Bare(folder)
    builder = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    if shutil.which("uv"):
        builder = ["uv", "build", "--quiet", "--wheel"]
    out = folder / "dist"
    flag = "--directory" if builder[0] != "uv" else "--out-dir"
    subprocess.run([*builder, flag, str(out)], cwd=repository_root, check=True)
    (wheel,) = out.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "bare")], check=True)
    index = {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
    readme = (repository_root / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"`pip (install .*)dist/container_doors-\S+\.whl`", readme)
    install = [str(made.python), "-m", "pip", *line.split(), "--quiet", str(wheel)]
    made.run(*install, cwd=folder, timeout_s=1500, variables=index)
    return made


@pytest.fixture
def kaggle(tmp_path: Path) -> Iterator[KaggleBackend]:
    with KaggleBackend(tmp_path / "kaggle") as backend:
        yield backend


def test_it_is_small_and_has_no_torch(bare: Bare):
    site = next((bare.folder / "bare/lib").glob("python*/site-packages"))
    files = [
        path for path in site.rglob("*") if path.is_file() and site / "pip" not in path.parents
    ]

    assert sum(path.stat().st_size for path in files) / 1e6 < MOST_MB
    assert not [name for name in PACKAGES if (site / name).exists()]


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "demo",
        "evaluate",
        "compare a b",
        "latency",
        "robustness",
        "data prelabel --unlabelled new",
    ],
)
def test_what_needs_more_names_it_with_the_line_to_type(bare: Bare, command: str):
    said = bare.run("doors", *command.split(), cwd=bare.folder, exit_code=2)

    assert "needs the extra 'train'" in said
    assert f"hint: {bare.python} -m pip install 'container-doors[train]' (without a GPU" in said


def test_from_an_empty_folder_to_a_model_from_kaggle(
    bare: Bare, tmp_path: Path, kaggle: KaggleBackend
):
    """The job gets the workspace's commit and this release's wheel; torch is there, not here."""
    bare.run("doors", "init", "mine", cwd=tmp_path)
    mine = tmp_path / "mine"
    params = yaml.safe_load((mine / "params.yaml").read_text(encoding="utf-8"))
    for section, keys in TINY.items():
        params["detection"][section] |= keys
    params["detection"]["wandb"]["mode"] = "disabled"
    (mine / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    a_small_dataset(mine / "data/processed/detection")
    (tmp_path / "storage").mkdir()
    bare.run("doors", "remote", "set", "../storage", cwd=mine)
    bare.run("dvc", "add", "--quiet", "data/processed/detection", cwd=mine)
    bare.run("dvc", "push", "--quiet", cwd=mine)
    bare.run("git", "add", "--all", cwd=mine)
    bare.run("git", "commit", "--quiet", "--message", "Data", cwd=mine)

    said = bare.run(
        "doors", "kaggle", "run", "--experiment", "exp1", "--yes", "--commit",
        cwd=mine, variables=kaggle.environment,
    )  # fmt: skip

    assert "release: sending" in said
    metadata = Metadata.read(mine / "weights/detection/metadata.json")
    assert RunRecord.read(mine / "runs/exp1/run.json").status == "finished"
    head = bare.run("git", "rev-parse", "HEAD~1", cwd=mine).strip()
    assert (metadata.code.commit, metadata.code.clean) == (head, True)
    assert not bare.run("git", "status", "--porcelain", cwd=mine)
    bare.run("doors", "verify", cwd=mine)
    assert "published, tagged" in bare.run("doors", "runs", cwd=mine)


def test_it_predicts_with_an_onnx_export(bare: Bare, tmp_path: Path):
    model = tmp_path / "weights/detection"
    publish(model)
    write_onnx(model / "exports/onnx/model.onnx")
    export(model, {"onnx": 60.0}, pytorch_ms=80, write=False)
    Image.new("RGB", (1280, 960), "white").save(tmp_path / "a.jpg")

    said = bare.run("doors", "predict", "a.jpg", "--json", cwd=tmp_path)

    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert (found["status"], found["model"]["backend"]) == ("SUCCESS", "opencv")
    assert len(found["detections"]) >= 1


def test_a_changed_file_of_the_release_is_not_sent(bare: Bare, tmp_path: Path):
    site = next((bare.folder / "bare/lib").glob("python*/site-packages"))
    changed = site / "container_doors/core/run.py"
    before = changed.read_bytes()
    write = "from container_doors.adapters.release import write_wheel; from pathlib import Path; "
    call = f"{write}print(write_wheel(Path({str(tmp_path)!r})).read_bytes().__hash__())"
    seed = {"PYTHONHASHSEED": "0"}
    first = bare.run("python", "-c", call, cwd=tmp_path, variables=seed)
    assert first == bare.run("python", "-c", call, cwd=tmp_path, variables=seed)

    changed.write_bytes(before + b"# mine\n")
    try:
        said = bare.run("python", "-c", call, cwd=tmp_path, exit_code=1)
    finally:
        changed.write_bytes(before)
    assert "is not the file of release" in said
