import pytest

from container_doors.core.errors import RunError
from container_doors.core.run import Run


@pytest.mark.parametrize("name", ["a", "detection_exp001_yolo11s_baseline", "A-1_b"])
def test_a_plain_name_names_a_run(name: str):
    assert Run(name).directory.name == name


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", "a b", "a__b", "-a", "a~1", "ä", "a.b", "a\n", "x" * 101, "x" * 9999]
)
def test_a_name_that_could_leave_its_folder_does_not(name: str):
    with pytest.raises(RunError, match="cannot name an experiment") as caught:
        Run(name)
    assert len(caught.value.problem) <= 110


def test_a_path_of_a_run_is_told_the_name():
    with pytest.raises(RunError) as raised:
        Run.named("../../runs/exp1/")

    assert raised.value.hint.startswith("did you mean exp1? Or use letters")
