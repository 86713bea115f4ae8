"""A run with every document it can have, the ways to damage one, and everything that reads them."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from container_doors import pipeline
from container_doors.adapters import corruptions
from container_doors.cli import main
from container_doors.core.config import Params
from container_doors.core.errors import DoorsError
from container_doors.core.files import copy_of, replace_copy
from container_doors.core.records import Hardware, Metadata
from container_doors.core.run import JOBS, PUBLISHED
from container_doors.kaggle.ledger import JobRecord, newest_job, readable_jobs
from container_doors.publishing.lineage import find_run
from container_doors.steps.checklist import check_synced
from container_doors.steps.compare import compare_runs
from container_doors.steps.evaluate import evaluate_split
from container_doors.steps.gate import gate_published, gate_run
from container_doors.steps.metadata import regenerate_metadata
from container_doors.steps.publish import adopt, publish_run
from container_doors.steps.published import Outside
from container_doors.steps.robustness import RobustnessSettings, measure_robustness
from container_doors.steps.runs import list_runs
from container_doors.steps.summary import model_card, report_page
from container_doors.steps.track import sync_tracking
from container_doors.steps.verify import measure_again, verify_model
from container_doors.steps.version import version_model
from container_doors.tracking.results import gather_results
from container_doors.training.history import append_epoch
from tests.builders import a_history
from tests.fakes import (
    Blinded,
    FakeDetector,
    FakeFollower,
    FakeProgress,
    FakeRepository,
    FakeServer,
    FakeStore,
    FakeWorld,
)
from tests.trained import PARAMS, RUN, train_and_version_in

DATA = Path(PARAMS.data.path)
HARDWARE = Hardware(device="cpu", description="a CPU", cpu="a CPU", cores=2, memory_gib=8)

_JOB = {
    "slug": "doors-exp1-abc", "ref": "me/doors-exp1-abc", "experiments": ["exp1"],
    "commit": "0" * 40, "gpus": 1, "epochs_asked": {"exp1": 3}, "stage": "running",
    "started_at": "2026-11-23T08:30:00Z",
}  # fmt: skip

HOSTILE: list[Any] = [
    None, True, -1, 0, 10**30, 1e308, float("nan"), float("-inf"), "", "x", "../x", "\0", [], {},
    [None], {"": None}, [[[[[[[[[]]]]]]]]], "2026-11-23", 0.5,
]  # fmt: skip


@dataclass
class Place:
    """Where the run is, and what it was before any damage."""

    store: FakeStore = field(default_factory=FakeStore)
    repository: FakeRepository = field(default_factory=FakeRepository)
    before: dict[Path, bytes] = field(default_factory=dict)

    def documents(self) -> list[Path]:
        return [path for path in self.before if path.suffix in {".json", ".jsonl"}
                and "copies" not in path.parts]  # fmt: skip

    def restore(self) -> None:
        for path, content in self.before.items():
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def opened(weights: Path, params: Params) -> FakeDetector:
    return FakeDetector()


def a_place(folder: Path) -> Place:
    """Train, publish, version and measure a run there, and stay there."""
    place = Place(*train_and_version_in(folder))
    RUN.metrics_jsonl.unlink()
    for epoch in a_history(3):
        append_epoch(RUN.metrics_jsonl, epoch)
    replace_copy(RUN.metrics_jsonl, copy_of(RUN.metrics_jsonl))
    RUN.metadata.unlink()  # it described another history
    outside = Outside(place.repository, lambda *_: FakeDetector(), FakeProgress())
    adopt(RUN, outside=outside)
    version_model("exp1", store=place.store, progress=FakeProgress())
    for split in ("val", "test"):
        evaluate_split(RUN, split, open_detector=opened, progress=FakeProgress())
    climb()
    JobRecord.model_validate(_JOB).write(JOBS / "doors-exp1-abc.json")
    kept = [path for top in ("runs", "reports", str(PUBLISHED)) for path in Path(top).rglob("*")]
    place.before = {
        path: path.read_bytes()
        for path in sorted(kept)
        if path.is_file() and "data" not in path.parts
    }
    return place


def climb() -> None:
    def blinded(weights: Path, params: Params) -> Blinded:
        return Blinded()

    settings = RobustnessSettings(
        corrupt=corruptions.corrupt, common=(), is_quick=True, photographs=2
    )
    measure_robustness(
        RUN, "val", settings=settings, open_detector=blinded, progress=FakeProgress()
    )


def command(*argv: str) -> None:
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert main(argv) in {0, 1, 2}


def readers(place: Place) -> Mapping[str, Callable[[], object]]:
    """Name everything that reads a document of a run."""
    quiet = FakeProgress()
    model: dict[str, Any] = {
        "store": place.store,
        "repository": place.repository,
        "progress": quiet,
    }
    outside = Outside(place.repository, lambda *_: FakeDetector(), quiet)
    measured: dict[str, Any] = {"open_detector": opened, "progress": quiet}

    def looked_at() -> object:
        metadata = Metadata.read(PUBLISHED / "metadata.json")
        return check_synced(
            metadata, DATA, load_detector=FakeDetector(), hardware=HARDWARE, server="none"
        )

    return {
        "track show": lambda: command("track", "show", "exp1"),
        "track show --json": lambda: command("track", "show", "exp1", "--json"),
        "doctor --run": lambda: command("doctor", "--run", "exp1"),
        "summary": lambda: command("summary", "--experiment", "exp1"),
        "track sync": lambda: sync_tracking(
            RUN, server=FakeServer(), follower=FakeFollower(), progress=quiet
        ),
        "results": lambda: gather_results(RUN),
        "train": lambda: pipeline.train(PARAMS, RUN, world=FakeWorld().world, resume=True),
        "evaluate": lambda: evaluate_split(RUN, "test", **measured),
        "gate": lambda: gate_run(RUN, at_the_point=False, **measured),
        "gate --published": lambda: gate_published(RUN, at_the_point=True, **measured),
        "card": lambda: model_card(RUN, Path("card.md"), **measured),
        "page": lambda: report_page(RUN, Path("page.html"), **measured),
        "robustness": climb,
        "compare": lambda: compare_runs(RUN, RUN, "test", **measured),
        "verify": lambda: verify_model("exp1", PARAMS, **model),
        "verify --re-evaluate": lambda: measure_again(
            Metadata.read(PUBLISHED / "metadata.json"), DATA,
            load_detector=FakeDetector(), hardware=HARDWARE, progress=quiet,
        ),
        "sync's checklist": looked_at,
        "metadata": lambda: regenerate_metadata(
            PUBLISHED, repository=place.repository, runs_root=Path("runs"), major=False
        ),
        "version": lambda: version_model("exp1", store=place.store, progress=quiet),
        "adopt": lambda: adopt(RUN, outside=outside),
        "publish": lambda: publish_run(RUN, anyway=True, outside=outside),
        "runs": lambda: list_runs(place.repository),
        "which run": lambda: find_run(PUBLISHED, Path("runs")),
        "kaggle list": readable_jobs,
        "kaggle follow": lambda: newest_job("exp1"),
    }  # fmt: skip


def concerned(path: Path) -> list[str]:
    """Name the readers that may open a document."""
    if path.parent == JOBS:
        return ["kaggle list", "kaggle follow"]
    every = {
        "run.json": None,
        "metadata.json": None,
        "metrics.jsonl": ["track show", "track show --json", "doctor --run", "summary",
                          "track sync", "results", "page", "metadata", "verify", "adopt",
                          "sync's checklist", "publish"],
        "test_looks.jsonl": ["evaluate", "gate", "compare"],
        "scores.json": ["summary", "metadata", "adopt", "verify", "results", "track sync",
                        "publish", "runs"],
        "evaluation.json": ["evaluate", "gate", "gate --published", "card", "page", "summary",
                            "robustness", "runs"],
        "detections.json": ["evaluate", "gate", "card", "page", "robustness", "compare"],
        "predictions.json": ["summary", "results", "track sync", "metadata", "verify"],
        "dataset.json": ["evaluate", "card", "verify", "metadata", "publish"],
    }  # fmt: skip
    named = every.get(path.name, ["robustness"])
    return list(readers(Place())) if named is None else named


def complaint(read: Callable[[], object]) -> str | None:
    """Say what else than a clear message or a good end came of a reader."""
    try:
        read()
    except DoorsError as error:
        return None if error.hint else "an error without a hint"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        return f"{type(error).__name__}: {error}"
    return None


def damaged_bytes(content: bytes, dice: random.Random) -> bytes:
    """Damage bytes as disks, editors and transfers do."""
    at, to = sorted((dice.randrange(len(content) + 1), dice.randrange(len(content) + 1)))
    ways: list[Callable[[], bytes]] = [
        lambda: content[:at],
        lambda: content[:at] + bytes(len(content) - at),
        lambda: content[:at] + content[to:],
        lambda: content[:at] + content[at:to] * 2 + content[to:],
        lambda: content[:at] + bytes([dice.randrange(256)]) + content[at + 1 :],
        lambda: content[:at] + b"\xff\xfe" + content[at:],
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.decode().encode("utf-16"),
        lambda: b"[" * 100_000,
        lambda: b'{"a":' * 100_000,
        lambda: b"",
        lambda: bytes(len(content)),
        lambda: json.dumps(dice.choice(HOSTILE)).encode(),
        lambda: content[:at] + b"9" * 5000 + content[at:],
    ]
    return dice.choice(ways)()


def damaged_values(content: bytes, dice: random.Random) -> bytes:
    """Put another value, or none, or a key of a later release, somewhere into what is JSON."""
    lines = content.splitlines() if content.count(b"}\n{") else [content]
    number = dice.randrange(len(lines))
    document = json.loads(lines[number])
    where = dice.choice([*_containers(document)])
    key = dice.choice([*where] or [""]) if isinstance(where, dict) else dice.randrange(len(where))
    match dice.randrange(4), where:
        case 0, dict():
            where.pop(key, None)
        case 0, list():
            where.pop()
        case 1, dict():
            where["a key of a later release"] = dice.choice(HOSTILE)
        case _:
            where[key] = dice.choice(HOSTILE)
    lines[number] = json.dumps(document).encode()
    return b"\n".join(lines) + b"\n"


def _containers(value: object) -> Iterator[Any]:
    if isinstance(value, dict | list) and value:
        yield value
        for below in value.values() if isinstance(value, dict) else value[:3]:
            yield from _containers(below)
