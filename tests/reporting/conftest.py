"""A run with pictures, and the report of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from container_doors.core.records import Epoch, Evaluation, Metadata, RunRecord
from container_doors.core.run import Run
from container_doors.publishing.metadata import build_metadata
from container_doors.publishing.names import parse_name
from container_doors.reporting.summary import Afterwards, write_summary
from tests.builders import a_history, a_record, an_evaluation, with_pictures

Report = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run("detection_exp001", root=tmp_path / "runs")
    with_pictures(run)
    return run


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "reports of 2026" / "summary of exp001.md"


@pytest.fixture
def quick_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the drawing, which takes half a second; test_curves.py tests it."""

    def draw(history: list[Epoch], best_epoch: int | None, path: Path) -> None:
        path.write_text(f"{len(history)} epochs, the best {best_epoch}", encoding="utf-8")

    monkeypatch.setattr("container_doors.reporting.summary.draw_curves", draw)


@pytest.fixture
def report(run: Run, output: Path, quick_curves: None) -> Report:
    """Write the report of a run from ``tests.builders``; arguments replace its parts."""

    def write(
        *,
        record: RunRecord | None = None,
        evaluation: Evaluation | None = None,
        history: list[Epoch] | None = None,
        **afterwards: Any,
    ) -> str:
        write_summary(
            run,
            output,
            record=record or a_record(),
            evaluation=evaluation or an_evaluation(),
            history=history or a_history(),
            afterwards=Afterwards(**afterwards),
        )
        return output.read_text(encoding="utf-8")

    return write


@pytest.fixture
def metadata() -> Metadata:
    version = parse_name("detection_v1.2_20261123_detection_exp001")
    return build_metadata(a_record(), an_evaluation(), version)
