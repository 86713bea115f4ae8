"""Whatever bytes a document holds: its readers end well, or say clearly what is wrong."""

import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest

from container_doors import pipeline
from container_doors.cli import main
from container_doors.core.errors import ConfigError, RunError
from container_doors.core.files import copy_of
from container_doors.core.lines import read_lines
from container_doors.core.measurements import Detected
from container_doors.core.records import Metadata, RunRecord
from container_doors.core.run import JOBS, PUBLISHED
from container_doors.kaggle.ledger import readable_jobs
from container_doors.publishing.hashing import file_sha256
from container_doors.steps.summary import summarise
from container_doors.steps.verify import verify_model
from container_doors.training.checkpoint import faults
from tests import damaging
from tests.damaging import Place, complaint, concerned, damaged_bytes, damaged_values, readers
from tests.fakes import FakeProgress, FakeWorld
from tests.trained import PARAMS, RUN

DOCUMENTS = (
    "run.json", "metadata.json", "metrics.jsonl", "test_looks.jsonl", "scores.json",
    "evaluation.json", "detections.json", "predictions.json", "dataset.json", "doors-exp1-abc.json",
)  # fmt: skip
WAYS = {"bytes": damaged_bytes, "values": damaged_values}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    here = Path.cwd()
    try:
        yield damaging.a_place(tmp_path_factory.mktemp("documents"))
    finally:
        os.chdir(here)


@pytest.fixture
def place(whole: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    whole.restore()
    return whole


DRAWING = {"summary", "page", "track show"}
"""These take a second each."""


def complaints(
    place: Place, name: str, way: str, seeds: range, *, at_once: int, beside: set[str]
) -> list[str]:
    """Damage a document by each seed, and collect what its readers say that is not clear."""
    found, by_name = [], readers(place)
    (path, *_) = [one for one in place.documents() if one.name == name]
    names = [reader for reader in concerned(path) if reader not in beside]
    for seed in seeds:
        dice = random.Random(f"{name} {way} {seed}")
        content = WAYS[way](place.before[path], dice)
        for reader in dice.sample(names, min(at_once, len(names))):
            place.restore()
            path.write_bytes(content)
            said = complaint(by_name[reader])
            if said is not None:
                found.append(f"{reader}, {way} {seed}: {said}")
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_damage_of_a_document_is_a_traceback(place: Place, name: str, way: str):
    assert complaints(place, name, way, range(6), at_once=1, beside=DRAWING) == []


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, chdir(path.parent):  # its path has a limit
        server.bind(path.name)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "socket": _socket,
    "device": lambda path: path.symlink_to(os.devnull),
    "folder": Path.mkdir,
}


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise where a reader waits for a writer that never comes."""

    def end(*_: object) -> None:
        raise TimeoutError(f"still reading after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
def test_no_reader_waits_for_a_pipe_in_place_of_a_document(place: Place):
    by_name = readers(place)
    for path in (one for one in place.documents() if one.name in DOCUMENTS):
        place.restore()
        path.unlink()
        os.mkfifo(path)
        try:
            with within(60):
                found = [(name, complaint(by_name[name])) for name in concerned(path)]
            assert [one for one in found if one[1] is not None] == [], path
        finally:
            path.unlink(missing_ok=True)


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_named(tmp_path: Path, kind: str):
    path = tmp_path / "run.json"
    NO_FILES[kind](path)

    with within(10), pytest.raises(RunError, match=f"expected a file, found a {kind}") as refused:
        RunRecord.read(path)
    assert refused.value.hint.startswith(f"move that {kind} away; ")
    with within(10), pytest.raises(RunError, match=f"expected a file, found a {kind}"):
        read_lines(path)
    with within(10), pytest.raises(OSError, match=f"expected a file, found a {kind}"):
        file_sha256(path)
    path.rename(tmp_path / "epoch.json")
    with within(10):
        assert faults(tmp_path) == ["epoch.json"]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_damage_of_many_is_a_traceback_for_any_reader(place: Place, name: str, way: str):
    assert complaints(place, name, way, range(100, 108), at_once=4, beside=set()) == []


def test_every_reader_ends_well_before_any_damage(place: Place):
    reading = {name: read for name, read in readers(place).items() if name not in DRAWING}

    assert [(name, complaint(read)) for name, read in reading.items()] == [
        (name, None) for name in reading
    ]


def model_of(place: Place) -> dict[str, Any]:
    progress = FakeProgress()
    return {"store": place.store, "repository": place.repository, "progress": progress}


def changed(path: Path, **changes: object) -> None:
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | changes))


def test_what_a_later_release_adds_is_kept_where_a_document_is_written_again(place: Place):
    changed(RUN.record, mood="good", hardware={**json.loads(RUN.record.read_text())["hardware"],
                                               "fans": 2})  # fmt: skip

    RunRecord.read(RUN.record).model_copy(update={"message": "again"}).write(RUN.record)

    written = json.loads(RUN.record.read_text())
    assert (written["mood"], written["hardware"]["fans"], written["message"]) == (
        "good",
        2,
        "again",
    )


def test_params_that_this_release_lacks_do_not_keep_it_from_measuring(place: Place):
    params = json.loads(RUN.record.read_text())["params"]
    params["training"]["ema"] = 0.99
    changed(RUN.record, params={**params, "new section": {"a": 1}})

    assert readers(place)["gate"]() is not None


def test_params_that_an_earlier_release_lacked_have_todays_defaults(place: Place):
    params = json.loads(RUN.record.read_text())["params"]
    del params["checkpoints"], params["training"]["cache"]
    changed(RUN.record, params=params)

    known = RunRecord.read(RUN.record).known_params

    assert known.checkpoints.every_minutes == 10
    assert known.training.cache == "auto"
    assert readers(place)["gate"]() is not None


def test_a_value_that_only_a_later_release_knows_is_named(place: Place):
    params = json.loads(RUN.record.read_text())["params"]
    params["model"]["architecture"] = "yolov12s"
    changed(RUN.record, params=params)

    with pytest.raises(ConfigError, match=r"exp1 has params .* detection\.model\.architecture"):
        readers(place)["gate"]()
    readers(place)["track show"]()
    assert RunRecord.read(RUN.record).architecture == "yolov12s"


@pytest.mark.parametrize("path", [RUN.record, PUBLISHED / "metadata.json"], ids=lambda p: p.name)
def test_a_document_of_a_later_schema_names_what_it_needs(place: Place, path: Path):
    changed(path, schema_version=3, experiment=None, experiment_name=None)

    kind = RunRecord if path == RUN.record else Metadata
    with pytest.raises(RunError, match="another version of container-doors, which needs schema 3"):
        kind.read(path)


@pytest.mark.parametrize("rows", ["scored_confidences", "used_confidences", "scored_is_door"])
@pytest.mark.parametrize("is_longer", [False, True], ids=["one less", "one more"])
def test_boxes_without_a_confidence_each_are_a_damaged_document(
    place: Place, rows: str, is_longer: bool
):
    path = RUN.detections_json("test")
    document = json.loads(path.read_bytes())
    photograph = next(one for one in document["photographs"] if one["used_xyxy"])
    values = photograph[rows] or ["1111111111"] * len(photograph["scored_xyxy"])
    photograph[rows] = values + values[:1] if is_longer else values[1:]
    path.write_text(json.dumps(document))

    with pytest.raises(RunError, match="expected a confidence for each "):
        Detected.read(path)


def test_an_empty_or_zeroed_document_is_called_so(place: Place):
    RUN.record.write_bytes(b"")
    with pytest.raises(RunError, match="it is empty"):
        RunRecord.read(RUN.record)
    RUN.record.write_bytes(bytes(100))
    with pytest.raises(RunError, match="as a power cut leaves a file"):
        RunRecord.read(RUN.record)


def test_one_damaged_job_does_not_hide_the_others(place: Place):
    (JOBS / "doors-exp2-abc.json").write_bytes(bytes(10))
    try:
        jobs, damaged = readable_jobs()
    finally:
        (JOBS / "doors-exp2-abc.json").unlink()

    assert [job.slug for job in jobs] == ["doors-exp1-abc"]
    assert "doors-exp2-abc.json cannot be read" in damaged[0].problem
    assert "doors kaggle list" in damaged[0].hint


DAMAGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "other bytes": lambda path: path.write_bytes(b"\xff\xfe{"),
    "gone": lambda path: path.unlink(),
}
COPIED = (
    RUN.record, RUN.dataset, RUN.scores, RUN.metrics_jsonl, RUN.predictions_json("test"),
)  # fmt: skip
COPY = re.compile(r"\bcp \S+ \S+")


def doctors_word(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["doctor", "--run", RUN.name])
    said = capsys.readouterr()
    return code, said.out + said.err


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("path", COPIED, ids=lambda path: path.name)
def test_the_doctor_names_what_is_damaged_and_the_copy_that_brings_it_back(
    place: Place, path: Path, how: str, capsys: pytest.CaptureFixture[str]
):
    DAMAGES[how](path)

    code, said = doctors_word(capsys)
    assert code == (2 if path == RUN.record else 1)
    assert str(path) in said
    assert "--replace" not in said
    subprocess.run(shlex.split(COPY.findall(said)[0]), check=True)
    code, said = doctors_word(capsys)
    assert code == 0, said
    assert path.read_bytes() == place.before[path]


def test_without_a_copy_a_damaged_record_is_trained_again(place: Place):
    RUN.record.write_bytes(b"")
    copy_of(RUN.record).unlink()

    with pytest.raises(RunError) as raised:
        RunRecord.read(RUN.record)
    assert "--replace" in raised.value.hint


def test_a_run_whose_record_is_gone_is_not_begun_anew(place: Place):
    RUN.record.unlink()

    with pytest.raises(RunError, match=r"no run\.json") as raised:
        pipeline.train(PARAMS, RUN, world=FakeWorld().world)
    assert raised.value.hint == f"its copy is whole: cp {copy_of(RUN.record)} {RUN.record}"


def test_a_finished_run_has_the_epochs_that_its_record_tells_of(
    place: Place, capsys: pytest.CaptureFixture[str]
):
    RUN.metrics_jsonl.write_bytes(b"")

    assert "finished, 3 of 3 epochs" in doctors_word(capsys)[1]


@pytest.mark.parametrize("path", [RUN.best_weights, RUN.last_weights], ids=lambda path: path.name)
@pytest.mark.parametrize("how", DAMAGES)
def test_the_doctor_sees_weights_that_are_not_what_was_trained(
    place: Place, path: Path, how: str, capsys: pytest.CaptureFixture[str]
):
    DAMAGES[how](path)

    code, said = doctors_word(capsys)
    assert code == 1
    assert f"{path} is not what exp1 trained" in said
    subprocess.run(shlex.split(COPY.findall(said)[0]), check=True)
    code, said = doctors_word(capsys)
    assert code == 0, said


@pytest.mark.parametrize(
    "path", [RUN.metadata, RUN.evaluation, RUN.detections_json("val")], ids=lambda path: path.name
)
def test_the_doctor_reads_what_can_be_made_again_as_well(
    place: Place, path: Path, capsys: pytest.CaptureFixture[str]
):
    path.write_bytes(b"")

    code, said = doctors_word(capsys)
    assert code == 1
    assert f"{path} cannot be read: it is empty" in said
    assert "--replace" not in said


def test_the_doctor_sees_a_record_that_was_changed(
    place: Place, capsys: pytest.CaptureFixture[str]
):
    RUN.scores.write_text(RUN.scores.read_text().replace("0.995", "0.999"))

    code, said = doctors_word(capsys)
    assert code == 1
    assert f"-> cp {copy_of(RUN.scores)} {RUN.scores}" in said


@pytest.mark.parametrize("reader", ["metadata", "version", "verify", "summary", "publish"])
def test_a_run_whose_id_was_changed_is_restored_from_its_copy(place: Place, reader: str):
    """Of other scores, too: that it has the copy of this very record is enough."""
    changed(RUN.record, run_id="f" * 32)
    changed(RUN.scores, run_id="e" * 32)
    back = f"cp {copy_of(RUN.record)} {RUN.record}"

    if reader == "verify":
        _, checks = verify_model("exp1", PARAMS, **model_of(place))
        remedies = {one.remedy for check in checks for one in check.mismatches}
        assert remedies == {back, f"cp {copy_of(RUN.scores)} {RUN.scores}"}
        return
    reading: dict[str, Callable[[], object]] = {
        **readers(place),
        "summary": lambda: summarise(RUN, Path("summary.md")),
    }
    with pytest.raises(RunError, match=f"{RUN.record} has changed since exp1 ended") as refused:
        reading[reader]()
    assert refused.value.hint == back


def test_metadata_of_a_run_that_is_not_published_has_a_way_back(place: Place):
    RUN.metadata.write_text("{")

    with pytest.raises(RunError, match="cannot be read") as refused:
        Metadata.read(RUN.metadata)
    assert f"rm {RUN.metadata}: the next doors publish exp1 writes it" in refused.value.hint
    RUN.metadata.unlink()
    readers(place)["publish"]()
    assert Metadata.read(RUN.metadata).run_id == RunRecord.read(RUN.record).run_id


def test_lost_epochs_do_not_shorten_the_curves_that_git_keeps(place: Place):
    lines = RUN.metrics_jsonl.read_bytes().splitlines(keepends=True)
    curves = Path("reports/curves.csv")
    before = curves.read_bytes()
    RUN.metrics_jsonl.write_bytes(b"".join(lines[:2]))

    readers(place)["metadata"]()

    assert curves.read_bytes() == before


SUMMARY = ["summary", "--experiment", RUN.name, "--output", "out/summary.md", "--html", "--card"]


@pytest.mark.parametrize(
    "path",
    [
        RUN.dataset, RUN.scores, RUN.evaluation, RUN.metrics_jsonl, RUN.predictions_json("val"),
        RUN.detections_json("test"), PUBLISHED / "metadata.json",
    ],
    ids=lambda path: path.name,
)  # fmt: skip
def test_a_report_of_damaged_documents_is_not_begun(
    place: Place, path: Path, capsys: pytest.CaptureFixture[str]
):
    path.write_bytes(b"")

    assert main(SUMMARY) == 2
    assert f"{path}" in capsys.readouterr().err
    assert [one for one in Path("out").rglob("*") if one.is_file()] == []


@pytest.mark.parametrize("name", ["summary.md", "summary.html", "summary_card.md"])
def test_a_report_is_not_begun_where_another_file_is_in_the_way(
    place: Place, name: str, capsys: pytest.CaptureFixture[str]
):
    other = Path("other") / name
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(b"\xff\xfemine")
    try:
        assert main([*SUMMARY[:4], "other/summary.md", *SUMMARY[5:]]) == 2
        assert f"{other} exists already" in capsys.readouterr().err
        assert [*other.parent.iterdir()] == [other]
    finally:
        other.unlink()
