"""What the commands that measure a run again print and return."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes import Blinded, FakeDetector, FakeWorld
from tests.trained import PARAMS, RUN, forget_detections, train_in, train_others

from container_doors import pipeline
from container_doors.cli import compare, evaluate, gate, latency, main, robustness, summary, version
from container_doors.core.ports import Detections
from container_doors.core.records import RunRecord
from container_doors.core.run import Run


@pytest.fixture(autouse=True)
def _trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_in(tmp_path, monkeypatch)
    for module in (compare, evaluate, gate, latency, robustness, summary, version):
        monkeypatch.setattr(module, "open_detector", lambda weights, params: Blinded())
    monkeypatch.setattr(latency, "FORMATS", {})


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(list(argv))
    return code, capsys.readouterr().out


def test_every_score_is_printed_with_its_interval_and_its_n(capsys: pytest.CaptureFixture[str]):
    code, out = run(capsys, "evaluate", "--experiment", "exp1")

    assert code == 0
    assert "exp1 on test: 2 photographs, 1 door, 1 without a door" in out
    assert "recall     1.000 (0.025 to 1.000, n = 1 doors), at a confidence of 0.25" in out
    assert re.search(r"  mR         1\.000 \(.*, n = 1 doors\), at the best F1\n", out)
    assert re.search(r"without a door: 0.000 \(.*\), at a confidence of 0.25\n", out)
    assert "uses of this test set, with this one: 2" in out
    assert "wrote runs/exp1/evaluation.json" in out


OF_A_RUN = {
    "evaluate": "--experiment", "gate": "--experiment", "robustness --quick": "--experiment",
    "latency": "--experiment", "summary": "--experiment", "track show": "", "doctor --run": "",
    "publish": "",
}  # fmt: skip
"""Commands of a run, and what its name is given with."""


@pytest.mark.parametrize(("command", "named"), OF_A_RUN.items())
def test_the_only_run_need_not_be_named(
    command: str, named: str, capsys: pytest.CaptureFixture[str]
):
    run(capsys, *command.split(), *named.split(), "exp1")  # detects, and keeps what it finds
    code, out = run(capsys, *command.split(), *named.split(), "exp1")

    again, same = run(capsys, *command.split())

    assert again == code
    assert but_for_looks(same) == but_for_looks(out)


def but_for_looks(out: str) -> str:
    return re.sub(r"(?<=with this one: )\d", "", out)


@pytest.mark.parametrize("command", OF_A_RUN)
def test_of_several_runs_none_is_chosen(command: str, capsys: pytest.CaptureFixture[str]):
    pipeline.train(PARAMS, Run("exp2"), world=FakeWorld().world)
    capsys.readouterr()

    assert main(command.split()) == 2

    said = capsys.readouterr().err
    assert "which run? There are 2 in runs, the newest first: exp2, exp1" in said
    assert f"hint: say which: doors {command.replace(' --quick', '')} " in said


@pytest.mark.parametrize(
    "argv",
    [
        ("evaluate", "--experiment", "exp1"),
        ("robustness", "--experiment", "exp1", "--quick"),
        ("latency", "--experiment", "exp1"),
    ],
    ids=lambda argv: argv[0],
)
def test_json_is_the_document_that_is_written(
    argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    code, out = run(capsys, *argv, "--json")

    assert code == 0
    assert out == RUN.evaluation.read_text()
    assert json.loads(out)["schema_version"] == 1


def test_each_command_adds_its_part_to_one_document(capsys: pytest.CaptureFixture[str]):
    run(capsys, "evaluate", "--experiment", "exp1", "--split", "val")
    run(capsys, "robustness", "--experiment", "exp1", "--quick")
    run(capsys, "latency", "--experiment", "exp1")
    run(capsys, "evaluate", "--experiment", "exp1")

    there = json.loads(RUN.evaluation.read_text())
    assert {part: list(there[part]) for part in ("splits", "robustness", "latency")} == {
        "splits": ["test", "val"],
        "robustness": ["test"],
        "latency": ["val"],
    }


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("recall>=0.02@95%", 0, "recall>=0.02@95%: met, at a confidence of 0.9000"),
        ("recall>=0.03@95%", 2, "no threshold meets recall>=0.03@95% on val"),
        ("false-alarms<=9@95%", 2, "false-alarms<=9@95% is undefined on val"),
    ],
)
def test_a_target_is_met_or_not(
    target: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()
    assert main(["evaluate", "--experiment", "exp1", "--target", target]) == code
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    if code == 0:
        assert "cost: false alarms per photograph without a door 0.000" in printed.out


def test_a_target_that_is_not_met_on_test_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class BlindOnTest(FakeDetector):
        def detect(self, images, *, conf_threshold, iou_threshold):
            found = super().detect(images, conf_threshold=0, iou_threshold=0)
            return [
                replace(one, boxes_xyxy=[], confidences=[], is_door=[])
                if "/test/" in str(one.image)
                else one
                for one in found
            ]

    forget_detections()
    monkeypatch.setattr(evaluate, "open_detector", lambda weights, params: BlindOnTest())

    code, out = run(capsys, "evaluate", "--experiment", "exp1", "--target", "recall>=0.02@95%")

    assert code == 1
    assert "recall>=0.02@95%: unproven" in out or "recall>=0.02@95%: missed" in out


def test_a_gate_that_does_not_hold_is_a_fault(capsys: pytest.CaptureFixture[str]):
    code, out = run(capsys, "gate", "--experiment", "exp1")

    assert code == 1
    assert "NOT PROVEN    val mAP50" in out


def test_comparing_prints_a_verdict_in_a_sentence(capsys: pytest.CaptureFixture[str]):
    code, out = run(capsys, "compare", "exp1", "exp1", "--split", "val", "--json")

    assert code == 0
    assert json.loads(out)["verdict"].startswith("exp1 and exp1 have the same weights")


class Eager(FakeDetector):
    """Finds every door, and two where there is none, in every photograph."""

    def _look(self, image: Path) -> Detections:
        seen = super()._look(image)
        alarms = [(0.0, 0.0, 5.0, 5.0), (0.0, 40.0, 5.0, 48.0)]
        boxes, confidences = [*seen.boxes_xyxy, *alarms], [*seen.confidences, 0.8, 0.8]
        is_door = [(number < len(seen.boxes_xyxy),) * 10 for number in range(len(boxes))]
        return Detections(image, 64, 48, boxes, confidences, 5.0, is_door)


class Careful(FakeDetector):
    """Finds the door of one photograph in ten, and raises no false alarm."""

    def _look(self, image: Path) -> Detections:
        if image.stem.endswith("0"):
            return super()._look(image)
        return Detections(image, 64, 48, [], [], 5.0, [])


@pytest.fixture
def careful_and_eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / PARAMS.data.path
    for number in range(2, 42):
        for kind, end in (("images", "png"), ("labels", "txt")):
            shutil.copy(data / f"{kind}/test/0.{end}", data / f"{kind}/test/{number}.{end}")
    other = Run("exp2")
    pipeline.train(PARAMS, other, world=FakeWorld().world)
    train_others(other, "others that are eager")
    monkeypatch.setattr(
        compare,
        "open_detector",
        lambda weights, params: Eager() if weights == other.best_weights else Careful(),
    )


def test_comparing_hides_no_false_alarm(
    careful_and_eager: None, capsys: pytest.CaptureFixture[str]
):
    """The second finds 41 doors and not 5, and raises 84 false alarms and not 0."""
    code, out = run(capsys, "compare", "exp1", "exp2")

    assert code == 0
    table = {cells[0]: cells[1:] for cells in map(re.compile(" {2,}").split, out.splitlines())}
    assert table["doors found"] == ["5 of 41", "41 of 41"]
    assert table["false alarms"][:2] == ["0", "84"]
    assert table["false alarms"][2].startswith("+2.000 per photograph (+1.")
    assert [one[:6] for one in table["precision"]] == ["1.000 ", "0.328 ", "-0.672"]
    assert [one[:6] for one in table["recall"]] == ["0.122 ", "1.000 ", "+0.878"]
    assert "exp2 is better than exp1 in some metrics and worse in others. Better: AP50-95" in out
    assert "recall higher by 0.878" in out
    assert "Worse: precision lower by 0.672" in out
    assert "84 instead of 0 false alarms, 2.000" in out


def test_a_comparison_can_be_read_by_programs(
    careful_and_eager: None, capsys: pytest.CaptureFixture[str]
):
    _, out = run(capsys, "compare", "exp1", "exp2", "--json")

    said = json.loads(out)
    first, second = said["models"]
    assert (first["name"], first["doors_found"], first["false_alarms"]) == ("exp1", 5, 0)
    assert (second["name"], second["doors_found"], second["false_alarms"]) == ("exp2", 41, 84)
    assert second["scores"]["recall"]["value"] == 1
    assert set(said["by"]) == {"AP50-95", "AP50", "recall", "precision", "false alarms"}


def use_weights_of_exp1(run: Run, conf_threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a run the weights of exp1, and a confidence threshold of its own."""
    monkeypatch.setattr(compare, "open_detector", lambda weights, params: Careful())
    record = RunRecord.read(run.record)
    params = record.params | {
        "validation": record.params["validation"] | {"conf_threshold": conf_threshold}
    }
    shutil.copyfile(RUN.best_weights, run.best_weights)
    artifacts = RunRecord.read(RUN.record).artifacts
    record.model_copy(update={"params": params, "artifacts": artifacts}).write(run.record)


def test_a_difference_that_cannot_be_has_no_interval(
    careful_and_eager: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    use_weights_of_exp1(Run("exp2"), 0.25, monkeypatch)

    _, out = run(capsys, "compare", "exp1", "exp2")

    assert "(-" not in out
    for name in ("AP50 ", "AP50-95", "recall", "precision", "false alarms"):
        (row,) = [line for line in out.splitlines() if line.startswith(name)]
        assert row.split()[-1] == "none"
    assert "exp1 and exp2 have the same weights: there is no difference" in out


def test_thresholds_that_differ_are_named_in_the_verdict(
    careful_and_eager: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """Each detection has a confidence of 0.9, so exp2 detects nothing at 0.95."""
    use_weights_of_exp1(Run("exp2"), 0.95, monkeypatch)

    _, out = run(capsys, "compare", "exp1", "exp2")

    (verdict,) = [line for line in out.splitlines() if "different thresholds" in line]
    assert "no difference" not in verdict
    assert "recall lower by 0.122" in verdict
    assert (
        "are at different thresholds, so part of the difference may be theirs: "
        "confidence 0.25 of exp1 and 0.95 of exp2"
    ) in verdict
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("AP")] == ["none"] * 2


def test_the_gate_can_be_read_by_programs(capsys: pytest.CaptureFixture[str]):
    code, out = run(capsys, "gate", "--experiment", "exp1", "--json")

    assert code == 1
    assert [row["what"] for row in json.loads(out)][:3] == [
        "val mAP50",
        "val mAP50-95",
        "test mAP50",
    ]


def test_a_page_is_not_the_name_of_the_markdown_report(capsys: pytest.CaptureFixture[str]):
    assert main(["summary", "--experiment", "exp1", "--output", "a.html", "--html"]) == 2
    assert "--output a.md --html writes a.html beside it" in capsys.readouterr().err
    assert not Path("a.html").exists()
