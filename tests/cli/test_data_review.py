"""``doors data review``: doubts on a page, decisions in a file, labels changed in one step."""

import errno
import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from tests.chromium import CHROMIUM, opened
from tests.data.formats.exports import boxes_of, write
from tests.data.trees import DATA_YAML, jpeg
from tests.reporting.test_page import CONTRASTS, CUT
from tests.seeing import SeeingDetector, opens, publish_in

from container_doors.cli import main
from container_doors.core.run import LABEL_BACKUPS, PUBLISHED
from container_doors.data.placing import Staging

DOOR = (16.0, 12.0, 48.0, 36.0)
LABEL = "0 0.5 0.5 0.5 0.5\n"
OTHER = "0 0.125 0.125 0.125 0.125\n"
"""Of 8 x 6 pixels at 4, 3."""

PAGE = Path("label_review.html")
SAVED = Path("label_decisions.json")
FILES = {
    "data.yaml": DATA_YAML,
    "labels/train/agreed.txt": LABEL,
    "labels/train/missing.txt": OTHER,
    "labels/val/spurious.txt": LABEL + OTHER,
    "labels/val/shifted.txt": "0 0.4 0.4 0.5 0.5\n",
    "labels/test/loose.txt": "0 0.5 0.5 0.75 0.9\n",
    "labels/test/doubled.txt": LABEL + "0 0.52 0.5 0.5 0.5\n",
    "labels/unsplit/pool.txt": "",
}
WANTED = {
    "train/missing.jpg": [(4, 3, 12, 9), DOOR],
    "val/spurious.jpg": [DOOR],
    "val/shifted.jpg": [DOOR],
    "test/loose.jpg": [DOOR],
    "test/doubled.jpg": [DOOR],
    "unsplit/pool.jpg": [DOOR],
}
"""Once every doubt is accepted."""


@pytest.fixture(autouse=True)
def detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeeingDetector:
    publish_in(tmp_path, monkeypatch)
    images = [name.replace("labels", "images").replace(".txt", ".jpg") for name in FILES]
    pictures: dict[str, str | bytes] = {
        name: jpeg(seed) for seed, name in enumerate(images) if name.endswith(".jpg")
    }
    write(Path("set"), {**FILES, **pictures})
    other = ((4.0, 3.0, 12.0, 9.0), 0.9)
    seeing = SeeingDetector({Path(name).name: [(DOOR, 0.9)] for name in images})
    seeing.boxes = {**seeing.boxes, "missing.jpg": [(DOOR, 0.9), other]}
    opens(seeing, monkeypatch)
    return seeing


def run(line: str) -> int:
    return main(shlex.split(line))


class Cards(HTMLParser):
    """Collects what the page would save of each doubt."""

    def __init__(self) -> None:
        super().__init__()
        self.doubts: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs).get("data-doubt")
        if found is not None:
            self.doubts.append(json.loads(found))


def doubts(page: Path = PAGE) -> list[dict[str, Any]]:
    cards = Cards()
    cards.feed(page.read_text(encoding="utf-8"))
    return cards.doubts


def decide(decision: str = "accept", note: str = "", **changed: Any) -> None:
    """Decide on every doubt in the same way."""
    ones = [one | {"decision": decision, "note": note} | changed for one in doubts()]
    SAVED.write_text(json.dumps({"schema_version": 1, "decisions": ones}))


def labels() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path("set/labels").rglob("*.txt"))}


def predictions(path: str, found: Mapping[str, object], **changed: Any) -> None:
    rows = [
        {"image": image, "width_px": 64, "height_px": 48, "used_xyxy": [DOOR] if sees else [],
         "used_confidences": [0.9] if sees else []} | changed
        for image, sees in found.items()
    ]  # fmt: skip
    Path(path).write_text(json.dumps({"schema_version": 1, "photographs": rows, "more": 1}))


def test_each_kind_of_wrong_label_is_found_and_no_label_is_changed(
    capsys: pytest.CaptureFixture[str],
):
    before = labels()

    assert run("data review --path set") == 0

    assert {(one["image"], one["kind"]) for one in doubts()} == {
        ("images/train/missing.jpg", "missing"),
        ("images/val/spurious.jpg", "spurious"),
        ("images/val/shifted.jpg", "shifted"),
        ("images/test/loose.jpg", "loose"),
        ("images/test/doubled.jpg", "doubled"),
        ("images/unsplit/pool.jpg", "missing"),
    }
    assert labels() == before
    said = capsys.readouterr().out
    assert "6 doubt(s): 1 doubled, 1 loose, 2 missing, 1 shifted, 1 spurious" in said
    assert "may have learned these labels" in said
    assert "doors data review --path set --apply label_decisions.json" in said


def test_boxes_that_are_all_larger_are_said_to_be_the_model_s(
    detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    left, top, right, bottom = DOOR
    x, y = 0.04 * (right - left), 0.04 * (bottom - top)
    for number in range(24):
        write(
            Path("set"),
            {f"labels/train/l{number}.txt": LABEL, f"images/train/l{number}.jpg": jpeg(number)},
        )
        larger = (left - x, top - y, right + x, bottom + y)
        detector.boxes = {**detector.boxes, f"l{number}.jpg": [(larger, 0.9)]}

    assert run("data review --path set") == 0

    said = capsys.readouterr().out
    assert "boxes are larger than the labels in general: each side is" in said
    assert "boxes are larger than the labels" in PAGE.read_text(encoding="utf-8")


def test_where_a_model_agrees_there_is_nothing_to_decide(capsys: pytest.CaptureFixture[str]):
    predictions("p.json", {"images/train/agreed.jpg": True})

    assert run("data review --path set --predictions p.json") == 0

    said = capsys.readouterr().out
    assert "label_review.html has nothing to decide" in said
    assert "--apply" not in said


def test_accepted_decisions_change_labels_and_the_old_ones_are_kept(
    capsys: pytest.CaptureFixture[str],
):
    run("data review --path set")
    before = labels()
    decide(note="seen")

    assert run("data review --path set --apply label_decisions.json --dry-run") == 0
    assert labels() == before
    assert "would change 6 label file(s)" in capsys.readouterr().out
    assert run("data review --path set --apply label_decisions.json") == 0

    found = boxes_of(Path("set"))
    assert {name: found[name] for name in WANTED} == WANTED
    assert found["train/agreed.jpg"] == [DOOR]
    [backup] = LABEL_BACKUPS.iterdir()
    for path in backup.rglob("*.txt"):
        assert path.read_bytes() == before[str(Path("set") / path.relative_to(backup))]
    assert len(list(backup.rglob("*.txt"))) == 6
    assert (backup / "decisions.json").read_bytes() == SAVED.read_bytes()
    said = capsys.readouterr().out
    assert "labels/val/shifted.txt: 0 added, 1 changed, 0 removed" in said
    assert "note on images/val/shifted.jpg: seen" in said
    assert run("data review --path set --json") == 0
    assert json.loads(capsys.readouterr().out)["doubts"] == []


@pytest.mark.parametrize("decision", ["reject", "undecided"])
def test_other_decisions_change_nothing(decision: str, capsys: pytest.CaptureFixture[str]):
    run("data review --path set")
    before = labels()
    decide(decision)

    assert run("data review --path set --apply label_decisions.json") == 0

    assert labels() == before
    assert not LABEL_BACKUPS.exists()
    assert re.search(r"changed 0 label file\(s\); \d rejected, \d undec", capsys.readouterr().out)


def test_a_label_that_has_changed_since_is_refused_with_all_others(
    capsys: pytest.CaptureFixture[str],
):
    run("data review --path set")
    decide()
    Path("set/labels/test/loose.txt").write_text(LABEL)
    before = labels()

    for options in ("", " --dry-run"):
        assert run(f"data review --path set --apply label_decisions.json{options}") == 2

        error = capsys.readouterr().err
        assert "images/test/loose.jpg: its labels have changed since the review" in error
        assert "nothing was changed" in error
    assert labels() == before
    assert not LABEL_BACKUPS.exists()
    assert sorted(path.name for path in Path().glob(".set*")) == []


def test_the_same_decisions_again_are_named(capsys: pytest.CaptureFixture[str]):
    run("data review --path set")
    decide()
    run("data review --path set --apply label_decisions.json")

    assert run("data review --path set --apply label_decisions.json") == 2

    assert re.search(r"applied already: .* in runs/\.label_backups/set-", capsys.readouterr().err)


def test_a_full_disk_changes_nothing_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    run("data review --path set")
    decide()
    before = labels()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "set")

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "write_label", full)
        assert run("data review --path set --apply label_decisions.json") == 2

    assert labels() == before
    assert list(LABEL_BACKUPS.iterdir()) == []
    assert run("data review --path set --apply label_decisions.json") == 0


def test_a_box_that_leaves_the_picture_is_proposed_within_it():
    predictions("p.json", {"images/unsplit/pool.jpg": True}, used_xyxy=[[-9, -9, 40, 60]])
    run("data review --path set --predictions p.json")
    decide()

    assert run("data review --path set --apply label_decisions.json") == 0

    assert boxes_of(Path("set"))["unsplit/pool.jpg"] == [(0, 0, 40, 48)]


def test_lines_that_are_not_in_doubt_stay_byte_for_byte():
    kept = "0  0.125 0.125\t0.125 0.1250\r\n"
    write(Path("set"), {"labels/val/spurious.txt": f"{kept}{LABEL}\n{OTHER}0 0.9 0.9 0.1 0.1"})
    run("data review --path set")
    decide("reject")
    decisions = json.loads(SAVED.read_text())
    for one in decisions["decisions"]:
        if one["line"] == 5:
            one["decision"] = "accept"
    SAVED.write_text(json.dumps(decisions))

    assert run("data review --path set --apply label_decisions.json") == 0

    text = Path("set/labels/val/spurious.txt").read_bytes().decode()
    assert text == f"{kept}{LABEL}\n{OTHER}"


def test_a_label_that_is_there_twice_is_changed_once():
    write(Path("set"), {"labels/val/shifted.txt": "0 0.4 0.4 0.5 0.5\n0 0.4 0.4 0.5 0.5\n"})
    run("data review --path set")
    decide()

    assert run("data review --path set --apply label_decisions.json") == 0

    assert boxes_of(Path("set"))["val/shifted.jpg"] == [DOOR]
    assert len(Path("set/labels/val/shifted.txt").read_text().splitlines()) == 1


def test_a_box_among_polygons_becomes_a_polygon():
    """A file of boxes and polygons would be dropped by the trainer."""
    polygon = "0 0.0625 0.0625 0.1875 0.0625 0.1875 0.1875 0.0625 0.1875\n"
    write(Path("set"), {"labels/train/missing.txt": polygon})
    run("data review --path set")
    decide()

    assert run("data review --path set --apply label_decisions.json") == 0

    assert boxes_of(Path("set"))["train/missing.jpg"] == [(4, 3, 12, 9), DOOR]
    rows = Path("set/labels/train/missing.txt").read_text().splitlines()
    assert [len(row.split()) for row in rows] == [9, 9]


def test_labels_behind_a_link_are_not_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The step that exchanges the data set would not reach them."""
    Path("set/labels/val").rename("elsewhere")
    Path("set/labels/val").symlink_to(tmp_path / "elsewhere")
    run("data review --path set")
    decide()
    before = labels()

    assert run("data review --path set --apply label_decisions.json") == 2

    assert "behind a link" in capsys.readouterr().err
    assert labels() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[]", r"\$: Input should be an object"),
        ('{"schema_version": 2, "decisions": []}', r"\$\.schema_version: Input should be 1"),
        ('{"schema_version": 1, "decisions": [{}]}', r"\$\.decisions\[0\]\.image: Field required"),
    ],
)
def test_a_damaged_file_of_decisions_is_an_error(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
):
    SAVED.write_text(text)

    assert run("data review --path set --apply label_decisions.json") == 2

    error = capsys.readouterr().err
    assert re.search(said, error)
    assert "hint: save the decisions again on the page" in error


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"image": "images/train/other.jpg"}, "they are of another data set"),
        ({"image_sha256": hashlib.sha256(b"").hexdigest()}, "it is another picture"),
        ({"line": 999}, "after the last one"),
        ({"proposed": [0.5, 0.5, 0.4, 0.6]}, "expected 0 <= left < right <= 1"),
        ({"proposed": [0.5, 0.5, 1.1, 0.6]}, "expected 0 <= left < right <= 1"),
        ({"line": None, "proposed": None}, "expected a line, a proposed box, or both"),
        ({"kind": "odd"}, "Input should be 'missing'"),
        ({"note": "x" * 3000}, "at most 2000 characters"),
        ({"proposed": ["x", 0, 1, 1]}, "valid number"),
    ],
)
def test_decisions_that_do_not_fit_are_errors(
    changed: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
):
    run("data review --path set")
    decide(**changed)
    before = labels()

    assert run("data review --path set --apply label_decisions.json") == 2

    assert said in capsys.readouterr().err
    assert labels() == before


def test_one_unknown_photograph_is_named(capsys: pytest.CaptureFixture[str]):
    run("data review --path set")
    decide()
    Path("set/images/val/shifted.jpg").unlink()

    assert run("data review --path set --apply label_decisions.json") == 2

    assert "images/val/shifted.jpg: it is not in the data set" in capsys.readouterr().err


def test_predictions_of_folds_are_used_instead_of_the_model(
    detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    """A photograph that has moved to another split since is found by its name."""
    PUBLISHED.rename("elsewhere")
    predictions("a.json", {"images/train/agreed.jpg": True, "images/val/missing.jpg": True})
    predictions("b.json", {"images/val/spurious.jpg": False, "images/val/gone.jpg": True})

    assert run("data review --path set --predictions a.json --predictions b.json") == 0

    assert {(one["image"], one["kind"]) for one in doubts()} == {
        ("images/train/missing.jpg", "missing"),
        ("images/train/missing.jpg", "spurious"),
        ("images/val/spurious.jpg", "spurious"),
    }
    said = capsys.readouterr().out
    assert "may have learned" not in said
    assert "1 prediction(s) are of photographs that are not here: images/val/gone.jpg" in said
    assert "4 photograph(s) have no prediction" in said
    assert not detector.looked_at


@pytest.mark.parametrize(
    ("write_them", "said"),
    [
        (lambda: None, "p.json: expected predictions, found no file"),
        (lambda: Path("p.json").write_text("{"), "Invalid JSON"),
        (lambda: Path("p.json").write_text("{}"), r"\$\.photographs: Field required"),
        (lambda: predictions("p.json", {"images/val/gone.jpg": True}), "found none of them"),
        (
            lambda: predictions("p.json", {"images/train/agreed.jpg": True}, width_px=65),
            "predictions of a picture of 64 x 48, found 65 x 48",
        ),
        (
            lambda: predictions("p.json", {"images/train/agreed.jpg": True}, used_confidences=[]),
            "expected a confidence for each box",
        ),
        (
            lambda: predictions("p.json", {"images/train/agreed.jpg": True}, used_confidences=[2]),
            "less than or equal to 1",
        ),
        (
            lambda: predictions(
                "p.json", {"images/train/agreed.jpg": True}, used_xyxy=[[9, 9, 1, 1]]
            ),
            "expected left <= right",
        ),
    ],
)
def test_predictions_that_cannot_be_used_are_an_error(
    write_them: Any, said: str, capsys: pytest.CaptureFixture[str]
):
    write_them()

    assert run("data review --path set --predictions p.json") == 2

    assert re.search(said, capsys.readouterr().err)
    assert not PAGE.exists()


def test_the_same_photograph_in_two_files_is_an_error(capsys: pytest.CaptureFixture[str]):
    predictions("a.json", {"images/train/agreed.jpg": True})

    assert run("data review --path set --predictions a.json --predictions a.json") == 2

    assert "found images/train/agreed.jpg twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--dry-run", "--dry-run is for --apply"),
        ("--apply x --out y.html", "--predictions and --out are for the page"),
        ("--apply x", "x: expected a file of decisions, found none"),
        ("--out set/data.yaml", "is not a page of doors data review"),
    ],
)
def test_options_that_make_no_sense_are_errors(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
):
    assert run(f"data review --path set {options}") == 2

    assert said in capsys.readouterr().err


def test_damaged_photographs_are_named_and_the_others_reviewed(capsys: pytest.CaptureFixture[str]):
    write(Path("set"), {"images/val/shifted.jpg": jpeg(9)[:700]})

    assert run("data review --path set") == 1

    assert "left out: set/images/val/shifted.jpg" in capsys.readouterr().err
    assert len(doubts()) == 5


def test_without_photographs_or_a_model_the_error_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
):
    write(Path("bare"), {"data.yaml": DATA_YAML, "images/train/notes.txt": ""})
    assert run("data review --path bare") == 2
    assert "expected labelled photographs, found none" in capsys.readouterr().err

    PUBLISHED.rename("elsewhere")
    assert run("data review --path set") == 2
    assert "expected the published model, found no best.pt" in capsys.readouterr().err


def test_only_the_strongest_doubts_are_shown(capsys: pytest.CaptureFixture[str]):
    assert run("data review --path set --most 2 --out there/page.html") == 0

    page = Path("there/page.html")
    assert len(doubts(page)) == 2
    assert "The 2 strongest of 6 doubts on 7 photographs" in page.read_text()


def test_names_cannot_become_markup():
    name = "<img src=x onerror=alert(1)>\u202e.jpg"
    write(Path("set"), {f"images/train/{name}": jpeg(9), "labels/train/x.txt": ""})
    predictions("p.json", {f"images/train/{name}": True})

    assert run("data review --path set --predictions p.json") == 0

    text = PAGE.read_text()
    assert "<img src=x" not in text
    assert "\u202e" not in text
    assert doubts()[0]["image"] == f"images/train/{name}"


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_person_decides_with_the_keyboard_saves_and_applies(tmp_path: Path):
    run("data review --path set")
    with opened(PAGE, tmp_path / "profile") as shown:
        shown.ask(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "down")
        )
        for key in "jaarnx":  # accepts two, rejects the third, and writes on the fourth
            shown.press(key, f"Key{key.upper()}", ord(key.upper()), key)
        assert shown.evaluate("document.getElementById('state').textContent") == "3 of 6 decided"
        shown.press("Escape", "Escape", 27)
        assert shown.evaluate("document.activeElement.id") == "d4"
        shown.press("k", "KeyK", 75, "k")
        shown.press("u", "KeyU", 85, "u")
        shown.press("r", "KeyR", 82, "r")
        shown.ask("Page.reload")
        end = monotonic() + 20
        kept = "document.readyState + document.getElementById('state')?.textContent"
        while shown.evaluate(kept) != "complete3 of 6 decided" and monotonic() < end:
            sleep(0.05)
        assert shown.evaluate(kept) == "complete3 of 6 decided", "a reload loses nothing"
        shown.press("s", "KeyS", 83, "s")
        while not (tmp_path / "down" / SAVED).exists() and monotonic() < end:
            sleep(0.05)
    saved = json.loads((tmp_path / "down" / SAVED).read_text())
    assert [one["decision"] for one in saved["decisions"]] == [
        "accept", "accept", "reject", "undecided",
    ]  # fmt: skip
    assert saved["decisions"][3]["note"] == "x"
    assert [one["image"] for one in saved["decisions"]] == [one["image"] for one in doubts()[:4]]

    assert run("data review --path set --apply down/label_decisions.json") == 0

    found = boxes_of(Path("set"))
    accepted = [one["image"].removeprefix("images/") for one in doubts()[:2]]
    assert {name: found[name] for name in accepted} == {name: WANTED[name] for name in accepted}


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_fits_a_phone_has_contrast_and_blocks_what_is_injected(tmp_path: Path):
    run("data review --path set")
    with opened(PAGE, tmp_path / "profile") as shown:
        shown.press("j", "KeyJ", 74, "j")
        shown.press("a", "KeyA", 65, "a")
        shown.press("r", "KeyR", 82, "r")
        for scheme in ("light", "dark"):
            for width_px in (1280, 390, 320):
                shown.show(width_px=width_px, scheme=scheme)
                assert shown.evaluate("document.documentElement.scrollWidth") <= width_px
                assert shown.evaluate(CUT) == [], width_px
            contrasts = shown.evaluate(CONTRASTS)
            assert {name: ratio for name, ratio in contrasts.items()
                    if name.startswith("words") and ratio < 4.5} == {}  # fmt: skip
        assert shown.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
        levels = shown.evaluate(
            "[...document.querySelectorAll('h1,h2,h3')].map(one => +one.tagName[1])"
        )
        assert all(after - before <= 1 for before, after in pairwise(levels))
        shown.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"happened=1\">');"
            "const one = document.createElement('script'); one.textContent = 'happened = 2';"
            "document.body.append(one)"
        )
        sleep(0.2)
        assert shown.evaluate("typeof happened") == "undefined"
