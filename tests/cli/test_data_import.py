"""``doors data import``: from an export to a data set, again, and with bad input."""

import csv
import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.data.formats.exports import boxes_of, coco, pictures, write, zipped
from tests.data.trees import jpeg

from container_doors.cli import main
from container_doors.cli.options.data_import import READ_FORMATS, WRITTEN_FORMATS
from container_doors.data import sources
from container_doors.data.checks import check
from container_doors.data.formats.known import FORMATS
from container_doors.data.placing import Staging, read_dataset, staging


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = Path("small").absolute()
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def run(line: str) -> int:
    try:
        return main(shlex.split(line))
    except SystemExit as error:
        return int(error.code or 0)


def state(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "sources.csv").open(encoding="utf-8", newline="") as file:
        return {row["photograph"]: row for row in csv.DictReader(file)}


def an_export(folder: Path = Path("export"), boxes: object = None) -> Path:
    names = ("quay/a.jpg", "quay/b.jpg", "c.jpg")
    document = coco({"quay/a.jpg": [(4, 6, 20, 30)], "quay/b.jpg": [(1, 2, 10, 20)], "c.jpg": []})
    return write(folder, {**pictures(*names), "labels.json": document})


def test_the_choices_of_the_command_line_are_the_formats_that_there_are():
    assert set(READ_FORMATS) == set(FORMATS)
    assert set(WRITTEN_FORMATS) == {name for name, one in FORMATS.items() if one.write}


def test_an_export_becomes_a_pool_that_the_gate_says_is_to_be_split(
    capsys: pytest.CaptureFixture[str],
):
    source = an_export()
    before = state(source)

    assert run("data import export --out set") == 0

    out = Path("set")
    assert boxes_of(out) == {
        "unsplit/a.jpg": [(4, 6, 24, 36)], "unsplit/b.jpg": [(1, 2, 11, 22)], "unsplit/c.jpg": [],
    }  # fmt: skip
    assert (out / "labels/unsplit/c.txt").read_bytes() == b""
    assert (out / "images/unsplit/a.jpg").read_bytes() == before["quay/a.jpg"]
    row = rows(out)["unsplit/a.jpg"]
    assert (row["source"], row["member"], row["tool"]) == ("export", "quay/a.jpg", "COCO")
    assert row["original_name"] == "a.jpg"
    assert (out / "attributes.csv").read_bytes() == b"image,group\n"  # for what a person knows
    assert state(source) == before
    assert "next: doors data split --path set" in capsys.readouterr().out
    [finding] = check(out, min_train_images=1, min_val_images=1).findings
    assert (finding.rule, finding.found) == ("photographs-not-split", "3 in no split yet")


def test_what_waits_to_be_split_is_said_after_each_import(capsys: pytest.CaptureFixture[str]):
    source = an_export()
    assert run(f"data import {source} --out set") == 0
    capsys.readouterr()

    assert run(f"data import {source} --out set") == 0

    *_, counts, next_line = capsys.readouterr().out.splitlines()
    assert counts.startswith("new: 0")
    assert next_line == "next: doors data split --path set"


def test_an_export_that_has_train_alone_is_divided_by_the_line_that_is_named(
    capsys: pytest.CaptureFixture[str],
):
    label, names = "0 0.5 0.5 0.25 0.5\n", "train: train/images\nnames: [container_door]\n"
    files = pictures(*(f"train/images/{name}.jpg" for name in "abc"))
    labels = {f"train/labels/{name}.txt": label for name in "abc"}
    write(Path("export"), {**files, **labels, "data.yaml": names})
    assert run("data import export --out set") == 0

    move, _, split = capsys.readouterr().out.rpartition("by scene: ")[2].rpartition(" && doors ")
    subprocess.run(["bash", "-euc", move], check=True)

    assert run(split) == 0
    assert "moved 3 photograph(s)" in capsys.readouterr().out


def test_splits_that_the_source_names_are_kept_and_pass_the_gate(tmp_path: Path):
    """Roboflow's zip: its data.yaml leads out of the folder, and calls val valid."""
    names = {"train": "a.jpg", "valid": "b.jpg", "test": "c.jpg"}
    files = pictures(*(f"{split}/images/{name}" for split, name in names.items()))
    for split, name in names.items():
        files[f"{split}/labels/{Path(name).stem}.txt"] = "0 0.5 0.5 0.25 0.5\n"
    files["data.yaml"] = (
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
        "nc: 1\nnames: ['Container Door']\n"
    )
    zipped(Path("doors.v1.zip"), {**files, "README.dataset.txt": "1 2"})

    assert run("data import doors.v1.zip --out set") == 0

    assert set(boxes_of(Path("set"))) == {"train/a.jpg", "val/b.jpg", "test/c.jpg"}
    assert check(Path("set"), min_train_images=1, min_val_images=1).findings == []


def test_an_unknown_class_is_an_error_whose_hint_works(capsys: pytest.CaptureFixture[str]):
    write(Path("export"), {**pictures("a.jpg"), "l.json": coco({"a.jpg": [(4, 6, 20, 30)]},
                                                               category="rear door")})  # fmt: skip

    assert run("data import export --out set") == 2

    error = capsys.readouterr().err
    assert "rear door: 1 boxes" in error
    assert not Path("set").exists()
    option = re.search(r"--map '.*?'", error)
    assert option
    assert run(f"data import export --out set {option[0]}") == 0
    assert re.search(r"rear door\s.*1\s.*as container_door", capsys.readouterr().out)
    assert boxes_of(Path("set")) == {"unsplit/a.jpg": [(4, 6, 24, 36)]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--map wheel", "expected NAME=NEW_NAME"),
        ("--map 'a=truck'", "expected the class of the data set"),
        ("--map 'a=container_door' --drop a", "found both"),
        ("--drop wheel", "found 'wheel', which no box has"),
        ("--format yolo", "expected photographs with labels of YOLO, found none"),
        ("--out .", "a folder for the data set alone"),
    ],
)
def test_options_that_make_no_sense_are_errors(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
):
    an_export()

    assert run(f"data import export --out set {options}") == 2

    assert re.search(said, capsys.readouterr().err)
    assert not Path("set").exists()


def test_importing_again_adds_what_is_new_and_updates_what_was_relabelled():
    an_export()
    run("data import export --out set")
    out = Path("set")
    for kind, name in (("images", "b.jpg"), ("labels", "b.txt")):  # as doors data split moves it
        (out / kind / "val").mkdir(parents=True)
        (out / kind / "unsplit" / name).rename(out / kind / "val" / name)
    before = state(out)

    assert run("data import export --out set --json") == 0
    assert state(out) == before

    write(Path("export"), {
        **pictures("new.jpg", first_seed=7),
        "labels.json": coco({"quay/a.jpg": [(4, 6, 20, 30)], "quay/b.jpg": [(2, 2, 12, 24)],
                             "c.jpg": [], "new.jpg": [(1, 1, 30, 30)]}),
    })  # fmt: skip
    assert run("data import export --out set") == 0

    assert boxes_of(out) == {
        "unsplit/a.jpg": [(4, 6, 24, 36)], "unsplit/c.jpg": [],
        "unsplit/new.jpg": [(1, 1, 31, 31)], "val/b.jpg": [(2, 2, 14, 26)],
    }  # fmt: skip
    assert set(rows(out)) == set(boxes_of(out))


def test_a_dry_run_says_the_same_and_writes_nothing(capsys: pytest.CaptureFixture[str]):
    an_export()

    assert run("data import export --out set --dry-run --json") == 0
    dry = json.loads(capsys.readouterr().out)
    assert not Path("set").exists()

    assert run("data import export --out set --json") == 0
    assert {**json.loads(capsys.readouterr().out), "dry_run": True} == dry
    assert dry["counts"]["new"] == 3


def test_two_sources_that_disagree_are_shown_and_not_merged(capsys: pytest.CaptureFixture[str]):
    an_export()
    shutil.copytree("export", "other")
    write(Path("other"), {"labels.json": coco({"quay/a.jpg": [(9, 9, 20, 30)],
                                               "quay/b.jpg": [(1.2, 2, 10, 20)]})})  # fmt: skip
    run("data import export --out set")
    before = state(Path("set"))

    assert run("data import other --out set") == 1

    assert state(Path("set")) == before
    out = capsys.readouterr().out
    assert "the same picture has 1 box(es) in export, unsplit/a.jpg, and 1 other(s) in other" in out
    assert "--relabel takes the last ones, for example of a later export of the same" in out
    assert "b.jpg" not in out.partition("not merged")[2]  # 0.2 px are a rounding error
    assert run("data import other --out set --relabel") == 0
    assert boxes_of(Path("set"))["unsplit/a.jpg"] == [(9, 9, 29, 39)]

    assert run("data import export other --out both") == 1
    assert boxes_of(Path("both"))["unsplit/a.jpg"] == [(4, 6, 24, 36)]


def test_two_annotations_of_one_picture_that_differ_are_told_apart(
    capsys: pytest.CaptureFixture[str],
):
    def annotation(number: int, x: float) -> dict[str, object]:
        value = {"x": x, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["container_door"]}
        region: dict[str, object] = {"id": "a", "type": "rectanglelabels", "value": value}
        region |= {"original_width": 64, "original_height": 48}
        return {"id": number, "completed_by": number, "result": [region]}

    tasks = [{"data": {"image": "a.jpg"}, "annotations": [annotation(7, 0), annotation(8, 40)]}]
    write(Path("ls"), {**pictures("a.jpg"), "tasks.json": json.dumps(tasks)})

    assert run("data import ls --out set") == 1

    said = capsys.readouterr().out
    assert "tasks.json: $[0].annotations[0] (by 7), and 1 other(s) in ls, a.jpg, ls/" in said
    assert "annotations[1] (by 8)" in said


def test_each_problem_is_listed_once_though_two_splits_name_the_same_folder(
    capsys: pytest.CaptureFixture[str],
):
    files = {**pictures("images/train/a.jpg"), "labels/train/a.txt": "0 .5 .5\n"}
    names = "names: [container_door]\ntrain: images/train\nval: images/train"
    write(Path("export"), {**files, "data.yaml": names})

    assert run("data import export --out set") == 2

    error = capsys.readouterr().err
    assert "1 problem(s)" in error
    assert error.count("a.txt:1") == 1


def test_a_picture_that_has_changed_in_its_source_is_named(capsys: pytest.CaptureFixture[str]):
    write(Path("heap"), pictures("a.jpg", "b.jpg"))
    run("data import heap --out set --negatives")
    assert "have changed" not in capsys.readouterr().out
    write(Path("heap"), pictures("a.jpg", first_seed=9))

    assert run("data import heap --out set --negatives") == 0

    said = capsys.readouterr().out
    assert "1 picture(s) have changed since they were imported" in said
    assert "heap, a.jpg (before: unsplit/a.jpg)" in said


def test_photographs_without_a_label_file_are_named_with_what_to_do(
    capsys: pytest.CaptureFixture[str],
):
    label = {"labels/a.txt": "0 .5 .5 .5 .5\n", "classes.txt": "container_door\n"}
    write(Path("yolo"), {**pictures("images/a.jpg", "images/b.jpg", "images/c.jpg"), **label})

    assert run("data import yolo --out set") == 0

    said = capsys.readouterr().out
    assert "2 photograph(s) left out: they have no label file: images/b.jpg, images/c.jpg" in said
    assert "skipped: 2" in said
    write(Path("yolo"), {"labels/b.txt": ""})  # as it says
    assert run("data import yolo --out set") == 0
    assert boxes_of(Path("set"))["unsplit/b.jpg"] == []


def test_dropping_every_class_does_not_make_every_photograph_a_negative(
    capsys: pytest.CaptureFixture[str],
):
    write(Path("yolo"), {**pictures("a.jpg"), "a.txt": "0 .5 .5 .5 .5\n"})

    assert run("data import yolo --out set --drop '*'") == 2

    error = capsys.readouterr().err
    assert "found none: all 1 boxes are dropped" in error
    assert not Path("set").exists()
    option = re.search(r"--map \S+=container_door", error)
    assert option
    assert run("data import yolo --out other --negatives") == 0
    assert run(f"data import yolo --out set {option[0]}") == 0
    assert len(boxes_of(Path("set"))["unsplit/a.jpg"]) == 1


def test_names_in_a_heap_that_are_no_files_are_left_out_and_named(
    capsys: pytest.CaptureFixture[str],
):
    write(Path("heap"), pictures("a.jpg"))
    Path("heap/dead.jpg").symlink_to("nothing.jpg")
    os.mkfifo("heap/pipe.jpg")

    assert run("data import heap --out set --negatives") == 1

    said = capsys.readouterr().out
    assert "heap/dead.jpg: expected a file, found a link to nothing" in said
    assert "heap/pipe.jpg: expected a file, found a pipe" in said
    assert boxes_of(Path("set")) == {"unsplit/a.jpg": []}


def test_photographs_to_be_labelled_wait_apart_and_join_with_their_labels():
    names = pictures("a.jpg", "b.jpg")
    write(Path("heap"), names)

    assert run("data import heap --out set --unlabelled") == 0
    assert set(boxes_of(Path("set"))) == {"unlabelled/a.jpg", "unlabelled/b.jpg"}
    assert not Path("set/labels").exists()

    write(Path("done"), {**names, "l.json": coco({"a.jpg": [(4, 6, 20, 30)]})})
    assert run("data import done --out set") == 0
    assert boxes_of(Path("set")) == {"unlabelled/b.jpg": [], "unsplit/a.jpg": [(4, 6, 24, 36)]}


def test_photographs_without_a_door_get_an_empty_label_file():
    write(Path("heap"), pictures("a.jpg"))

    assert run("data import heap --out set --negatives") == 0

    assert Path("set/labels/unsplit/a.txt").read_bytes() == b""


def test_names_are_unique_and_safe_and_the_original_is_remembered():
    names = [
        "q1/IMG 1.JPG",
        "q2/img 1.jpg",
        "南门.jpg",
        "Tür.jpeg",
        "con.jpg",
        "=1+1.jpg",
        "a\n.jpg",
    ]
    write(Path("export"), {**pictures(*names), "l.json": coco({name: [] for name in names})})

    assert run("data import export --out set") == 0

    placed = {Path(name).name for name in boxes_of(Path("set"))}
    assert {"IMG_1.jpg", "q2_img_1.jpg", "Nan_Men.jpg", "Tur.jpg", "con_.jpg", "1_1.jpg"} <= placed
    assert len({name.casefold() for name in placed}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][\w.-]*\.jpg", name, re.ASCII) for name in placed)
    assert {row["original_name"] for row in rows(Path("set")).values()} >= {"南门.jpg", "Tür.jpeg"}


def _missing_picture() -> str:
    an_export()
    Path("export/quay/a.jpg").unlink()
    return "export"


def _same_name_twice() -> str:
    write(Path("export"), {**pictures("1/a.jpg", "2/a.jpg"), "l.json": coco({"a.jpg": []})})
    return "export"


def _other_size() -> str:
    write(Path("export"), {**pictures("a.jpg"), "l.json": coco({"a.jpg": []}, size=(640, 480))})
    return "export"


def _box(*box: float) -> Callable[[], str]:
    def make() -> str:
        write(Path("export"), {**pictures("a.jpg"), "l.json": coco({"a.jpg": [box]})})
        return "export"

    return make


def _document(**changes: object) -> Callable[[], str]:
    def make() -> str:
        document = json.loads(coco({"a.jpg": [(1, 1, 5, 5)]})) | changes
        write(Path("export"), {**pictures("a.jpg"), "l.json": json.dumps(document)})
        return "export"

    return make


def _files(files: dict[str, str | bytes], source: str = "export") -> Callable[[], str]:
    def make() -> str:
        write(Path("export"), files)
        return source

    return make


def _truncated_zip() -> str:
    zipped(Path("a.zip"), {**pictures("a.jpg"), "l.json": coco({"a.jpg": []})})
    Path("a.zip").write_bytes(Path("a.zip").read_bytes()[:-30])
    return "a.zip"


def _damaged_member() -> str:
    zipped(Path("a.zip"), {**pictures("a.jpg"), "l.json": coco({"a.jpg": []})})
    data = bytearray(Path("a.zip").read_bytes())
    data[200:260] = bytes(60)
    Path("a.zip").write_bytes(data)
    return "a.zip"


def _bomb() -> str:
    with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(1024))
    data = bytearray(Path("a.zip").read_bytes())
    at = data.rindex(b"PK\x01\x02")  # the directory states a size of four gigabytes less one
    data[at + 24 : at + 28] = b"\xfe\xff\xff\xff"
    Path("a.zip").write_bytes(data)
    return "a.zip"


def _leading_out() -> str:
    zipped(Path("a.zip"), {"../a.jpg": b"x", "l.json": coco({"a.jpg": []})})
    return "a.zip"


BAD = {
    "a missing picture": (_missing_picture, r"labels.json: \$.images\[0\]: .*'quay/a.jpg'"),
    "one name twice": (_same_name_twice, r"images\[0\].*'a.jpg', which can be 1/a.jpg, 2/a.jpg"),
    "another size": (_other_size, r"images\[0\]: expected 640 x 480 .* a picture of 64 x 48"),
    "a box outside": (_box(70, 1, 5, 5), r"annotations\[0\]: expected a box inside"),
    "a box mostly outside": (_box(60, 1, 50, 5), r"annotations\[0\]: expected a box inside"),
    "no area": (_box(5, 5, 0, 4), r"annotations\[0\]: expected a box with a width"),
    "a negative width": (_box(5, 5, -4, 4), r"annotations\[0\]: expected a box with a width"),
    "three numbers": (_box(5, 5, 4), r"\[0\].bbox: expected x, y, width and height"),
    "not finite": (_box(5, 5, float("nan"), 4), r"\[0\].bbox\[2\]: expected a number"),
    "two ids": (
        _document(images=[{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]),
        r"images\[1\].id: expected an id of its own",
    ),
    "no such image": (_document(images=[]), r"annotations\[0\].image_id: expected the id"),
    "images is no list": (_document(images={"a": 1}), r"\.images: expected a list"),
    "no name": (_document(images=[{"id": 0}]), r"images\[0\].file_name: expected a value"),
    "broken JSON": (_files({"l.json": '{"images": [\n}'}, "export/l.json"), r"l.json:2: expected"),
    "no picture": (_files({"a.jpg": b"<html>", "l.json": coco({"a.jpg": []})}), "a.jpg: expected"),
    "a bomb of pixels": (
        _files({"a.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + bytes(9),
                "l.json": coco({"a.png": []})}),
        "a.png: expected a picture",
    ),
    "no labels": (_files({"a.jpg": jpeg()}), "expected labels of COCO.*--negatives"),
    "nothing": (_files({"a.txt": ""}), "expected labels of"),
    "a table with other columns": (
        _files({"a.jpg": jpeg(), "b.csv": "image,label,cx,cy,w,h\na.jpg,door,1,2,3,4\n"}),
        "labels of b.csv as a table with the columns filename, xmin, .* --unlabelled",
    ),
    "JSON of another tool": (
        _files({"a.jpg": jpeg(), "b.json": '{"boxes": []}'}),
        "labels of b.json in one of these formats; if b.json has none: --unlabelled",
    ),
    "a broken data.yaml": (_files({"data.yaml": "names: ["}), "data.yaml.*expected YAML"),
    "no folder of data.yaml": (
        _files({"data.yaml": "names: [door]\ntrain: images/train"}),
        "data.yaml: expected train, val or test",
    ),
    "a bad row": (
        _files({**pictures("images/train/a.jpg"), "labels/train/a.txt": "0 .5 .5\n",
                "data.yaml": "names: [container_door]\ntrain: images/train"}),
        r"labels/train/a.txt:1: expected 5 columns",
    ),
    "no such class": (
        _files({**pictures("images/train/a.jpg"), "labels/train/a.txt": "\n4 .5 .5 .1 .1\n",
                "data.yaml": "names: [container_door]\ntrain: images/train"}),
        r"labels/train/a.txt:2: expected class 0, found class 4",
    ),
    "a truncated zip": (_truncated_zip, "a.zip: expected a whole zip"),
    "a damaged member": (_damaged_member, "a.zip"),
    "a zip bomb": (_bomb, "a.zip: expected files of at most 1.0 GiB together"),
    "a name that leads out": (_leading_out, r"the member '\.\./a.jpg' would be written outside"),
    "another archive": (_files({"a.tar.gz": b""}, "export/a.tar.gz"), "unpack it"),
    "nothing there": (lambda: "nowhere", "nowhere: expected a folder, a zip"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "said"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_an_error_with_its_place_and_changes_nothing(
    make: Callable[[], str], said: str, capsys: pytest.CaptureFixture[str]
):
    write(Path("good"), {**pictures("z.jpg", first_seed=9), "l.json": coco({"z.jpg": []})})
    run("data import good --out set")
    source = make()
    before = state(Path())
    capsys.readouterr()

    assert run(f"data import {source} --out set") == 2

    error = capsys.readouterr().err
    assert re.search(said, error, re.DOTALL), error
    assert "hint:" in error
    assert state(Path()) == before


def test_all_problems_are_shown_at_once_and_can_be_left_out(capsys: pytest.CaptureFixture[str]):
    source = an_export()
    (source / "quay/a.jpg").unlink()
    (source / "c.jpg").write_bytes(b"")

    assert run("data import export --out set") == 2
    error = capsys.readouterr().err
    assert "2 problem(s); nothing was imported" in error
    assert "quay/a.jpg" in error
    assert "c.jpg: expected a picture" in error

    assert run("data import export --out set --skip-problems") == 1
    assert set(boxes_of(Path("set"))) == {"unsplit/b.jpg"}


def test_a_label_file_above_the_budget_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sources, "MOST_LABEL_BYTES", 1000)
    an_export()
    write(Path("export"), {"labels.json": coco({"c.jpg": []}) + " " * 1000})

    assert run("data import export --out set") == 2

    assert "expected at most 0.0 MiB, found more" in capsys.readouterr().err


def test_a_full_disk_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    an_export()
    write(Path("good"), {**pictures("z.jpg", first_seed=9), "l.json": coco({"z.jpg": []})})
    run("data import good --out set")
    before = state(Path())
    place = Staging.place

    def full(self: Staging, name: str, *rest: object) -> None:
        if name == "b.jpg":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
        place(self, name, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "place", full)
        assert run("data import export --out set") == 2

    assert "is full" in capsys.readouterr().err
    assert state(Path()) == before
    assert run("data import export --out set") == 0
    assert len(boxes_of(Path("set"))) == 4


@pytest.mark.parametrize("command", ["data import export --out small/set", "data export"])
def test_a_full_disk_is_named_with_what_is_needed(
    command: str, small_disk: Path, capsys: pytest.CaptureFixture[str]
):
    names = [f"{number}.jpg" for number in range(20)]
    files = {name: jpeg(number, (640, 480)) for number, name in enumerate(names)}
    write(Path("export"), {**files, "l.json": coco({name: [] for name in names}, size=(640, 480))})
    needed = sum(map(len, files.values())) / 1e6
    if command == "data export":
        assert run("data import export --out set") == 0
        command = "data export --path set --format coco --out small/project"
    capsys.readouterr()

    assert run(command) == 2

    error = capsys.readouterr().err
    assert f"{small_disk.resolve()} is full: No space left on device" in error
    assert abs(float(re.findall(r"need (?:about )?([\d.]+) MB", error)[0]) - needed) < needed / 10
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "data import export --out small",
        "data import export --out small --dry-run",
        "data import export --out link",
        "data export --path set --format coco --out small",
    ],
)
@pytest.mark.parametrize("kind", ["rw", "ro"])
def test_a_mount_point_is_named_before_anything_is_done(
    kind: str, command: str, small_disk: Path, capsys: pytest.CaptureFixture[str]
):
    an_export()
    assert run("data import export --out set") == 0
    Path("link").symlink_to("small")
    subprocess.run(["mount", "-o", f"remount,{kind}", small_disk], check=True)
    capsys.readouterr()

    assert run(command) == 2

    error = capsys.readouterr().err
    if kind == "ro":
        assert "Read-only file system" in error
        return
    assert "is a mount point, which cannot be exchanged" in error
    below = re.search(r"such as (\S+)", error)
    assert below
    line = re.sub(r"--out \S+", f"--out {below[1]}", command)
    assert run(line) == 0


def test_what_is_in_use_is_not_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def busy(self: Staging) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self.folder))

    an_export()
    monkeypatch.setattr(Staging, "finish", busy)

    assert run("data import export --out set") == 2

    assert "hint: it is a mount point, or in use" in capsys.readouterr().err


@pytest.mark.parametrize("at", ["place", "finish"])
def test_after_a_kill_the_data_set_is_whole_and_the_same_command_goes_on(at: str):
    write(Path("good"), {**pictures("z.jpg", first_seed=9), "labels.json": coco({"z.jpg": []})})
    run("data import good --out set")
    before = state(Path("set"))
    an_export(Path("good"))
    document = coco({"z.jpg": [(1, 1, 9, 9)], "quay/a.jpg": [], "quay/b.jpg": [], "c.jpg": []})
    write(Path("good"), {"labels.json": document})
    code = (
        "import os, signal, sys\nfrom container_doors.cli import main\n"
        "from container_doors.data.placing import Staging\n"
        f"Staging.{at} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "import", "good", "--out", "set"], check=False
    )

    assert done.returncode == -signal.SIGKILL
    assert state(Path("set")) == before
    assert run("data import good --out set") == 0
    assert len(boxes_of(Path("set"))) == 4
    assert boxes_of(Path("set"))["unsplit/z.jpg"] == [(1, 1, 10, 10)]
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_ctrl_c_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch):
    an_export()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "place", stop)
        assert run("data import export --out set") == 130

    assert [path.name for path in Path().iterdir()] == ["export"]
    assert run("data import export --out set") == 0


def test_a_second_import_at_the_same_time_is_refused(capsys: pytest.CaptureFixture[str]):
    an_export()
    with staging(read_dataset(Path("set"), "container_door")):
        assert run("data import export --out set") == 2

    assert "another import into set is running" in capsys.readouterr().err
    assert run("data import export --out set") == 0


def test_the_photographs_of_a_data_set_made_by_hand_are_recognised():
    an_export()
    run("data import export --out set")
    Path("set/sources.csv").unlink()

    assert run("data import export --out set --json") == 0

    assert len(boxes_of(Path("set"))) == 3
