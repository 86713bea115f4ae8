"""What ``doors verify`` advises is typed as it stands, and the model is whole again."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.data_evidence import pointer_md5
from tests.released import DATA, must, release, shell

pytestmark = pytest.mark.slow
RUN = Run("exp1")
SHARDS = Path(f"{DATA}_shards")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Iterator[Path]:
    folder, before = tmp_path_factory.mktemp("whole"), Path.cwd()
    (folder / "repository").mkdir()
    yield release(folder / "repository", repository_root)
    os.chdir(before)


@pytest.fixture
def model(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository and its remote."""
    shutil.copytree(whole.parent, tmp_path / "all", symlinks=True)
    folder = tmp_path / "all" / "repository"
    monkeypatch.chdir(folder)
    must(f"dvc remote add -q -f -d storage {tmp_path}/all/remote", folder)
    return folder


def verified(folder: Path, expect: int) -> dict[str, Any]:
    done = shell("doors verify --json", folder)
    assert done.returncode == expect, done.stdout + done.stderr
    checks = json.loads(done.stdout)["checks"]
    return {check["name"]: check for check in checks}


def flip(path: Path, at: int = -3) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def flip_md5(path: Path) -> None:
    flip(path, path.read_bytes().index(b"md5: ") + 5)


def kept(folder: Path, pointer: str) -> Path:
    md5 = pointer_md5(folder / pointer)
    assert md5 is not None
    return folder.parent / "remote/files/md5" / md5[:2] / md5[2:]


def change_files(folder: Path) -> list[str]:
    names = [
        DATA / "images/test/0.png", DATA / "labels/val/0.txt", SHARDS / "val-000.tar",
        PUBLISHED / "best.pt", PUBLISHED / "weights/last.pt", PUBLISHED / "results.csv",
        PUBLISHED / "args.yaml", PUBLISHED / "train.log", Path("reports/metrics.json"),
        RUN.metadata, Path("reports/curves.csv"),
    ]  # fmt: skip
    for name in names:
        flip(folder / name)
    return list(map(str, names))


def change_pointers(folder: Path) -> list[str]:
    names = [f"{DATA}.dvc", f"{SHARDS}/val-000.tar.dvc", f"{PUBLISHED}/best.pt.dvc"]
    for name in names:
        flip_md5(folder / name)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("\n    epochs: 3\n", "\n    epochs: 2\n"))
    return [f"{DATA}.dvc: md5", *names[1:], "params.yaml: detection.training.epochs"]


def break_documents(folder: Path) -> list[str]:
    """With every copy of the weights that lies here."""
    flip(folder / PUBLISHED / "metadata.json", 0)
    flip(folder / DATA / "data.yaml")
    for path in (PUBLISHED / "best.pt", PUBLISHED / "weights/best.pt", RUN.best_weights):
        flip(folder / path)
    named = ("metadata.json", "best.pt", "weights/best.pt")
    return [f"{DATA}/data.yaml", *(f"{PUBLISHED}/{name}" for name in named)]


def change_what_is_remote(folder: Path) -> list[str]:
    remote = f"storage ({folder.parent}/remote): "
    photograph = json.loads(kept(folder, f"{DATA}.dvc").read_text())[0]
    md5 = photograph["md5"]
    flip(folder.parent / "remote/files/md5" / md5[:2] / md5[2:])
    flip(kept(folder, f"{SHARDS}/val-000.tar.dvc"))
    kept(folder, f"{SHARDS}/test-000.tar.dvc").unlink()
    flip(kept(folder, f"{PUBLISHED}/best.pt.dvc"))
    named = (f"{DATA}/{photograph['relpath']}", f"{SHARDS}/val-000.tar.dvc",
             f"{SHARDS}/test-000.tar.dvc", "best.pt")  # fmt: skip
    return [remote + name for name in named]


DAMAGES = [change_files, change_pointers, break_documents, change_what_is_remote]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_has_changed_is_accused_alone_and_comes_back_as_advised(
    damage: Callable[[Path], list[str]], model: Path
):
    changed = damage(model)

    checks = verified(model, 1)

    mismatches = [one for check in checks.values() for one in check["mismatches"]]
    assert {one["where"].removesuffix(": metrics") for one in mismatches} == set(changed)
    for hint in dict.fromkeys(one["remedy"] for one in mismatches):
        must(hint, model)
    verified(model, 0)
