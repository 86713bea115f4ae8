"""Check the Markdown report: its text, its links and its output path."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from container_doors.core.errors import RunError
from container_doors.core.records import CodeState, Metadata, StartingWeights
from container_doors.core.run import Run
from container_doors.reporting.summary import Afterwards, write_summary
from tests.builders import (
    a_history,
    a_record,
    a_trained_run,
    an_evaluation,
    split_scores,
    with_pictures,
)
from tests.reporting.conftest import Report

SECTIONS = ["Targets", "In use", "Average precision", "Training", "Precision, recall and confusion",
            "Predictions", "Data", "Starting weights", "Machine and programs", "Lineage",
            "Hyperparameters", "Next steps"]  # fmt: skip


def rows(text: str) -> dict[str, list[str]]:
    """Return every table row by its first cell."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in cells}


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def links(text: str) -> list[str]:
    return re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)


def tables(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_the_verdict_comes_first_and_names_the_missed_targets(report: Report):
    first, _, intervals, second = report().splitlines()[2:6]

    assert first == (
        "**As measured, 4 of 5 targets met. NOT MET: Inference time (87.4 ms, target &lt; 50 ms).**"
    )
    assert "`doors gate --experiment detection_exp001` checks" in intervals
    assert "it finds 72 of 76 doors in 75 test photographs, with 3 false alarms" in second


def test_the_table_has_the_six_targets_of_the_specification(report: Report):
    (table,) = tables(section(report(), "Targets"))

    assert len(table) == 2 + 6
    assert [row.split(" | ")[0] for row in table[2:]] == [
        "| Validation mAP@50", "| Validation mAP@50-95", "| Test mAP@50", "| Inference time",
        "| Model size", "| Training time",
    ]  # fmt: skip


def test_the_latency_has_its_method_and_hardware(report: Report):
    text = section(report(), "Targets")

    latency = split_scores().latency
    assert latency is not None
    assert latency.method in text
    assert "set for a Tesla P100" in text


def test_both_definitions_of_average_precision_are_side_by_side(report: Report):
    text = section(report(), "Average precision")

    assert rows(text)["test"] == ["75", "76", "0.951", "0.956", "0.742", "0.731", "0.810",
                                  "0.960", "0.940"]  # fmt: skip
    assert "scores 0.995 there, and 1.000 by COCO's definition" in text


def test_the_operating_point_is_complete(report: Report):
    row = rows(section(report(), "In use"))["test"]

    assert row[:7] == ["75", "76", "0.25", "0.45", "72", "4", "3"]
    assert row[7].startswith("0.960 (0.889 to ")
    assert row[8].startswith("0.947 (0.872 to ")


def test_a_missing_measurement_is_never_zero(report: Report):
    point = split_scores().operating_point.model_copy(
        update={"true_positives": 0, "false_positives": 0, "missed": 0, "precision": None,
                "recall": None}
    )  # fmt: skip
    empty = split_scores(doors=0, ultralytics={}, coco={}, operating_point=point, latency=None)
    text = report(
        evaluation=an_evaluation(splits={"val": empty, "test": empty}),
        record=a_record(duration_s=None, epochs_finished=None, best_epoch=None),
    )

    assert rows(section(text, "Average precision"))["test"][2:] == ["not measured"] * 7
    assert rows(section(text, "In use"))["test"][7:] == ["undefined"] * 2
    assert "0 of 4 targets met" not in text
    assert "As measured, 1 of 5 targets met. Not measured: Validation mAP@50, " in text
    assert "Inference time was not measured." in text
    assert "The number of finished epochs is not recorded." in text
    assert "None" not in text
    assert "nan" not in text.replace("naN", "")


def test_a_run_without_a_test_split_is_reported(report: Report):
    text = report(evaluation=an_evaluation(splits={"val": split_scores()}))

    assert "It was not evaluated on a test split." in text


def test_the_report_has_the_status_of_an_unfinished_run(report: Report):
    text = report(record=a_record(status="failed", message="OutOfMemory:\n| no *room*"))

    assert "> This run's status is failed: OutOfMemory: &#124; no &#42;room&#42;\n" in text


def test_the_report_has_the_epochs_of_a_run_that_stopped_early(report: Report):
    text = report(record=a_record(epochs_finished=12, best_epoch=9), history=a_history(12))

    assert "It ended after 12 of 30 epochs.\n`best.pt` is from epoch 9" in text


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (StartingWeights(source="random"), "Random: the network started untrained."),
        (StartingWeights(source="file", path="a.pt", sha256="e" * 64, official=True),
         "| Official COCO weights | yes, by hash |"),
        (StartingWeights(source="file", path="a.pt", sha256="e" * 64, official=False),
         "| Official COCO weights | NO: another file |"),
        (StartingWeights(source="download"), "| Official COCO weights | not checked |"),
    ],
    ids=["random", "official", "not official", "unknown"],
)  # fmt: skip
def test_the_report_describes_the_starting_weights(report: Report, weights, expected: str):
    assert expected in section(
        report(record=a_record(starting_weights=weights)), "Starting weights"
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (CodeState(commit="c" * 40, clean=True), f"<code>{'c' * 40}</code>, clean"),
        (CodeState(commit="c" * 40, clean=False), "with uncommitted changes"),
        (CodeState(commit=None, clean=None), "no commit, not known whether clean"),
    ],
    ids=["clean", "changed", "no repository"],
)
def test_the_report_describes_the_state_of_the_code(report: Report, code: CodeState, expected: str):
    assert expected in rows(report(record=a_record(code=code)))["Code"][0]


def test_the_lineage_names_every_hash(report: Report, metadata: Metadata):
    text = section(report(metadata=metadata), "Lineage")

    for digest in ("a" * 64, "b" * 64, "c" * 40, "d" * 64, "f" * 64, a_record().run_id):
        assert digest in text
    assert f"<code>{metadata.version}</code>" in text
    assert f"<code>{metadata.git_tag}</code>" in text


def test_a_published_model_has_its_next_steps(report: Report, metadata: Metadata):
    text = section(report(metadata=metadata), "Next steps")

    assert "doors version --experiment detection_exp001\n" in text
    assert f'git commit -m "Release {metadata.version}"\n' in text
    assert f"git tag -a {metadata.git_tag} -m {metadata.version}\n" in text
    assert "dvc pull weights/detection/best.pt.dvc\n" in text


@pytest.mark.parametrize(
    ("status", "command"),
    [("finished", "doors publish detection_exp001\n"),
     ("trained", "doors train --experiment detection_exp001\n")],
)  # fmt: skip
def test_a_model_that_is_not_published_has_no_version(report: Report, status: str, command: str):
    text = report(record=a_record(status=status), metadata=None)

    assert rows(text)["Version"] == ["none: this run is not published"]
    assert rows(text)["Git tag"] == ["none"]
    assert command in section(text, "Next steps")
    assert "git commit" not in text


def test_every_setting_is_listed_once(report: Report):
    settings = rows(section(report(), "Hyperparameters"))

    assert settings["training.epochs"] == ["<code>30</code>"]
    assert settings["model.weights"] == ["<code>null</code>"]
    assert {"augmentation.preset", "augmentation.conditions.rain.low"} < settings.keys()
    assert len(settings) == 2 + leaves(a_record().params)


def leaves(section: object) -> int:
    """Count the values in a section and the sections in it; a list is one."""
    return sum(map(leaves, section.values())) if isinstance(section, dict) else 1


def test_conditions_that_a_run_was_trained_for_are_named(report: Report):
    assert "trained for: none." in section(report(), "Training")
    record = a_record()
    record.params["augmentation"]["conditions"]["rain"]["probability"] = 0.2

    assert "trained for: rain on 20 % of the photographs (0.2 to 1 " in report(record=record)


def test_every_link_is_relative_and_points_to_a_picture(report: Report, output: Path):
    found = links(report())

    assert len(found) == 1 + 2 * 3 + 10
    for link in found:
        assert link.startswith("summary%20of%20exp001_files/")
        assert (output.parent / unquote(link)).is_file()


def test_the_folder_has_only_linked_files(report: Report, output: Path):
    linked = {unquote(link).partition("/")[2] for link in links(report())}
    folder = output.with_name("summary of exp001_files")

    assert {path.name for path in folder.iterdir()} == linked
    assert {path.name for path in output.parent.iterdir()} == {output.name, folder.name}


def test_a_moved_report_still_has_its_pictures(
    report: Report, run: Run, output: Path, tmp_path: Path
):
    text = report()
    moved = tmp_path / "elsewhere"
    output.parent.rename(moved)
    shutil.rmtree(run.root)

    assert all((moved / unquote(link)).stat().st_size for link in links(text))


def test_twelve_predictions_are_shown_from_the_first_to_the_last(report: Report, run: Run):
    with_pictures(run, photographs=40)

    text = section(report(), "Predictions")

    assert "12 of the 40 pictures" in text
    assert len(links(text)) == 12
    assert "yard 00" in text
    assert "yard 39" in text


def test_a_run_without_pictures_is_reported(report: Report, run: Run):
    shutil.rmtree(run.directory)

    text = report()

    assert "There are no prediction pictures." in text
    assert rows(section(text, "Precision, recall and confusion"))["test"] == ["no plot"] * 3
    assert len(links(text)) == 1


def test_a_history_of_one_epoch_is_reported(report: Report):
    record = a_record(epochs_finished=1, best_epoch=1)

    assert "`best.pt` is from epoch 1" in report(record=record, history=a_history(1))


def test_equal_runs_have_equal_reports(report: Report, output: Path, metadata: Metadata):
    def written() -> dict[str, bytes]:
        report(metadata=metadata)
        return {
            str(path.relative_to(output.parent)): path.read_bytes()
            for path in output.parent.rglob("*")
            if path.is_file()
        }

    assert written() == written()


def test_pictures_of_an_earlier_report_are_removed(report: Report, run: Run, output: Path):
    report()
    shutil.rmtree(run.predictions)
    report()

    assert not list(output.with_name("summary of exp001_files").glob("prediction_*"))


def test_the_sections_are_in_order(report: Report, metadata: Metadata):
    text = report(metadata=metadata)

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert text.endswith("```\n")
    assert "\n\n\n" not in text


def test_every_table_is_valid_markdown(report: Report, metadata: Metadata):
    text = report(metadata=metadata)
    page = MarkdownIt("commonmark").enable("table").render(text)

    assert page.count("<table>") == len(tables(text))
    assert page.count("<tr>") == sum(len(table) - 1 for table in tables(text))
    assert page.count("<img ") == len(links(text))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1))
def test_free_text_breaks_no_table(tmp_path: Path, quick_curves: None, text: str):
    """An unescaped pipe would add a cell, and a line end a row."""
    plain = a_record()
    written = plain.model_copy(
        update={
            "experiment": text,
            "message": text,
            "status": "failed",
            "params": plain.params | {text: text, "wandb": {text: [text]}},
            "dataset": plain.dataset.model_copy(update={"path": text}),
            "hardware": plain.hardware.model_copy(update={"description": text, "gpus": [text]}),
            "starting_weights": StartingWeights(source="file", path=text),
            "environment": plain.environment.model_copy(update={"packages": {text: text}}),
        }
    )
    output = tmp_path / "summary.md"
    run = Run("exp001", root=tmp_path)
    write_summary(
        run,
        output,
        record=written,
        evaluation=an_evaluation(),
        history=a_history(1),
        afterwards=Afterwards(),
    )

    found = tables(output.read_text(encoding="utf-8"))

    for table in found:
        assert len({line.count("|") for line in table}) == 1
    assert sum(map(len, found)) > 60
    page = MarkdownIt("commonmark").enable("table").render(output.read_text(encoding="utf-8"))
    assert page.count("<table>") == len(found) == 10


def test_an_output_that_is_a_folder_is_refused(report: Report, output: Path):
    output.mkdir(parents=True)

    with pytest.raises(RunError, match=r"is a folder, and the report is a file\n  hint: name the"):
        report()


def test_an_output_below_a_file_is_refused(report: Report, output: Path):
    output.parent.write_text("a file")

    with pytest.raises(RunError, match="is not a folder"):
        report()


@pytest.mark.parametrize(
    "changes", [{"run_id": "9" * 32}, {"weights_sha256": "9" * 64}], ids=["run", "weights"]
)
def test_scores_of_another_model_are_not_reported(report: Report, output: Path, changes):
    with pytest.raises(RunError, match="is of other weights"):
        report(evaluation=an_evaluation(**changes))

    assert not output.exists()


def test_a_failure_leaves_the_earlier_report(report: Report, output: Path, monkeypatch):
    before = report()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("container_doors.reporting.summary.draw_curves", fail)
    with pytest.raises(OSError, match="No space left"):
        report()

    assert output.read_text(encoding="utf-8") == before
    assert all((output.parent / unquote(link)).is_file() for link in links(before))


def test_a_report_is_replaced_and_not_overwritten_in_place(report: Report, output: Path):
    before = report()
    read_by_someone = output.with_name("the same file.md")
    read_by_someone.hardlink_to(output)

    after = report(record=a_record(seed=7))

    assert read_by_someone.read_text(encoding="utf-8") == before != after


def test_a_run_on_disk_is_reported(tmp_path: Path):
    run, record, evaluation = a_trained_run(tmp_path / "runs")
    output = tmp_path / "summary.md"

    write_summary(
        run,
        output,
        record=record,
        evaluation=evaluation,
        history=a_history(),
        afterwards=Afterwards(),
    )

    assert f"{record.started_at:%Y-%m-%d %H:%M} UTC" in output.read_text(encoding="utf-8")
    assert record.started_at == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
