import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from container_doors.core.errors import RunError
from container_doors.publishing.lineage import find_run
from tests.builders import a_trained_run


def test_a_model_is_traced_to_its_run_by_content(tmp_path: Path):
    wanted, record, _ = a_trained_run(tmp_path / "runs", "a", weights=b"a")
    a_trained_run(tmp_path / "runs", "b", weights=b"b")
    (tmp_path / "renamed").mkdir()
    shutil.copy(wanted.best_weights, tmp_path / "renamed" / "best.pt")

    assert find_run(tmp_path / "renamed", tmp_path / "runs") == record


def test_of_two_runs_with_equal_weights_the_latest_counts(tmp_path: Path):
    run, record, _ = a_trained_run(tmp_path / "runs", "z")
    again, other, _ = a_trained_run(tmp_path / "runs", "a")
    later = other.model_copy(update={"started_at": datetime(2027, 1, 1, tzinfo=UTC)})
    later.write(again.record)

    assert record.started_at < later.started_at
    assert find_run(run.best_weights.parent, tmp_path / "runs") == later


def test_a_record_that_cannot_be_read_hides_no_other_run(tmp_path: Path):
    run, record, _ = a_trained_run(tmp_path / "runs", "b")
    (tmp_path / "runs" / "a").mkdir()
    (tmp_path / "runs" / "a" / "run.json").write_text("{")
    (tmp_path / "runs" / "c" / "run.json").mkdir(parents=True)

    assert find_run(run.best_weights.parent, tmp_path / "runs") == record


def test_a_model_of_unknown_origin_is_refused(tmp_path: Path):
    a_trained_run(tmp_path / "runs", "a")
    (tmp_path / "best.pt").write_bytes(b"from somewhere else")

    with pytest.raises(RunError, match=r"no run in .* made"):
        find_run(tmp_path, tmp_path / "runs")


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match=r"no best\.pt in"):
        find_run(tmp_path, tmp_path)


def test_a_model_is_to_be_fetched_only_where_a_pointer_names_it(tmp_path: Path):
    with pytest.raises(RunError, match=r"no best\.pt") as nothing:
        find_run(tmp_path, tmp_path / "runs")
    (tmp_path / "best.pt.dvc").touch()
    with pytest.raises(RunError, match=r"no best\.pt") as pointed_to:
        find_run(tmp_path, tmp_path / "runs")

    assert "dvc pull" not in nothing.value.hint
    assert pointed_to.value.hint == f"fetch it: dvc pull {tmp_path}/best.pt.dvc"
