import os
from pathlib import Path

import pytest

from container_doors.errors import RunError
from container_doors.reporting.which_run import read_record
from container_doors.run import Run
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
