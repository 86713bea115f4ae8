"""The name of a data set: the same bytes have one, other bytes another."""

import hashlib
import shutil
from pathlib import Path

import pytest

from container_doors.core.records import DatasetFacts
from container_doors.data.checks import check
from container_doors.data.facts import dataset_facts
from tests.data.trees import Tree, jpeg


def facts(root: Path, workers: int = 1) -> DatasetFacts:
    report = check(root, min_train_images=1, min_val_images=1, workers=workers)
    assert report.layout is not None
    return dataset_facts(report.layout, report)


def test_the_hash_is_that_of_a_sorted_list_of_paths_and_hashes(tree: Tree):
    """Worked out with nothing but hashlib over the files on disk."""
    names = ["data.yaml", *(str(path.relative_to(tree.root)) for path in tree.root.rglob("*.*g"))]
    names += [str(path.relative_to(tree.root)) for path in tree.root.rglob("*.txt")]
    lines = sorted(
        f"{name}\0{hashlib.sha256((tree.root / name).read_bytes()).hexdigest()}\n" for name in names
    )

    found = facts(tree.root)

    assert len(lines) == 15
    assert found.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert found.path == str(tree.root)
    assert found.splits["train"].doors == 3


def test_a_copy_elsewhere_has_the_same_hash(tree: Tree, tmp_path: Path):
    shutil.copytree(tree.root, tmp_path / "copy")

    assert facts(tmp_path / "copy", workers=2).sha256 == facts(tree.root).sha256


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("images/train/train_0.jpg", jpeg(90), id="another picture"),
        pytest.param("labels/train/train_0.txt", "0 0.5 0.5 0.25 0.50\n", id="another spelling"),
        pytest.param("labels/train/train_0.txt", "", id="no box"),
        pytest.param("images/train/new.jpg", jpeg(91), id="one more picture"),
        pytest.param("data.yaml", None, id="a comment in data.yaml"),
    ],
)
def test_any_change_changes_the_hash(name: str, content: bytes | str | None, tree: Tree):
    before = facts(tree.root).sha256
    old = (tree.root / name).read_text(encoding="utf-8") if content is None else ""
    tree.write(name, old + "# more\n" if content is None else content)

    assert facts(tree.root).sha256 != before


def test_a_renamed_picture_changes_the_hash(tree: Tree):
    before = facts(tree.root).sha256
    for folder, suffix in (("images", "jpg"), ("labels", "txt")):
        old = tree.root / folder / "train" / f"train_0.{suffix}"
        old.rename(old.with_stem("renamed"))

    assert facts(tree.root).sha256 != before


def test_what_is_no_part_of_the_data_does_not_change_the_hash(tree: Tree):
    before = facts(tree.root).sha256
    tree.write("attributes.csv", "name,light\n")
    tree.write("README.md", "# doors\n")
    tree.write("labels/train.cache", "x")

    assert facts(tree.root).sha256 == before
