"""``data.yaml`` as people, programs and other machines write it."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from container_doors.core.errors import DatasetError
from container_doors.core.records import SPLITS, Finding
from container_doors.data.checks import check
from container_doors.data.layout import label_of, read_layout
from tests.data.trees import DATA_YAML, Tree, jpeg

KEYS = "train: images/train\nval: images/val\ntest: images/test\n"

FINE = {
    "as specified": DATA_YAML,
    "no nc": KEYS + "names: [container_door]",
    "nc 1.0": DATA_YAML.replace("nc: 1", "nc: 1.0"),
    "names as a mapping": KEYS + "names:\n  0: container_door",
    "names as a mapping from text": KEYS + "names:\n  '0': container_door",
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
    "no names": (KEYS, [("data-yaml-names", "error")]),
    "names empty": (KEYS + "names: []", [("data-yaml-names", "error")]),
    "names text": (KEYS + "names: container_door", [("data-yaml-names", "error")]),
    "names from 1": (KEYS + "names: {1: container_door}", [("data-yaml-names", "error")]),
    "names of numbers": (KEYS + "names: [1]", [("data-yaml-names", "error")]),
    "another name": (KEYS + "names: [door]", [("data-yaml-class-name", "warning")]),
    "two classes": (KEYS + "names: [container_door, lock]", [("data-yaml-classes", "error")]),
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


NAMES = "names: [container_door]\n"
ROBOFLOW = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n" + NAMES
OTHERWISE_LAID_OUT = {
    "Roboflow": ("{split}/images", "valid", ROBOFLOW),
    "Roboflow, somewhere else": (
        "{split}/images", "valid", ROBOFLOW.replace("..", "/content/datasets/doors-3"),
    ),
    "from Windows": (
        "images/{split}", "val",
        r"train: 'C:\doors\images\train'" "\n" r"val: 'C:\doors\images\val'" "\n"
        r"test: 'C:\doors\images\test'" "\n" + NAMES,
    ),
    "lists of files": (
        "images/{split}", "val", "train: train.txt\nval: val.txt\ntest: test.txt\n" + NAMES,
    ),
    "lists of folders": (
        "images/{split}", "val", "train: [images/train]\nval: []\ntest: {}\n" + NAMES,
    ),
    "without keys": ("set/images/{split}2017/port", "val", NAMES),
    "in no folder named images": (
        "{split}", "valid", "train: train\nval: valid\ntest: test\n" + NAMES,
    ),
    "one folder thrice": (
        "images/{split}", "val", DATA_YAML.replace("/val", "/train").replace("/test", "/train"),
    ),
    "under another path": (
        "images/{split}", "val", "path: images\n" + DATA_YAML.replace("names:", "names: "),
    ),
}  # fmt: skip


def laid_out(root: Path, pattern: str, val: str, data_yaml: str) -> Path:
    """Write two photographs a split into folders of other names."""
    root.mkdir()
    (root / "data.yaml").write_text(data_yaml)
    for number, split in enumerate(("train", val, "test")):
        images = pattern.replace("{split}", split)
        labels = images.replace("images", "labels")
        for each in range(2):
            for folder, content in ((images, jpeg(number * 2 + each)), (labels, b"0 .5 .5 .2 .2")):
                path = root / folder / f"{split}{each}{'.txt' if content[:1] == b'0' else '.jpg'}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return root


def follow(root: Path, remedy: str) -> None:
    """Do what a remedy says, by hand and to the letter."""
    moves = re.search(
        r"move the pictures of (\S+) to (\S+) and their label files to (\S+),", remedy
    )
    if moves:
        source, images, labels = (root / path for path in moves.groups())
        for suffix, folder in ((".jpg", images), (".txt", labels)):
            folder.mkdir(parents=True)
            for path in source.glob(f"*{suffix}"):
                path.rename(folder / path.name)
    if "remove the key path" in remedy:
        write_key(root, "path", None)
    for key, value in re.findall(r"write (\w+): ([^\s,;]+)", remedy):
        write_key(root, key, value)


def write_key(root: Path, key: str, value: str | None) -> None:
    document = yaml.safe_load((root / "data.yaml").read_text())
    document = {name: kept for name, kept in document.items() if name != key}
    (root / "data.yaml").write_text(yaml.safe_dump(document | ({key: value} if value else {})))


@pytest.mark.parametrize("case", OTHERWISE_LAID_OUT.values(), ids=OTHERWISE_LAID_OUT)
def test_a_remedy_is_made_from_what_is_on_the_disk_and_passes_when_followed(case, tmp_path: Path):
    root = laid_out(tmp_path / "set", *case)
    findings = read_layout(root)[1]
    assert {finding.severity for finding in findings} == {"error"}

    for finding in findings:
        follow(root, finding.remedy)

    report = check(root, min_train_images=2, min_val_images=2)
    assert report.findings == []
    assert {name: one.doors for name, one in report.splits.items()} == dict.fromkeys(SPLITS, 2)


def test_a_split_that_is_nowhere_is_to_be_put_beside_the_others(tmp_path: Path):
    root = laid_out(tmp_path / "set", "{split}/images", "valid", ROBOFLOW)
    shutil.rmtree(root / "test")

    [finding] = [one for one in read_layout(root)[1] if "test" in one.expected]
    assert finding.remedy == (
        "move photographs to test/images and their label files to test/labels, "
        "and write test: test/images"
    )


def test_photographs_that_are_in_no_split_are_to_be_divided(tmp_path: Path):
    root = laid_out(tmp_path / "set", "images", "val", NAMES)

    [first, *_] = read_layout(root)[1]

    assert first.remedy == (
        "move a part of the pictures of images to images/train and their label files to "
        "labels/train, and write train: images/train"
    )


def test_label_files_that_are_elsewhere_are_named(tree: Tree):
    (tree.root / "labels").rename(tree.root / "boxes")

    [one, *_] = read_layout(tree.root)[1]

    assert (one.rule, one.remedy) == (
        "labels-folder-missing", "move the label files of boxes/train to labels/train",
    )  # fmt: skip


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
    assert finding.remedy == (
        "write one with train: images/train; val: images/val; test: images/test; nc: 1; "
        "names: ['container_door']"
    )

    pointer = tree.root.with_name(f"{tree.root.name}.dvc")
    pointer.write_text("outs: []\n")
    assert f"dvc pull {pointer}" in read_layout(tree.root)[1][0].remedy

    tree.write("dvc.yaml", "stages: {}\n")
    tree.write("dataset.yml", DATA_YAML)
    assert read_layout(tree.root)[1][0].remedy == "rename dataset.yml to data.yaml"


def test_a_data_set_in_a_folder_of_its_own_is_named(tree: Tree):
    [finding] = read_layout(tree.root.parent)[1]

    assert finding.remedy == f"name its folder: --path {tree.root}"


def test_a_data_yaml_that_is_a_folder_is_named(tree: Tree):
    tree.remove("data.yaml")
    (tree.root / "data.yaml").mkdir()

    assert named(read_layout(tree.root)[1]) == [("data-yaml-unreadable", "error")]


def test_no_data_set_at_all_is_for_the_user_to_fetch(tmp_path: Path):
    with pytest.raises(DatasetError, match="no data set at") as caught:
        read_layout(tmp_path / "nowhere")

    assert f"doors data sample --out {tmp_path / 'nowhere'}" in caught.value.hint
    assert "dvc pull" not in caught.value.hint

    (tmp_path / "nowhere.dvc").write_text("outs: []\n")
    with pytest.raises(DatasetError, match="no data set at") as caught:
        read_layout(tmp_path / "nowhere")

    assert f"dvc pull {tmp_path / 'nowhere.dvc'}" in caught.value.hint


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
