"""``doors data split``: scenes are placed whole, once, and a kill loses nothing."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tests.data.planted import CHANGES
from tests.data.test_duplicates import scene

from container_doors.cli import main
from container_doors.data import moving
from container_doors.data.checks import Report, check
from container_doors.data.layout import label_of

DOOR = "0 0.5 0.5 0.25 0.5\n"


class Heap:
    """A data set whose photographs are in no split yet, each of its own scene."""

    def __init__(self, root: Path, count: int = 20) -> None:
        self.root = root
        for number in range(count):
            self.add(f"p{number:02}", seed=number)

    def add(
        self, name: str, *, seed: int, split: str = "unsplit", change: str | None = None
    ) -> Path:
        pixels = scene(seed, (160, 120))
        pixels = pixels if change is None else CHANGES[change](pixels, seed)
        image = self.root / f"images/{split}/{name}.jpg"
        for path in (image, label_of(image)):
            path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), pixels)
        label_of(image).write_text(DOOR if seed % 4 else "")
        return image

    def split(self, *options: str) -> int:
        return main(["data", "split", "--path", str(self.root), *options])

    def places(self) -> dict[str, str]:
        """The split of each photograph, by its name."""
        return {path.stem: path.parent.name for path in self.root.glob("images/*/**/*.jpg")}

    def state(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }

    def check(self) -> Report:
        return check(self.root, min_train_images=1, min_val_images=1)


@pytest.fixture
def heap(tmp_path: Path) -> Heap:
    return Heap(tmp_path / "set")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[[int], str]:
    def message(code: int) -> str:
        assert code == 2
        return capsys.readouterr().err

    return message


def test_a_heap_becomes_a_data_set_that_the_gate_passes(heap: Heap):
    for number in range(4):
        heap.add(f"copy{number}", seed=number, change="mirrored")

    assert heap.split() == 0

    report = heap.check()
    assert [str(finding) for finding in report.findings] == []
    counts = report.splits
    assert [counts[split].images for split in ("train", "val", "test")] == [17, 4, 3]
    places = heap.places()
    assert all(places[f"copy{n}"] == places[f"p{n:02}"] for n in range(4))
    assert not (heap.root / "images/unsplit").exists()
    assert not (heap.root / "labels/unsplit").exists()


def test_what_a_person_wrote_stays_and_only_cells_that_moved_or_are_empty_change(heap: Heap):
    table = (
        "sep=;\r\nimage;Group;split;lighting\r\nimages/unsplit/p00.jpg;quay 7;unsplit;night\r\n"
        "p01;Quay 7;;\r\np02;;;day\r\n"
    )
    (heap.root / "attributes.csv").write_bytes(table.encode("utf-8-sig"))
    heap.add("copy", seed=2, change="darkened")
    sources = "photograph,source,member,sha256\nunsplit/p03.jpg,a.zip,b/p03.jpg,0\n"
    (heap.root / "sources.csv").write_text(sources)

    assert heap.split() == 0

    places = heap.places()
    lines = (heap.root / "attributes.csv").read_bytes().decode("utf-8-sig").split("\r\n")
    place = places["p00"]
    assert lines[:4] == [
        "sep=;", "image;Group;split;lighting", f"images/{place}/p00.jpg;quay 7;{place};night",
        "p01;Quay 7;;",
    ]  # fmt: skip
    assert lines[4].startswith("p02;scene-")
    assert lines[4].endswith(";;day")
    assert places["p00"] == places["p01"]
    assert f"{places['p03']}/p03.jpg,a.zip,b/p03.jpg,0" in (heap.root / "sources.csv").read_text()
    assert lines[5:] == [f"images/{places['copy']}/copy.jpg;{lines[4].split(';')[1]};;", ""]
    assert {f.rule for f in heap.check().findings} == {
        "attributes-group-spelling", "attributes-group-missing",
    }  # fmt: skip


def test_what_is_placed_stays_and_what_arrives_joins_its_scene(heap: Heap):
    heap.split()
    before = heap.places()
    heap.add("again", seed=5, change="brightened")
    heap.add("other", seed=99)
    (label_of(heap.root / "images/unsplit/other.jpg")).unlink()

    assert heap.split("--seed", "7") == 0

    after = heap.places()
    assert {name: after[name] for name in before} == before
    assert after["again"] == before["p05"]
    state = heap.state()
    assert heap.split() == 0
    assert heap.state() == state


def test_the_gate_knows_what_is_written_of_photographs_that_are_in_no_split_yet(heap: Heap):
    heap.split()
    place = heap.places()["p05"]
    rows = f"images/{place}/p05.jpg,quay\nimages/unsplit/again.jpg,quay\n"
    (heap.root / "attributes.csv").write_text(f"image,group\n{rows}")
    heap.add("again", seed=500)

    assert [f.rule for f in heap.check().errors] == ["photographs-not-split"]


def test_a_dry_run_shows_the_result_and_changes_nothing(
    heap: Heap, capsys: pytest.CaptureFixture[str]
):
    before = heap.state()

    assert heap.split("--dry-run", "--json") == 0

    document = json.loads(capsys.readouterr().out)
    assert heap.state() == before
    heap.split()
    assert {Path(move["to"]).stem: Path(move["to"]).parent.name for move in document["moves"]} == (
        heap.places()
    )


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--group-by", r"name:^(quay\d)_"], ["quay1_a", "quay1_b", "quay1_c"]),
        (["--group-by", "folder"], ["gate/a", "gate/b", "gate/c"]),
        (["--group-by", "time:30s"], ["taken_00", "taken_20", "taken_40"]),
    ],
    ids=["name", "folder", "time"],
)
def test_photographs_that_are_named_as_one_scene_stay_together(
    heap: Heap, options: list[str], names: list[str]
):
    for number, name in enumerate(names):
        path = heap.add(name, seed=100 + number)
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2026:03:01 10:00:{20 * number:02}"
        with Image.open(path) as picture:
            picture.save(path, exif=exif)

    assert heap.split("--seed", "3", *options) == 0

    places = {heap.places()[Path(name).name] for name in names} - {"gate"}
    folders = {path.parts[len(heap.root.parts) + 1] for path in heap.root.glob("images/*/gate/*")}
    assert len(places | folders) == 1


def test_what_nobody_knows_of_scenes_is_not_written_but_said(
    heap: Heap, capsys: pytest.CaptureFixture[str]
):
    for number in range(3):
        heap.add(f"gate_{number}", seed=100 + number)

    assert heap.split() == 0

    said = capsys.readouterr().out
    assert said.count("nothing is known of scenes: each photograph counts as one") == 1
    assert suggested(said) == []  # p00 to p19 are most of the photographs: no scene
    assert not (heap.root / "attributes.csv").exists()
    assert [str(finding) for finding in heap.check().findings] == []


def test_a_way_to_group_is_suggested_where_names_are_numbered_in_several_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    heap = Heap(tmp_path / "set", 0)
    for number, series in enumerate(["gate_", "quay_", "yard_"] * 4):
        heap.add(f"{series}{number}", seed=number)

    assert heap.split("--dry-run") == 0

    said = capsys.readouterr().out
    assert "would make 3 scenes of 12 photographs, the largest of 4" in said
    (rule,) = suggested(said)
    assert heap.split("--group-by", rule) == 0
    assert "nothing is known" not in capsys.readouterr().out
    assert len({(name[:4], split) for name, split in heap.places().items()}) == 3


def suggested(said: str) -> list[str]:
    """The ways to group that were suggested, as a shell reads them."""
    found = re.findall(r"note: --group-by ('[^']*'|\S+) would make", said)
    return [shlex.split(one)[0] for one in found]


STRADDLING = [
    (["--group-by", "name:^(quay)_"], "", ["quay", "name"]),
    ([], "image,group\nimages/train/quay_a.jpg,Quay 7\nval/quay_b.jpg,Quay 7\nquay_c,Quay 7\n",
     ["quay 7", "attributes"]),
]  # fmt: skip


@pytest.mark.parametrize(("options", "table", "cells"), STRADDLING, ids=["name", "table"])
def test_a_scene_that_straddles_splits_is_named_and_the_hint_brings_it_into_one(
    heap: Heap,
    options: list[str],
    table: str,
    cells: list[str],
    capsys: pytest.CaptureFixture[str],
):
    heap.split("--folds", "3")
    for number, (name, split) in enumerate(
        zip("abcd", ["train", "val", "test", "val"], strict=True)
    ):
        heap.add(f"quay_{name}", seed=100 + number, split=split)
    heap.split("--folds", "3")
    if table:
        (heap.root / "attributes.csv").write_text(f"{table}images/val/quay_d.jpg,quay 7\n")
    before = heap.state()
    capsys.readouterr()

    assert heap.split(*options, "--dry-run") == 1
    assert heap.state() == before
    assert heap.split(*options, "--dry-run", "--rejoin") == 0
    assert heap.state() == before
    capsys.readouterr()
    assert heap.split(*options) == 1

    said = capsys.readouterr().out
    assert "1 scene(s) are in more than one split" in said
    (row,) = [line for line in said.splitlines() if line.startswith(f"│ {cells[0]}")]
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [*cells, "1", "2", "1"]
    (hint,) = re.findall(r"hint: (doors .* --rejoin) moves", said)
    assert main(shlex.split(hint)[1:]) == 0
    assert {heap.places()[f"quay_{name}"] for name in "abcd"} == {"train"}
    findings = heap.check().findings
    assert {f.rule for f in findings} <= {"attributes-group-missing", "attributes-group-spelling"}
    groups = [line.split(",")[1] for line in _lines(heap.root / "attributes.csv")[1:]]
    assert len({group.casefold() for group in groups}) == 1
    folds = dict(line.split(",") for line in _lines(heap.root / "folds.csv")[1:])
    places = heap.places()
    assert set(folds) == {
        f"images/{split}/{name}.jpg" for name, split in places.items() if split != "test"
    }
    assert len({folds[f"images/train/quay_{name}.jpg"] for name in "abcd"}) == 1


def test_copies_in_two_splits_are_named_and_a_frozen_test_split_stays_as_it_is(
    heap: Heap, capsys: pytest.CaptureFixture[str]
):
    heap.split()
    name = next(name for name, split in heap.places().items() if split == "test")
    heap.add("copy", seed=int(name[1:]), split="train", change="re-encoded")
    heap.split("--freeze", "test")
    frozen = (heap.root / "frozen.json").read_bytes()
    capsys.readouterr()

    assert heap.split("--rejoin", "--json") == 1

    document = json.loads(capsys.readouterr().out)
    assert document["straddling"] == [
        {
            "name": "images/train/copy.jpg",
            "kind": "near-duplicates",
            "photographs": {
                "train": ["images/train/copy.jpg"],
                "test": [f"images/test/{name}.jpg"],
            },
            "is_frozen": True,
        }
    ]
    assert (heap.root / "frozen.json").read_bytes() == frozen
    heap.split()
    (hint,) = re.findall(r"(doors \S* split .* --freeze test)", capsys.readouterr().out)
    assert main(shlex.split(hint)[1:]) == 0
    assert heap.places()[name] == heap.places()["copy"] == "train"
    assert [finding.rule for finding in heap.check().errors] == []
    assert (heap.root / "frozen.json").read_bytes() != frozen


def test_a_group_of_one_that_an_earlier_split_made_up_gives_way_to_a_scene(heap: Heap):
    for name in "ab":
        heap.add(f"quay_{name}", seed=ord(name))
    rows = "".join(f"{name},scene-{n:012x}\n" for n, name in enumerate(sorted(heap.places())))
    (heap.root / "attributes.csv").write_text(f"image,group\n{rows}")
    assert heap.split("--group-by", "name:^(quay)_") == 0

    lines = _lines(heap.root / "attributes.csv")

    assert lines[1:] == [
        *rows.splitlines()[:20], "quay_a,scene-000000000014", "quay_b,scene-000000000014",
    ]  # fmt: skip


def test_a_split_that_rejoining_would_empty_is_an_error(heap: Heap, refused: Callable[[int], str]):
    heap.split()
    before = heap.state()
    places = heap.places()
    odd = [name for name, split in places.items() if split != "test"]
    rows = "".join(f"{name},quay\n" for name in odd)
    (heap.root / "attributes.csv").write_text(f"image,group\n{rows}")

    message = refused(heap.split("--rejoin"))

    assert "expected a scene of its own in val, found only scenes that are in" in message
    assert {name: data for name, data in heap.state().items() if name != "attributes.csv"} == before


class Killed(BaseException):
    pass


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a process die at its n-th change of the disk."""
    names = ("link_file", "force_name_to_disk", "put_in_place", "replace_text", "make_folder")
    real = {name: getattr(moving, name) for name in names}

    def kill(number: int) -> None:
        left = [number]

        def dying(work: Callable[..., None]) -> Callable[..., None]:
            def change(*arguments: object) -> None:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                work(*arguments)

            return change

        for name, work in real.items():
            monkeypatch.setattr(moving, name, dying(work))

    return kill


@pytest.mark.parametrize("number", [0, 1, 3, 5, 6, 8, 11, 14, 30])
def test_a_kill_at_any_moment_loses_nothing_and_the_same_command_goes_on(
    number: int, tmp_path: Path, killed_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
):
    whole, heap = Heap(tmp_path / "whole", 6), Heap(tmp_path / "set", 6)
    whole.split("--folds", "3", "--freeze", "test")
    with monkeypatch.context():
        killed_at(number)
        with pytest.raises(Killed):
            heap.split("--folds", "3", "--freeze", "test")
        monkeypatch.undo()

    images = list(heap.root.glob("images/*/*.jpg"))
    assert len(images) == 6
    assert all(label_of(image).is_file() for image in images)
    if (heap.root / ".doors-split/moves.json").exists():
        assert "split-interrupted" in {finding.rule for finding in heap.check().findings}
    assert heap.split("--folds", "3", "--freeze", "test") == 0
    assert heap.state() == whole.state()


def test_moves_that_someone_else_wrote_down_leave_the_data_set_alone(
    heap: Heap, refused: Callable[[int], str]
):
    plan = heap.root / ".doors-split/moves.json"
    plan.parent.mkdir()
    plan.write_text('[["images/unsplit/p00.jpg", "images/../../../stolen.jpg"]]')
    before = heap.state()

    assert "expected the moves of an interrupted split" in refused(heap.split())
    assert heap.state() == before


def test_a_frozen_test_split_gets_nothing_and_every_change_of_it_is_an_error(
    heap: Heap, refused: Callable[[int], str], capsys: pytest.CaptureFixture[str]
):
    heap.split("--freeze", "test")
    frozen = sorted(name for name, split in heap.places().items() if split == "test")
    for number in range(100, 120):
        heap.add(f"new{number}", seed=number)
    seed = int(frozen[0].removeprefix("p"))
    heap.add("copy", seed=seed, change="darkened")

    assert heap.split() == 1  # the copy can be nowhere

    assert "left where it is: images/unsplit/copy.jpg: one scene with" in capsys.readouterr().out
    assert sorted(name for name, split in heap.places().items() if split == "test") == frozen
    assert heap.places()["copy"] == "unsplit"
    assert "frozen-changed" not in {finding.rule for finding in heap.check().findings}

    label = heap.root / f"labels/test/{frozen[0]}.txt"
    label.write_text("0 0.4 0.5 0.25 0.5\n")
    (finding,) = [f for f in heap.check().findings if f.rule == "frozen-changed"]
    assert (finding.severity, finding.where) == ("error", f"labels/test/{frozen[0]}.txt")
    assert "expected the test split as it was frozen" in refused(heap.split())
    assert heap.split("--unfreeze", "--freeze", "test") in {0, 1}
    assert "frozen-changed" not in {finding.rule for finding in heap.check().findings}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"schema_version": 1, "split": "test", "files": {"a": 1}}']
)
def test_a_frozen_json_that_was_changed_is_an_error(heap: Heap, text: str):
    heap.split()
    (heap.root / "frozen.json").write_text(text)

    assert {finding.rule for finding in heap.check().errors} == {"frozen-unreadable"}


def test_a_new_photograph_between_two_splits_is_left_out(
    heap: Heap, capsys: pytest.CaptureFixture[str]
):
    heap.split()
    places = heap.places()
    train, test = (next(n for n in places if places[n] == split) for split in ("train", "test"))
    table = heap.root / "attributes.csv"
    heap.add("both", seed=0, change="re-encoded")
    folder = heap.root / "images/unsplit"
    (folder / "both.jpg").write_bytes((heap.root / f"images/train/{train}.jpg").read_bytes())
    table.write_text(f"image,group\nunsplit/both.jpg,q\ntest/{test}.jpg,q\n")

    assert heap.split() == 1

    assert "which are in different splits" in capsys.readouterr().out
    assert heap.places()["both"] == "unsplit"


def test_folds_are_by_scene_without_test_and_stay(heap: Heap, capsys: pytest.CaptureFixture[str]):
    heap.add("twin", seed=3, change="half the size")
    heap.split("--folds", "4")
    assert "doors crossval, by the 4 folds of folds.csv" in capsys.readouterr().out
    rows = dict(line.split(",") for line in _lines(heap.root / "folds.csv")[1:])
    places = heap.places()

    assert set(rows) == {
        f"images/{split}/{name}.jpg" for name, split in places.items() if split != "test"
    }
    assert set(rows.values()) == set("1234")
    if places["p03"] != "test":
        assert rows[f"images/{places['p03']}/p03.jpg"] == rows[f"images/{places['twin']}/twin.jpg"]
    for number in range(200, 206):
        heap.add(f"late{number}", seed=number)
    heap.split("--folds", "4")
    later = dict(line.split(",") for line in _lines(heap.root / "folds.csv")[1:])
    assert {name: later[name] for name in rows} == rows


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_column_is_balanced_and_what_is_not_is_said(
    heap: Heap, capsys: pytest.CaptureFixture[str]
):
    rows = "".join(f"p{n:02},{'night' if n < 10 else 'day'}\n" for n in range(20))
    (heap.root / "attributes.csv").write_text(f"image,lighting\n{rows}")

    assert heap.split("--stratify", "Lighting", "--shares", "50/25/25", "--json") == 0

    document = json.loads(capsys.readouterr().out)
    strata = {name: split["strata"] for name, split in document["splits"].items()}
    assert [strata[s]["lighting night"] for s in ("train", "val", "test")] in ([5, 3, 2], [5, 2, 3])
    assert [note[:32] for note in document["notes"]] == ["nothing is known of scenes: each"]


def test_a_scene_that_is_too_large_for_the_shares_is_said(
    heap: Heap, capsys: pytest.CaptureFixture[str]
):
    rows = "".join(f"p{n:02},{'q' if n < 17 else n}\n" for n in range(20))
    (heap.root / "attributes.csv").write_text(f"image,group\n{rows}")

    heap.split()

    assert "train has 85% of the photographs, and 70% were asked for" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--stratify", "colour"], "--stratify 'colour': expected a column of attributes.csv"),
        (["--group-by", "folder"], "--group-by folder: expected photographs in folders"),
        (["--group-by", "name:zzz"], "--group-by name: the regular expression matches no name"),
        (["--group-by", "time:1m"], "--group-by time: expected the time of taking in EXIF"),
        (["--group-by", "name:^p"], "expected a scene for each of train, val, test, found 1 scene"),
        (["--folds", "1"], "--folds 1: expected 3 to 100"),
        (["--folds", "50"], "--folds 50: expected as many scenes in train and val, found"),
        (["--shares", "1/2/3"], "--shares '1/2/3': expected percentages"),
    ],
)
def test_an_option_that_cannot_be_followed_changes_nothing(
    heap: Heap, refused: Callable[[int], str], options: list[str], problem: str
):
    before = heap.state()

    message = refused(heap.split(*options))

    assert problem in message
    assert "hint: " in message
    assert heap.state() == before


def test_a_name_that_is_taken_is_an_error_before_anything_moves(
    heap: Heap, refused: Callable[[int], str]
):
    heap.split()
    for split in ("train", "val", "test"):
        heap.add("same", seed=300 + len(split), split=split)
    heap.add("same", seed=310)
    before = heap.state()

    assert "expected a name that" in refused(heap.split())
    assert heap.state() == before


def test_an_empty_place_and_a_damaged_table_are_errors(
    tmp_path: Path, heap: Heap, refused: Callable[[int], str]
):
    nothing = Heap(tmp_path / "nothing", 0)
    assert "expected photographs in images/unsplit, found none" in refused(nothing.split())

    (heap.root / "attributes.csv").write_text("image,group\nunknown.jpg,q\n")
    assert "expected a photograph of the data set, found 'unknown.jpg'" in refused(heap.split())


def test_a_contact_sheet_shows_each_split(heap: Heap, tmp_path: Path):
    assert heap.split("--sheet", str(tmp_path / "sheets")) == 0

    for split in ("train", "val", "test"):
        pixels = cv2.imread(str(tmp_path / f"sheets/{split}.jpg"))
        assert np.asarray(pixels).std() > 20
