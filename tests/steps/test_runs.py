"""What ``doors runs`` lists, in which order, and what damage makes of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors import pipeline
from container_doors.cli import main
from container_doors.cli.options.runs import SORT_KEYS
from container_doors.core.config import Params
from container_doors.core.records import Evaluation, Metadata, RunRecord
from container_doors.core.run import PUBLISHED, Run, runs_in
from container_doors.publishing.provenance import record_hashes
from container_doors.steps.evaluate import evaluate_split
from container_doors.steps.release import release_model
from container_doors.steps.runs import Row, Score, are_mixed, list_runs
from container_doors.steps.version import version_model
from tests.builders import a_small_dataset, an_evaluation, split_scores
from tests.fakes import (
    FakeDetector,
    FakeProgress,
    FakeRepository,
    FakeStore,
    FakeTrainer,
    FakeWorld,
)
from tests.trained import PARAMS, train_others


def train(name: str, map50_95: float, repository: FakeRepository, *, replace: bool = False) -> None:
    world = FakeWorld(
        detector=FakeDetector(map50_95=map50_95), repository=repository,
        trainer=FakeTrainer(trained=len(runs_in())),
    )  # fmt: skip
    pipeline.train(PARAMS, Run(name), world=world.world, replace=replace)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRepository:
    a_small_dataset(tmp_path / PARAMS.data.path)
    monkeypatch.chdir(tmp_path)
    return FakeRepository()


def agree(run: Run) -> None:
    """Let a run have ended with the records that it has now."""
    metadata = Metadata.read(run.metadata)
    metadata.model_copy(update={"records": record_hashes(run)}).write(run.metadata)


def row(name: str, repository: FakeRepository) -> Row:
    (found,) = [one for one in list_runs(repository) if one.name == name]
    return found


def release(repository: FakeRepository) -> Metadata:
    metadata, _ = version_model(None, store=FakeStore(), progress=FakeProgress())
    release_model(metadata, repository)
    return metadata


def test_a_clone_without_runs_lists_none(
    repository: FakeRepository, capsys: pytest.CaptureFixture[str]
):
    assert list_runs(repository) == []
    assert main(["runs"]) == 0
    assert "no run yet: doors train" in capsys.readouterr().out


def test_each_run_is_a_row_with_what_was_measured(repository: FakeRepository):
    train("exp1", 0.2, repository)
    train("exp2", 0.1, repository)

    found = row("exp2", repository)

    record = RunRecord.read(Run("exp2").record)
    assert (found.status, found.is_published, found.is_released) == ("finished", False, False)
    assert found.val["mAP50-95"] == Score(0.1)
    assert found.test["recall"] == Score(1.0)
    assert (found.test_false_alarms, found.latency_ms) == (0, 5.0)
    assert found.size_bytes == record.artifacts["best.pt"].size_bytes
    assert (found.date, found.commit) == (record.finished_at, "0" * 40)
    assert row("exp1", repository).is_published
    assert row("exp1", repository).version
    assert found.version is None, "what was never published has no version"


def test_intervals_are_there_where_they_were_measured(repository: FakeRepository):
    train("exp1", 0.2, repository)
    assert row("exp1", repository).test["recall"].low is None

    def opened(weights: Path, params: Params) -> FakeDetector:
        return FakeDetector()

    evaluate_split(Run("exp1"), "test", open_detector=opened, progress=FakeProgress())

    recall = row("exp1", repository).test["recall"]
    assert recall.low is not None
    assert recall.high == 1.0
    assert str(recall).startswith("1.000 (0.")
    assert row("exp1", repository).val["recall"].low is None
    assert row("exp1", repository).test["mAP50-95"].low is None, "0.995 is not what 0.2 was"


@pytest.mark.parametrize("name", ["scores.json", "run.json"])
def test_what_was_changed_since_the_run_ended_is_shown_as_damage(
    repository: FakeRepository, name: str, capsys: pytest.CaptureFixture[str]
):
    train("exp1", 0.2, repository)
    path = Run("exp1").directory / name
    path.write_text(path.read_text().replace("0.2", "0.9").replace('"seed": 0', '"seed": 1'))

    found, published = row("exp1", repository), list_runs(repository)[0]

    assert found.val == {}
    assert f"{path} has changed since exp1 ended: expected sha256 " in str(found.problem)
    assert (published.val["mAP50-95"], published.status) == (Score(0.2), "its run is damaged")
    for command in (["publish", "exp1", "--anyway"], ["summary", "--experiment", "exp1"]):
        assert main(command) == 2
        assert "has changed since exp1 ended" in capsys.readouterr().err
    subprocess.run(str(found.problem).rpartition("; ")[2], shell=True, check=True)
    assert row("exp1", repository).val["mAP50-95"] == Score(0.2)


def test_figures_of_other_weights_are_nobodys(repository: FakeRepository):
    train("exp1", 0.2, repository)
    train_others(Run("exp1"))

    assert row("exp1", repository).val == {}


def test_runs_that_were_set_aside_and_that_have_not_ended_are_listed(repository: FakeRepository):
    train("exp1", 0.2, repository)
    train("exp1", 0.1, repository, replace=True)
    record = RunRecord.read(Run("exp1").record)
    record.model_copy(update={"status": "running"}).write(Run("exp1").record)

    assert row("exp1~1", repository).is_published
    assert row("exp1", repository).status == "interrupted, 3 of 3 epochs"


def test_a_version_whose_run_is_not_here_is_listed_with_what_git_has_of_it(
    repository: FakeRepository,
):
    train("exp1", 0.2, repository)
    first = release(repository)
    train("exp2", 0.3, repository)
    assert [one.name for one in list_runs(repository)] == ["exp2", "exp1"]
    second = release(repository)
    shutil.rmtree("runs")

    old, now = row(first.version, repository), row(second.version, repository)

    assert old.val["mAP50-95"] == Score(0.2)
    assert old.test["precision"] == Score(1.0)
    assert (old.is_released, old.is_published, now.is_published) == (True, False, True)
    assert old.size_bytes == first.artifacts["best.pt"].size_bytes
    assert f"{old.date:%Y%m%d}" == first.version.split("_")[2]
    repository.known_tags.append("detection@v9.9.0+99999999.x")
    assert row("detection_v9.9_99999999_x", repository).date is None


def test_what_is_best_comes_first_and_what_is_unknown_last(repository: FakeRepository):
    for name, score in (("b", 0.2), ("c", 0.3), ("a", 0.1)):
        train(name, score, repository)
    Run("d").directory.mkdir()
    evaluation = Evaluation.read(Run("b").scores)
    worse = evaluation.splits["test"].operating_point.model_copy(update={"false_positives": 7})
    splits = evaluation.splits | {
        "test": evaluation.splits["test"].model_copy(update={"operating_point": worse})
    }
    evaluation.model_copy(update={"splits": splits}).write(Run("b").scores)
    agree(Run("b"))

    def order(key: str) -> str:
        return "".join(one.name for one in list_runs(repository, sort=key))

    assert order("val") == "cbad"
    assert order("name") == "abcd"
    assert order("date") == "acbd"
    assert order("version") == "cabd"
    assert order("false-alarms") == "acbd"
    assert {len(order(key)) for key in SORT_KEYS} == {4}


def test_a_sweep_and_folds_without_a_last_model_are_no_damaged_runs(repository: FakeRepository):
    for run, document in (
        (Run("sweep1"), Run("sweep1").sweep_db),
        (Run("cv1"), Run("cv1").crossval),
    ):
        run.directory.mkdir(parents=True)
        document.touch()
    train("exp1", 0.5, repository)
    Run("exp2").directory.mkdir()

    rows = {row.name: row.problem is not None for row in list_runs(repository)}

    assert rows == {"exp1": False, "exp2": True}


@pytest.mark.parametrize("name", ["run.json", "metadata.json", "scores.json", "evaluation.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 9}', "\0\0"])
def test_a_damaged_run_is_a_row_that_says_so(
    repository: FakeRepository, name: str, content: str, capsys: pytest.CaptureFixture[str]
):
    train("exp1", 0.2, repository)
    train("exp2", 0.1, repository)
    (Run("exp2").directory / name).write_text(content)

    found = row("exp2", repository)

    assert found.problem is not None
    assert name in found.problem
    assert row("exp1", repository).problem is None
    assert main(["runs"]) == 0
    assert f"exp2  damaged: runs/exp2/{name}" in capsys.readouterr().out


def test_what_is_published_and_damaged_is_said(
    repository: FakeRepository, capsys: pytest.CaptureFixture[str]
):
    train("exp1", 0.2, repository)
    (PUBLISHED / "metadata.json").write_text("{")

    assert main(["runs"]) == 0

    assert "weights/detection  damaged: weights/detection/metadata.json" in capsys.readouterr().out
    assert not row("exp1", repository).is_published


def test_no_name_of_a_folder_moves_a_cursor(
    repository: FakeRepository, capsys: pytest.CaptureFixture[str]
):
    train("exp1", 0.2, repository)
    Path("runs/x\x1b[2Jy\nz").mkdir()

    assert main(["runs"]) == 0

    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert r"x\x1b[2Jy\nz  damaged:" in said


def test_a_terminal_gets_a_table_and_a_program_a_document(
    repository: FakeRepository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    train("exp1", 0.2, repository)
    record = RunRecord.read(Run("exp1").record)
    code = record.code.model_copy(update={"commit": "[red]" + "0" * 35})
    record.model_copy(update={"code": code}).write(Run("exp1").record)
    agree(Run("exp1"))

    assert main(["runs", "--json", "--sort", "val"]) == 0
    (document,) = json.loads(capsys.readouterr().out)["runs"]
    assert document["val"]["mAP50-95"] == {"value": 0.2}
    assert document["is_published"] is True
    assert main(["runs"]) == 0
    plain = capsys.readouterr().out.splitlines()
    assert plain[0].split()[:2] == ["name", "version"]
    assert plain[1].split()[:3] == ["exp1", "v1.0", "0.200"]
    assert plain[1].endswith("published")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["runs"]) == 0
    assert "[red]000" in capsys.readouterr().out, "no markup of ours"


def test_figures_that_are_undefined_are_absent(repository: FakeRepository):
    train("exp1", 0.2, repository)
    record = RunRecord.read(Run("exp1").record)
    best = record.artifacts["best.pt"].sha256
    nobody = split_scores(ultralytics={}, latency=None)
    point = nobody.operating_point.model_copy(update={"precision": None, "recall": float("nan")})
    nobody = nobody.model_copy(update={"operating_point": point})
    an_evaluation(weights_sha256=best, splits={"val": nobody, "test": nobody}).write(
        Run("exp1").scores
    )
    agree(Run("exp1"))

    found = row("exp1", repository)

    assert found.problem is None
    assert (found.val, found.test, found.latency_ms) == ({}, {}, None)


def relabel(split: str, photograph: int = 0) -> None:
    """Move a labelled door of the data set."""
    path = Path(PARAMS.data.path) / f"labels/{split}/{photograph}.txt"
    path.write_text("0 0.5 0.5 0.45 0.7\n")


def table(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[list[str], list[str]]:
    """Return the rows of the table, and the lines below it."""
    capsys.readouterr()
    assert main(["runs", *options]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if " MB " in line]
    return rows, lines[len(rows) :]


def test_scores_on_other_photographs_or_labels_are_marked_and_not_ranked_with_the_others(
    repository: FakeRepository, capsys: pytest.CaptureFixture[str]
):
    """Of val alone the labels change: exp1 has the highest score, on the earlier ones."""
    train("exp1", 0.9, repository)
    train("exp2", 0.2, repository)
    rows, below = table(capsys)
    assert "[" not in "".join(rows)
    assert below == [
        "test recall and false alarms: in use, at a confidence of 0.25; mAP: by Ultralytics' "
        "definition"
    ]

    relabel("val")
    train("exp3", 0.3, repository)

    rows, below = table(capsys, "--sort", "val")
    assert [" ".join(line.split()[:1] + line.split()[2:6]) for line in rows] == [
        "exp3 0.300 [1] 0.300 1.000", "exp1 0.900 [2] 0.900 1.000", "exp2 0.200 [2] 0.200 1.000",
    ]  # fmt: skip
    assert "different photographs or labels of val; only scores with the same number" in below[1]
    assert [one.name for one in list_runs(repository, sort="test")] == ["exp1", "exp3", "exp2"]
    main(["runs", "--json"])
    found = {one["name"]: one["measured_on"] for one in json.loads(capsys.readouterr().out)["runs"]}
    assert found == {
        "exp3": {"val": 1, "test": 1}, "exp1": {"val": 2, "test": 1}, "exp2": {"val": 2, "test": 1},
    }  # fmt: skip


def refuse_to_read(dataset: Path) -> None:
    raise PermissionError(13, "Permission denied", str(dataset))


def test_a_data_set_that_is_not_here_is_known_by_what_the_runs_recorded(
    repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
):
    train("exp1", 0.2, repository)
    relabel("train")
    train("exp2", 0.3, repository)
    relabel("test")
    train("exp3", 0.1, repository)
    shutil.rmtree(PARAMS.data.path)

    def numbers() -> dict[str, dict[str, int]]:
        return {one.name: one.measured_on for one in list_runs(repository)}

    assert numbers() == {
        "exp3": {"val": 1, "test": 1}, "exp2": {"val": 1, "test": 2}, "exp1": {"val": 1, "test": 2},
    }  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr("container_doors.steps.runs.layout_today", refuse_to_read)
        assert numbers()["exp3"] == {"val": 1, "test": 1}
    for path in Run("exp2").directory.glob("dataset.json*"):
        path.unlink()
    assert numbers()["exp2"] == {"val": 2, "test": 2}, "only the hash of the whole is known"
    assert numbers()["exp1"] == {"val": 1, "test": 3}


def test_what_git_has_of_a_version_does_not_say_on_which_photographs(
    repository: FakeRepository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("container_doors.cli.runs.GitRepository", lambda _: repository)
    train("exp1", 0.2, repository)
    old = release(repository)
    shutil.rmtree("runs")
    train("exp2", 0.3, repository)

    rows, below = table(capsys)

    assert old.version in rows[1]
    assert "0.200 [?]" in rows[1]
    assert "0.300 [1]" in rows[0]
    assert "[?]: it is not known on which" in below[1]
    unknown = [one for one in list_runs(repository) if not one.measured_on]
    assert not are_mixed(unknown, "val"), "one has none to be compared with"
    assert are_mixed(unknown * 2, "val")


def test_intervals_on_other_labels_than_the_scores_are_not_shown(repository: FakeRepository):
    train("exp1", 0.995, repository)
    relabel("test")
    evaluate_split(
        Run("exp1"), "test", progress=FakeProgress(),
        open_detector=lambda weights, params: FakeDetector(),
    )  # fmt: skip

    recall = row("exp1", repository).test["recall"]
    assert (recall.value, recall.low) == (1.0, None)


def test_recall_at_different_confidences_says_which(
    repository: FakeRepository, capsys: pytest.CaptureFixture[str]
):
    train("exp1", 0.2, repository)
    train("exp2", 0.3, repository)
    evaluation = Evaluation.read(Run("exp2").scores)
    test = evaluation.splits["test"]
    point = test.operating_point.model_copy(update={"conf_threshold": 0.4})
    splits = evaluation.splits | {"test": test.model_copy(update={"operating_point": point})}
    evaluation.model_copy(update={"splits": splits}).write(Run("exp2").scores)
    agree(Run("exp2"))

    rows, below = table(capsys)

    assert "1.000 at 0.4 " in rows[0]
    assert "1.000 at 0.25 " in rows[1]
    assert below[0].startswith("test recall and false alarms: in use, at the confidence given;")
