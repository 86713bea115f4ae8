import os
from pathlib import Path

import pytest

from container_doors.core.errors import RunError
from container_doors.core.run import Run
from container_doors.reporting.which_run import named_or_only, read_record
from tests.builders import a_record


def some_runs(root: Path, *names: str) -> None:
    """Each a second newer than the one before."""
    for age, name in enumerate(names):
        path = root / name / "run.json"
        a_record(experiment=name).write(path)
        os.utime(path, (age, age))


def test_a_run_that_is_there_is_read(tmp_path: Path):
    some_runs(tmp_path, "exp1")

    assert read_record(Run("exp1", root=tmp_path)) == a_record(experiment="exp1")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        pytest.param("detection_exp02", "did you mean detection_exp002?", id="misspelled"),
        pytest.param("zebra", "the newest there: pilot, detection_exp002", id="nothing like it"),
    ],
)
def test_a_run_that_is_not_there_is_named_with_those_that_are(
    asked: str, hint: str, tmp_path: Path
):
    """One that was set aside cannot be asked for."""
    some_runs(tmp_path, "detection_exp002", "pilot", "zebra~1")

    with pytest.raises(RunError, match=f"no run '{asked}'") as raised:
        read_record(Run(asked, root=tmp_path))

    assert raised.value.hint == hint


def test_where_nothing_was_trained_the_way_on_is_to_train(tmp_path: Path):
    with pytest.raises(RunError, match="doors train --experiment exp1"):
        read_record(Run("exp1", root=tmp_path / "runs"))

    assert not (tmp_path / "runs").exists()


def test_the_only_run_need_not_be_named(tmp_path: Path):
    """One that was set aside is not another."""
    some_runs(tmp_path, "exp1", "exp1~1")

    assert named_or_only(None, "evaluate --experiment", tmp_path) == Run("exp1", tmp_path)
    assert named_or_only("exp2", "evaluate --experiment", tmp_path) == Run("exp2", tmp_path)


def test_of_several_runs_none_is_chosen(tmp_path: Path):
    some_runs(tmp_path, "exp1", "exp2", "exp3~1")

    with pytest.raises(RunError, match=r"which run\? There are 2 in .*: exp2, exp1") as raised:
        named_or_only(None, "evaluate --experiment", tmp_path)

    assert raised.value.hint == "say which: doors evaluate --experiment exp2"


def test_an_empty_name_is_none_of_the_only_run(tmp_path: Path):
    """A script's variable that was never set."""
    some_runs(tmp_path, "exp1")

    with pytest.raises(RunError, match="'' cannot name an experiment"):
        named_or_only("", "evaluate --experiment", tmp_path)
