"""``data.yaml`` as people, programs and other machines write it."""

from pathlib import Path

import pytest

from container_doors.dataset.layout import label_of, read_layout
from container_doors.errors import DatasetError
from container_doors.records import Finding
from tests.dataset.trees import DATA_YAML, Tree, jpeg

SPLITS = "train: images/train\nval: images/val\ntest: images/test\n"

FINE = {
    "as specified": DATA_YAML,
    "no nc": SPLITS + "names: [container_door]",
    "nc 1.0": DATA_YAML.replace("nc: 1", "nc: 1.0"),
    "names as a mapping": SPLITS + "names:\n  0: container_door",
    "names as a mapping from text": SPLITS + "names:\n  '0': container_door",
    "a relative path": "path: .\n" + DATA_YAML,
    "absolute splits": DATA_YAML.replace("images/", "{root}/images/"),
    "an absolute path": "path: {root}\n" + DATA_YAML,
    "a byte order mark": "\ufeff" + DATA_YAML,
    "windows line ends": DATA_YAML.replace("\n", "\r\n"),
    "slashes at the end": DATA_YAML.replace("images/val", "./images/val/"),
}

FAULTY: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "empty": ("", [("data-yaml-invalid", "error")]),
    "text": ("train images", [("data-yaml-invalid", "error")]),
    "a list": ("- images/train", [("data-yaml-invalid", "error")]),
    "not yaml": ("train: [images", [("data-yaml-invalid", "error")]),
    "a tab": ("train:\n\t- a", [("data-yaml-invalid", "error")]),
    "two documents": ("a: 1\n---\nb: 2", [("data-yaml-invalid", "error")]),
    "an impossible date": ("a: 2026-99-99", [("data-yaml-invalid", "error")]),
    "no end of brackets": ("[" * 5000, [("data-yaml-invalid", "error")]),
    "a python object": ("a: !!python/object:os.system {}", [("data-yaml-invalid", "error")]),
    "an unknown key": (DATA_YAML + "download: x.zip", [("data-yaml-unknown-key", "warning")]),
    "another spelling": (DATA_YAML + "Train: x", [("data-yaml-unknown-key", "warning")]),
    "nc 2": (DATA_YAML.replace("nc: 1", "nc: 2"), [("data-yaml-class-count", "error")]),
    "nc text": (DATA_YAML.replace("nc: 1", "nc: one"), [("data-yaml-class-count", "error")]),
    "nc empty": (DATA_YAML.replace("nc: 1", "nc:"), [("data-yaml-class-count", "error")]),
    "no names": (SPLITS, [("data-yaml-names", "error")]),
    "names empty": (SPLITS + "names: []", [("data-yaml-names", "error")]),
    "names text": (SPLITS + "names: container_door", [("data-yaml-names", "error")]),
    "names from 1": (SPLITS + "names: {1: container_door}", [("data-yaml-names", "error")]),
    "names of numbers": (SPLITS + "names: [1]", [("data-yaml-names", "error")]),
    "another name": (SPLITS + "names: [door]", [("data-yaml-class-name", "warning")]),
    "two classes": (SPLITS + "names: [container_door, lock]", [("data-yaml-classes", "error")]),
    "kaggle's path": (
        "path: /kaggle/working/set\n" + DATA_YAML, [("data-yaml-path", "warning")],
    ),
    "a relative path that is not there": (
        "path: data/processed\n" + DATA_YAML, [("data-yaml-path", "warning")],
    ),
    "path is a number": ("path: 3\n" + DATA_YAML, [("data-yaml-path", "warning")]),
    "no test": (DATA_YAML.replace("test:", "# "), [("split-missing", "error")]),
    "validation": (
        DATA_YAML.replace("val:", "validation:"),
        [("data-yaml-unknown-key", "warning"), ("split-missing", "error")],
    ),
    "a split that is not there": (
        DATA_YAML.replace("images/val", "images/valid"), [("split-folder-missing", "error")],
    ),
    "a split that is a list": (
        DATA_YAML.replace("images/val", "[images/val]"), [("split-not-a-folder", "error")],
    ),
    "a split that is a file": (
        DATA_YAML.replace("images/val", "images/val/val_0.jpg"),
        [("split-folder-missing", "error")],
    ),
    "a split outside": (
        DATA_YAML.replace("images/val", "../images"), [("split-outside", "error")],
    ),
    "a split not under images": (
        DATA_YAML.replace("images/val", "labels/val"), [("split-not-under-images", "error")],
    ),
    "one folder twice": (
        DATA_YAML.replace("images/val", "images/train"), [("split-overlap", "error")],
    ),
    "one folder in another": (
        DATA_YAML.replace("images/test", "images"), [("split-overlap", "error")],
    ),
    "everything at once": (
        "train: nowhere/images\nnc: 3\nnames: [a, b]\nextra: 1\n",
        [
            ("data-yaml-unknown-key", "warning"),
            ("data-yaml-classes", "error"),
            ("data-yaml-class-count", "error"),
            ("split-folder-missing", "error"),
            ("split-missing", "error"),
            ("split-missing", "error"),
        ],
    ),
}  # fmt: skip


def named(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in findings]


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_a_data_yaml_that_is_right_gives_every_file(text: str, tree: Tree):
    tree.write("data.yaml", text.replace("{root}", str(tree.root)))

    layout, findings = read_layout(tree.root)

    assert findings == []
    assert layout is not None
    assert layout.class_names == ("container_door",)
    assert {name: len(files.images) for name, files in layout.splits.items()} == {
        "train": 3, "val": 2, "test": 2,
    }  # fmt: skip
    assert layout.splits["val"].images[0].resolve() == tree.root / "images/val/val_0.jpg"


@pytest.mark.parametrize(("text", "expected"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_data_yaml_is_named(text, expected, tree: Tree):
    tree.write("data.yaml", text)

    _, findings = read_layout(tree.root)

    assert named(findings) == expected
    assert {finding.path for finding in findings} == {Path("data.yaml")}


def test_bytes_that_are_no_text_are_named(tree: Tree):
    tree.write("data.yaml", b"\xff\xfe\0")

    assert named(read_layout(tree.root)[1]) == [("data-yaml-invalid", "error")]


def test_a_fault_of_syntax_has_its_line(tree: Tree):
    tree.write("data.yaml", "train: a\nval: [b\ntest: c\n")

    [finding] = read_layout(tree.root)[1]

    assert str(finding).startswith("data.yaml:3: expected YAML, found ")


def test_splits_are_found_wherever_one_stands(tree: Tree, monkeypatch: pytest.MonkeyPatch):
    tree.write("data.yaml", "path: .\n" + DATA_YAML)
    (tree.root.parent / "elsewhere").mkdir()
    monkeypatch.chdir(tree.root.parent / "elsewhere")

    layout, findings = read_layout(Path("../set"))

    assert findings == []
    assert layout is not None
    assert layout.splits["train"].images_dir == Path("../set/images/train")


def test_an_absolute_path_that_exists_is_honoured(tree: Tree, tmp_path: Path):
    other = Tree(tmp_path / "other")
    other.write("data.yaml", f"path: {tree.root}\n" + DATA_YAML)

    layout, findings = read_layout(other.root)

    assert findings == []
    assert layout is not None
    assert layout.root == tree.root


def test_without_data_yaml_the_remedy_is_to_fetch_it_or_to_rename_what_there_is(tree: Tree):
    tree.remove("data.yaml")
    layout, [finding] = read_layout(tree.root)
    assert layout is None
    assert "dvc pull" in finding.remedy

    tree.write("dataset.yml", DATA_YAML)
    assert read_layout(tree.root)[1][0].remedy == "rename dataset.yml to data.yaml"


def test_a_data_yaml_that_is_a_folder_is_named(tree: Tree):
    tree.remove("data.yaml")
    (tree.root / "data.yaml").mkdir()

    assert named(read_layout(tree.root)[1]) == [("data-yaml-unreadable", "error")]


def test_no_data_set_at_all_is_for_the_user_to_fetch(tmp_path: Path):
    with pytest.raises(DatasetError, match="no data set at") as caught:
        read_layout(tmp_path / "nowhere")

    assert "dvc pull data/processed/detection.dvc" in caught.value.hint
    assert "doors data sample" in caught.value.hint


def test_the_folder_is_asked_for_and_not_the_file(tree: Tree):
    with pytest.raises(DatasetError, match="is a file"):
        read_layout(tree.root / "data.yaml")


def test_pictures_are_found_in_folders_of_folders(tree: Tree):
    tree.write("images/train/quay 4/night/a.b.JPG", jpeg(50))
    tree.write("labels/train/quay 4/night/a.b.txt", "")

    layout, findings = read_layout(tree.root)

    assert findings == []
    assert layout is not None
    files = layout.splits["train"]
    assert tree.root / "images/train/quay 4/night/a.b.JPG" in files.images
    assert [label_of(image) for image in files.images] == list(files.labels)


def test_what_systems_and_tools_leave_behind_is_passed_over(tree: Tree):
    before = read_layout(tree.root)
    for name in ("images/train/.DS_Store", "images/train/Thumbs.db", "images/val/desktop.ini",
                 "labels/train.cache", "labels/train/train.cache", "labels/val/classes.txt",
                 "images/train/._train_0.jpg", "images/train/.trash/old.jpg"):  # fmt: skip
        tree.write(name, "x")

    assert read_layout(tree.root) == before


def test_a_folder_of_links_is_followed_and_a_link_to_itself_ends(tree: Tree, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "linked.jpg").write_bytes(jpeg(51))
    (tree.root / "images/train/more").symlink_to(elsewhere)
    (elsewhere / "again").symlink_to(tree.root / "images/train")

    layout, _ = read_layout(tree.root)

    assert layout is not None
    names = [image.name for image in layout.splits["train"].images]
    assert names.count("linked.jpg") == 1
    assert names.count("train_0.jpg") == 1


def test_a_folder_named_images_inside_of_a_split_is_named(tree: Tree):
    tree.write("images/train/images/a.jpg", jpeg(52))

    [finding] = read_layout(tree.root)[1]

    assert (finding.rule, str(finding.path)) == ("nested-images-folder", "images/train/images")


def test_labels_are_looked_for_where_the_trainer_looks():
    from ultralytics.data.utils import img2label_paths

    for image in ("/d/images/train/a.jpg", "/images/d/images/a.b.c.PNG", "/d/train/images/q/a.jpg",
                  "/d/images/images/a.jpg", "/d/my images/images/a b.jpg"):  # fmt: skip
        assert [str(label_of(Path(image)))] == img2label_paths([image])
