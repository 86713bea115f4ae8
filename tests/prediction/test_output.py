import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from container_doors.core.errors import PredictionError
from container_doors.core.predictions import PhotographResult
from container_doors.prediction.output import KINDS
from container_doors.prediction.pictures import Picture
from tests.prediction.finding import (
    DOORS,
    failed,
    load,
    noise,
    opened,
    result_of,
    thirty_results,
    write_rest,
)

Results = list[tuple[PhotographResult, Picture | None]]


def some_results() -> Results:
    """Photographs with doors, without, unreadable; two of one name; frames of two videos."""
    picture = noise()
    return [
        (result_of("a/img_1.jpg", picture, DOORS), picture),
        (result_of("b/img_1.jpg", picture, DOORS[:1]), picture),
        (failed("b/img_2.jpg"), None),
        (result_of("b/img_3.png", picture), picture),
        *[
            (result_of(video, picture, DOORS[:1], frame=frame), picture)
            for frame in (0, 5)
            for video in ("lane 7.mp4", "rtsp://gate/1")
        ],
    ]


def write_all(folder: Path, results: Results) -> None:
    list(write_rest(folder, iter(results)))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_all(folder, some_results())
    return folder


def lines(folder: Path) -> list[PhotographResult]:
    text = (folder / "predictions.jsonl").read_text(encoding="utf-8")
    return [PhotographResult.model_validate_json(line) for line in text.splitlines()]


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_photograph_is_a_line_as_it_was_found(whole: Path):
    found = lines(whole)

    for line, (result, _) in zip(found, some_results(), strict=True):
        doors = [door.model_copy(update={"crop": None}) for door in line.detections]
        assert line.model_copy(update={"detections": doors}) == result
    assert all(door.crop for line in found for door in line.detections)


def test_a_crop_has_the_photographs_own_pixels_at_its_offset(whole: Path):
    crops = [door.crop for line in lines(whole) for door in line.detections]

    for crop in crops:
        assert crop is not None
        pixels = load(whole / crop.file)
        (x, y), (width, height) = crop.offset_xy, crop.size_px
        assert np.array_equal(pixels, noise().bgr[y : y + height, x : x + width])
    assert len({crop.file for crop in crops if crop}) == len(crops) == 7


def test_files_have_the_names_of_their_photographs(whole: Path):
    assert sorted(path.name for path in (whole / "pictures").iterdir()) == [
        "1@000000.jpg", "1@000005.jpg", "b~img_1.jpg", "img_1.jpg", "img_3.jpg",
        "lane_7@000000.jpg", "lane_7@000005.jpg",
    ]  # fmt: skip


def test_a_row_is_a_door_or_a_photograph_without_one(whole: Path):
    rows = rows_of(whole)

    assert [(row["path"], row["frame"], row["status"], row["door"]) for row in rows] == [
        ("a/img_1.jpg", "", "SUCCESS", "1"),
        ("a/img_1.jpg", "", "SUCCESS", "2"),
        ("b/img_1.jpg", "", "SUCCESS", "1"),
        ("b/img_2.jpg", "", "FAILED", ""),
        ("b/img_3.png", "", "SUCCESS", ""),
        ("lane 7.mp4", "0", "SUCCESS", "1"),
        ("rtsp://gate/1", "0", "SUCCESS", "1"),
        ("lane 7.mp4", "5", "SUCCESS", "1"),
        ("rtsp://gate/1", "5", "SUCCESS", "1"),
    ]
    (door, _) = lines(whole)[0].detections
    assert [int(rows[0][edge]) for edge in ("left", "top", "right", "bottom")] == [*door.bbox_tight]
    assert float(rows[0]["confidence"]) == door.confidence
    assert door.quality is not None
    assert float(rows[0]["sharpness"]) == door.quality.sharpness
    assert rows[1]["edges_touched"] == "right"
    assert rows[1]["refused_for"] == "area_too_small"
    assert rows[0]["crop"] == "crops/img_1_1.png"


def test_a_picture_for_people_is_a_jpeg_of_the_photographs_size(whole: Path):
    shapes = {load(path).shape for path in (whole / "pictures").iterdir()}

    assert shapes == {(60, 80, 3)}


def test_labels_are_as_ultralytics_saves_them(whole: Path):
    """cx = (10.25 + 50) / 2 / 80 = 0.3765625, cy = 60.5 / 2 / 60; %g has six digits."""
    text = (whole / "labels/img_1.txt").read_text(encoding="utf-8")

    assert (
        text == "0 0.376563 0.504167 0.496875 0.841667 0.9\n0 0.875 0.333333 0.25 0.333333 0.89\n"
    )
    assert not (whole / "labels/img_3.txt").exists()


def test_pycocotools_reads_the_results(whole: Path, capsys: pytest.CaptureFixture[str]):
    truth = COCO(whole / "coco/images.json")
    results = truth.loadRes(str(whole / "coco/results.json"))

    assert [one["file_name"] for one in truth.loadImgs(truth.getImgIds())] == [
        "a/img_1.jpg", "b/img_1.jpg", "b/img_3.png", "lane 7.mp4@0", "rtsp://gate/1@0",
        "lane 7.mp4@5", "rtsp://gate/1@5",
    ]  # fmt: skip
    assert [one["bbox"] for one in results.loadAnns(results.getAnnIds(imgIds=[1]))] == [
        [10.25, 5.0, 39.75, 50.5], [60.0, 10.0, 20.0, 20.0],
    ]  # fmt: skip
    assert truth.loadCats(truth.getCatIds()) == [{"id": 1, "name": "container_door"}]


def test_coco_without_a_photograph_is_json_all_the_same(tmp_path: Path):
    write_all(tmp_path, [])

    assert json.loads((tmp_path / "coco/results.json").read_text()) == []
    assert json.loads((tmp_path / "coco/images.json").read_text())["images"] == []


@pytest.mark.parametrize("kept", [0, 1, 40, 700, 2500])
def test_a_line_that_was_cut_off_is_done_again(tmp_path: Path, whole: Path, kept: int):
    """As after a kill at any byte: the files of the next photograph may be there, its line not."""
    write_all(tmp_path, some_results())
    for name in ("predictions.jsonl", "predictions.csv"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:kept])
    (tmp_path / "coco/results.json").unlink()

    write_all(tmp_path, some_results())

    assert contents(tmp_path) == contents(whole)


KILLED = """
import sys
from pathlib import Path
from tests.prediction.finding import thirty_results, write_rest
for _ in write_rest(Path(sys.argv[1]), thirty_results()):
    print(".", end="", flush=True)
"""


def test_killed_it_goes_on_and_ends_the_same(tmp_path: Path, repository_root: Path):
    paths = [str(repository_root / "src"), str(repository_root)]
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed")]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(9) == b"." * 9
        process.send_signal(signal.SIGKILL)

    assert 9 <= len(lines(tmp_path / "killed")) < 30
    for name in ("killed", "whole"):
        list(write_rest(tmp_path / name, thirty_results()))

    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_nothing_is_left_beside_the_files(whole: Path):
    assert not [path for path in whole.rglob(".*") if path.suffix != ".lock"]


HOSTILE = [
    "../../etc/passwd.jpg",
    "/etc/passwd.jpg",
    "..",
    "...",
    "",
    "Tür 7\n(links).JPG",
    "南门.jpg",
    "x" * 5000 + ".jpg",
    "a" * 300 + "/" + "b" * 300 + ".jpg",
    "nul.png",
    "-rf.jpg",
    "=cmd|' /C calc'!A0.jpg",
    "C:\\photos\\..\\door.jpg",
    "T\udcfcr.jpg",
    "photos.zip/../../door.jpg",
    "IMG.jpg",
    "img.jpg",
    "img.png",
    "other/img.jpg",
    "third/other/img.jpg",
    "fourth/other/img.jpg",
    "img.jpg_1.jpg",
    "img_1.jpg",
    "other~img.jpg",
    "video@000001.jpg",
]


def test_no_name_gets_out_of_the_folder_and_no_two_are_the_same(tmp_path: Path):
    out = tmp_path / "out"
    picture = noise()
    with opened(out) as output:
        for name in HOSTILE:
            output.write(result_of(name, picture, DOORS), picture)
        output.write(result_of("video.mp4", picture, DOORS, frame=1), picture)

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    for kind, per_photograph in (("pictures", 1), ("crops", 2), ("labels", 1)):
        names = [path.name for path in (out / kind).iterdir()]
        assert len({name.casefold() for name in names}) == per_photograph * (len(HOSTILE) + 1)
        assert all(len(name) < 150 and name.isascii() and name.isprintable() for name in names)
    rows = rows_of(out)
    assert not [one for row in rows for one in row.values() if one.startswith(("=", "-", "+", "@"))]
    assert len(rows) == 2 * (len(HOSTILE) + 1)
    assert [line.path for line in lines(out)][:2] == HOSTILE[:2]


def test_many_photographs_of_one_name_take_no_longer(tmp_path: Path):
    """A hostile archive may have a hundred thousand; counting on would take their square."""
    with opened(tmp_path, "jsonl") as output:
        for number in range(3000):
            output.write(failed(f"{number}/a/img.jpg"), None)

    assert len(output._names._taken) == 3000


def test_a_photograph_that_is_given_often_never_takes_the_name_of_another(tmp_path: Path):
    picture = noise()
    with opened(tmp_path, "yolo") as output:
        output.write(result_of("x/img.jpg", picture, DOORS), picture)
        before = (tmp_path / "labels/img.txt").read_bytes()
        for _ in range(5):
            output.write(result_of("y/img.jpg", picture, DOORS[:1]), picture)

    assert (tmp_path / "labels/img.txt").read_bytes() == before


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path):
    with opened(tmp_path), pytest.raises(PredictionError, match="another process writes") as caught:
        opened(tmp_path)
    assert "--out" in caught.value.hint

    opened(tmp_path).close()


@pytest.mark.parametrize(
    "damage", ["{}", "not JSON", '{"format": "container-doors/predictions/9"}']
)
def test_a_damaged_line_is_named_and_nothing_is_changed(tmp_path: Path, damage: str):
    write_all(tmp_path, some_results())
    path = tmp_path / "predictions.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first, f"{damage}\n", *rest]))
    before = contents(tmp_path)

    with pytest.raises(PredictionError, match=r"predictions\.jsonl:2: expected a result") as caught:
        opened(tmp_path)

    assert contents(tmp_path) == before
    assert "delete this line" in caught.value.hint
    path.write_text("".join([first, *rest]))
    opened(tmp_path).close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("save", [KINDS, ("jsonl", "csv"), ("coco",)], ids=["all", "csv", "coco"])
def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Path, save: tuple[str, ...]):
    picture = noise()
    results = [
        result_of(f"{'long' * 20}/img_{number}.jpg", picture, DOORS) for number in range(400)
    ]
    written = []
    (small_disk / "other").write_bytes(bytes(150_000))

    def fill() -> None:
        with opened(small_disk, *save) as output:
            for result in results:
                output.write(result, picture)
                written.append(result.path)

    with pytest.raises(PredictionError, match=f"{small_disk} is full") as caught:
        fill()
    assert "--resume" in caught.value.hint

    assert (small_disk / "predictions.jsonl").read_bytes().endswith(b"\n")
    (small_disk / "other").unlink()
    with opened(small_disk, *save) as output:
        there = [one.path for one in output.earlier()]
        assert there[: len(written)] == written
        assert len(there) - len(written) in {0, 1}  # the table was full, and not the lines
        output.write(failed("more.jpg"), None)
    assert [line.path for line in lines(small_disk)] == [*there, "more.jpg"]
    named = [door.crop.file for one in lines(small_disk) for door in one.detections if door.crop]
    assert bool(named) == ("crops" in save)
    assert all(load(small_disk / name).size for name in named)  # a line comes after its files
    if "csv" in save:
        assert list(dict.fromkeys(row["path"] for row in rows_of(small_disk))) == [
            *there, "more.jpg",
        ]  # fmt: skip
