"""What DVC says of a path, and what is to be done about it."""

from pathlib import Path

import pytest

from container_doors.storage.complaints import explain


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("ERROR:  output 'a' is already tracked by SCM (e.g. Git).", "git rm -r --cached"),
        ("Cannot add 'd/a', because it is overlapping with other DVC tracked output", "dvc remove"),
        ("Cannot add files inside symlinked directories to DVC.", "real path"),
        ("'utf-8' codec can't encode character '\\udcff': surrogates not allowed", "rename it"),
        ("[Errno 36] File name too long: 'aaa'", "shorten"),
        ("[Errno 13] Permission denied: '/data/a.jpg'", "ls -ld PATH"),
    ],
)
def test_a_path_that_dvc_does_not_take_has_its_own_remedy(said: str, remedy: str):
    complaint = explain(said)

    assert complaint is not None
    assert remedy in complaint.remedy


@pytest.mark.parametrize(
    ("path", "remedy"),
    [("workspace/.dvc/tmp/lock", "this workspace"), ("store/files", "make the remote")],
)
def test_what_is_read_only_is_named(
    path: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "workspace").mkdir()
    monkeypatch.chdir(tmp_path / "workspace")

    complaint = explain(f"ERROR: [Errno 30] Read-only file system: '{tmp_path / path}'")

    assert complaint is not None
    assert remedy in complaint.remedy
