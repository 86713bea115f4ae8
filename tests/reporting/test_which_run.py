import os
from pathlib import Path

import pytest

from container_doors.core.errors import RunError
from container_doors.core.run import Run
from container_doors.reporting.which_run import named_or_only, read_record
from tests.builders import a_record


def some_runs(root: Path, *names: str) -> None:
    """Create runs, each one second newer than the one before."""
    for age, name in enumerate(names):
        path = root / name / "run.json"
        a_record(experiment=name).write(path)
        os.utime(path, (age, age))


def test_an_existing_run_is_read(tmp_path: Path):
    some_runs(tmp_path, "exp1")

    assert read_record(Run("exp1", root=tmp_path)) == a_record(experiment="exp1")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        pytest.param("detection_exp02", "did you mean detection_exp002?", id="misspelled"),
        pytest.param("zebra", "the newest runs: pilot, detection_exp002", id="no similar name"),
    ],
)
def test_the_error_for_a_missing_run_names_existing_runs(asked: str, hint: str, tmp_path: Path):
    """An earlier run kept as NAME~1 is not named."""
    some_runs(tmp_path, "detection_exp002", "pilot", "zebra~1")

    with pytest.raises(RunError, match=f"no run '{asked}'") as raised:
        read_record(Run(asked, root=tmp_path))

    assert raised.value.hint == hint


def test_without_any_run_the_hint_is_to_train(tmp_path: Path):
    with pytest.raises(RunError, match="doors train --experiment exp1"):
        read_record(Run("exp1", root=tmp_path / "runs"))

    assert not (tmp_path / "runs").exists()


def test_the_only_run_need_not_be_named(tmp_path: Path):
    """An earlier run kept as NAME~1 does not count."""
    some_runs(tmp_path, "exp1", "exp1~1")

    assert named_or_only(None, "evaluate --experiment", tmp_path) == Run("exp1", tmp_path)
    assert named_or_only("exp2", "evaluate --experiment", tmp_path) == Run("exp2", tmp_path)


def test_among_several_runs_none_is_chosen(tmp_path: Path):
    some_runs(tmp_path, "exp1", "exp2", "exp3~1")

    with pytest.raises(RunError, match=r"which run\? There are 2 in .*: exp2, exp1") as raised:
        named_or_only(None, "evaluate --experiment", tmp_path)

    assert raised.value.hint == "say which: doors evaluate --experiment exp2"


def test_an_empty_name_does_not_mean_the_only_run(tmp_path: Path):
    """Such as a script's variable that was never set."""
    some_runs(tmp_path, "exp1")

    with pytest.raises(RunError, match="'' cannot name an experiment"):
        named_or_only("", "evaluate --experiment", tmp_path)
