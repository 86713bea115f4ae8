"""The process that shows a run: what lies in the working folder is nothing to it."""

from pathlib import Path

import pytest

from container_doors.adapters.follower import FollowerProcess
from container_doors.core.run import Run
from tests.fakes import FakeProgress


@pytest.mark.slow  # it imports what W&B's client stands on
def test_a_module_of_the_working_folder_is_not_taken_for_the_library_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("random", "tempfile", "container_doors"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('of the folder')\n")
    run = Run("exp1")
    follower = FollowerProcess({}, timeout_s=60)

    follower.start(run, progress=FakeProgress())
    follower.finish(exit_code=0)

    said = (run.tracking / "follower.log").read_text(encoding="utf-8")
    assert "of the folder" not in said
    assert "run.json" in said  # it got as far as the run, which has no record
