"""``steps.data.validate`` by workers on other machines."""

from pathlib import Path

import pytest

from container_doors.core.config import Data
from container_doors.steps.data import validate as step
from container_doors.steps.data.sample import draw_samples
from container_doors.steps.data.validate import check_data
from tests.fakes import FakeProgress, WorkersHere


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(step, "CHUNK", 2)
    counts = {"train": 3, "val": 2, "test": 2}
    draw_samples(Path("data"), counts=counts, seed=0, progress=FakeProgress(), is_plain=True)
    next(Path("data/labels/val").glob("*.txt")).write_text("0 1 2\n")


def test_workers_find_what_one_machine_finds():
    here, there = (
        check_data(Path("data"), Data(), progress=FakeProgress(), workers=workers)
        for workers in (None, WorkersHere(order=lambda number: -number))
    )

    assert there == here
    assert here.errors
    assert list(there.digests) == list(here.digests)


def test_a_photograph_that_kills_its_workers_is_an_error_of_the_data_set():
    image = min(Path("data/images/train").iterdir())
    workers = WorkersHere()
    workers.deadly = {image.name}

    report = check_data(Path("data"), Data(), progress=FakeProgress(), workers=workers)

    (found,) = (one for one in report.errors if one.rule == "image-kills-reader")
    assert Path("data") / found.path == image
    assert "3 workers died of it" in str(found)
