"""Files of each format as its own documentation shows them, and what is read from them."""
# ruff: noqa: E501 - documents are shown as their tools write them

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from container_doors.core.errors import SourceError
from container_doors.data.disk import Disk
from container_doors.data.foreign import label_form
from container_doors.data.formats.known import FORMATS, format_of
from container_doors.data.sources import open_source
from tests.data.formats.exports import boxes_of, coco, imported, pictures, write, zipped
from tests.data.trees import jpeg

VOC = """\
<?xml version="1.0"?>
<annotation>
  <folder>VOC2012</folder>
  <filename>{name}</filename>
  <source><database>The VOC2008 Database</database><image>flickr</image></source>
  <size><width>64</width><height>48</height><depth>3</depth></size>
  <segmented>0</segmented>
  <object>
    <name>container_door</name><pose>Left</pose><truncated>1</truncated><occluded>0</occluded>
    <bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>
    <difficult>0</difficult>
    <part><name>lock</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
  </object>
  <object>
    <name>container_door</name><difficult>1</difficult>
    <bndbox><ymin>1</ymin><xmin>1</xmin><ymax>5</ymax><xmax>5</xmax></bndbox>
  </object>
</annotation>
"""


def voc(name: str, box: tuple[int, int, int, int]) -> str:
    """A document of a tool that writes only the least."""
    edges = "".join(
        f"<{tag}>{edge}</{tag}>"
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<annotation><filename>{name}</filename><object><name>container_door</name>"
        f"<bndbox>{edges}</bndbox></object></annotation>"
    )


CVAT_IMAGES = """\
<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>4</id><name>doors</name><size>3</size><mode>annotation</mode>
    <labels><label><name>container_door</name><type>any</type></label></labels></task>
    <dumped>2026-09-25 11:34:24</dumped></meta>
  <image id="0" name="quay/a.jpg" subset="Train" width="64" height="48">
    <box label="container_door" source="manual" occluded="0" xtl="10.25" ytl="5.50" xbr="30.00" ybr="40.00" z_order="0">
      <attribute name="open">false</attribute>
    </box>
    <polygon label="container_door" source="manual" occluded="0" points="40.00,10.00;60.00,12.00;58.00,44.00" z_order="0"/>
  </image>
  <image id="1" name="b.jpg" subset="Validation" width="64" height="48">
    <box label="container_door" occluded="0" xtl="22.0" ytl="14.0" xbr="42.0" ybr="34.0" rotation="45.0"/>
    <mask label="container_door" rle="1, 2" left="3" top="4" width="5" height="6"/>
    <ellipse label="container_door" cx="20" cy="20" rx="5" ry="10"/>
    <skeleton label="container_door"><points label="1" points="1,2"/><points label="2" points="11,22"/></skeleton>
    <tag label="night" source="manual"/>
  </image>
  <image id="2" name="c.jpg" width="64" height="48"></image>
</annotations>
"""

CVAT_VIDEO = """\
<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><size>9</size><mode>interpolation</mode><start_frame>0</start_frame>
    <stop_frame>8</stop_frame><frame_filter></frame_filter>
    <original_size><width>64</width><height>48</height></original_size></task>
    <source>gate.mp4</source></meta>
  <track id="0" label="container_door" source="manual">
    <box frame="1" outside="0" occluded="0" keyframe="1" xtl="10" ytl="10" xbr="20" ybr="30"/>
    <box frame="5" outside="0" occluded="0" keyframe="1" xtl="14" ytl="10" xbr="24" ybr="38"/>
    <box frame="7" outside="1" occluded="0" keyframe="1" xtl="14" ytl="10" xbr="24" ybr="38"/>
  </track>
</annotations>
"""


def label_studio(*tasks: dict[str, Any]) -> str:
    return json.dumps(list(tasks))


def region(kind: str = "rectanglelabels", **value: Any) -> dict[str, Any]:
    return {
        "id": "Dx_aB91ISN", "type": kind, "from_name": "tag", "to_name": "img",
        "original_width": 64, "original_height": 48, "image_rotation": 0, "origin": "manual",
        "value": {"rotation": 0, kind: ["container_door"], **value},
    }  # fmt: skip


def task(image: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": 8, "data": {"image": image}, "annotations": list(annotations), "predictions": []}


BOX: dict[str, Any] = {"x": 25, "y": 50, "width": 50, "height": 25}  # 16, 24, 48, 36 of 64 x 48
LABEL_STUDIO = label_studio(
    task("/data/upload/3/3eabc123-a.jpg", {
        "id": 1, "completed_by": 7, "was_cancelled": False, "result": [
            region(**BOX),
            region("polygonlabels", points=[[0, 0], [25, 0], [12.5, 50]]),
            region("ellipselabels", x=50, y=50, radiusX=10, radiusY=25),
        ],
    }),
    task("/data/local-files/?d=quay%2Fb.jpg", {"id": 2, "completed_by": {"email": "x@y.z"}, "result": [
        region(x=50, y=25, width=25, height=25, rotation=90),
    ]}, {"id": 3, "was_cancelled": True, "result": [region(**BOX)]}),
    task("https://bucket.s3.amazonaws.com/c.jpg?X-Amz-Signature=1", {"id": 4, "result": []}),
    task("s3://bucket/d.jpg"),
    task("e.jpg", {"id": 5, "was_cancelled": True, "result": [region(**BOX)]}),
    task("f.jpg", {"id": 6, "result": [], "ground_truth": False},
         {"id": 7, "result": [region(**BOX)], "ground_truth": True}),
)  # fmt: skip

LABELME: dict[str, Any] = {
    "version": "5.4.1", "flags": {}, "imagePath": "..\\photos\\a.jpg", "imageData": None,
    "imageHeight": 48, "imageWidth": 64,
    "shapes": [
        {"label": "container_door", "points": [[30.0, 40.0], [10.5, 5.0]], "group_id": None,
         "shape_type": "rectangle", "flags": {}},
        {"label": "container_door", "points": [[1, 1], [9, 2], [4, 20]], "shape_type": "polygon"},
        {"label": "container_door", "points": [[30, 20], [33, 24]], "shape_type": "circle"},
    ],
}  # fmt: skip

OPEN_IMAGES = """\
ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside
a,xclick,/m/02dgv,1,0.25,0.75,0.5,0.75,0,1,0,0,0
a,xclick,/m/02dgv,1,0.1,0.2,0.1,0.2,0,0,1,0,0
b,xclick,/m/02dgv,1,0.1,0.2,0.1,0.2,0,0,0,1,0
"""

MADE: dict[str, Any] = {
    "COCO with folders, gaps in the ids, a crowd and a polygon": (
        {**pictures("quay/a.jpg", "b.jpg"), "annotations/instances_default.json": json.dumps({
            "images": [{"id": 10, "file_name": "quay/a.jpg", "width": 64, "height": 48},
                       {"id": 99, "file_name": "b.jpg", "width": 64, "height": 48}],
            "categories": [{"id": 0, "name": "container_door", "supercategory": ""}],
            "annotations": [
                {"id": 5, "image_id": 10, "category_id": 0, "bbox": [16, 24, 32, 12], "iscrowd": 0,
                 "area": 384, "segmentation": []},
                {"id": 6, "image_id": 10, "category_id": 0, "iscrowd": 1, "bbox": [0, 0, 9, 9],
                 "segmentation": {"counts": [1, 2], "size": [48, 64]}},
                {"id": 7, "image_id": 10, "category_id": 0, "bbox": [],
                 "segmentation": [[1, 2, 11, 2, 5, 30]]},
            ]})},
        {"unsplit/a.jpg": [(16, 24, 48, 36), (1, 2, 11, 30)], "unsplit/b.jpg": []},
    ),
    "COCO's own names of splits": (
        {**pictures("train2017/a.jpg", "val2017/b.jpg"),
         "annotations/instances_train2017.json": coco({"a.jpg": [(1, 1, 9, 9)]}),
         "annotations/instances_val2017.json": coco({"b.jpg": []})},
        {"train/a.jpg": [(1, 1, 10, 10)], "val/b.jpg": []},
    ),
    "Roboflow's COCO": (
        {**pictures("train/a.jpg", "valid/a.jpg"),
         "train/_annotations.coco.json": coco({"a.jpg": [(1, 1, 9, 9)]}),
         "valid/_annotations.coco.json": coco({"a.jpg": []})},
        {"train/a.jpg": [(1, 1, 10, 10)], "val/valid_a.jpg": []},
    ),
    "Pascal VOC": (
        {**pictures("JPEGImages/a.jpg", "JPEGImages/b.jpg"),
         "Annotations/a.xml": VOC.format(name="a.jpg"),
         "Annotations/b.xml": VOC.format(name="b.jpg"),
         "ImageSets/Main/train.txt": "a\n", "ImageSets/Main/val.txt": "b  1\n",
         "ImageSets/Main/trainval.txt": "a\nb\n"},
        {"train/a.jpg": [(10, 5, 30, 40)], "val/b.jpg": [(10, 5, 30, 40)]},
    ),
    "Pascal VOC of a tool that counts from 0": (
        {**pictures("a.jpg", "b.jpg"),
         "a.xml": voc("a.jpg", (0, 3, 64, 48)), "b.xml": voc("b.jpg", (10, 10, 20, 20))},
        {"unsplit/a.jpg": [(0, 3, 64, 48)], "unsplit/b.jpg": [(10, 10, 20, 20)]},
    ),
    "Pascal VOC that begins at 1": (
        {**pictures("a.jpg"), "a.xml": voc("a.jpg", (1, 1, 64, 48))},
        {"unsplit/a.jpg": [(0, 0, 64, 48)]},
    ),
    "roLabelImg's turned boxes": (
        {**pictures("a.jpg"), "a.xml": "<annotation><filename>a</filename><object><type>robndbox"
         "</type><name>container_door</name><robndbox><cx>32</cx><cy>24</cy><w>20</w><h>10</h>"
         "<angle>1.5707963267948966</angle></robndbox></object></annotation>"},
        {"unsplit/a.jpg": [(27, 14, 37, 34)]},
    ),
    "CVAT for images": (
        {**pictures("images/quay/a.jpg", "images/b.jpg", "images/c.jpg"),
         "annotations.xml": CVAT_IMAGES},
        {"train/a.jpg": [(10.25, 5.5, 30, 40), (40, 10, 60, 44)],
         "val/b.jpg": [(17.858, 9.858, 46.142, 38.142), (3, 4, 8, 10), (15, 10, 25, 30),
                       (1, 2, 11, 22)],
         "unsplit/c.jpg": []},
    ),
    "CVAT for video, with some of its frames": (
        {**pictures(*(f"images/frame_{number:06d}.jpg" for number in (0, 1, 2, 5, 6, 7))),
         "annotations.xml": CVAT_VIDEO},
        {"unsplit/frame_000000.jpg": [], "unsplit/frame_000001.jpg": [(10, 10, 20, 30)],
         "unsplit/frame_000002.jpg": [(11, 10, 21, 32)], "unsplit/frame_000005.jpg":
         [(14, 10, 24, 38)], "unsplit/frame_000006.jpg": [(14, 10, 24, 38)],
         "unsplit/frame_000007.jpg": []},
    ),
    "CVAT for video that states only how many frames it has": (
        {**pictures(*(f"images/frame_{number:06d}.jpg" for number in (6, 7, 8))),
         "annotations.xml": re.sub("<st.*_frame>", "", CVAT_VIDEO)},
        {"unsplit/frame_000006.jpg": [(14, 10, 24, 38)], "unsplit/frame_000007.jpg": [],
         "unsplit/frame_000008.jpg": []},
    ),
    "Label Studio": (
        {**pictures("a.jpg", "quay/b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"),
         "project-3-at-2026-11-26.json": LABEL_STUDIO},
        {"unsplit/a.jpg": [(16, 24, 48, 36), (0, 0, 16, 24), (25.6, 12, 38.4, 36)],
         "unsplit/b.jpg": [(20, 12, 32, 28)], "unsplit/c.jpg": [],
         "unsplit/f.jpg": [(16, 24, 48, 36)]},
    ),
    "Label Studio's JSON-MIN": (
        {**pictures("a.jpg", "b.jpg"), "min.json": json.dumps([
            {"image": "/data/upload/1/0123abcd-a.jpg", "id": 1, "annotator": 1, "annotation_id": 3,
             "lead_time": 5.1, "created_at": "2026-11-26T10:00:00Z", "label": [
                 {**BOX, "rotation": 0, "rectanglelabels": ["container_door"],
                  "original_width": 64, "original_height": 48}]},
            {"image": "/data/upload/1/0123abcd-b.jpg", "id": 2, "annotator": 1, "annotation_id": 4},
        ])},
        {"unsplit/a.jpg": [(16, 24, 48, 36)], "unsplit/b.jpg": []},
    ),
    "LabelMe": (
        {**pictures("photos/a.jpg", "photos/b.jpg"), "labels/a.json": json.dumps(LABELME)},
        {"unsplit/a.jpg": [(10.5, 5, 30, 40), (1, 1, 9, 20), (25, 15, 35, 25)]},
    ),
    "LabelMe with the picture inside": (
        {"a.json": json.dumps(LABELME | {"imageData": base64.b64encode(jpeg()).decode()})},
        {"unsplit/a.jpg": [(10.5, 5, 30, 40), (1, 1, 9, 20), (25, 15, 35, 25)]},
    ),
    "Ultralytics with lists and a map of names": (
        {**pictures("images/a.jpg", "images/b.jpg"), "labels/a.txt": "0 0.5 0.5 0.25 0.5\n",
         "train.txt": "./images/a.jpg\n", "val.txt": "/home/someone/doors/images/b.jpg\r\n",
         "doors.yaml": "path: ../datasets/doors\ntrain: train.txt\nval: val.txt\n"
                       "names:\n  0: container_door\n"},
        {"train/a.jpg": [(24, 12, 40, 36)], "val/b.jpg": []},
    ),
    "a segmentation data set": (
        {**pictures("images/train/a.jpg"), "data.yaml": "train: images/train\nnames: [container_door]",
         "labels/train/a.txt": "0 0.25 0.25 0.75 0.25 0.5 0.75\n"},
        {"train/a.jpg": [(16, 12, 48, 36)]},
    ),
    "turned boxes (OBB) and boxes in one file": (
        {**pictures("images/train/a.jpg"), "data.yaml": "train: images/train\nnames: [container_door]",
         "labels/train/a.txt": "0 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75\n0 0.5 0.5 0.25 0.5\n"},
        {"train/a.jpg": [(16, 12, 48, 36), (24, 12, 40, 36)]},
    ),
    "poses": (
        {**pictures("images/train/a.jpg"), "labels/train/a.txt": "0 .5 .5 .5 .5 .3 .3 2 .7 .7 1\n",
         "data.yaml": "train: images/train\nnames: [container_door]\nkpt_shape: [2, 3]"},
        {"train/a.jpg": [(16, 12, 48, 36)]},
    ),
    "poses that nothing states, of which one could be a polygon": (
        {**pictures("a.jpg", "b.jpg"), "a.txt": "0 .5 .5 .5 .5 .4 .4 .6 .4 .6 .6 .4 .6\n",
         "b.txt": "0 .25 .5 .5 .5 .1 .3 .4 .3 .4 .7 .1 .7\n", "classes.txt": "container_door\n"},
        {"unsplit/a.jpg": [(16, 12, 48, 36)], "unsplit/b.jpg": [(0, 12, 32, 36)]},
    ),
    "labelImg's text files": (
        {**pictures("a.jpg", "b.jpg"), "a.txt": "1 0.5 0.5 0.25 0.5\n",
         "classes.txt": "dog\ncontainer_door\n"},
        {"unsplit/a.jpg": [(24, 12, 40, 36)]},
    ),
    "Darknet, as CVAT exports it": (
        {**pictures("obj_train_data/a.jpg", "obj_train_data/b.jpg"),
         "obj_train_data/a.txt": "0 0.5 0.5 0.25 0.5\n", "obj_train_data/b.txt": "",
         "obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
         "obj.names": "container_door\n",
         "train.txt": "data/obj_train_data/a.jpg\ndata/obj_train_data/b.jpg\n"},
        {"unsplit/a.jpg": [(24, 12, 40, 36)], "unsplit/b.jpg": []},
    ),
    "OpenImages": (
        {**pictures("a.jpg", "b.jpg"), "train-annotations-bbox.csv": OPEN_IMAGES,
         "class-descriptions-boxable.csv": "/m/02dgv,Container door\n/m/01,Tree\n"},
        {"train/a.jpg": [(16, 24, 48, 36)], "train/b.jpg": []},
    ),
    "Roboflow's and TensorFlow's table": (
        {**pictures("valid/a.jpg"), "valid/_annotations.csv":
         "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,64,48,container_door,1,2,30,40\n"},
        {"val/a.jpg": [(1, 2, 30, 40)]},
    ),
    "a spreadsheet's table": (
        {**pictures("a.jpg"), "boxes.csv":
         "\ufeffImage;Label;X1;Y1;X2;Y2\r\na.jpg;container_door;1;2;30;40\r\n"},
        {"unsplit/a.jpg": [(1, 2, 30, 40)]},
    ),
    "a spreadsheet's table with decimal commas": (
        {**pictures("a.jpg"), "boxes.csv":
         "Image;Label;Width;Height;X1;Y1;X2;Y2\r\na.jpg;container_door;64;48;1,5;2;30,25;40,0\r\n"},
        {"unsplit/a.jpg": [(1.5, 2, 30.25, 40)]},
    ),
    "a table of corners and sizes": (
        {**pictures("a.jpg", "b.jpg"), "boxes.csv":
         "filename,x,y,width,height,label\na.jpg,1,2,29,38,container_door\nb.jpg,,,,,\n"},
        {"unsplit/a.jpg": [(1, 2, 30, 40)], "unsplit/b.jpg": []},
    ),
    "a table of corners, sizes and the size of the picture": (
        {**pictures("a.jpg"), "boxes.csv":
         "filename,width,height,x,y,w,h,label\na.jpg,64,48,1,2,29,38,container_door\n"},
        {"unsplit/a.jpg": [(1, 2, 30, 40)]},
    ),
    "RetinaNet's table without a first line": (
        {**pictures("p/a.jpg", "p/b.jpg"), "boxes.csv":
         "p/a.jpg,1,2,30,40,container_door\np/b.jpg,,,,,\n"},
        {"unsplit/a.jpg": [(1, 2, 30, 40)], "unsplit/b.jpg": []},
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "labels", "split"),
    [
        ({"classes.txt": "container_door\n", "notes.json": "{}"}, "labels", "unsplit"),
        ({"data.yaml": "train: train.txt\nnames: {0: container_door}\n",
          "train.txt": ""}, "labels/train", "train"),
    ],
    ids=["Label Studio", "CVAT"],
)  # fmt: skip
def test_labels_of_yolo_whose_photographs_are_elsewhere_are_read(
    classes: dict[str, str], labels: str, split: str, tmp_path: Path
):
    photographs = write(tmp_path / "photographs", pictures("a.jpg", "b.jpg"))
    rows = {f"{labels}/0123abcd-a.txt": "0 0.5 0.5 0.25 0.5\n", f"{labels}/b.txt": ""}
    export = zipped(tmp_path / "export.zip", {**classes, **rows})

    imported(export, out=tmp_path / "set", pictures=photographs)

    assert boxes_of(tmp_path / "set") == {
        f"{split}/a.jpg": [(24, 12, 40, 36)], f"{split}/b.jpg": [],
    }  # fmt: skip


def test_a_check_of_a_data_set_names_the_import_of_each_format_that_an_import_reads(
    tmp_path: Path,
):
    """YOLO's own text files are what a data set has anyway."""
    named = set()
    for number, (files, _) in enumerate(MADE.values()):
        folder = write(tmp_path / str(number), files)
        disk = Disk(folder, frozenset({"jpg"}))
        forms = [label_form(path, disk) for path in folder.rglob("*.*")]
        if any(form is not None and form.is_imported for form in forms):
            named.add(format_of(open_source(folder), None).name)

    assert named >= set(FORMATS) - {"yolo", "darknet"}


def test_pascal_voc_that_is_taken_as_counted_from_0_is_said(tmp_path: Path):
    files = {**pictures("a.jpg", "b.jpg"), "a.xml": voc("a.jpg", (0, 3, 64, 48))}
    write(tmp_path / "e", {**files, "b.xml": voc("b.jpg", (10, 10, 20, 20))})

    [note] = imported(tmp_path / "e", out=tmp_path / "set").notes

    assert note.startswith("2 box(es) taken as counted from 0")


def test_poses_keep_their_boxes_and_it_is_said(tmp_path: Path):
    files = {**pictures("a.jpg"), "a.txt": "0 .5 .5 .5 .5 .3 .3 2 .7 .7 1\n"}

    report = imported(write(tmp_path / "e", files), out=tmp_path / "set", classes={"kept": "0"})

    assert report.notes == ["1 pose(s): the box of each is used, its points are left out"]


@pytest.mark.parametrize("is_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("files", "expected"), MADE.values(), ids=MADE.keys())
def test_each_format_is_recognised_and_read(files, expected, is_zip: bool, tmp_path: Path):
    source = zipped(tmp_path / "e.zip", files) if is_zip else write(tmp_path / "e", files)

    report = imported(source, out=tmp_path / "set")

    assert boxes_of(tmp_path / "set") == expected
    assert report.disagreements == []
    assert report.counts["doors"] == sum(map(len, expected.values()))


BAD = {
    "an entity": (
        {"a.xml": '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><annotation>&d;</annotation>'},
        r"a.xml:1: expected XML without entities",
    ),
    "a file of this machine": (
        {"a.xml": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>\n<annotation>&b;</annotation>'},
        r"a.xml:1: expected XML without entities",
    ),
    "nested too deep": ({"a.xml": "<annotation>" + "<a>" * 99}, "a.xml:1: expected at most 50"),
    "cut off": ({**pictures("a.jpg"), "a.xml": VOC[:700].format(name="a.jpg")}, r"a.xml:\d+: expected XML"),
    "no number": (
        {**pictures("a.jpg"), "a.xml": VOC.format(name="a.jpg").replace("<xmin>11<", "<xmin>left<")},
        r"a.xml:10: expected xmin: a number, found 'left'",
    ),
    "no name": (
        {**pictures("a.jpg"), "a.xml": VOC.format(name="a.jpg").replace("<name>container_door</name><pose>", "")
         .replace("</pose>", "")},
        r"a.xml:8: expected an element name in object",
    ),
    "a video that is not there": ({"annotations.xml": CVAT_VIDEO}, "nor 'gate.mp4'|neither them nor 'gate.mp4'"),
    "a number of frames that is none": (
        {**pictures("frame_000001.jpg"),
         "annotations.xml": CVAT_VIDEO.replace("<stop_frame>8", "<stop_frame>all")},
        "annotations.xml:4: stop_frame: expected a number|expected .*stop_frame.*found 'all'",
    ),
    "a class by its name": (
        {**pictures("images/train/a.jpg"), "labels/train/a.txt": "door .5 .5 .1 .1\n",
         "data.yaml": "names: [container_door]\ntrain: images/train"},
        "a.txt:1: expected the number of a class, from 0, found 'door'",
    ),
    "a class above the only one": (
        {**pictures("images/train/a.jpg"), "labels/train/a.txt": "1 .5 .5 .1 .1\n",
         "data.yaml": "names: [container_door]\ntrain: images/train"},
        "a.txt:1: expected class 0, found class 1",
    ),
    "a polygon of words": (
        {**pictures("quay/a.jpg", "b.jpg", "c.jpg"),
         "a.xml": CVAT_IMAGES.replace("60.00,12.00", "60.00")},
        r"a.xml:11: expected points: x,y",
    ),
    "a brush": (
        {**pictures("a.jpg"), "l.json": label_studio(task("a.jpg", {"result": [
            region("brushlabels", format="rle", rle=[1, 2])]}))},
        r"\$\[0\].annotations\[0\].result\[0\].value: expected a box.*a brush's mask",
    ),
    "a turned picture": (
        {**pictures("a.jpg"), "l.json": label_studio(task("a.jpg", {"result": [
            region(**BOX) | {"image_rotation": 90}]}))},
        r"image_rotation: expected 0",
    ),
    "no base64": (
        {"a.json": json.dumps(LABELME | {"imageData": "###"})}, "expected a picture in base64"),
    "a list of pictures that are not there": (
        {**pictures("images/a.jpg"), "train.txt": "\nb.jpg\n",
         "data.yaml": "train: train.txt\nnames: [container_door]"},
        r"train.txt:2: expected a picture of the source, found 'b.jpg'",
    ),
    "a table without a class": (
        {"b.csv": "filename,xmin,ymin,xmax,ymax\na.jpg,1,2,3,4\n"}, r"b.csv:1: expected a column class"),
    "a table of words": (
        {**pictures("a.jpg"), "b.csv": "filename,class,xmin,ymin,xmax,ymax\na.jpg,container_door,1,2,x,4\n"},
        r"b.csv:2: expected xmax: a number",
    ),
    "two formats": (
        {**pictures("a.jpg"), "a.xml": VOC.format(name="a.jpg"), "a.txt": "0 .5 .5 .1 .1\n"},
        "expected labels of one format, found voc, yolo",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_in_a_file_is_named_with_its_line_or_path(files, said: str, tmp_path: Path):
    source = write(tmp_path / "e", files)

    with pytest.raises(SourceError, match=said):
        imported(source, out=tmp_path / "set")

    assert not (tmp_path / "set").exists()


def test_annotators_that_disagree_are_shown_and_their_names_are_kept(tmp_path: Path):
    one = {"completed_by": {"email": "a@b.c"}, "result": [region(**BOX)]}
    other = {"completed_by": 2, "result": [region(**BOX | {"x": 5})]}
    files = {**pictures("a.jpg"), "l.json": label_studio(task("a.jpg", one, other))}

    report = imported(write(tmp_path / "e", files), out=tmp_path / "set")

    assert len(report.disagreements) == 1
    assert boxes_of(tmp_path / "set") == {"unsplit/a.jpg": [(16, 24, 48, 36)]}
    assert "Label Studio,a@b.c," in (tmp_path / "set/sources.csv").read_text()
