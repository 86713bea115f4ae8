"""``doors data export``: what is written is imported again as the same data set."""

import shlex
from pathlib import Path

import pytest
from tests.data.formats.exports import boxes_of, coco, pictures, write
from tests.data.trees import encoded, picture

from container_doors.cli import main
from container_doors.cli.options.data_import import WRITTEN_FORMATS


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def run(line: str) -> int:
    return main(shlex.split(line))


def a_data_set(*splits: str) -> None:
    for number, split in enumerate(splits):
        files = pictures(f"{split}/{split}_a.jpg", f"{split}/{split}_b.jpg", first_seed=2 * number)
        document = coco({f"{split}_a.jpg": [(4, 6, 20, 30), (30, 1, 9, 9)], f"{split}_b.jpg": []})
        write(Path("export"), {**files, f"{split}/l.json": document})
    assert run("data import export --out set") == 0


@pytest.mark.parametrize("out", ["there", "there.zip"])
@pytest.mark.parametrize("splits", [("train", "valid"), ("pool",)], ids=["splits", "pool"])
@pytest.mark.parametrize("name", WRITTEN_FORMATS)
def test_an_export_is_imported_again_as_it_was(name: str, splits: tuple[str, ...], out: str):
    a_data_set(*splits)

    assert run(f"data export --path set --format {name} --out {out}") == 0
    assert run(f"data import {out} --out again") == 0

    assert boxes_of(Path("again")) == boxes_of(Path("set"))
    for place in boxes_of(Path("set")):
        before, after = (Path(folder, "images", place).read_bytes() for folder in ("set", "again"))
        assert after == before


@pytest.mark.parametrize("name", WRITTEN_FORMATS)
def test_boxes_of_a_turned_photograph_are_those_of_the_upright_one(name: str):
    image = picture(3, (60, 40))
    exif = image.getexif()
    exif[274] = 6  # shown upright it is 40 x 60
    data = encoded(image, exif=exif)
    write(
        Path("export"), {"a.jpg": data, "l.json": coco({"a.jpg": [(1, 2, 9, 50)]}, size=(40, 60))}
    )
    assert run("data import export --out set") == 0

    assert run(f"data export --path set --format {name} --out there") == 0
    assert run("data import there --out again") == 0

    assert boxes_of(Path("again"), (40, 60)) == {"unsplit/a.jpg": [(1, 2, 10, 52)]}


def test_labels_alone_can_be_exported():
    a_data_set("train")

    assert run("data export --path set --format coco --out there --labels-only --json") == 0

    assert [one.name for one in Path("there").rglob("*.*")] == ["instances_train.json"]


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str]):
    a_data_set("train")
    write(Path("there"), {"mine.txt": "mine"})

    assert run("data export --path set --format coco --out there") == 2

    assert "expected a new or empty folder" in capsys.readouterr().err
    assert [one.name for one in Path("there").iterdir()] == ["mine.txt"]


def test_an_export_that_fails_leaves_nothing(capsys: pytest.CaptureFixture[str]):
    a_data_set("train")
    write(Path("set"), {"labels/train/train_a.txt": "0 .5 .5\n"})
    before = sorted(Path().iterdir())

    assert run("data export --path set --format voc --out there") == 2

    assert "train_a.txt:1: expected 5 columns" in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_yolo_has_no_place_for_photographs_without_a_split(capsys: pytest.CaptureFixture[str]):
    a_data_set("train", "pool")

    assert run("data export --path set --format yolo --out there") == 2

    assert "hint: doors data split --path set" in capsys.readouterr().err
