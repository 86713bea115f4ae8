"""The view: the trainer sees in it what it would see in the data set, and cannot change that."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from container_doors.core.errors import DatasetError
from container_doors.data.layout import Layout, read_layout
from container_doors.data.view import ensure_view, link_view
from tests.data.trees import Tree, encoded, jpeg, oriented, picture


def layout_of(root: Path) -> Layout:
    layout, _ = read_layout(root)
    assert layout is not None
    return layout


@pytest.fixture
def awkward(tree: Tree) -> Tree:
    """Everything that the trainer treats in its own way."""
    tree.write("images/train/trailing.jpg", jpeg(10) + bytes(100))
    tree.write("labels/train/trailing.txt", "0 0.5 0.5 0.1 0.1\n")
    tree.write("images/train/night/quay 4/a.b.JPG", jpeg(11))
    tree.write("labels/train/night/quay 4/a.b.txt", "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n")
    tree.write("images/train/named.png", jpeg(12))
    tree.write("labels/train/named.txt", "0 0.1 0.1 0.4 0.1 0.4 0.5\n")
    tree.write("images/train/rotated.jpg", oriented(6))
    tree.write("images/train/empty.webp", encoded(picture(13), "WEBP"))
    tree.write("labels/train/empty.txt", "")
    tree.write("images/train/dropped.jpg", jpeg(14)[:-200])
    tree.write("images/train/ignored.gif", encoded(picture(15), "GIF"))
    (tree.root / "images/train/folder.jpg").mkdir()
    (tree.root / "images/train/gone.jpg").symlink_to("nowhere.jpg")
    (tree.root / "images/val/linked.jpg").symlink_to("../train/rotated.jpg")
    return tree


def _seen(data_yaml: Path, split: str) -> dict[str, tuple[list[Any], tuple[int, int]]]:
    """What the trainer's data set holds: boxes and size by the picture's path within its split."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = check_det_dataset(str(data_yaml))
        folder = Path(data[split])
        read = YOLODataset(img_path=str(folder), data=data, task="detect", augment=False)
    return {
        str(Path(label["im_file"]).relative_to(folder)): (
            np.hstack([label["cls"], label["bboxes"]]).tolist(),
            tuple(label["shape"]),
        )
        for label in read.labels
    }


def test_the_trainer_sees_the_same_and_leaves_the_data_set_as_it_was(awkward: Tree, tmp_path: Path):
    import tests.data.trainer  # noqa: F401 - sets Ultralytics up

    copy = Tree(tmp_path / "copy")
    shutil.copytree(awkward.root, copy.root, symlinks=True, dirs_exist_ok=True)
    before = awkward.state()

    data_yaml = link_view(layout_of(awkward.root), tmp_path / "run" / "data")
    through_view = {split: _seen(data_yaml, split) for split in ("train", "val", "test")}

    assert awkward.state() == before
    # The control: the same data set without a view. It does not survive as it was.
    untouched = copy.state()
    assert through_view == {
        split: _seen(copy.root / "data.yaml", split) for split in ("train", "val", "test")
    }
    assert copy.state() != untouched
    assert len(through_view["train"]) == 8
    assert "dropped.jpg" not in through_view["train"]
    assert (data_yaml.parent / "labels" / "train.cache").exists()


def test_pictures_are_links_to_the_real_files_and_those_to_be_rewritten_are_copies(
    awkward: Tree, tmp_path: Path
):
    view = link_view(layout_of(awkward.root), tmp_path / "view").parent

    linked, copied = view / "images/train/train_0.jpg", view / "images/train/trailing.jpg"
    assert linked.readlink() == (awkward.root / "images/train/train_0.jpg").resolve()
    assert (view / "images/val/linked.jpg").readlink().name == "rotated.jpg"
    assert not copied.is_symlink()
    assert copied.read_bytes() == (awkward.root / "images/train/trailing.jpg").read_bytes()
    assert not any(path.is_symlink() for path in (view / "labels").rglob("*"))


def test_the_views_data_yaml_has_absolute_paths_and_the_classes(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    data_yaml = link_view(layout_of(Path("set")), Path("runs/a/data"))

    assert data_yaml == tmp_path / "runs/a/data/data.yaml"
    assert yaml.safe_load(data_yaml.read_text(encoding="utf-8")) == {
        "path": str(tmp_path / "runs/a/data"),
        "train": "images/train",
        "val": "images/val",
        "test": "images/test",
        "names": {0: "container_door"},
    }
    assert (data_yaml.parent / "images/val/val_0.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_splits_of_another_shape_are_brought_into_the_common_one(tree: Tree, tmp_path: Path):
    for split in ("train", "val", "test"):
        for kind in ("images", "labels"):
            (tree.root / split).mkdir(exist_ok=True)
            (tree.root / kind / split).rename(tree.root / split / kind)
    lines = [f"{split}: {split}/images" for split in ("train", "val", "test")]
    tree.write("data.yaml", "\n".join([*lines, "names: [container_door]"]))

    view = link_view(layout_of(tree.root), tmp_path / "view").parent

    assert (view / "images/val/val_0.jpg").exists()
    assert (view / "labels/val/val_0.txt").exists()


def test_building_again_removes_what_is_gone(tree: Tree, tmp_path: Path):
    first = link_view(layout_of(tree.root), tmp_path / "view")
    (first.parent / "labels/train.cache").write_text("stale", encoding="utf-8")
    tree.remove("images/train/train_0.jpg")

    view = link_view(layout_of(tree.root), tmp_path / "view").parent

    assert not (view / "images/train/train_0.jpg").is_symlink()
    assert not (view / "labels/train.cache").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "view"]


def test_a_data_set_that_cannot_be_written_to_gives_a_view_that_can(tree: Tree, tmp_path: Path):
    tree.write("images/train/trailing.jpg", jpeg(16) + b"x")
    for path in tree.root.rglob("*.*"):
        path.chmod(0o444)

    view = link_view(layout_of(tree.root), tmp_path / "view").parent

    for name in ("images/train/trailing.jpg", "labels/train/train_0.txt"):
        assert (view / name).stat().st_mode & 0o200


def test_a_folder_that_is_no_view_is_not_removed(tree: Tree, tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.tex").write_text("years of work", encoding="utf-8")

    with pytest.raises(DatasetError, match="in the way"):
        link_view(layout_of(tree.root), tmp_path / "thesis")

    assert (tmp_path / "thesis/chapter.tex").exists()


@pytest.mark.parametrize("place", ["set", "set/runs/view", "."])
def test_a_view_never_lies_over_the_data_set(place: str, tree: Tree, tmp_path: Path):
    before = tree.state()

    with pytest.raises(DatasetError, match="would change the data set"):
        link_view(layout_of(tree.root), tmp_path / place)

    assert tree.state() == before


def lose_a_label(view: Path) -> None:
    (view / "labels/train/trailing.txt").write_bytes(b"")


def lose_a_copy_s_content(view: Path) -> None:
    copy = view / "images/train/trailing.jpg"
    copy.write_bytes(bytes(copy.stat().st_size))


def lose_a_photograph(view: Path) -> None:
    (view / "images/val/linked.jpg").unlink()


def keep_a_photograph_that_is_gone(view: Path) -> None:
    (view / "images/val/deleted.jpg").symlink_to("/nowhere.jpg")


def name_another_place(view: Path) -> None:
    text = (view / "data.yaml").read_text()
    (view / "data.yaml").write_text(text.replace(str(view), "/elsewhere"))


@pytest.mark.parametrize(
    "spoil",
    [
        lose_a_label,
        lose_a_copy_s_content,
        lose_a_photograph,
        keep_a_photograph_that_is_gone,
        name_another_place,
    ],
)
def test_a_view_that_is_not_whole_or_of_other_files_is_made_anew(
    spoil: Callable[[Path], None], awkward: Tree, tmp_path: Path
):
    view = tmp_path / "view"
    (awkward.root / "images/train/gone.jpg").unlink()
    layout = layout_of(awkward.root)
    link_view(layout, view)
    whole = contents(view)
    spoil(view)

    ensure_view(layout, view)

    assert contents(view) == whole


def test_a_view_that_is_whole_is_left_alone(awkward: Tree, tmp_path: Path):
    view = tmp_path / "view"
    (awkward.root / "images/train/gone.jpg").unlink()
    layout = layout_of(awkward.root)
    link_view(layout, view)
    (view / "labels/train.cache").touch()  # as Ultralytics does

    ensure_view(layout, view)

    assert (view / "labels/train.cache").exists()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if not path.is_dir()}
