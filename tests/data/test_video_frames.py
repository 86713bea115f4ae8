"""Frames of videos become photographs of one scene."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from container_doors.core.errors import ConfigError, SourceError
from container_doors.data.layout import read_layout
from container_doors.data.video_frames import Sampling
from tests.data.formats.exports import boxes_of, imported, write, zipped
from tests.data.formats.test_read import CVAT_VIDEO

FRAMES = 9


def a_video(path: Path, cut: int | None = None) -> Path:
    """A video of 9 frames, each one brighter; from the cut on another scene."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    assert video.isOpened()
    for number in range(FRAMES):
        pixels = np.full((48, 64, 3), 40 + 4 * number, np.uint8)
        if cut is not None and number >= cut:
            pixels[:] = (0, 0, 200)
        video.write(pixels)
    video.release()
    return path


def grey(path: Path) -> float:
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return float(pixels.mean())


@pytest.mark.parametrize("is_zip", [False, True], ids=["file", "zip"])
def test_every_nth_frame_is_taken_and_is_of_one_scene(is_zip: bool, tmp_path: Path):
    source = a_video(tmp_path / "e/gate.mp4")
    if is_zip:
        source = zipped(tmp_path / "e.zip", {"v/gate.mp4": source.read_bytes()})

    imported(source, out=tmp_path / "set", without_labels="negatives", sampling=Sampling(4))

    places = [*boxes_of(tmp_path / "set")]
    assert places == [f"unsplit/gate_00000{number}.jpg" for number in (0, 4, 8)]
    levels = [grey(tmp_path / "set/images" / place) for place in places]
    assert levels == pytest.approx([40, 56, 72], abs=4)
    with (tmp_path / "set/sources.csv").open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [(row["video"], row["frame"]) for row in rows] == [
        ("gate.mp4", "0"), ("gate.mp4", "4"), ("gate.mp4", "8"),
    ]  # fmt: skip
    assert (tmp_path / "set/attributes.csv").read_text().splitlines() == [
        "image,group", *(f"{Path(place).name},gate.mp4" for place in places)
    ]  # fmt: skip
    again = imported(source, out=tmp_path / "set", without_labels="negatives", sampling=Sampling(4))
    assert (again.counts["new"], again.counts["unchanged"]) == (0, 3)


def test_a_table_of_attributes_that_a_person_made_is_extended(tmp_path: Path):
    source = a_video(tmp_path / "e/gate.mp4")
    (tmp_path / "set").mkdir()
    table = tmp_path / "set/attributes.csv"
    table.write_bytes("image;lighting;group\r\nold.jpg;Dämmerung;quay 7".encode())

    imported(source, out=tmp_path / "set", without_labels="negatives", sampling=Sampling(8))

    assert table.read_text("utf-8").splitlines() == [
        "image;lighting;group", "old.jpg;Dämmerung;quay 7",
        "gate_000000.jpg;;gate.mp4", "gate_000008.jpg;;gate.mp4",
    ]  # fmt: skip
    table.write_text("image,lighting\n")
    report = imported(a_video(tmp_path / "e/other.mp4", cut=1), out=tmp_path / "set",
                      without_labels="negatives", sampling=Sampling(8))  # fmt: skip
    assert table.read_text() == "image,lighting\n"
    assert any("has no column group" in note for note in report.notes)


def test_scene_changes_begin_where_the_picture_changes(tmp_path: Path):
    source = a_video(tmp_path / "e/gate.mp4", cut=6)

    imported(
        source, out=tmp_path / "set", without_labels="unlabelled", sampling=Sampling(None, True)
    )

    assert [*boxes_of(tmp_path / "set")] == [
        "unlabelled/gate_000000.jpg", "unlabelled/gate_000006.jpg"
    ]  # fmt: skip


def test_the_frames_of_a_labelled_video_have_its_boxes(tmp_path: Path):
    a_video(tmp_path / "e/gate.mp4")
    source = write(tmp_path / "e", {"annotations.xml": CVAT_VIDEO})

    imported(source, out=tmp_path / "set", sampling=Sampling(2))

    found = boxes_of(tmp_path / "set")
    assert found["unsplit/frame_000002.jpg"] == [(11, 10, 21, 32)]
    assert len(found) == 5
    assert grey(tmp_path / "set/images/unsplit/frame_000002.jpg") == pytest.approx(48, abs=4)


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        (
            {"a.mp4": b"\0\0\0\x18ftypmp42"},
            {"without_labels": "negatives"},
            "a.mp4: expected a video",
        ),
        (
            {"a.jpg": b"x"},
            {"without_labels": "negatives", "sampling": Sampling(4)},
            "expected a video in a",
        ),
    ],
)
def test_what_is_no_video_is_an_error(files, options, said: str, tmp_path: Path):
    with pytest.raises((SourceError, ConfigError), match=said):
        imported(write(tmp_path / "e", files), out=tmp_path / "set", **options)


def test_a_video_that_ends_before_its_labels_is_an_error(tmp_path: Path):
    a_video(tmp_path / "e/gate.mp4")
    longer = CVAT_VIDEO.replace("<stop_frame>8<", "<stop_frame>30<")
    source = write(tmp_path / "e", {"annotations.xml": longer})

    with pytest.raises(SourceError, match="expected a frame 10, found an end after 9"):
        imported(source, out=tmp_path / "set", sampling=Sampling(10))


def test_the_layout_of_a_pool_has_no_split(tmp_path: Path):
    imported(a_video(tmp_path / "e/gate.mp4"), out=tmp_path / "set", without_labels="negatives")

    layout, findings = read_layout(tmp_path / "set")

    assert layout is not None
    assert [one.rule for one in findings] == ["photographs-not-split"]
