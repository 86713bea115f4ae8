"""What is printed: nothing from outside commands a terminal or forges a line, and nothing fails."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.cli import main
from container_doors.cli.console import PlainProgress, rich_console
from container_doors.cli.output import say
from container_doors.core.printable import printable
from container_doors.data.checks import Report
from container_doors.training.logbook import link_log, logbook

FORGED = "0 error(s), 0 warning(s): fit to train on"
HOSTILE = [
    b"T\xc3\xbcr_1.jpg",
    b"\x1b[2J\x1b]0;owned\x07.jpg",
    b"a\n" + FORGED.encode() + b"\n.jpg",
    b"b\r" + FORGED.encode() + b"\r.jpg",
    "c\u202e\u200b\u2028.jpg".encode(),
    b"\xff\xfe.jpg",
    b"[red]x[bold].jpg",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set whose photographs are none, under names that attack."""
    monkeypatch.chdir(tmp_path)
    for kind in ("images", "labels"):
        for split in ("train", "val", "test"):
            (tmp_path / kind / split).mkdir(parents=True)
    (tmp_path / "data.yaml").write_text(
        "train: images/train\nval: images/val\ntest: images/test\nnc: 1\nnames: [container_door]\n"
    )
    for name in HOSTILE:
        Path(os.fsdecode(b"images/train/" + name)).write_bytes(name)
    return tmp_path


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch):
    """Let a command print into a stream of an encoding, and read what came of it."""

    def read(argv: list[str], encoding: str) -> str:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        main(argv)
        stream.flush()
        return stream.buffer.getvalue().decode(encoding)

    return read


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_name_stops_the_findings_or_commands_the_terminal(encoding: str, folder: Path, printed):
    text = printed(["data", "validate", "--path", "."], encoding)

    lines = text.splitlines()
    assert lines[-1].endswith("not fit to train on")
    assert not [line for line in lines if line.strip().startswith(FORGED)]
    assert not [line for line in lines if not line.isprintable()]
    assert len([line for line in lines if line.startswith("  images/train/")]) == len(HOSTILE)
    assert r"images/train/\x1b[2J\x1b]0;owned\x07.jpg: error" in text
    assert "[red]x[bold].jpg: error" in text
    assert ("images/train/Tür_1.jpg" in text) == (encoding != "ascii")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_document_is_whole_in_any_stream(encoding: str, folder: Path, printed):
    document = json.loads(printed(["data", "validate", "--path", ".", "--json"], encoding))

    paths = {os.fsencode(finding["path"]) for finding in document["findings"]}
    assert {b"images/train/" + name for name in HOSTILE} <= paths


def test_an_error_is_one_line_and_its_hint(folder: Path, printed):
    text = printed(["data", "validate", "--path", f"nowhere\n{FORGED}\n"], "utf-8")

    assert [line[:6] for line in text.splitlines()] == ["error:", "  hint"]


def test_every_fault_of_the_params_has_a_line(folder: Path, printed):
    Path("params.yaml").write_text('detection:\n  "a\\nb": 1\n  c: 1\n')

    lines = printed(["train", "--config", "params.yaml"], "utf-8").splitlines()

    assert sum(line.startswith("  - ") for line in lines) == len(lines) - 2 > 1
    assert any(r"a\nb" in line for line in lines)


def test_an_argument_that_is_not_known_is_quoted_as_it_is(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["train", "\x1b[2J\nerror: none"])

    said = capsys.readouterr().err
    assert r"\x1b[2J\nerror: none" in said
    assert "\x1b" not in said


@given(st.text(st.characters(), max_size=40))
def test_whatever_the_text_it_is_one_printable_line(text: str):
    assert printable(text).isprintable()
    assert not text.isprintable() or printable(text) == text


def test_a_table_takes_no_name_for_markup_and_no_terminal_for_none(monkeypatch, folder: Path):
    from container_doors.cli.data import _print_table
    from container_doors.core.records import SplitCounts

    monkeypatch.setenv("COLUMNS", "0")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)

    _print_table(
        Report(None, [], {"[red]train": SplitCounts(images=1, doors=1, background_images=0)})
    )

    assert "[red]train" in stream.getvalue()
    assert rich_console().width == 80


def test_a_variable_makes_no_screen_of_a_file(monkeypatch, tmp_path: Path):
    from container_doors.cli.console import progress

    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "log").open("w+") as log:
        monkeypatch.setattr(sys, "stdout", log)
        with progress() as shown:
            shown.step("reading", 0, 10)
            shown.say("[red]read\x1b[2J")
        log.seek(0)
        assert log.read() == "[red]read\\x1b[2J\n"


def test_a_reader_who_leaves_does_not_end_the_work(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        os.close(reader)
        progress = PlainProgress()

        progress.say("one")
        progress.say("two")
        say("and what came out")


def test_a_closed_output_is_not_the_number_of_the_next_file():
    """It would be a run's record, say, in which a library's prints then stand."""
    code = (
        "import os; from container_doors.cli.output import prepare_streams, say; "
        "prepare_streams(); say('x'); assert os.open('/dev/null', os.O_RDONLY) > 2"
    )
    command = f'"{sys.executable}" -c "{code}" <&- >&- 2>&-'

    assert subprocess.run(["bash", "-c", command], check=False).returncode == 0


def test_nothing_in_an_entry_of_the_log_passes_for_another(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's send it to its main process
    path = tmp_path / "train.log"
    with logbook(path):
        logging.getLogger("container_doors").error("%s", "T\xfcr\x1b[2J\n2026 ERROR forged\udcff")

    first, second = path.read_text(encoding="utf-8").splitlines()
    assert first.endswith(r"Tür\x1b[2J")
    assert second == r"    2026 ERROR forged\udcff"


def test_the_log_is_seen_where_the_specification_looks_for_it(tmp_path: Path):
    """Gone on with, or begun anew, it is the newest; what a person has put there stays."""
    shown = tmp_path / "train_output.log"
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        link_log(tmp_path / name, shown)
    assert shown.read_text() == "b"
    assert len(list(tmp_path.iterdir())) == 3

    shown.unlink()
    shown.write_text("mine")
    link_log(tmp_path / "a", shown)
    link_log(tmp_path / "a", tmp_path / "none/train_output.log")
    assert shown.read_text() == "mine"
