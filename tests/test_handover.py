"""From the machine that trained to the laptop: section 7 of the specification, with real tools."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.test_readme import environment

TINY = {
    "model": {"architecture": "yolov11n", "pretrained": False},
    "data": {"min_train_images": 2, "min_val_images": 1},
    "training": {
        "epochs": 1, "image_size_px": 64, "warmup_epochs": 0, "patience": 0, "workers": 0,
        "device": "cpu",
    },
    "wandb": {"mode": "disabled"},
}  # fmt: skip
PUBLISHED = Path("weights/detection")
SECTION_7 = (
    "git pull origin main",
    "dvc pull weights/detection/best.pt.dvc",
    "ls -lh weights/detection/best.pt",
    "python -c \"from ultralytics import YOLO; m=YOLO('weights/detection/best.pt'); "
    'print(m.info())"',
    "yolo predict model=weights/detection/best.pt source=test_image.jpg",
)


class Machines:
    """A hub, a machine that has trained, and a laptop that was cloned before that."""

    def __init__(self, root: Path, sources: Path) -> None:
        self.kaggle, self.laptop, self.remote = (root / name for name in ("k", "laptop", "remote"))
        self.outputs = root / "kaggle_output"
        self._environment = environment(root) | {
            "YOLO_CONFIG_DIR": str(root / "yolo"),
            # The programs of this environment, whatever a person has told theirs.
            "HOME": str(root / "home"),
        }
        (root / "home").mkdir()
        self.run(root, "git init --quiet --bare --initial-branch main hub.git")
        self.run(root, f"git clone --quiet hub.git {self.kaggle}")
        self._fill(sources)
        self.run(root, f"git clone --quiet hub.git {self.laptop}")
        self.run(self.kaggle, "doors train --experiment exp1 && doors version --experiment exp1")
        (self.outputs / PUBLISHED).mkdir(parents=True)
        for pointer in (self.kaggle / PUBLISHED).glob("*.dvc"):
            shutil.copy(pointer, self.outputs / PUBLISHED)
        shutil.copytree(self.kaggle / "reports", self.outputs / "reports")

    def run(self, where: Path, command: str, *, exit_code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-euc", command], cwd=where, env=self._environment,
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == exit_code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _fill(self, sources: Path) -> None:
        for name in (".gitignore", ".dvcignore", "dvc.yaml"):
            shutil.copy(sources / name, self.kaggle)
        params = yaml.safe_load((sources / "params.yaml").read_text(encoding="utf-8"))
        for section, keys in TINY.items():
            params["detection"][section] |= keys
        (self.kaggle / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        for command in (
            "git checkout --quiet -B main",
            "dvc init --quiet",
            f"dvc remote add --quiet --default storage {self.remote}",
            "doors data sample --out data/processed/detection --train 6 --val 3 --test 3",
            "dvc add --quiet data/processed/detection",
            "dvc push --quiet",
            "git add --all && git commit --quiet --message Begin",
            "git push --quiet --set-upstream origin main",
        ):
            self.run(self.kaggle, command)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Machines:
    return Machines(tmp_path_factory.mktemp("machines"), repository_root)


@pytest.mark.slow
def test_a_model_goes_from_where_it_was_trained_to_everybody(machines: Machines, tmp_path: Path):
    laptop = machines.laptop
    said = machines.run(laptop, "doors sync", exit_code=2)
    assert said.startswith("git: up to date with origin/main")

    said = machines.run(laptop, f"doors sync --from {machines.outputs} --commit")
    assert "tagged detection@v1.0.0+" in said
    for name in ("loads", "inference", "metrics", "history", "size"):
        assert any(line.split()[:2] == [name, "ok"] for line in said.splitlines()), said
    assert not machines.run(laptop, "git status --porcelain")
    assert machines.run(laptop, "git log --format=%s").split("\n")[0].startswith("Release det")
    machines.run(laptop, "git push --quiet --follow-tags")

    another = tmp_path / "another"
    machines.run(tmp_path, f"git clone --quiet {machines.laptop.parent}/hub.git {another}")
    shutil.copy(next((machines.kaggle / "data").rglob("*.jpg")), another / "test_image.jpg")
    for command in SECTION_7:
        machines.run(another, command)
    document = json.loads(machines.run(another, "doors sync --json"))
    assert {check["state"] for check in document["checks"]} == {"ok", "not checked"}


@pytest.mark.slow
def test_git_brings_the_pointers_and_sync_their_files_first(machines: Machines, tmp_path: Path):
    hub, laptop = tmp_path / "hub.git", tmp_path / "laptop"
    machines.run(tmp_path, f"git clone --quiet --bare {machines.laptop.parent}/hub.git {hub}")
    machines.run(tmp_path, f"git clone --quiet {hub} {laptop}")
    machines.run(laptop, "git reset --quiet --hard $(git rev-list --max-parents=0 HEAD)")
    sender = tmp_path / "sender"
    machines.run(tmp_path, f"git clone --quiet {hub} {sender}")
    if not (sender / PUBLISHED).exists():
        machines.run(sender, f"doors sync --from {machines.outputs} --commit && git push --quiet")

    machines.run(laptop, "doors sync")

    assert (laptop / PUBLISHED / "best.pt").exists()
    assert not machines.run(laptop, "git status --porcelain")
    assert machines.run(laptop, "git rev-parse HEAD") == machines.run(sender, "git rev-parse HEAD")


@pytest.mark.slow
def test_a_branch_that_has_diverged_is_left_alone(machines: Machines, tmp_path: Path):
    hub = f"{machines.laptop.parent}/hub.git"
    machines.run(tmp_path, f"git clone --quiet --bare {hub} hub.git")
    for name in ("one", "other"):
        machines.run(tmp_path, f"git clone --quiet hub.git {name}")
        machines.run(tmp_path / name, f"git commit --quiet --allow-empty --message {name}")
    machines.run(tmp_path / "one", "git push --quiet")

    machines.run(tmp_path / "other", "doors sync 2> said", exit_code=2)

    assert "both have commits that the other lacks" in (tmp_path / "other/said").read_text()


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.slow
def test_one_flipped_byte_is_found_by_the_command(machines: Machines):
    here = machines.kaggle
    assert "figures" in machines.run(here, "doors verify exp1 --re-evaluate")
    objects = [path for path in machines.remote.rglob("*") if path.is_file()]
    (of_best,) = (
        path
        for path in objects
        if f"{path.parent.name}{path.name}" in (here / PUBLISHED / "best.pt.dvc").read_text()
    )
    image = next((here / "data/processed/detection/images/test").iterdir())
    flipped = {here / PUBLISHED / "best.pt": 1000, image: 5000, of_best: 1000}
    before = {path: path.read_bytes() for path in flipped}
    for path, at in flipped.items():
        flip(path, at)

    said = machines.run(here, "doors verify", exit_code=1)

    assert f"{PUBLISHED}/best.pt: expected sha256" in said
    assert f"images/test/{image.name}: expected sha256" in said
    assert "best.pt: expected its object, found a damaged one, or none" in said
    for path, content in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)  # DVC has deleted the damaged object
        path.write_bytes(content)
    machines.run(here, "doors verify")
