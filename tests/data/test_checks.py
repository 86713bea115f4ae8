"""The whole gate: files that do not fit together, the report, the processes that read."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unicodedata import normalize

import psutil
import pytest

from container_doors.core.errors import DatasetError
from container_doors.core.records import SplitCounts
from container_doors.data.checks import Report, check
from container_doors.data.pool import spread
from tests.data.trees import DATA_YAML, Tree, jpeg

DOOR = "0 0.5 0.5 0.25 0.5\n"


def checked(tree: Tree, **options: Any) -> Report:
    return check(tree.root, **{"min_train_images": 1, "min_val_images": 1, **options})


def named(report: Report) -> list[tuple[str, str, str]]:
    return [(f.rule, f.severity, f.where) for f in report.findings]


def test_a_data_set_that_is_right_has_no_findings(tree: Tree):
    report = checked(tree)

    assert report.findings == report.errors == report.warnings == []
    assert report.dropped == ()
    assert report.splits == {
        "train": SplitCounts(images=3, doors=3, background_images=0),
        "val": SplitCounts(images=2, doors=2, background_images=0),
        "test": SplitCounts(images=2, doors=2, background_images=0),
    }


def test_photographs_without_a_door_are_counted_and_are_fine(tree: Tree):
    tree.write("labels/train/train_0.txt", "")
    tree.write("labels/train/train_1.txt", DOOR + "0 0.1 0.1 0.1 0.1\n")

    report = checked(tree)

    assert report.findings == []
    assert report.splits["train"] == SplitCounts(images=3, doors=3, background_images=1)


@pytest.mark.parametrize(
    ("shape", "points"),
    [
        ("[4, 2]", "0.3 0.4 0.5 0.4 0.5 0.5 0.3 0.5"),
        ("[1, 2]", "0.45 0.6"),
        ("[1, 3]", "0.9 0.1 2"),
        ("[2, 3]", "0.4 0.4 2 0.9 0.1 0"),
    ],
)
def test_labels_are_poses_where_data_yaml_says_so_whatever_their_points(
    shape: str, points: str, tree: Tree
):
    """Without visibility, a few points beside a box could also be a polygon."""
    tree.write("data.yaml", f"{DATA_YAML}kpt_shape: {shape}\n")
    tree.write("labels/val/val_1.txt", f"0 0.5 0.5 0.4 0.4 {points}\n")

    report = checked(tree)

    assert ("label-pose", "error", "labels/val/val_1.txt:1") in named(report)
    assert "label-polygon" not in [finding.rule for finding in report.findings]


def test_labels_of_one_data_set_are_all_poses_or_none(tree: Tree):
    """The second row alone could be a polygon, since no point has a visibility."""
    poses = {
        "labels/train/train_0.txt": "0 .5 .5 .4 .4 .3 .3 .7 .3 .7 .7 .3 .7\n",
        "labels/val/val_1.txt": "0 .3 .5 .4 .4 .25 .45 .35 .45 .35 .55 .25 .55\n",
    }
    tree.write("labels/val/val_1.txt", poses["labels/val/val_1.txt"])
    assert named(checked(tree)) == [("label-polygon", "warning", "labels/val/val_1.txt:1")]

    for path, row in poses.items():
        tree.write(path, row)

    assert named(checked(tree)) == [("label-pose", "error", f"{path}:1") for path in poses]


def test_a_picture_without_a_label_file_is_a_warning(tree: Tree):
    tree.remove("labels/val/val_1.txt")

    report = checked(tree)

    assert named(report) == [("image-without-label", "warning", "images/val/val_1.jpg")]
    assert report.splits["val"].background_images == 1


def test_a_label_file_without_a_picture_is_an_error(tree: Tree):
    tree.remove("images/val/val_1.jpg")

    assert named(checked(tree)) == [("label-without-image", "error", "labels/val/val_1.txt")]


def test_a_label_file_spelled_in_another_case_is_told_from_a_lost_one(tree: Tree):
    (tree.root / "labels/val/val_1.txt").rename(tree.root / "labels/val/VAL_1.txt")

    report = checked(tree)

    assert [f.rule for f in report.findings] == ["image-without-label", "label-without-image"]
    assert report.findings[1].remedy == "rename it to val_1.txt, as its picture is spelled"


def test_a_label_file_whose_accents_are_in_another_form_is_told_from_a_lost_one(tree: Tree):
    """macOS and other systems spell one name with other bytes."""
    tree.write(f"images/val/{normalize('NFC', 'Tür')}.jpg", jpeg(50))
    tree.write(f"labels/val/{normalize('NFD', 'Tür')}.txt", "0 0.5 0.5 0.25 0.5\n")

    findings = {finding.rule: finding for finding in checked(tree).findings}

    assert set(findings) == {"image-without-label", "label-without-image"}
    assert findings["label-without-image"].remedy.endswith("as its picture is spelled (NFC)")


def test_two_names_of_which_another_system_keeps_one_are_a_warning(tree: Tree):
    for number, name in enumerate(("quay", "Quay"), start=50):
        tree.write(f"images/test/{name}.jpg", jpeg(number))
        tree.write(f"labels/test/{name}.txt", "0 0.5 0.5 0.25 0.5\n")

    assert named(checked(tree)) == [("image-name-ambiguous", "warning", "images/test/quay.jpg")]


def test_a_split_without_its_labels_folder_is_an_error(tree: Tree):
    for number in range(2):
        tree.remove(f"labels/test/test_{number}.txt")
    (tree.root / "labels/test").rmdir()

    assert named(checked(tree)) == [("labels-folder-missing", "error", "labels/test")]


def test_two_pictures_of_one_name_share_a_label_file(tree: Tree):
    tree.write("images/train/train_0.JPEG", jpeg(60))
    tree.write("labels/train/train_0.txt", "0 0.5 0.5\n")

    assert named(checked(tree)) == [
        ("image-shares-label", "error", "images/train/train_0.jpg"),
        ("label-columns", "error", "labels/train/train_0.txt:1"),
    ]


def test_the_same_photograph_in_two_splits_is_a_leak(tree: Tree):
    tree.write("images/test/copy.jpg", (tree.root / "images/train/train_0.jpg").read_bytes())
    tree.write("labels/test/copy.txt", DOOR)

    report = checked(tree)

    assert named(report) == [("image-leak", "error", "images/test/copy.jpg")]
    assert report.findings[0].found == "the same bytes as images/train/train_0.jpg"


def test_the_same_photograph_twice_in_a_split_is_a_warning(tree: Tree):
    tree.write("images/train/copy.jpg", (tree.root / "images/train/train_0.jpg").read_bytes())
    tree.write("labels/train/copy.txt", DOOR)

    assert named(checked(tree)) == [("image-repeated", "warning", "images/train/train_0.jpg")]


def test_a_photograph_that_leaks_is_named_in_each_split_beside_its_copies(tree: Tree):
    content = (tree.root / "images/train/train_0.jpg").read_bytes()
    for name in ("val/b", "val/c"):
        tree.write(f"images/{name}.jpg", content)
        tree.write(f"labels/{name}.txt", DOOR)

    assert named(checked(tree)) == [
        ("image-leak", "error", "images/val/b.jpg"),
        ("image-leak", "error", "images/val/c.jpg"),
    ]


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("images/train/a.gif", True),
        ("images/train/a.jfif", True),
        ("images/train/notes.docx", False),
        ("images/train/README", False),
        ("images/train/a.txt", False),
        ("labels/train/a.xml", False),
        ("labels/train/a.TXT", False),
    ],
)
def test_a_file_that_the_trainer_overlooks_is_a_warning(name: str, dropped: bool, tree: Tree):
    tree.write(name, "x")

    report = checked(tree)

    assert named(report) == [("file-ignored", "warning", name)]
    assert report.dropped == ((Path(name),) if dropped else ())


@pytest.mark.parametrize(
    ("minimums", "rules"),
    [
        pytest.param((3, 2), [], id="exactly enough"),
        pytest.param((4, 2), ["images/train"], id="train short of one"),
        pytest.param((3, 3), ["images/val"], id="val short of one"),
        pytest.param((101, 21), ["images/train", "images/val"], id="the defaults"),
    ],
)
def test_minimums_are_inclusive(minimums: tuple[int, int], rules: list[str], tree: Tree):
    report = checked(tree, min_train_images=minimums[0], min_val_images=minimums[1])

    assert named(report) == [("split-too-small", "error", where) for where in rules]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_an_empty_split_is_not_a_valid_one(split: str, tree: Tree):
    for file in (tree.root / "images" / split).iterdir():
        file.unlink()
        tree.remove(f"labels/{split}/{file.stem}.txt")

    report = checked(tree)

    assert named(report) == [("split-too-small", "error", f"images/{split}")]
    assert report.splits[split] == SplitCounts(images=0, doors=0, background_images=0)


def test_a_split_without_a_single_door_is_an_error(tree: Tree):
    for number in range(2):
        tree.write(f"labels/val/val_{number}.txt", "")

    assert named(checked(tree)) == [("split-without-doors", "error", "images/val")]


def test_findings_come_in_the_order_of_splits_paths_and_lines(tree: Tree):
    tree.write("labels/test/test_0.txt", "0 0.5\n")
    tree.write("labels/val/val_0.txt", "0 0.5\n0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.1 0.1\n")
    tree.write("images/train/train_2.jpg", b"")
    tree.write("data.yaml", (tree.root / "data.yaml").read_text(encoding="utf-8") + "extra: 1\n")

    report = checked(tree)

    assert [finding.where for finding in report.findings] == [
        "data.yaml",
        "images/train/train_2.jpg",
        "labels/val/val_0.txt:1",
        "labels/val/val_0.txt:3",
        "labels/test/test_0.txt:1",
    ]
    assert [path.name for path in report.dropped] == ["train_2.jpg", "val_0.jpg", "test_0.jpg"]


def test_an_unreadable_data_yaml_ends_the_check(tree: Tree):
    tree.remove("data.yaml")

    report = checked(tree)

    assert named(report) == [("data-yaml-missing", "error", "data.yaml")]
    assert report.layout is None
    assert report.splits == {}


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        pytest.param(lambda path: path.symlink_to("gone.txt"), "label-not-a-file", id="dangling"),
        pytest.param(lambda path: path.mkdir(), "label-not-a-file", id="folder"),
    ],
)
def test_a_label_that_is_no_file_is_an_error(make, rule, tree: Tree):
    tree.remove("labels/train/train_0.txt")
    make(tree.root / "labels/train/train_0.txt")

    assert named(checked(tree)) == [(rule, "error", "labels/train/train_0.txt")]


def test_checking_writes_nothing(tree: Tree):
    tree.write("images/train/train_0.jpg", jpeg(70) + b"trailing")
    tree.write("labels/train/train_1.txt", "# nothing\n")
    before = tree.state()

    checked(tree)
    checked(tree, workers=2)

    assert tree.state() == before


def test_a_data_set_that_cannot_be_written_to_is_checked(tree: Tree):
    for path in tree.root.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert checked(tree).findings == []
    finally:
        for path in tree.root.rglob("*"):
            path.chmod(0o755)


def test_names_are_in_any_script_and_hold_spaces(tree: Tree):
    tree.write("images/train/двери 门 é.jpg", jpeg(80))
    tree.write("labels/train/двери 门 é.txt", "9 0.5 0.5 0.1 0.1\n")

    assert named(checked(tree)) == [
        ("label-class-unknown", "error", "labels/train/двери 门 é.txt:1")
    ]


def test_a_name_that_is_not_unicode_is_no_obstacle(tree: Tree):
    name = os.fsdecode(b"images/train/\xe9.jpg")
    tree.write(name, jpeg(81))

    assert [f.rule for f in checked(tree, workers=2).findings] == ["image-without-label"]


def test_processes_find_what_one_process_finds_and_progress_is_told(tree: Tree):
    tree.write("images/train/train_1.jpg", jpeg(82)[:-300])
    tree.write("labels/val/val_0.txt", "0 0.5\n")
    alone, spread_out = [], []

    one = checked(tree, workers=1, on_progress=lambda *at: alone.append(at))
    two = checked(tree, workers=2, on_progress=lambda *at: spread_out.append(at))

    assert two == one
    assert alone == [(done, 7) for done in range(1, 8)]
    assert spread_out[-1] == (7, 7)


def test_an_error_while_reading_reaches_the_caller():
    with pytest.raises(ValueError, match="invalid literal"):
        spread(int, ["1", "x"] * 20, workers=2, on_progress=lambda *_: None)


def test_a_process_that_is_killed_is_an_error_with_a_hint():
    with pytest.raises(DatasetError, match="was killed"):
        spread(os._exit, [1] * 3, workers=2, on_progress=lambda *_: None)


_SCRIPT = """
import sys, time
from container_doors.data.pool import spread

if __name__ == "__main__":
    spread(time.sleep, [0.02] * 5000, workers=2, on_progress=lambda *at: print(*at, flush=True))
"""


@pytest.fixture
def busy(tmp_path: Path):
    """A program whose pool is at work, in a process group of its own, as a terminal has it."""
    script = tmp_path / "busy.py"
    script.write_text(_SCRIPT, encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    program.stdout.readline()
    yield program
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.communicate()


def _children(program: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(program.pid).children(recursive=True)


def _wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []


def test_control_c_ends_every_process_and_prints_one_traceback(busy):
    children = _children(busy)
    assert len(children) >= 2
    for child in children:
        child.send_signal(signal.SIGINT)
    assert all(busy.stdout.readline() for _ in range(5))  # they leave it to their parent

    os.killpg(busy.pid, signal.SIGINT)
    _, errors = busy.communicate(timeout=60)

    _wait_until_gone(children)
    assert busy.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")


def test_processes_do_not_outlive_a_parent_that_is_killed(busy):
    children = _children(busy)

    busy.kill()

    _wait_until_gone(children)
