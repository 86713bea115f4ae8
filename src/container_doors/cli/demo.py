"""``doors demo``: the whole pipeline on drawn pictures, in its own workspace."""

import argparse
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from container_doors import pipeline
from container_doors.adapters import workspace
from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.templates import template_path
from container_doors.cli import console
from container_doors.cli.evaluate import open_detector
from container_doors.cli.output import say
from container_doors.cli.train import real_world, scores
from container_doors.core.config import Params, dump, load_params
from container_doors.core.errors import DoorsError
from container_doors.core.ports import Progress
from container_doors.core.records import Metadata
from container_doors.core.run import PUBLISHED, Run
from container_doors.steps.data.sample import draw_samples
from container_doors.steps.metadata import regenerate_metadata
from container_doors.steps.published import is_published
from container_doors.steps.summary import report_page, summarise
from container_doors.steps.version import version_model
from container_doors.training.stopping import StopRequests

_MARKER = ".doors-demo"
"""Marks a folder that the demo made, and may replace."""

_DATA = Path("data/processed/detection")
_COUNTS = {"train": 200, "val": 24, "test": 48}

_SIZE_PX = (400, 300)

_ON_A_LAPTOP = (
    "detection.model.architecture=yolov11n",
    "detection.model.pretrained=false",
    "detection.training.image_size_px=64",
    "detection.training.epochs=45",
    "detection.training.patience=0",
    "detection.training.save_period=5",
    "detection.training.batch_size=16",
    "detection.training.nominal_batch_size=16",
    "detection.training.learning_rate=0.008",
    "detection.training.warmup_epochs=1",
    "detection.training.device=cpu",
    "detection.augmentation.scale=0.25",
    "detection.augmentation.degrees=0.0",
    "detection.augmentation.shear=0.0",
    "detection.augmentation.mosaic=0.0",
    "detection.augmentation.close_mosaic=0",
    "detection.wandb.tags=[demo]",
)
"""The differences from params.yaml: a network and pictures that one processor core can train.

At 64 px the smallest door is 18 px wide. An epoch takes two seconds, and most of a smaller batch
would be overhead: three seeds gave an mAP50 on test of 0.97 to 0.99. 20 epochs at 96 px, with
batches of 8 and a smaller learning rate, gave 0.87 on the same processor in more time.
"""


class DemoError(DoorsError):
    """The demo's folder cannot be used."""


def demo(arguments: argparse.Namespace) -> int:
    """Make the workspace, run every step in it, and print what was made."""
    began = monotonic()
    with console.progress() as progress:
        _prepare(arguments.workspace, keep=arguments.keep, progress=progress)
        # The batch is so small that two threads took 1.6 times the time of one.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        with contextlib.chdir(arguments.workspace):
            run, params = _next_run(arguments.track)
            metadata = _run_every_step(params, run, progress)
            page = _write_page(run, progress).resolve()
    minutes, seconds = divmod(round(monotonic() - began), 60)
    say(*_what_was_made(arguments.workspace, run, metadata))
    say(f"done in {minutes} min {seconds} s")
    say(*_next_steps(page))
    return 0


def _prepare(directory: Path, *, keep: bool, progress: Progress) -> None:
    """Make the workspace, or reuse an existing one with ``keep``."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARKER).exists():
            raise DemoError(
                f"{directory} is there already, and no demo made it",
                hint="choose another folder: doors demo --workspace DIR",
            )
        if keep:
            progress.say(f"keeping the demo in {directory}, and training another model in it")
            return
        progress.say(f"replacing the earlier demo in {directory} (--keep would keep it)")
        shutil.rmtree(directory)
    progress.say(f"[1/6] making a workspace in {directory}: git, DVC, a folder as its remote")
    templates = {name: _template(name) for name in ("dvc.yaml", ".gitignore", ".dvcignore")}
    params = load_params(template_path("params.yaml"), _ON_A_LAPTOP)
    workspace.create_workspace(
        directory, files={**templates, "params.yaml": dump(params), _MARKER: "made by doors demo\n"}
    )


def _next_run(mode: str) -> tuple[Run, Params]:
    """Name the next experiment of this workspace: demo_exp001, demo_exp002, ..."""
    number = 1
    while (run := Run(f"demo_exp{number:03}")).scores.exists():
        number += 1
    overrides = [f"detection.wandb.name={run.name}", f"detection.wandb.mode={mode}"]
    params = load_params(Path("params.yaml"), overrides)
    Path("params.yaml").write_text(dump(params), encoding="utf-8")
    return run, params


def _run_every_step(params: Params, run: Run, progress: Progress) -> Metadata:
    """Run the same functions as ``scripts/run_training.sh``."""
    here = Path.cwd()
    if not (_DATA / "data.yaml").exists():
        progress.say(f"[2/6] drawing {sum(_COUNTS.values())} pictures of container doors")
        draw_samples(
            _DATA, counts=_COUNTS, seed=0, progress=progress, image_size_px=_SIZE_PX, is_plain=True
        )
    if not _DATA.with_suffix(".dvc").exists():
        workspace.track(here, _DATA)
        workspace.commit(here, "Draw the data set")
    progress.say("[3/6] checking, training and evaluating")
    metadata = pipeline.train(
        params, run, world=real_world(params, progress, stopping=StopRequests(run.stop_request))
    )
    if not is_published(metadata.run_id):
        progress.say("[4/6] and [5/6]: nothing to version: the published model is better")
        progress.say("[6/6] writing the report")
        summarise(run, Path(f"summary_{run.name}.md"))
        return metadata
    progress.say("[4/6] describing the model")
    metadata = regenerate_metadata(
        PUBLISHED, repository=GitRepository(here), runs_root=Path("runs"), major=False
    )
    progress.say("[5/6] versioning it with DVC")
    version_model(run.name, store=DvcStore(here, progress=progress), progress=progress)
    workspace.commit(here, f"Release {metadata.version}")
    progress.say("[6/6] writing the report")
    summarise(run, Path(f"summary_{run.name}.md"))
    return metadata


def _write_page(run: Run, progress: Progress) -> Path:
    """Measure the scores with their confidence intervals, and write the HTML page."""
    page = report_page(
        run, Path(f"summary_{run.name}.html"), open_detector=open_detector, progress=progress
    )
    workspace.commit(Path.cwd(), f"Evaluate {run.name}")
    return page


def _what_was_made(directory: Path, run: Run, metadata: Metadata) -> Iterator[str]:
    yield from scores(metadata)
    yield f"what was made, in {directory}; run the commands above in that folder:"
    for path, what in (
        (f"summary_{run.name}.html", "the report: open it first"),
        (f"summary_{run.name}.md", "the same in Markdown"),
        (run.predictions, "test pictures with the doors that were found"),
        (PUBLISHED / "best.pt", "the model, with metadata.json beside it"),
        (_DATA, "the drawn data set, in the layout that your photographs need"),
        (run.directory, "everything about the run"),
        ("params.yaml", "the settings; change them, then: dvc repro"),
    ):
        yield f"  {path!s:<34}{what}"
    yield f"a small network on small pictures ({_network(metadata)}), so that a laptop can do it"


def _next_steps(page: Path) -> Iterator[str]:
    yield f"the report: {page.as_uri() if console.is_terminal() else page}"
    yield f"next, your own photographs: put them into {_DATA}, laid out like the drawn ones, then"
    yield f"  uv run doors data validate --path {_DATA}"
    yield "  uv run doors train --experiment detection_exp001"


def _network(metadata: Metadata) -> str:
    return f"{metadata.model_architecture}, {metadata.evaluation.image_size_px} px"


def _template(name: str) -> str:
    return template_path(name).read_text(encoding="utf-8")
