"""The drawn sample: its files, that it repeats, and that its boxes are where the doors are."""

import csv
import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from container_doors.core.errors import DatasetError
from container_doors.scenes import draw_sample
from container_doors.scenes.camera import Camera, Face, look_at
from container_doors.scenes.compose import draw_look
from container_doors.scenes.container import Container
from container_doors.scenes.numbers import check_digit, draw_number
from container_doors.scenes.outline import box_around
from container_doors.scenes.panel import Pose
from container_doors.scenes.write import MOST_HIDDEN, _scenes

COUNTS = {"train": 6, "val": 2, "test": 2}
SIZE_PX = (320, 240)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "new" / "doors"
    draw_sample(out, counts=COUNTS, seed=0, image_size_px=SIZE_PX)
    return out


def test_the_same_seed_gives_the_same_bytes(sample: Path, tmp_path: Path):
    draw_sample(tmp_path / "again", counts=COUNTS, seed=0, image_size_px=SIZE_PX)
    assert hashes(tmp_path / "again") == hashes(sample)


def test_another_seed_gives_other_pictures(sample: Path, tmp_path: Path):
    draw_sample(tmp_path / "other", counts={"val": 2}, seed=1, image_size_px=SIZE_PX)
    other, first = hashes(tmp_path / "other"), hashes(sample)
    for name in ("images/val/val_00000.jpg", "images/val/val_00001.jpg"):
        assert other[name] != first[name]


def test_more_train_pictures_leave_the_other_splits_as_they_are(sample: Path, tmp_path: Path):
    draw_sample(tmp_path / "less", counts=COUNTS | {"train": 1}, seed=0, image_size_px=SIZE_PX)
    less, more = hashes(tmp_path / "less"), hashes(sample)
    same = [name for name in less if re.search(r"/(val|test)/|train_00000", name)]
    assert len(same) == 2 * (2 + 2 + 1)
    assert all(less[name] == more[name] for name in same)


def test_no_two_pictures_are_the_same(sample: Path):
    pictures = [path.read_bytes() for path in sample.glob("images/*/*.jpg")]
    assert len(set(pictures)) == len(pictures) == 10


def test_every_picture_has_a_label_file_and_a_row(sample: Path):
    pictures = {str(path.relative_to(sample)) for path in sample.glob("images/*/*.jpg")}
    labels = {str(path.relative_to(sample)) for path in sample.glob("labels/*/*.txt")}
    with (sample / "attributes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert labels == {
        name.replace("images/", "labels/").replace(".jpg", ".txt") for name in pictures
    }
    assert {row["image"] for row in rows} == pictures
    assert len(rows) == len(pictures)


def test_data_yaml_names_the_splits_and_the_class(sample: Path):
    assert yaml.safe_load((sample / "data.yaml").read_text(encoding="utf-8")) == {
        "train": "images/train",
        "val": "images/val",
        "test": "images/test",
        "nc": 1,
        "names": ["container_door"],
    }


def test_labels_are_fractions_and_boxes_stay_inside_the_picture(sample: Path):
    lines = [
        line
        for path in sample.glob("labels/*/*.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert lines
    for line in lines:
        assert re.fullmatch(r"0( [01]\.\d{6}){4}", line)
        x, y, width, height = (float(value) for value in line.split()[1:])
        assert width > 0
        assert height > 0
        for low, high in ((x - width / 2, x + width / 2), (y - height / 2, y + height / 2)):
            assert low >= -1e-6
            assert high <= 1 + 1e-6


def test_attributes_are_complete_where_there_is_a_door_and_empty_where_not(sample: Path):
    with (sample / "attributes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        label = sample / row["image"].replace("images", "labels").replace(".jpg", ".txt")
        assert row["split"] == label.parent.name
        assert row["lighting"] in {"daylight", "overcast", "low_sun", "night", "rain"}
        assert 0 < float(row["sharpness"]) <= 1
        if label.read_bytes():
            assert 0 <= float(row["view_angle_deg"]) < 75
            assert 0 <= float(row["occlusion_fraction"]) <= MOST_HIDDEN
            assert row["door_state"] in {"closed", "one_open", "open"}
        else:
            assert row["view_angle_deg"] == row["occlusion_fraction"] == row["door_state"] == ""


def test_about_a_sixth_of_the_pictures_has_no_door():
    scenes = [next(_scenes(3, "train", index, SIZE_PX, is_plain=False))[0] for index in range(100)]
    assert 10 <= sum(not scene.containers for scene in scenes) <= 26


def test_progress_is_told_for_every_picture(tmp_path: Path):
    told: list[tuple[int, int]] = []
    draw_sample(
        tmp_path / "out",
        counts={"train": 2, "test": 1},
        seed=0,
        image_size_px=(96, 72),
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_pictures_have_the_size_that_was_asked_for(sample: Path):
    image = cv2.imread(str(sample / "images/val/val_00000.jpg"))
    assert image is not None
    assert image.shape == (240, 320, 3)


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DatasetError, match="expected a new or empty folder"):
        draw_sample(tmp_path, counts=COUNTS, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path):
    (tmp_path / "out").mkdir()
    draw_sample(tmp_path / "out", counts={"train": 1}, seed=0, image_size_px=(96, 72))
    assert (tmp_path / "out/images/train/train_00000.jpg").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interrupted_drawing_leaves_nothing_behind(tmp_path: Path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt("enough")

    with pytest.raises(KeyboardInterrupt, match="enough"):
        draw_sample(
            tmp_path / "out", counts={"train": 2}, seed=0, image_size_px=(96, 72), on_progress=stop
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        pytest.param({"train": -1, "val": 3}, "must be 0 or more, found -1", id="negative"),
        pytest.param({"train": 0, "val": 0}, "at least 1 picture", id="none"),
        pytest.param({}, "at least 1 picture", id="nothing said"),
        pytest.param({"trial": 3}, "found 'trial'", id="unknown split"),
    ],
)
def test_counts_that_make_no_sense_are_refused(tmp_path: Path, counts, problem):
    with pytest.raises(DatasetError, match=problem):
        draw_sample(tmp_path / "out", counts=counts, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_the_check_digit_is_that_of_iso_6346():
    """CSQU 305438: C 13, S 30, Q 28, U 32, then 3 0 5 4 3 8, times 1, 2, 4, ... 512.

    13 + 60 + 112 + 256 + 48 + 0 + 320 + 512 + 768 + 4096 = 6185 = 562 * 11 + 3.
    """
    assert check_digit("CSQU305438") == 3


def test_a_remainder_of_ten_is_written_as_zero():
    """AAAU: 10 + 20 + 40 + 32 * 8 = 326; with 000001, 838 = 76 * 11 + 2.

    With 000006, 326 + 6 * 512 = 3398 = 308 * 11 + 10.
    """
    assert check_digit("AAAU000001") == 2
    assert check_digit("AAAU000006") == 0


def seen_from(camera: Camera, leaves: tuple[Face, Face]) -> np.ndarray:
    """Find the leaves' pixels by a ray through every pixel's centre, and no projection."""
    rays = camera.rays().astype(float)
    mask = np.zeros(rays.shape[:2], bool)
    for leaf in leaves:
        distance = (leaf.corner - camera.position) @ leaf.normal / (rays @ leaf.normal)
        hit = camera.position + rays * distance[..., None] - leaf.corner
        u, v = hit @ leaf.right / leaf.size_m[0] ** 2, hit @ leaf.down / leaf.size_m[1] ** 2
        mask |= (distance > 0) & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    return mask


@pytest.mark.parametrize("open_deg", [(0.0, 0.0), (110.0, 0.0), (75.0, 150.0)], ids=str)
@pytest.mark.parametrize("yaw_deg", [-52, -20, 0, 37])
@pytest.mark.parametrize("aim_x", [0.0, 2.4], ids=["whole", "cut by the edge"])
def test_a_box_is_the_bounds_of_the_leaves_pixels(open_deg, yaw_deg, aim_x):
    rng = np.random.default_rng(5)
    container = Container(Pose(np.zeros(3), yaw_deg), 2.591, 6.058, draw_look(rng), 0, 0, open_deg)
    camera = look_at((0, 1.8, -6), (aim_x, 1.2, 0), roll_deg=6, focal_px=520, size_px=(640, 480))
    rows, columns = np.nonzero(seen_from(camera, container.leaves()))
    box = box_around(camera, container.leaves())
    assert box is not None
    assert box.left == pytest.approx(columns.min(), abs=1.5)
    assert box.right == pytest.approx(columns.max() + 1, abs=1.5)
    assert box.top == pytest.approx(rows.min(), abs=1.5)
    assert box.bottom == pytest.approx(rows.max() + 1, abs=1.5)


def test_a_door_behind_the_camera_has_no_box():
    container = Container(
        Pose(np.zeros(3)), 2.591, 6.058, draw_look(np.random.default_rng(0)), 0, 0
    )
    camera = look_at((0, 1.8, -6), (0, 1.8, -12), roll_deg=0, focal_px=520, size_px=(640, 480))
    assert box_around(camera, container.leaves()) is None


def test_a_drawn_number_has_the_form_of_iso_6346():
    number = draw_number(np.random.default_rng(0), size_type="22G1")
    assert re.fullmatch(r"[A-Z]{3}", number.owner)
    assert re.fullmatch(r"\d{6}", number.serial)
    assert number.check_digit == check_digit(f"{number.owner}U{number.serial}")
