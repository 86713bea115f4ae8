"""``doors data next``: uncertain photographs, different from each other and from what is there."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.formats.exports import write
from tests.data.trees import DATA_YAML, encoded
from tests.seeing import SeeingDetector, opens, publish_in

from container_doors.cli import main
from container_doors.core.run import PUBLISHED


def scene(seed: int, burst: int = 0) -> bytes:
    """Draw one of many scenes; the pictures of a burst differ by noise and a little light."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    picture = np.asarray(Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC))
    noise = np.random.default_rng((seed, burst)).integers(-6, 7, picture.shape)
    return encoded(Image.fromarray(np.clip(picture + noise + burst, 0, 255).astype(np.uint8)))


def box(confidence: float) -> list[tuple[tuple[float, float, float, float], float]]:
    return [((10.0, 10.0, 50.0, 90.0), confidence)]


@pytest.fixture(autouse=True)
def detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeeingDetector:
    publish_in(tmp_path, monkeypatch)
    seeing = SeeingDetector()
    opens(seeing, monkeypatch)
    return seeing


def run(line: str) -> int:
    return main(shlex.split(line))


def chosen(line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert run(f"data next --json {line}") == 0
    return [Path(one["photograph"]).name for one in json.loads(capsys.readouterr().out)["chosen"]]


def test_one_of_each_burst_is_chosen_before_a_second_one(capsys: pytest.CaptureFixture[str]):
    write(Path("new"), {f"{s}_{b}.jpg": scene(s, b) for s in range(4) for b in range(5)})

    for options in ("", " --by difference"):
        found = chosen(f"--unlabelled new --count 4{options}", capsys)

        assert sorted(name[0] for name in found) == ["0", "1", "2", "3"]


def test_what_is_like_a_labelled_photograph_is_not_chosen(capsys: pytest.CaptureFixture[str]):
    write(Path("set"), {
        "data.yaml": DATA_YAML, "images/train/0.jpg": scene(0), "labels/train/0.txt": "",
        "images/val/1.jpg": scene(1), "labels/val/1.txt": "", "images/test/1.jpg": scene(7),
        "images/unsplit/2.jpg": scene(2), "labels/unsplit/2.txt": "",
        **{f"images/unlabelled/{number}_b.jpg": scene(number, 3) for number in range(5)},
    })  # fmt: skip

    assert sorted(chosen("--path set --count 2", capsys)) == ["3_b.jpg", "4_b.jpg"]


def test_the_same_picture_is_not_chosen_twice_or_when_it_is_labelled(
    capsys: pytest.CaptureFixture[str],
):
    write(Path("set"), {
        "data.yaml": DATA_YAML, "images/train/0.jpg": scene(0), "labels/train/0.txt": "",
    })  # fmt: skip
    write(Path("new"), {"a.jpg": scene(0), "b.jpg": scene(1), "c.jpg": scene(1)})

    assert run("data next --path set --unlabelled new") == 0

    said = capsys.readouterr().out
    assert "new/b.jpg: " in said
    assert "1 of 3 photograph(s) chosen; 1 are labelled" in said
    assert "the others are the same pictures" in said


def test_of_different_photographs_those_are_first_that_the_model_is_uncertain_of(
    detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    write(Path("new"), {f"{number}.jpg": scene(number) for number in range(8)})
    detector.boxes = {f"{number}.jpg": box(0.99) for number in range(8)}
    detector.boxes |= {"3.jpg": box(0.26), "5.jpg": box(0.2)}

    assert set(chosen("--unlabelled new --count 2", capsys)) == {"3.jpg", "5.jpg"}
    assert set(chosen("--unlabelled new --count 2 --by difference", capsys)) != {"3.jpg", "5.jpg"}


def test_each_choice_says_why_and_is_the_same_again(
    detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    write(Path("new"), {f"{number}.jpg": scene(number) for number in range(3)})
    detector.boxes = {"1.jpg": box(0.3), "2.jpg": box(0.9)}

    assert run("data next --unlabelled new --path none") == 0
    first = capsys.readouterr().out

    assert "new/1.jpg: a box of confidence 0.30, threshold 0.25; the first: nothing is" in first
    assert "new/0.jpg: no box of any confidence; differs by " in first
    assert "3 of 3 photograph(s) chosen; 0 are labelled" in first
    assert run("data next --unlabelled new --path none") == 0
    assert capsys.readouterr().out == first


def test_chosen_photographs_are_copied_as_they_are(capsys: pytest.CaptureFixture[str]):
    write(Path("new"), {"a/1.jpg": scene(1), "b/1.jpg": scene(2)})

    assert run("data next --unlabelled new --copy there/these") == 0

    assert {one.read_bytes() for one in Path("there/these").iterdir()} == {scene(1), scene(2)}
    assert [one.name for one in Path("there").iterdir()] == ["these"]
    assert "next: doors data prelabel --unlabelled there/these" in capsys.readouterr().out
    assert run("data next --unlabelled new --copy there/these") == 2
    assert "expected a new or empty folder" in capsys.readouterr().err


def test_damaged_photographs_are_named_and_left_out(capsys: pytest.CaptureFixture[str]):
    write(Path("new"), {"1.jpg": scene(1), "2.jpg": scene(2)[:900], "3.png": ""})

    assert run("data next --unlabelled new") == 1

    output = capsys.readouterr()
    assert "left out: new/2.jpg" in output.err
    assert "left out: new/3.png: expected a picture, found 0 bytes" in output.err
    assert "1 of 1 photograph(s) chosen" in output.out


def test_without_a_model_the_choice_by_difference_works(
    detector: SeeingDetector, capsys: pytest.CaptureFixture[str]
):
    PUBLISHED.rename("elsewhere")
    write(Path("new"), {"1.jpg": scene(1)})

    assert run("data next --unlabelled new") == 2
    assert "expected the published model" in capsys.readouterr().err
    assert chosen("--unlabelled new --by difference", capsys) == ["1.jpg"]
    assert not detector.looked_at


def test_a_data_set_without_unlabelled_photographs_says_where_they_are_expected(
    capsys: pytest.CaptureFixture[str],
):
    write(Path("set"), {"data.yaml": DATA_YAML, "images/train/0.jpg": scene(0)})

    assert run("data next --path set") == 2

    error = capsys.readouterr().err
    assert "set/images/unlabelled: expected a folder of photographs, found nothing" in error
    assert "hint: name the folder: --unlabelled DIR" in error
