"""The line that adds an extra to an installation from a wheel."""

import sys
from pathlib import Path

import pytest

from container_doors.core import installation
from container_doors.core.installation import TORCH_FOR_PROCESSORS, install_command


@pytest.mark.parametrize(
    ("prefix", "line", "without_gpu"),
    [
        (
            "/home/p/.local/share/uv/tools/container-doors",
            "uv tool install 'container-doors[train]'",
            "add --torch-backend cpu",
        ),
        (
            "/home/p/bare",
            f"{sys.executable} -m pip install 'container-doors[train]'",
            f"first {sys.executable} -m pip install {TORCH_FOR_PROCESSORS}",
        ),
    ],
    ids=["uv tool", "pip"],
)
def test_whoever_has_no_gpu_sees_how_not_to_install_cuda(
    prefix: str,
    line: str,
    without_gpu: str,
    tmp_path: Path,
    repository_root: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "a/b/c/d/installation.py"))
    monkeypatch.setattr(installation, "find_spec", lambda name: name)
    monkeypatch.setattr(sys, "prefix", prefix)

    assert install_command("train") == f"{line} (without a GPU, {without_gpu})"
    assert install_command("gdrive") == line.replace("train", "gdrive")
    assert TORCH_FOR_PROCESSORS in (repository_root / "README.md").read_text(encoding="utf-8")
