"""A password in a clone's address is in a file that Kaggle would publish."""

import subprocess
from pathlib import Path

import pytest

from container_doors.adapters.git.clone_address import forget_password

PASSWORD = "w0rd" * 5


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"https://me:{PASSWORD}@example.org/a/b.git", "https://example.org/a/b.git"),
        (f"https://{PASSWORD}@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("ssh://git@example.org/a/b.git", "ssh://git@example.org/a/b.git"),
        (f"ssh://me:{PASSWORD}@example.org:22/a.git", "ssh://me@example.org:22/a.git"),
        (f"https://me:a@{PASSWORD}#@example.org/b.git", "https://example.org/b.git"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
    ],
)
def test_the_address_of_a_clone_keeps_no_password(tmp_path: Path, given: str, kept: str):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", given], check=True)

    assert forget_password(tmp_path) is (given != kept)

    config = (tmp_path / ".git/config").read_text()
    assert f"url = {kept}\n" in config
    assert PASSWORD not in config


def test_a_folder_without_git_has_no_address(tmp_path: Path):
    assert not forget_password(tmp_path)
