"""``doors data prelabel``: a model's boxes, corrected by a person, and imported again."""

import csv
import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.formats.exports import boxes_of, pictures, write
from tests.seeing import SeeingDetector, opens, publish_in

from container_doors.cli import main
from container_doors.cli.options.data_import import WRITTEN_FORMATS
from container_doors.cli.options.data_labelling import TOOLS
from container_doors.core.run import PUBLISHED

SURE = [((4.0, 6.0, 24.0, 36.0), 0.98)]
BOXES = {
    "sure.jpg": SURE,
    "doubtful.jpg": [((1.0, 2.0, 11.0, 22.0), 0.3), ((30.0, 2.0, 60.0, 40.0), 0.9)],
    "empty.jpg": [((1.0, 2.0, 11.0, 22.0), 0.02)],
}


@pytest.fixture(autouse=True)
def detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeeingDetector:
    publish_in(tmp_path, monkeypatch)
    seeing = SeeingDetector(BOXES)
    opens(seeing, monkeypatch)
    write(Path("new"), pictures("a/sure.jpg", "doubtful.jpg", "b/empty.jpg"))
    return seeing


def run(line: str) -> int:
    return main(shlex.split(line))


def order(project: Path) -> list[str]:
    with (project / "order.csv").open(encoding="utf-8", newline="") as file:
        return [row["photograph"] for row in csv.DictReader(file)]


def test_each_tool_is_a_format_that_can_be_written():
    assert set(TOOLS) <= set(WRITTEN_FORMATS)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("surest", ["sure.jpg", "empty.jpg", "doubtful.jpg"]),
        ("doubtful", ["doubtful.jpg", "empty.jpg", "sure.jpg"]),
    ],
)
@pytest.mark.parametrize("tool", TOOLS)
def test_photographs_are_in_order(tool: str, first: str, expected: list[str]):
    assert run(f"data prelabel --unlabelled new --to {tool} --first {first} --out there") == 0

    assert order(Path("there")) == expected
    text = next(Path("there").rglob("[ati]*.[jx]*[nl]")).read_text()
    assert [*dict.fromkeys(re.findall(r"\w+\.jpg", text))] == expected
    assert {one.name for one in Path("there").rglob("*.jpg")} == set(expected)


def accept_in_label_studio(project: Path) -> None:
    """Submit every task as it was drawn, but for what the person corrects."""
    path = project / "tasks.json"
    tasks = json.loads(path.read_text())
    for task in tasks:
        result = task.pop("predictions")[0]["result"]
        if "doubtful" in task["data"]["image"]:
            result[1]["value"] |= {"x": 50.0, "y": 0.0, "width": 25.0, "height": 50.0}  # moved
            del result[0]
            added = json.loads(json.dumps(result[0]))
            added["value"] |= {"x": 0.0, "y": 0.0, "width": 25.0, "height": 25.0}
            result.append(added)
        task["annotations"] = [{"id": 1, "result": result, "was_cancelled": False}]
    path.write_text(json.dumps(tasks))


def accept_in_cvat(project: Path) -> None:
    path = project / "annotations.xml"
    text = path.read_text()
    boxes = re.findall(r" *<box.*?</box>\n", text)
    low = next(one for one in boxes if "0.3000" in one)
    high = next(one for one in boxes if "0.9000" in one)
    added = high
    for name, value in (("xtl", 32), ("ytl", 0), ("xbr", 48), ("ybr", 24)):
        high = re.sub(rf'{name}="[\d.]+"', f'{name}="{value}"', high)
    for name, value in (("xtl", 0), ("ytl", 0), ("xbr", 16), ("ybr", 12)):
        added = re.sub(rf'{name}="[\d.]+"', f'{name}="{value}"', added)
    before = next(one for one in boxes if "0.9000" in one)
    text = text.replace(low, "").replace(before, high + added)
    path.write_text(re.sub(r"<attribute.*?</attribute>", "", text))


def accept_in_coco(project: Path) -> None:
    path = next(project.rglob("instances*.json"))
    document = json.loads(path.read_text())
    kept = [one for one in document["annotations"] if one.pop("score") != 0.3]
    moved = next(one for one in kept if one["bbox"][0] == 30)
    kept.append(moved | {"id": 99, "bbox": [0, 0, 16, 12]})
    moved["bbox"] = [32, 0, 16, 24]
    path.write_text(json.dumps(document | {"annotations": kept}))


@pytest.mark.parametrize(
    ("tool", "correct"),
    [
        ("labelstudio", accept_in_label_studio),
        ("cvat", accept_in_cvat),
        ("coco", accept_in_coco),
    ],
    ids=TOOLS,
)
def test_what_a_person_accepts_moves_deletes_and_adds_is_imported(
    tool: str, correct: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
):
    assert run("data import new --unlabelled --out set") == 0
    assert run(f"data prelabel --unlabelled set/images/unlabelled --to {tool} --out there") == 0
    capsys.readouterr()

    correct(Path("there"))
    assert run("data import there --out set --checked") == 0

    assert "have a score" not in capsys.readouterr().out
    assert boxes_of(Path("set")) == {
        "unsplit/sure.jpg": [(4, 6, 24, 36)],
        "unsplit/doubtful.jpg": [(32, 0, 48, 24), (0, 0, 16, 12)],
        "unsplit/empty.jpg": [],
    }


def forget(project: Path) -> None:
    """Remove what a tool does not write when it exports."""
    for path in (*project.rglob("*.xml"), *project.rglob("instances*.json")):
        text = re.sub("<meta>.*</meta>", "<meta><dumped>2026</dumped></meta>", path.read_text())
        path.write_text(re.sub(r'"description": "[^"]*"', "", text))


@pytest.mark.parametrize(
    ("tool", "left"),
    [
        ("cvat", "for_tool.zip"),
        ("coco", "for_tool.zip"),
        ("cvat", "boxes of a model"),
        ("coco", "boxes of a model"),
    ],
)
def test_where_a_model_found_nothing_and_nobody_looked_no_negative_is_made(
    tool: str, left: str, capsys: pytest.CaptureFixture[str]
):
    """The project's list of what was drawn tells it, or else boxes of a model in the export."""
    run(f"data prelabel --unlabelled new --to {tool} --out for_tool.zip")
    with zipfile.ZipFile("for_tool.zip") as archive:
        archive.extractall("export")
    Path("export/order.csv").unlink()
    forget(Path("export"))
    if left == "for_tool.zip":
        {"cvat": accept_in_cvat, "coco": accept_in_coco}[tool](Path("export"))
        for path in Path("export").rglob("*.xml"):
            path.write_text(path.read_text().replace('"auto"', '"manual"'))
    capsys.readouterr()

    images = "--images for_tool.zip" if left == "for_tool.zip" else ""
    assert run(f"data import export {images} --out set") == 0

    said = capsys.readouterr().out
    assert set(boxes_of(Path("set"))) == {"unsplit/sure.jpg", "unsplit/doubtful.jpg"}
    assert re.search(
        r"1 photograph\(s\) left out: a model found no door in them, .*empty\.jpg", said
    )
    assert "skipped: 1" in said
    assert run(f"data import export {images} --out set --checked") == 0
    assert boxes_of(Path("set"))["unsplit/empty.jpg"] == []


@pytest.mark.parametrize("sign", ["a removed box", "a tag"])
def test_a_person_who_removes_every_box_or_sets_a_tag_has_looked(sign: str):
    run("data prelabel --unlabelled new --to cvat --out there")
    path = Path("there/annotations.xml")
    text = path.read_text()
    if sign == "a removed box":
        text, name = (
            re.sub(r"(?s)(sure.jpg[^\n]*\n).*?(  </image>)", r"\1\2", text, count=1),
            "sure",
        )
    else:
        name = "empty"
        text = re.sub(
            r"(empty.jpg[^\n]*\n)", r'\1<tag label="night" source="manual"></tag>\n', text
        )
    path.write_text(text)

    assert run("data import there --out set") == 0

    assert boxes_of(Path("set"))[f"unsplit/{name}.jpg"] == []


@pytest.mark.parametrize("tool", ["cvat", "coco"])
@pytest.mark.parametrize("without", ["order.csv", "mark"])
def test_a_project_of_which_nobody_has_corrected_anything_is_an_error(
    tool: str, without: str, detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    detector.boxes = {}
    run(f"data prelabel --unlabelled new --to {tool} --out there")
    capsys.readouterr()
    if without == "mark":
        forget(Path("there"))
    else:
        Path("there/order.csv").unlink()

    assert run("data import there --out set") == 2

    error = capsys.readouterr().err
    assert "found 3 without: a model found no door in them" in error
    assert "--checked" in error
    assert not Path("set").exists()


def test_the_pictures_of_an_export_are_not_a_file(capsys: pytest.CaptureFixture[str]):
    run("data prelabel --unlabelled new --to cvat --out there")

    assert run("data import there --images there/annotations.xml --out set") == 2

    error = capsys.readouterr().err
    assert "--images there/annotations.xml: expected a folder or a zip of photographs" in error
    assert "hint: name its folder: --images there" in error


@pytest.mark.parametrize("tool", TOOLS)
def test_the_scores_of_boxes_are_kept(tool: str):
    assert run(f"data prelabel --unlabelled new --to {tool} --out there.zip") == 0

    with zipfile.ZipFile("there.zip") as archive:
        text = "".join(
            archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith((".json", ".xml"))
        )
    assert all(re.search(rf"[ >]{score}0*\b", text) for score in (0.98, 0.3, 0.9))
    assert "0.02" not in text, "boxes below the threshold of the model's metadata are left out"


def test_boxes_that_nobody_looked_at_are_no_labels_in_label_studio(
    capsys: pytest.CaptureFixture[str],
):
    run("data prelabel --unlabelled new --out there")

    assert run("data import there --out set") == 2

    error = capsys.readouterr().err
    assert "labels of Label Studio, found 3 without: no annotation of them was submitted" in error
    assert "submit them in the labelling tool" in error


@pytest.mark.parametrize("tool", ["cvat", "coco"])
def test_an_import_says_that_boxes_have_a_score(tool: str, capsys: pytest.CaptureFixture[str]):
    run(f"data prelabel --unlabelled new --to {tool} --out there")

    assert run("data import there --out set") == 0

    assert "3 box(es) have a score: a model drew them" in capsys.readouterr().out


def test_the_source_is_only_read_and_the_hint_to_import_works(capsys: pytest.CaptureFixture[str]):
    before = {path: path.read_bytes() for path in Path("new").rglob("*.jpg")}

    assert run("data prelabel --unlabelled new --to coco --out for_coco.zip") == 0

    assert {path: path.read_bytes() for path in Path("new").rglob("*.jpg")} == before
    said = capsys.readouterr().out
    assert re.search(r"3 photograph\(s\), 3 box\(es\) of detection_v.*; no box in 1", said)
    line = said.partition("and: doors ")[2].strip()
    assert line == "data import EXPORT --images for_coco.zip"
    with zipfile.ZipFile("for_coco.zip") as archive:
        archive.extract("annotations/instances_unlabelled.json", "there")
    assert run(line.replace("EXPORT", "there") + " --out set") == 0
    assert len(boxes_of(Path("set"))) == 2


def test_damaged_photographs_are_named_and_left_out(
    detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    whole = Path("new/doubtful.jpg").read_bytes()
    write(Path("new"), {"half.jpg": whole[: len(whole) // 2], "page.jpg": "<html>"})

    assert run("data prelabel --unlabelled new --out there") == 1

    error = capsys.readouterr().err
    assert re.search(r"left out: new/half\.jpg: expected .*", error)
    assert "left out: new/page.jpg: expected a picture, found a web page" in error
    assert detector.looked_at == ["sure.jpg", "empty.jpg", "doubtful.jpg"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "old: expected a folder of photographs, found nothing"),
        ({"old/notes.txt": "x"}, "old: expected photographs, found none"),
        ({"old/a.jpg": "x"}, "found 1 damaged"),
        ({"old": "x"}, "expected a folder of photographs, found a file"),
    ],
)
def test_a_folder_without_photographs_is_an_error(
    files: dict[str, str | bytes], said: str, capsys: pytest.CaptureFixture[str]
):
    write(Path(), files)

    assert run("data prelabel --unlabelled old --out there") == 2

    assert said in capsys.readouterr().err
    assert not Path("there").exists()


def test_nothing_is_overwritten(detector: SeeingDetector, capsys: pytest.CaptureFixture[str]):
    write(Path("there"), {"mine.txt": "mine"})

    assert run("data prelabel --unlabelled new --out there") == 2

    assert "expected a new or empty folder" in capsys.readouterr().err
    assert not detector.looked_at


def test_without_a_published_model_the_error_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str],
):
    PUBLISHED.rename("elsewhere")
    assert run("data prelabel --unlabelled new --out there") == 2
    assert "expected the published model, found no best.pt" in capsys.readouterr().err

    write(PUBLISHED, {"metadata.json.dvc": "outs: []"})
    assert run("data prelabel --unlabelled new --out there") == 2
    error = capsys.readouterr().err
    assert "found its pointers alone" in error
    assert "hint: doors sync" in error


def test_weights_that_are_not_the_published_ones_are_not_opened(
    detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    (PUBLISHED / "best.pt").write_text("others")

    assert run("data prelabel --unlabelled new --out there") == 2

    assert "does not match its metadata" in capsys.readouterr().err
    assert not detector.looked_at
