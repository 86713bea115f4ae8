"""``doors demo``, as a newcomer runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.cli import console, demo, main
from container_doors.cli.parser import build_parser
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED
from tests.builders import a_small_dataset
from tests.fakes import FakeDetector, FakeProgress, FakeTrainer, FakeWorld
from tests.trained import PARAMS


@pytest.mark.slow
@pytest.mark.timeout(1_800)  # ten minutes on one core, and the other one is taken here
def test_the_demo_trains_a_detector_that_finds_doors(tmp_path: Path):
    workspace = tmp_path / "demo"

    done = subprocess.run(
        [sys.executable, "-m", "container_doors", "demo", "--workspace", workspace],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    metadata = Metadata.read(workspace / "weights/detection/metadata.json")
    assert metadata.metrics["test_mAP50"] >= 0.9
    assert metadata.version in (workspace / "summary_demo_exp001.md").read_text()
    assert list((workspace / "runs/demo_exp001/predictions").glob("*.jpg"))
    page = workspace / "summary_demo_exp001.html"
    assert page.exists()
    assert done.stdout.splitlines()[-4:] == [*demo._next_steps(page)]
    for command in (
        ["dvc", "status", "--json"],
        ["dvc", "status", "--cloud", "--json"],
        ["dvc", "metrics", "show", "--json"],
        ["dvc", "params", "diff", "--json"],
        ["dvc", "plots", "show", "--json"],
    ):
        shown = subprocess.run(
            [Path(sys.executable).with_name(command[0]), *command[1:]],
            cwd=workspace,
            check=True,
            capture_output=True,
            text=True,
        )
        assert isinstance(json.loads(shown.stdout), dict)


@pytest.mark.slow
def test_one_more_model_that_is_worse_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    progress, workspace = FakeProgress(), tmp_path / "demo"
    demo._prepare(workspace, keep=False, progress=progress)
    monkeypatch.chdir(workspace)
    a_small_dataset(workspace / PARAMS.data.path)

    for number, map50_95 in enumerate((0.9, 0.1)):
        world = FakeWorld(
            trainer=FakeTrainer(trained=number), detector=FakeDetector(map50_95=map50_95)
        ).world
        monkeypatch.setattr(demo, "real_world", lambda *_, world=world, **__: world)
        run, _ = demo._next_run("disabled")
        metadata = demo._run_every_step(PARAMS, run, progress)

    said = [*demo._what_was_made(workspace, run, metadata)]
    assert run.name == "demo_exp002"
    assert Metadata.read(PUBLISHED / "metadata.json").experiment_name == "demo_exp001"
    assert Path("summary_demo_exp002.md").exists()
    assert any("the report: open it first" in line for line in said)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_last_lines_lead_to_the_report_and_to_ones_own_photographs(
    is_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(console, "is_terminal", lambda: is_terminal)
    page = tmp_path / "summary.html"

    report, _, *commands = demo._next_steps(page)

    assert report == f"the report: {page.as_uri() if is_terminal else page}"
    handlers = [
        build_parser().parse_args(command.split("uv run doors ")[1].split()).handler
        for command in commands
    ]
    assert handlers == ["data:validate", "train:train"]


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mine.txt").write_text("mine")

    assert main(["demo", "--workspace", str(tmp_path)]) == 2

    assert "no demo made it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_a_demo_that_is_there_is_kept_or_replaced_as_it_says(tmp_path: Path):
    progress, workspace = FakeProgress(), tmp_path / "demo"
    demo._prepare(workspace, keep=False, progress=progress)
    (workspace / "mine.txt").touch()

    demo._prepare(workspace, keep=True, progress=progress)

    assert progress.lines[-1].startswith("keeping the demo in")
    assert (workspace / "mine.txt").exists()

    demo._prepare(workspace, keep=False, progress=progress)

    assert any(line.startswith("replacing the earlier demo in") for line in progress.lines)
    assert not (workspace / "mine.txt").exists()
    assert (workspace / "params.yaml").exists()
