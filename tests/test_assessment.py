"""How surely figures are known, told with fakes for what is outside."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from container_doors import pipeline
from container_doors.cli import main
from container_doors.core.config import Params
from container_doors.core.errors import DatasetError, MissingToolError, RunError
from container_doors.core.measurements import Assessment, Detected, Evaluated
from container_doors.core.ports import Detections
from container_doors.core.records import DatasetFiles, Hardware
from container_doors.core.run import PUBLISHED, TEST_USES, Run
from container_doors.evaluation.targets import parse_target
from container_doors.steps import detections
from container_doors.steps.compare import compare_runs
from container_doors.steps.detections import LOWEST_CONFIDENCE, OpenDetector, detect
from container_doors.steps.evaluate import evaluate_split, restore_test_uses
from container_doors.steps.gate import gate_published, gate_run
from container_doors.steps.latency import LatencySettings, time_formats
from container_doors.steps.robustness import RobustnessSettings, measure_robustness
from container_doors.steps.summary import model_card, report_page, summarise
from tests.builders import a_record, sha256_of
from tests.fakes import FakeDetector, FakeProgress, FakeWorld
from tests.trained import PARAMS, RUN, forget_detections, train_in, train_others


@pytest.fixture(autouse=True)
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = train_in(tmp_path, monkeypatch)
    forget_detections()
    return folder


class Opened:
    """Opens a fake detector, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, weights: Path, params: Params) -> FakeDetector:
        self.times += 1
        return FakeDetector()


def evaluated(split: str = "test", open_detector: OpenDetector | None = None) -> Assessment:
    return evaluate_split(
        RUN, split, open_detector=open_detector or Opened(), progress=FakeProgress()
    )


def test_every_figure_has_its_interval_and_its_n():
    """One door in two photographs, found: at least 0.025, and no more is known."""
    found = evaluated()

    assert found == Evaluated.read(RUN.evaluation).splits["test"]
    assert (found.photographs, found.doors, found.background_images) == (2, 1, 1)
    assert set(found.scores) == {
        "AP50", "AP50-95", "mAP50", "mAP50-95", "mP", "mR", "mF1", "precision", "recall", "F1",
    }  # fmt: skip
    recall = found.scores["recall"]
    assert (recall.value, recall.n, recall.of) == (1, 1, "doors")
    assert recall.low == pytest.approx(0.025)
    assert found.latency is not None
    assert found.latency.median_ms == 5.0
    assert found.latency_ms is None, "two timings bound no median"


def test_false_alarms_are_counted_where_there_is_no_door():
    found = evaluated()

    operating = next(one for one in found.false_alarms if one.conf_threshold == 0.25)
    assert (operating.per_photograph.value, operating.per_photograph.n) == (0, 1)
    assert operating.per_photograph.high > 3


def test_what_is_undefined_is_absent_and_said(trained: Path):
    found = evaluated("val")

    assert found.false_alarms == []
    assert found.undefined == {"false alarms": "no photograph is without a door"}


def test_a_slice_that_is_too_small_is_unproven(trained: Path):
    (trained / "attributes.csv").write_text("image,lighting\nimages/test/0.png,night\n")

    found = evaluated()

    night = next(one for one in found.slices if one.attribute == "lighting")
    assert (night.value, night.verdict) == ("night", "unproven, n = 1")


def test_attributes_of_no_photograph_are_refused(trained: Path):
    (trained / "attributes.csv").write_text("image,lighting\nimages/test/9.png,night\n")

    with pytest.raises(DatasetError, match=r"attributes.csv:2: .* found 'images/test/9.png'"):
        evaluated()


def test_photographs_of_one_scene_count_as_one(trained: Path):
    (trained / "attributes.csv").write_text(
        "image,group\nimages/test/0.png,quay\nimages/test/1.png,quay\n"
    )
    assert evaluated().scenes == 1


def in_folders(data: Path) -> None:
    """Give the photographs of test one name, in two folders."""
    for number, folder in enumerate("ab"):
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            old = data / kind / "test" / f"{number}.{suffix}"
            new = data / kind / "test" / folder / f"img_1.{suffix}"
            new.parent.mkdir()
            old.rename(new)


def test_photographs_of_one_name_in_two_folders_keep_their_scene_and_their_values(trained: Path):
    in_folders(trained)
    (trained / "attributes.csv").write_text(
        "image, Group ,light\na/img_1.png,quay,dawn\nb/img_1.png,quay,dusk\n"
    )

    found = evaluated()

    assert (found.photographs, found.scenes) == (2, 1)
    assert [one.value for one in found.slices if one.attribute == "light"] == ["dawn", "dusk"]
    detected = Detected.read(RUN.detections_json("test"))
    assert [one.image for one in detected.photographs] == [
        "images/test/a/img_1.png", "images/test/b/img_1.png",
    ]  # fmt: skip


def test_a_photograph_that_is_left_out_is_missed_though_another_has_its_name(trained: Path):
    in_folders(trained)

    class OneLess(FakeDetector):
        def validate(self, **asked: Any) -> tuple[dict[str, float], list[Detections]]:
            metrics, found = super().validate(**asked)
            return metrics, found[:1]

    with pytest.raises(DatasetError, match=r"leaves out 1 of 2 .* first images/test/b/img_1"):
        evaluated(open_detector=lambda weights, params: OneLess())


def test_a_folder_of_photographs_that_is_gone_since_the_training_is_said(trained: Path):
    in_folders(trained)
    files = {
        path.relative_to(trained).as_posix(): sha256_of(path.read_bytes())
        for kind in ("images", "labels")
        for path in (trained / kind).rglob("*.*")
    }
    DatasetFiles(files=files).write(RUN.dataset)
    assert "photographs" not in " ".join(evaluated().changed)
    shutil.rmtree(trained / "images/test/b")

    assert "photographs or labels of test are not those of the training" in evaluated().changed


def test_no_figure_is_made_where_a_scene_would_be_lost(trained: Path):
    """Though it was measured before, when all was well."""
    asked: Any = {"open_detector": Opened(), "progress": FakeProgress()}
    climb = RobustnessSettings(corrupt=lambda kind, severity, name, picture: picture)
    gate_run(RUN, at_the_point=False, **asked)
    (trained / "attributes.csv").write_text("image,group\nimages/test/0.pgn,quay\n")

    for command in (
        evaluated,
        lambda: gate_run(RUN, at_the_point=False, **asked),
        lambda: report_page(RUN, trained / "page.html", **asked),
        lambda: model_card(RUN, trained / "card.md", **asked),
        lambda: compare_runs(RUN, RUN, "test", **asked),
        lambda: measure_robustness(RUN, "test", settings=climb, **asked),
    ):
        with pytest.raises(DatasetError, match=r"attributes.csv:2: .* found 'images/test/0.pgn'"):
            command()


def test_what_is_doubtful_about_scenes_is_said_beside_the_figures(trained: Path):
    (trained / "attributes.csv").write_text("image,group\nimages/test/0.png,quay\n")
    progress = FakeProgress()

    evaluate_split(RUN, "test", open_detector=Opened(), progress=progress)

    assert any("none for 1 of 2, the first images/test/1.png" in one for one in progress.lines)


def test_figures_of_an_earlier_release_that_may_have_lost_scenes_are_made_anew(trained: Path):
    (trained / "attributes.csv").write_text("image,group\ntest/0.png,q\ntest/1.png,q\n")
    evaluated()
    there = Evaluated.read(RUN.evaluation)
    of_file = sha256_of((trained / "attributes.csv").read_bytes())
    earlier = there.splits["test"].model_copy(update={"attributes_sha256": of_file, "scenes": 2})
    there.model_copy(update={"splits": {"test": earlier}}).write(RUN.evaluation)

    gate_run(RUN, at_the_point=False, open_detector=Opened(), progress=FakeProgress())

    assert Evaluated.read(RUN.evaluation).splits["test"].scenes == 1


def test_what_was_detected_is_measured_once_and_each_look_at_test_is_counted():
    opened = Opened()

    assert [str(evaluated(open_detector=opened).looks) for _ in range(3)] == ["2", "3", "4"]

    assert opened.times == 1
    assert evaluated("val", opened).looks is None
    lines = TEST_USES.read_text().splitlines()
    assert [json.loads(line).get("by") for line in lines] == ["training", None, None, None]


def test_what_the_training_detected_is_not_detected_again():
    pipeline.train(PARAMS, Run("exp2"), world=FakeWorld().world)
    opened = Opened()

    found = evaluate_split(Run("exp2"), "test", open_detector=opened, progress=FakeProgress())

    assert opened.times == 0
    assert found.scores["recall"].value == 1


def test_latency_is_of_a_few_photographs_at_the_threshold(monkeypatch: pytest.MonkeyPatch):
    """However many are detected: boxes below the threshold take time, and prove nothing of it."""
    asked: list[tuple[int, float]] = []

    class Timed(FakeDetector):
        def detect(self, images, *, conf_threshold, iou_threshold):
            asked.append((len(images), conf_threshold))
            return super().detect(images, conf_threshold=0, iou_threshold=0)

    monkeypatch.setattr(detections, "MOST_TIMED", 1)

    found = evaluated(open_detector=lambda weights, params: Timed())

    assert found.latency is not None
    assert found.latency.images == 1
    assert asked == [(2, LOWEST_CONFIDENCE), (1, PARAMS.validation.conf_threshold)]


def test_each_model_that_was_trained_has_looked_at_test_once_wherever_that_was():
    pipeline.train(PARAMS, Run("exp2"), world=FakeWorld().world)
    assert str(evaluated().looks) == "2"  # the fakes' weights are equal: it is the same model
    TEST_USES.unlink()  # as in a clone to which the run was brought

    assert str(evaluated().looks) == "2"


def test_other_weights_are_measured_anew():
    opened = Opened()
    evaluated(open_detector=opened)
    train_others(RUN)

    evaluated(open_detector=opened)

    assert opened.times == 2


def test_a_damaged_lock_box_is_not_begun_anew():
    TEST_USES.parent.mkdir(exist_ok=True)
    TEST_USES.write_text("gone\n")

    assert str(evaluated().looks) == "3", "that line, the training's, and this one"
    (said,) = restore_test_uses(FakeWorld().world.repository)
    assert said.startswith(f"{TEST_USES}:1: expected a JSON object, found 'gone'")


def test_a_threshold_for_a_target_is_chosen_on_val_and_checked_on_test():
    found = evaluate_split(
        RUN,
        "test",
        target=parse_target("recall>=0.02@95%"),
        open_detector=Opened(),
        progress=FakeProgress(),
    )

    assert found.promise is not None
    assert (found.promise.verdict, found.promise.conf_threshold) == ("met", 0.9)
    assert found.conf_threshold == 0.9


def test_a_target_that_val_cannot_prove_has_no_threshold():
    with pytest.raises(RunError, match=r"no threshold meets recall>=0\.98@95% on val"):
        evaluate_split(
            RUN,
            "test",
            target=parse_target("recall>=0.98@95%"),
            open_detector=Opened(),
            progress=FakeProgress(),
        )
    assert len(TEST_USES.read_text().splitlines()) == 1  # the training's


def test_a_split_without_photographs_is_not_measured(trained: Path):
    for image in (trained / "images/test").iterdir():
        image.unlink()

    with pytest.raises(RunError, match="no photograph is in test"):
        evaluated()


def test_scenes_that_become_known_are_not_passed_over_by_the_gate(trained: Path):
    opened = Opened()
    assert evaluated("val", opened).scenes is None
    (trained / "attributes.csv").write_text("image,group\nimages/val/0.png,quay\n")

    gate_run(RUN, at_the_point=False, open_detector=opened, progress=FakeProgress())

    there = Evaluated.read(RUN.evaluation)
    assert there.splits["val"].scenes == 1
    assert opened.times == 2, "once for each split: what was detected is still the same"


def test_photographs_in_another_order_are_compared_by_name():
    other = Run("exp2")
    pipeline.train(PARAMS, other, world=FakeWorld().world)
    for run in (RUN, other):
        evaluate_split(run, "test", open_detector=Opened(), progress=FakeProgress())
    theirs = Detected.read(other.detections_json("test"))
    backwards = list(reversed(theirs.photographs))
    theirs.model_copy(update={"photographs": backwards}).write(other.detections_json("test"))

    compared = compare_runs(RUN, other, "test", open_detector=Opened(), progress=FakeProgress())

    assert "same weights" in compared.verdict


def test_models_on_other_labels_are_not_compared():
    evaluated()
    other = Run("exp2")
    pipeline.train(PARAMS, other, world=FakeWorld().world)
    evaluate_split(other, "test", open_detector=Opened(), progress=FakeProgress())
    theirs = Detected.read(other.detections_json("test"))
    moved = [one.model_copy(update={"doors_xyxy": []}) for one in theirs.photographs]
    theirs.model_copy(update={"photographs": moved}).write(other.detections_json("test"))

    with pytest.raises(
        RunError, match="exp1 and exp2 have different photographs or labels in test"
    ):
        compare_runs(RUN, other, "test", open_detector=Opened(), progress=FakeProgress())


def test_models_whose_data_sets_know_other_scenes_are_not_compared(trained: Path):
    other, elsewhere = Run("exp2"), trained.with_name("elsewhere")
    shutil.copytree(trained, elsewhere)
    (elsewhere / "attributes.csv").write_text("image,group\ntest/0.png,q\ntest/1.png,q\n")
    params = PARAMS.model_copy(update={"data": PARAMS.data.model_copy(
        update={"path": str(elsewhere)})})  # fmt: skip
    pipeline.train(params, other, world=FakeWorld().world)

    with pytest.raises(RunError, match="exp1 and exp2 have different scenes in test"):
        compare_runs(RUN, other, "test", open_detector=Opened(), progress=FakeProgress())


def test_models_are_not_told_apart_by_one_scene():
    other = Run("exp2")
    pipeline.train(PARAMS, other, world=FakeWorld().world)
    train_others(other, "others that find the same")

    with pytest.raises(RunError, match="doors in fewer than four scenes: nothing can be compared"):
        compare_runs(RUN, other, "test", open_detector=Opened(), progress=FakeProgress())


def test_a_model_that_is_compared_with_itself_is_said_to_be():
    compared = compare_runs(RUN, RUN, "test", open_detector=Opened(), progress=FakeProgress())

    assert compared.verdict == "exp1 and exp1 have the same weights: there is no difference"


def test_a_comparison_says_that_it_is_of_two_models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("container_doors.cli.compare.open_detector", Opened())
    assert main(["compare", "exp1", "exp1"]) == 0
    *_, verdict, scope, _ = capsys.readouterr().out.splitlines()
    assert main(["compare", "exp1", "exp1", "--json"]) == 0

    assert verdict.endswith("there is no difference")
    assert scope.startswith("this compares two trained models, not the two ways of training")
    assert json.loads(capsys.readouterr().out)["scope"] == scope


def test_one_document_holds_every_split_and_nothing_of_other_weights():
    in_test, in_val = evaluated("test"), evaluated("val")
    there = Evaluated.read(RUN.evaluation)
    assert there.splits == {"test": in_test, "val": in_val}

    train_others(RUN)
    in_val = evaluated("val")

    anew = Evaluated.read(RUN.evaluation)
    assert anew.splits == {"val": in_val}
    assert anew.weights_sha256 != there.weights_sha256


def test_what_the_evaluator_does_not_say_is_undefined():
    class Silent(FakeDetector):
        def validate(self, **asked):
            scores, found = super().validate(**asked)
            return scores, [replace(one, is_door=None) for one in found]

    found = evaluated(open_detector=lambda weights, params: Silent())

    assert {"AP50", "recall"} < set(found.scores)
    assert {name for name, why in found.undefined.items() if "does not report" in why} == {
        "mAP50", "mAP50-95", "mP", "mR", "mF1",
    }  # fmt: skip


def test_slices_are_compared_with_the_recall_of_the_target():
    found = evaluate_split(
        RUN,
        "test",
        target=parse_target("recall>=0.02@95%"),
        open_detector=Opened(),
        progress=FakeProgress(),
    )

    assert found.recall_target == 0.02
    assert {one.verdict for one in found.slices if one.doors} == {"at least 0.02"}
    assert found.promise is not None
    assert found.promise.price is not None
    assert found.promise.price.of == "photographs without a door"


def exported(weights: Path, name: str, *, image_size_px: int, hardware: Hardware) -> FakeDetector:
    if name == "openvino":
        raise MissingToolError("openvino is not installed", hint="uv sync --group export")
    assert weights.read_bytes() == RUN.best_weights.read_bytes()
    return FakeDetector()


def test_each_format_is_timed_and_compared_and_one_that_is_not_installed_is_said():
    found = time_formats(
        RUN,
        "val",
        settings=LatencySettings(on=a_record().hardware, formats=("onnx", "openvino")),
        export=exported,
        open_detector=Opened(),
        progress=FakeProgress(),
    )

    pytorch, onnx, openvino = found.formats
    assert found == Evaluated.read(RUN.evaluation).latency["val"]
    assert pytorch.parity is None
    assert onnx.latency is not None
    assert onnx.latency.median_ms == 5.0
    assert onnx.parity is not None
    assert onnx.parity.holds
    assert openvino.not_measured == "openvino is not installed (uv sync --group export)"
    assert openvino.median_ms is None


def test_the_weights_that_cannot_be_timed_are_named_as_the_person_knows_them():
    asked: list[Path] = []

    def opened(weights: Path, params: Params) -> FakeDetector:
        asked.append(weights)
        return FakeDetector()

    time_formats(
        RUN,
        "val",
        settings=LatencySettings(on=a_record().hardware, formats=()),
        export=exported,
        open_detector=opened,
        progress=FakeProgress(),
    )

    assert asked == [RUN.best_weights]


def test_the_gate_asks_the_worse_end_of_each_interval():
    """One door proves nothing, and as it is, it is 0.995 of 0.90."""
    asked = {
        point: gate_run(RUN, at_the_point=point, open_detector=Opened(), progress=FakeProgress())
        for point in (False, True)
    }

    assert [row.holds for row in asked[False][:4]] == [False, False, False, False]
    assert {row.status for row in asked[False][:4]} == {"not proven"}
    assert [row.holds for row in asked[True][:4]] == [True] * 4


def test_labels_and_photographs_that_changed_are_measured_anew(trained: Path):
    """Also where another command has detected on them since, and the gate would take the old."""
    opened = Opened()
    evaluated("val", opened)
    before = evaluated(open_detector=opened)
    (trained / "labels/test/0.txt").write_text("")

    held = gate_run(RUN, at_the_point=True, open_detector=opened, progress=FakeProgress())

    assert before.doors == 1
    assert Evaluated.read(RUN.evaluation).splits["test"].doors == 0
    assert next(one for one in held if one.what == "test mAP50").measured == "undefined"
    photograph = trained / "images/test/1.png"
    photograph.write_bytes((trained / "images/train/0.png").read_bytes() + b"\n")
    times = opened.times
    evaluated(open_detector=opened)
    assert opened.times == times + 1


def test_an_assessment_of_labels_that_changed_since_is_not_taken_for_the_present_one(trained: Path):
    evaluated("val")
    evaluated()
    (trained / "labels/test/0.txt").write_text("")
    detect(RUN, "test", open_detector=Opened(), progress=FakeProgress())

    gate_run(RUN, at_the_point=True, open_detector=Opened(), progress=FakeProgress())

    assert Evaluated.read(RUN.evaluation).splits["test"].doors == 0


def test_the_gate_detects_again_where_the_detections_are_gone():
    evaluated("val")
    evaluated()
    RUN.detections_json("test").unlink()

    assert gate_run(RUN, at_the_point=True, open_detector=Opened(), progress=FakeProgress())


def test_a_damaged_measurement_needs_no_other_training():
    evaluated()
    RUN.evaluation.write_text("{")

    with pytest.raises(RunError) as refused:
        Evaluated.read(RUN.evaluation).splits["test"]

    assert "measure it again" in refused.value.hint
    assert "train" not in refused.value.hint


def test_attributes_in_another_encoding_are_refused_by_name(trained: Path):
    (trained / "attributes.csv").write_bytes(b"image,lighting\nimages/test/0.png,d\xfcster\n")

    with pytest.raises(DatasetError, match=r"attributes.csv:2: expected .* UTF-8, found byte 0xfc"):
        evaluated()


def test_a_slice_of_one_missed_door_is_no_proof_that_the_recall_is_low(trained: Path):
    (trained / "attributes.csv").write_text("image,lighting\nimages/test/0.png,night\n")
    evaluated()
    kept = Detected.read(RUN.detections_json("test"))
    blind = [one.model_copy(update={"used_xyxy": [], "used_confidences": []})
             for one in kept.photographs]  # fmt: skip
    kept.model_copy(update={"photographs": blind}).write(RUN.detections_json("test"))

    night = next(one for one in evaluated().slices if one.attribute == "lighting")

    assert night.scores["recall"].value == 0
    assert night.verdict == "unproven, n = 1"


def test_weights_that_were_changed_after_publishing_come_back_by_the_command_that_is_named():
    published = RUN.best_weights.read_bytes()
    RUN.best_weights.write_text("others")

    with pytest.raises(RunError, match="which is not what") as refused:
        gate_published(RUN, at_the_point=True, open_detector=Opened(), progress=FakeProgress())

    subprocess.run(refused.value.hint.split(": ")[1].split(), check=True)
    assert RUN.best_weights.read_bytes() == published


def test_the_report_says_what_holds_with_intervals_as_soon_as_that_was_measured():
    output = summarise(RUN, Path("summary.md"))
    assert "checks whether they hold at the worse end" in output.read_text()
    evaluated("val")
    evaluated("test")

    text = summarise(RUN, output).read_text()

    assert "**With 95 % confidence intervals, 0 of 5 targets hold. Missed: model size" in text
    assert "As measured" not in text
    assert ". Not proven: val mAP50 0.995 (0.000 to 1.000, n = 1 doors), target" in text
    assert "(`doors evaluate`): test recall 1.000 (0.025 to 1.000, n = 1 doors)" in text
    RUN.evaluation.write_text(RUN.evaluation.read_text().replace("weights_sha256", "weights"))
    with pytest.raises(RunError, match=r"evaluation\.json cannot be read"):
        summarise(RUN, output)


def test_a_target_is_not_checked_on_the_split_that_its_threshold_is_chosen_on():
    with pytest.raises(RunError, match="chosen on val, and val cannot check it"):
        evaluate_split(
            RUN,
            "val",
            target=parse_target("recall>=0.02@95%"),
            open_detector=Opened(),
            progress=FakeProgress(),
        )


def test_what_has_changed_since_the_training_is_said_with_the_figures(trained: Path):
    assert evaluated().changed == []
    (trained / "labels/test/1.txt").write_text("0 0.5 0.5 0.2 0.2\n")

    assert evaluated().changed == ["photographs or labels of test are not those of the training"]
    assert evaluated("val").changed == []


def test_other_weights_than_the_run_trained_are_not_opened_and_the_hint_brings_them_back():
    RUN.best_weights.write_text("others")
    opened = Opened()

    with pytest.raises(RunError, match=r"not what exp1 trained: .* it was not opened") as caught:
        evaluated("val", open_detector=opened)
    assert opened.times == 0
    assert caught.value.hint == f"cp {PUBLISHED}/best.pt {RUN.best_weights}"
    shutil.copy(PUBLISHED / "best.pt", RUN.best_weights)
    assert evaluated("val").changed == []


def test_photographs_that_are_left_out_are_refused():
    class Forgetful(FakeDetector):
        def validate(self, **asked):
            scores, found = super().validate(**asked)
            return scores, found[1:]

    with pytest.raises(
        DatasetError, match=r"leaves out 1 of 2 photographs of test, the first images/test/0\.png"
    ):
        evaluated(open_detector=lambda weights, params: Forgetful())


class Slower(FakeDetector):
    """Takes 49.98 ms a photograph, where the training's evaluation took 5."""

    def _look(self, image: Path) -> Detections:
        return replace(super()._look(image), duration_ms=49.98)


def test_the_reports_give_one_latency():
    """Whatever was timed when: the one with the interval, as it is spelled beside its target."""
    before = summarise(RUN, Path("before.md")).read_text()
    assert set(re.findall(r"[\d.]+ ms", before.replace("50 ms", ""))) == {"5.0 ms"}

    report_page(RUN, Path("after.html"), open_detector=lambda *_: Slower(), progress=FakeProgress())
    after = summarise(RUN, Path("after.md")).read_text()

    for text in (after, Path("after.html").read_text()):
        assert set(re.findall(r"[\d.]+ ms", text.replace("50 ms", ""))) == {"49.98 ms"}
    assert "| Inference time | &lt; 50 ms | 49.98 ms | median of 2 photographs | met |" in after
    assert "latency, median 49.98 ms (n = 2: too few for an interval) on a sundial" in after


def test_a_report_says_that_its_intervals_are_of_other_labels_than_its_table(trained: Path):
    label = trained / "labels/test/0.txt"
    label.write_text("0 0.5 0.5 0.4 0.75\n")
    evaluated("val")
    evaluated("test")

    text = summarise(RUN, Path("summary.md")).read_text()

    assert "Photographs or labels of test are not those of the training: the intervals are" in text
