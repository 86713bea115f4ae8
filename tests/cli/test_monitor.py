"""``doors monitor``, from predictions in a folder to a verdict with an interval, and a page."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.months import THRESHOLD, Month, month

from container_doors.cli import main
from container_doors.core.predictions import Door, PhotographResult, QualityMeasures, UsedModel

MODEL = UsedModel(
    version="detection_v1.0_20261128_exp1",
    weights_sha256="a" * 64,
    backend="onnx",
    image_size_px=640,
    conf_threshold=THRESHOLD,
    iou_threshold=0.45,
    max_detections=300,
)
SIZE = (40, 30)
BOX = (10.0, 5.0, 30.0, 25.0)


def write(folder: Path, one: Month, *, model: UsedModel = MODEL, with_pictures: bool = False):
    """Write predictions of a month, as ``doors predict`` does."""
    folder.mkdir(parents=True)
    lines = []
    for index, confidence in enumerate(one.confidence.tolist()):
        path = folder / f"photo {index}.png"
        if with_pictures:
            Image.new("RGB", SIZE, (index % 256, 90, 60)).save(path)
        quality = QualityMeasures(
            brightness=float(one.brightness[index]), contrast=0.5, sharpness=0.5
        )
        door = Door(
            bbox_tight=(10, 5, 30, 25),
            confidence=confidence,
            class_id=0,
            box_xyxy=BOX,
            edges_touched=[],
            area_share=float(one.area_share[index]),
            character_height_px=1.0,
            quality=quality,
        )
        lines.append(
            PhotographResult(
                path=str(path),
                status="SUCCESS",
                original_shape=(SIZE[1], SIZE[0]),
                detections=[door] if confidence else [],
                model=model,
            ).model_dump_json()
        )
    (folder / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines))


def label(folder: Path, one: Month, *, leave_out: int = 0) -> Path:
    """Label the photographs of the sample as they are; returns the folder."""
    sample = json.loads((folder / "monitor/sample.json").read_text())
    labels = folder / "labels"
    labels.mkdir(exist_ok=True)
    for sampled in sample["sampled"][leave_out:]:
        index = int(sampled["path"].split()[-1].removesuffix(".png"))
        text = "0 0.5 0.5 0.5 0.6666667\n" if one.has_door[index] else ""
        (labels / f"{Path(sampled['copy_name']).stem}.txt").write_text(text)
    return labels


@pytest.fixture
def dealer() -> np.random.Generator:
    return np.random.default_rng(8)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def test_a_month_like_the_test_is_as_tested(
    dealer: np.random.Generator, capsys: pytest.CaptureFixture[str]
):
    write(Path("tested"), month(dealer, photographs=80))
    write(Path("now"), month(dealer))

    code = main(["monitor", "--predictions", "now", "--reference", "tested", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert (code, found["verdict"], found["photographs"]) == (0, "as tested", 200)
    assert [one["measure"] for one in found["drifts"]] == [
        "confidence", "box size", "brightness", "without a door",
    ]  # fmt: skip


def test_a_brighter_month_is_named_with_exit_code_1_and_a_page(
    dealer: np.random.Generator, capsys: pytest.CaptureFixture[str]
):
    write(Path("tested"), month(dealer))
    write(Path("now"), month(dealer, brightness=0.2))

    options = ["--reference", "tested", "--out", "page.html"]
    assert main(["monitor", "--predictions", "now", *options]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split() for line in lines if " changed: " in line] == [
        ["brightness", "changed"]
    ]
    page = Path("page.html").read_text()
    assert "not like those of the test" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(("recall", "verdict"), [(0.6, "missed"), (1.0, "unproven")])
def test_labels_of_a_few_photographs_say_what_the_recall_is(
    dealer: np.random.Generator, capsys: pytest.CaptureFixture[str], recall: float, verdict: str
):
    write(Path("tested"), month(dealer))
    now = month(dealer, recall=recall, false_alarms=0)
    write(Path("now"), now, with_pictures=True)
    common = ["monitor", "--predictions", "now", "--reference", "tested"]

    main([*common, "--label-budget", "30"])
    assert "--labels now-labels --reference tested" in capsys.readouterr().out
    main([*common, "--label-budget", "40"])
    assert "draws nothing more: 30 were drawn before" in capsys.readouterr().out
    copies = sorted(path.name for path in Path("now/monitor/to_label").iterdir())
    labels = label(Path("now"), now)
    capsys.readouterr()
    code = main([*common, "--labels", str(labels), "--target", "0.95", "--json"])

    found = json.loads(capsys.readouterr().out)["recall"]
    assert len(copies) == 30
    assert found["recall"]["low"] <= now.recall <= found["recall"]["high"]
    assert (found["verdict"], found["labelled"], found["false_alarms"]) == (verdict, 30, 0)
    assert code == (1 if verdict == "missed" else code)


def test_a_sample_is_drawn_once(dealer: np.random.Generator):
    write(Path("tested"), month(dealer))
    write(Path("now"), now := month(dealer), with_pictures=True)
    common = ["monitor", "--predictions", "now", "--reference", "tested"]
    main([*common, "--label-budget", "20"])
    before = Path("now/monitor/sample.json").read_bytes()
    label(Path("now"), now)

    main([*common, "--label-budget", "40"])

    assert Path("now/monitor/sample.json").read_bytes() == before


def test_photographs_that_are_not_labelled_yet_are_named(
    dealer: np.random.Generator, capsys: pytest.CaptureFixture[str]
):
    write(Path("tested"), month(dealer))
    write(Path("now"), now := month(dealer), with_pictures=True)
    common = ["monitor", "--predictions", "now", "--reference", "tested"]
    main([*common, "--label-budget", "30"])

    main([*common, "--labels", str(label(Path("now"), now, leave_out=2))])

    assert "2 photographs of the sample have no label yet, such as m0001.png" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda: None, "no published model here to compare with"),
        (lambda: Path("now/predictions.jsonl").unlink(), "no predictions at now"),
        (lambda: Path("now/predictions.jsonl").write_text("{}\n"), "line 1"),
        (lambda: Path("now/predictions.jsonl").write_text(""), "has no prediction"),
    ],
)
def test_what_cannot_be_compared_is_an_error_with_a_way_on(
    dealer: np.random.Generator,
    capsys: pytest.CaptureFixture[str],
    prepare,
    expected: str,
):
    write(Path("now"), month(dealer, photographs=5))
    prepare()

    assert main(["monitor", "--predictions", "now"]) == 2

    assert expected in (said := capsys.readouterr().err)
    assert "hint: " in said


def test_predictions_of_another_model_are_not_compared(
    dealer: np.random.Generator, capsys: pytest.CaptureFixture[str]
):
    write(Path("tested"), month(dealer), model=MODEL.model_copy(update={"conf_threshold": 0.5}))
    write(Path("now"), month(dealer))

    assert main(["monitor", "--predictions", "now", "--reference", "tested"]) == 2

    assert "at a confidence of 0.5" in capsys.readouterr().err


def test_other_weights_of_the_same_version_are_told_apart(
    dealer: np.random.Generator, capsys: pytest.CaptureFixture[str]
):
    write(Path("tested"), month(dealer))
    other = MODEL.model_copy(update={"weights_sha256": "b" * 64})
    write(Path("now"), month(dealer), model=other)

    assert main(["monitor", "--predictions", "now", "--reference", "tested"]) == 2

    said = capsys.readouterr().err
    assert f"({'b' * 12}) at" in said
    assert f"({'a' * 12}) at" in said


def test_a_line_that_is_being_written_is_not_read(dealer: np.random.Generator):
    write(Path("tested"), month(dealer))
    write(Path("now"), month(dealer))
    with Path("now/predictions.jsonl").open("a") as file:
        file.write('{"path": "half')

    assert main(["monitor", "--predictions", "now", "--reference", "tested"]) == 0
