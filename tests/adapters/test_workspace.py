"""The real git and the real DVC, in an empty folder."""

import subprocess
import sys
from pathlib import Path

from container_doors.adapters.dvc_store import DvcStore
from container_doors.adapters.workspace import REMOTE, commit, create_workspace, track


def said(directory: Path, *argv: str) -> str:
    program = argv[0] if argv[0] == "git" else str(Path(sys.executable).with_name(argv[0]))
    done = subprocess.run(
        [program, *argv[1:]], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_workspace_is_ready_for_the_first_push(tmp_path: Path):
    here = tmp_path / "new"

    create_workspace(here, files={"params.yaml": "a: 1\n", ".gitignore": f"/{REMOTE}/\n"})
    (here / "data").mkdir()
    (here / "data/a.txt").write_text("a")
    track(here, Path("data"))
    commit(here, "Data")
    commit(here, "Nothing new is no error")

    assert DvcStore(here).check_ready().startswith("storage")
    assert said(here, "git", "status", "--porcelain") == ""
    assert said(here, "git", "log", "--format=%s").splitlines() == ["Data", "Begin"]
    assert "in sync" in said(here, "dvc", "status", "--cloud")
    assert said(here, "dvc", "config", "remote.storage.verify") == "true"
