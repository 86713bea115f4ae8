"""What any kernel has left comes home by its name, all of it or nothing."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from container_doors.cli import kaggle
from container_doors.cli.parser import build_parser
from container_doors.core.errors import AbsentError, HostError, UnreachableError
from container_doors.core.ports import Progress
from container_doors.steps.kaggle.outputs import fetch_outputs
from tests.fake_host import FakeHost
from tests.fakes import FakeProgress

REF = "someone/container-detection-training"
CLONE = "container-id-research"
LEFT = {
    f"{CLONE}/weights/detection/best.pt.dvc": "a pointer",
    f"{CLONE}/summary_exp1.md": "a report",
    f"{CLONE}/.git/config": "of git",
    f"{CLONE}/data/processed/detection/images/train/a.jpg": "a photograph",
    "__notebook__.ipynb": "a notebook",
}


@dataclass
class Kernels(FakeHost):
    """Has the files of a session by SSH, in a clone below the working folder."""

    left_by_name: dict[str, str] = field(default_factory=lambda: dict(LEFT))
    fails_at: str = ""

    def files(self, ref: str) -> list[str]:
        assert ref == REF
        return list(self.left_by_name)

    def download(self, ref: str, name: str, target: Path, *, progress: Progress) -> None:
        if name == self.fails_at:
            raise UnreachableError("it was cut", hint="again")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.left_by_name[name])


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernels:
    monkeypatch.chdir(tmp_path)
    return Kernels(tmp_path / "host")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", [REF, f"https://www.kaggle.com/code/{REF}"])
def test_outputs_come_without_what_a_clone_has(name: str, kernels: Kernels):
    progress = FakeProgress()

    folder, names = fetch_outputs(name, host=kernels, progress=progress)

    assert folder == Path("kaggle_output/container-detection-training")
    assert files(folder) == sorted(names) == sorted(
        ["__notebook__.ipynb", f"{CLONE}/summary_exp1.md",
         f"{CLONE}/weights/detection/best.pt.dvc"]
    )  # fmt: skip
    assert progress.lines == ["left out 2 files in .git, .dvc, .venv, data, __pycache__"]


def test_a_download_that_is_cut_leaves_the_last_one(kernels: Kernels):
    folder, _ = fetch_outputs(REF, host=kernels, progress=FakeProgress())
    before = files(folder)
    kernels.left_by_name["more.txt"] = "more"
    kernels.fails_at = "__notebook__.ipynb"

    with pytest.raises(UnreachableError, match="it was cut"):
        fetch_outputs(REF, host=kernels, progress=FakeProgress())

    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["../best.pt.dvc", "/etc/passwd", "a/../../b", "C:/x", "a\\\\b"])
def test_a_name_that_leads_outside_is_refused(name: str, kernels: Kernels):
    kernels.left_by_name[name] = "outside"

    with pytest.raises(HostError, match="would be written outside"):
        fetch_outputs(REF, host=kernels, progress=FakeProgress())

    assert not Path("kaggle_output").exists()


def test_a_kernel_that_left_nothing_and_a_name_that_is_none_are_said(kernels: Kernels):
    kernels.left_by_name = {".git/config": "of git"}

    with pytest.raises(AbsentError, match="has no output files"):
        fetch_outputs(REF, host=kernels, progress=FakeProgress())
    with pytest.raises(HostError, match="expected USER/KERNEL"):
        fetch_outputs("https://example.org/a/b", host=kernels, progress=FakeProgress())


@pytest.mark.parametrize("has_pointer", [True, False])
def test_the_command_goes_on_as_doors_sync_where_pointers_came(
    has_pointer: bool,
    kernels: Kernels,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    if not has_pointer:
        del kernels.left_by_name[f"{CLONE}/weights/detection/best.pt.dvc"]
    synced: list[argparse.Namespace] = []

    def sync(asked: argparse.Namespace) -> int:
        synced.append(asked)
        return 0

    monkeypatch.setattr(kaggle, "KaggleHost", lambda: kernels)
    monkeypatch.setattr(kaggle, "sync", sync)
    arguments = build_parser().parse_args(["kaggle", "pull", REF, "--commit"])

    assert kaggle.pull(arguments) == 0

    expected = [(Path("kaggle_output/container-detection-training"), True)] if has_pointer else []
    assert [(one.outputs, one.commit) for one in synced] == expected
    assert ("no best.pt.dvc is among them" in capsys.readouterr().out) is not has_pointer
