"""Photographs and labels as other programs keep them: recognised, and the remedy works."""

import json
import re
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from container_doors.cli import main
from container_doors.core.errors import DatasetError
from container_doors.data.checks import Report, check
from container_doors.data.images import read_picture
from container_doors.data.layout import read_layout
from tests.data.trees import Tree

VOC = (
    "<annotation><filename>{name}.jpg</filename><size><width>64</width><height>48</height>"
    "<depth>3</depth></size><object><name>container_door</name><bndbox><xmin>10</xmin>"
    "<ymin>10</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"
)
CVAT = (
    "<annotations><version>1.1</version><meta><task><labels><label><name>container_door</name>"
    "</label></labels></task></meta>{images}</annotations>"
)
CVAT_IMAGE = (
    '<image id="{id}" name="train_{id}.jpg" width="64" height="48"><box label="container_door" '
    'occluded="0" xtl="10" ytl="10" xbr="30" ybr="40"></box></image>'
)


def checked(tree: Tree) -> Report:
    return check(tree.root, min_train_images=1, min_val_images=1)


def without_labels(tree: Tree) -> None:
    for number in range(3):
        tree.remove(f"labels/train/train_{number}.txt")
    (tree.root / "labels/train").rmdir()


def coco(tree: Tree) -> None:
    document = {
        "images": [
            {"id": n, "file_name": f"train_{n}.jpg", "width": 64, "height": 48} for n in range(3)
        ],
        "categories": [{"id": 1, "name": "container_door"}],
        "annotations": [
            {"id": n + 1, "image_id": n, "category_id": 1, "bbox": [10, 10, 20, 30], "area": 600,
             "iscrowd": 0} for n in range(3)
        ],
    }  # fmt: skip
    tree.write("annotations/instances_default.json", json.dumps(document))


def voc(tree: Tree) -> None:
    for number in range(3):
        tree.write(f"Annotations/train_{number}.xml", VOC.format(name=f"train_{number}"))


def voc_in_two_folders(tree: Tree) -> None:
    for number in range(3):
        folder = "quay" if number else "gate"
        tree.write(f"{folder}/ann/train_{number}.xml", VOC.format(name=f"train_{number}"))


def coco_beside(tree: Tree) -> None:
    coco(tree)
    (tree.root / "annotations/instances_default.json").rename(tree.root.parent / "doors.json")
    (tree.root / "annotations").rmdir()


def cvat(tree: Tree) -> None:
    images = "".join(CVAT_IMAGE.format(id=number) for number in range(3))
    tree.write("annotations.xml", CVAT.format(images=images))


def ran(line: str, folder: Path) -> None:
    """Run a line of a remedy or of the documentation; uv is not asked to sync again."""
    line = line.replace("uv run ", "uv run --frozen --no-sync --project $PROJECT ")
    line = line.replace("$PROJECT", shlex.quote(str(Path(__file__).parents[2])))
    subprocess.run(["bash", "-euc", line], cwd=folder, check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("write", [coco, coco_beside, voc, voc_in_two_folders, cvat])
def test_labels_in_another_form_are_recognised_and_the_line_that_is_named_imports_them(
    write: Callable[[Tree], None], tree: Tree
):
    without_labels(tree)
    write(tree)
    [missing] = [one for one in checked(tree).findings if one.rule == "labels-folder-missing"]
    assert re.search("COCO|Pascal VOC|CVAT", missing.found)
    assert "dvc pull" not in missing.remedy
    assert "Label Studio" in missing.remedy

    line = re.search(r"import them: doors (.*?); or", missing.remedy)
    assert line
    assert main(shlex.split(line[1])) == 0

    labels = tree.root.with_name("set-imported") / "labels/unsplit"
    assert [path.name for path in sorted(labels.iterdir())] == [
        f"train_{number}.txt" for number in range(3)
    ]
    assert all(path.read_text().startswith("0 0.3") for path in labels.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("via.json", '{"a": {"regions": [{"shape_attributes": {}}]}}', "VIA"),
        ("train.tfrecord", b"\0", "a TFRecord"),
    ],
)
def test_labels_of_other_tools_are_to_be_exported_as_yolo(name, content, what, tree: Tree):
    without_labels(tree)
    tree.write(name, content)

    [missing] = [one for one in checked(tree).findings if one.rule == "labels-folder-missing"]

    assert what in missing.found
    assert "YOLO with Images" in missing.remedy


def test_annotations_beside_each_photograph_are_recognised_where_they_lie(tree: Tree):
    without_labels(tree)
    for number in range(3):
        tree.write(f"images/train/train_{number}.xml", VOC.format(name=f"train_{number}"))

    findings = checked(tree).findings

    assert sorted(one.rule for one in findings) == ["file-ignored", "labels-folder-missing"]
    assert all("doors data import" in one.remedy for one in findings)
    assert findings[1].found == "Pascal VOC annotations, not read (and 2 more like it)"


def table(tree: Tree) -> None:
    rows = [f"train_{number}.jpg,1,2,30,40,container_door" for number in range(3)]
    tree.write("labels.csv", "\n".join(["image,xmin,ymin,xmax,ymax,class", *rows]))


@pytest.mark.parametrize(
    ("write", "what"), [(coco, "instances_default.json, COCO"), (table, "labels.csv, a table")]
)
def test_what_is_wrong_with_every_split_is_said_once(
    write: Callable[[Tree], None], what: str, tree: Tree
):
    """The import makes a data set of its own, with its data.yaml: none is to be written here."""
    shutil.rmtree(tree.root / "labels")
    write(tree)

    [finding] = checked(tree).findings

    named = "labels/train, labels/val and labels/test"
    assert finding.expected == f"the folders of label files {named}"
    assert f"as background; there is {what}" in finding.found

    tree.remove("data.yaml")
    _, [missing] = read_layout(tree.root)
    assert f"none, but {what}" in missing.found
    assert "doors data import" in missing.remedy
    assert "data.yaml" not in missing.remedy


@pytest.mark.parametrize("folder", ["Annotations", "images/train", "."])
def test_photographs_that_are_labelled_in_another_form_are_added_to_those_that_are_labelled(
    folder: str, tree: Tree
):
    for number in (1, 2):
        tree.remove(f"labels/train/train_{number}.txt")
        tree.write(f"{folder}/train_{number}.xml", VOC.format(name=f"train_{number}"))
    [error] = checked(tree).errors
    assert error.path == Path(folder, "train_1.xml")
    assert "none for 2, which would train as background, but train_1.xml, Pascal VOC" in error.found
    ignored = [one for one in checked(tree).findings if one.rule == "file-ignored"]
    assert all("doors data import" in one.remedy for one in ignored)

    line = re.search(r"import them: doors (.*?); or", error.remedy)
    assert line
    assert main(shlex.split(line[1])) == 0

    assert {one.rule for one in checked(tree).findings} <= {"file-ignored"}
    assert (tree.root / "labels/train/train_2.txt").read_text().startswith("0 0.3")


def test_empty_label_files_are_no_labels_where_another_form_is_there(tree: Tree):
    for number in range(3):
        tree.write(f"labels/train/train_{number}.txt", "")
    voc(tree)

    [error] = checked(tree).errors

    assert error.rule == "split-without-doors"
    assert "Pascal VOC annotations" in error.found
    assert "doors data import" in error.remedy


def test_the_labels_of_another_split_are_not_to_be_moved_to_photographs_of_the_same_name(
    tree: Tree,
):
    without_labels(tree)
    voc(tree)
    (tree.root / "images/train/train_0.jpg").rename(tree.root / "images/train/val_0.jpg")

    [missing] = [one for one in checked(tree).findings if one.rule == "labels-folder-missing"]

    assert "labels/val" not in missing.remedy
    assert "doors data import" in missing.remedy


def test_labels_that_are_there_are_not_asked_for_again(tree: Tree):
    coco(tree)

    assert checked(tree).findings == []


@pytest.mark.parametrize("inside", ["", "doors-3/"])
@pytest.mark.parametrize("where", ["set", "."])
def test_an_archive_is_to_be_imported_and_passes_then(
    inside: str, where: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fresh = tmp_path / "fresh"
    (fresh / where).mkdir(parents=True)
    with zipfile.ZipFile(fresh / where / "export.zip", "w") as archive:
        for path in sorted(tree.root.rglob("*.*")):
            archive.write(path, f"{inside}{path.relative_to(tree.root)}")
    monkeypatch.chdir(fresh)

    if where == "set":
        remedy = read_layout(Path("set"))[1][0].remedy
    else:
        with pytest.raises(DatasetError, match=r"no data set at set, but .*export\.zip") as caught:
            read_layout(Path("set"))
        remedy = caught.value.hint

    line = re.search(r"import it: doors (.*)", remedy)
    assert line
    assert main(shlex.split(line[1])) == 0
    assert check(Path("set"), min_train_images=1, min_val_images=1).findings == []


def test_an_archive_with_attributes_is_to_be_unpacked_and_keeps_them(tree: Tree, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in sorted(tree.root.rglob("*.*")):
            archive.write(path, f"inside/{path.relative_to(tree.root)}")
        archive.writestr("inside/attributes.csv", "image,lighting\ntrain_0,day\n")

    with pytest.raises(DatasetError) as caught:
        read_layout(tmp_path / "fresh")

    unpack = re.search(r"unpack it: (.*?);", caught.value.hint)
    there = re.search(r"doors data validate --path (\S+)", caught.value.hint)
    assert unpack
    assert there
    ran(unpack[1], tmp_path)
    assert (Path(there[1]) / "attributes.csv").is_file()


@pytest.mark.parametrize(
    ("names", "kept"),
    [("[lock, container_door]", 1), ("[container-door, lock]", 0), ("[wheel, gate]", None)],
)
def test_of_several_classes_one_is_kept_as_class_0_by_the_line_that_is_named(
    names: str, kept: int | None, tree: Tree
):
    text = (tree.root / "data.yaml").read_text()
    tree.write("data.yaml", text.replace("nc: 1", "nc: 2").replace("[container_door]", names))
    tree.write("labels/train/train_0.txt", "0 0.5 0.5 0.25 0.5\r\n1.0 0.3 0.3 0.2 0.2\r\n")
    [finding] = [one for one in read_layout(tree.root)[1] if one.rule == "data-yaml-classes"]
    line = re.search(r"(find .*? \+) ;", finding.remedy)
    assert line

    if kept is None:
        assert "in place of K" in finding.remedy
    ran(line[1].replace("K", "1"), tree.root)
    tree.write("data.yaml", text)

    expected = {0: "0 0.5 0.5 0.25 0.5\r\n", 1: "0 0.3 0.3 0.2 0.2\r\n"}[
        1 if kept is None else kept
    ]
    assert (tree.root / "labels/train/train_0.txt").read_bytes() == expected.encode()


def test_a_class_that_is_none_is_to_be_numbered_anew(tree: Tree):
    tree.write("labels/train/train_0.txt", "1 0.5 0.5 0.25 0.5\n")

    [finding] = checked(tree).errors

    assert finding.remedy.startswith("write 0 if it is a container_door")
    assert "docs/data.md" in finding.remedy


@pytest.mark.parametrize(
    ("head", "found", "remedy"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC", "heif-convert"),
        (b"\0\0\0\x18ftypmif1", "HEIC", "heif-convert"),
        (b"\0\0\0\x18ftypavif", "a damaged AVIF", "original photograph"),
        (b"\0\0\0\x18ftypqt  ", "a video", "ffmpeg"),
        (b"PK\x03\x04", "a ZIP archive", "unpack it"),
        (b"%PDF-1.7", "a PDF", "pdfimages"),
        (b"\xff\x0a", "JPEG XL", "djxl"),
        (b"version https://git-lfs", "a pointer of Git LFS", "git lfs pull"),
        (b"outs:\n- md5: 1", "a pointer of DVC", "dvc pull"),
    ],
)
@pytest.mark.parametrize("name", ["a photo.jpg", "b.heic"])
def test_a_file_in_another_form_is_recognised_whatever_it_is_called(
    head: bytes, found: str, remedy: str, name: str, tmp_path: Path
):
    (tmp_path / name).write_bytes(head + bytes(200))

    [fault] = read_picture(tmp_path / name).faults

    assert fault.found.startswith(found)
    assert remedy in fault.remedy
    if found == "HEIC":
        other = ".jpeg" if name.endswith(".jpg") else ".jpg"
        jpeg = shlex.quote(str((tmp_path / name).with_suffix(other)))
        assert f"heif-convert {shlex.quote(str(tmp_path / name))} {jpeg}," in fault.remedy


@pytest.mark.parametrize("suffix", ["cr2", "nef", "jxl"])
def test_a_cameras_own_format_is_named_as_a_picture_that_is_overlooked(suffix: str, tree: Tree):
    tree.write(f"images/train/a.{suffix}", b"II*\0")

    report = checked(tree)

    assert [str(path) for path in report.dropped] == [f"images/train/a.{suffix}"]
    assert report.findings[0].remedy == "save it as JPEG or PNG"


def documented(heading: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, flags=re.DOTALL)


def test_the_documented_lines_renumber_classes_and_keep_the_boxes_of_poses(tree: Tree):
    [keep_one, call_all_0], [boxes_alone] = documented("Several classes"), documented("Poses")

    tree.write("labels/train/train_0.txt", "0 .1 .1 .1 .1\n1 .2 .2 .2 .2\n")
    ran(keep_one, tree.root)
    assert (tree.root / "labels/train/train_0.txt").read_text() == "0 .2 .2 .2 .2\n"

    tree.write("labels/train/train_0.txt", "3 .1 .1 .1 .1\n12 .2 .2 .2 .2\n")
    ran(call_all_0, tree.root)
    assert (tree.root / "labels/train/train_0.txt").read_text() == "0 .1 .1 .1 .1\n0 .2 .2 .2 .2\n"

    tree.write("labels/train/train_0.txt", "0 .5 .5 .4 .4 .3 .3 2 .7 .7 1\n")
    ran(boxes_alone, tree.root)
    assert (tree.root / "labels/train/train_0.txt").read_text() == "0 .5 .5 .4 .4\n"


def test_the_documented_lines_make_pictures_of_what_would_train_as_nothing(tree: Tree):
    """Of every format that keeps 16 bits, or alpha, and in every split."""
    spread, on_white = (
        script.replace("data/processed/detection", ".")
        for script in documented("Pictures that are blank to the trainer")
    )
    images = tree.root / "images"
    deep = [images / name for name in ("train/a.png", "train/a.tif", "val/a.TIFF", "test/a.jp2")]
    clear = [images / name for name in ("train/b.png", "val/b.tiff", "test/b.webp")]
    noise = np.random.default_rng(0).integers(0, 4096, (48, 64), np.uint16)
    for path in deep:
        cv2.imwrite(str(path), noise)
    alpha = np.zeros((48, 64, 4), np.uint8)
    alpha[..., 3] = noise // 16
    for path in clear:
        Image.fromarray(alpha).save(path)

    ran(spread, tree.root)
    ran(on_white, tree.root)

    for path in (*deep, *clear):
        seen = cv2.imread(str(path))
        assert seen is not None
        assert np.ptp(seen) > 240
