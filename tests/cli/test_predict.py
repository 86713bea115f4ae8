"""``doors predict``, with a network that is a fake."""

import io
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.predicting import WHITE, FakeNetwork, MotionJpeg, jpeg, put, put_video, put_zip

from container_doors.cli import main, used_model
from container_doors.cli.options.predict import KINDS
from container_doors.core.predictions import PhotographResult, json_schema
from container_doors.prediction import output


@pytest.fixture(autouse=True)
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNetwork:
    """Open a fake, whatever is asked for; stay in an empty folder."""
    monkeypatch.chdir(tmp_path)
    fake = FakeNetwork()
    monkeypatch.setattr(used_model, "open_model", lambda *_, **__: fake.opened)
    return fake


def run(line: str) -> int:
    return main(shlex.split(line))


def test_each_kind_of_file_can_be_asked_for():
    assert KINDS == output.KINDS


def test_a_line_for_each_photograph_and_what_was_used_beside_it(
    capsys: pytest.CaptureFixture[str],
):
    put(Path("photos"), "a.jpg", "b\n.jpg")
    put(Path("photos"), "c.jpg", level=WHITE)
    Path("photos/d.jpg").write_bytes(b"no")

    assert run("predict photos") == 1

    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "photos/a.jpg: 1 door: 0.90 at 16,12 to 48,36 (refused: low contrast, not sharp)",
        "photos/b\\n.jpg: 1 door: 0.90 at 16,12 to 48,36 (refused: low contrast, not sharp)",
        "photos/c.jpg: no door",
        "photos/d.jpg: NOT READ: it is no picture of a known format",
    ]
    first, last = said.err.splitlines()
    assert first == (
        "v1.2.0 (abababababab), threshold 0.25 (the usual one: no model.json beside the weights), "
        "pytorch on a sundial"
    )
    assert last.startswith(
        "3 photograph(s) or frame(s), 2 door(s) (2 refused) in 2, 1 could not be read; "
    )
    assert not Path("predictions").exists(), "nothing is written that nobody asked for"


def test_json_lines_are_results(capsys: pytest.CaptureFixture[str]):
    put(Path("photos"), "a.jpg", "Tür.jpg")

    assert run("predict photos --json") == 0

    found = [
        PhotographResult.model_validate_json(line) for line in capsys.readouterr().out.splitlines()
    ]
    assert [one.path for one in found] == ["photos/a.jpg", "photos/Tür.jpg"]


def test_the_schema_is_printed_without_a_source(capsys: pytest.CaptureFixture[str]):
    assert run("predict --schema") == 0

    assert json.loads(capsys.readouterr().out) == json_schema()


def test_each_prediction_without_a_name_gets_the_next_number(capsys: pytest.CaptureFixture[str]):
    put(Path("photos"), "a.jpg")

    assert run("predict photos --save csv,yolo") == 0
    assert run("predict photos --save csv,yolo") == 0

    assert sorted(path.name for path in Path("predictions").iterdir()) == ["1", "2"]
    assert "; results in predictions/2" in capsys.readouterr().err


def test_out_alone_writes_lines_and_what_is_printed_is_what_is_written(
    capsys: pytest.CaptureFixture[str],
):
    put(Path("photos"), "a.jpg")

    assert run("predict photos --out there --save crops --json") == 0
    printed = json.loads(capsys.readouterr().out)

    assert json.loads(Path("there/predictions.jsonl").read_text()) == printed
    assert Path("there", printed["detections"][0]["crop"]["file"]).exists()
    assert run("predict photos --out other") == 0
    assert {path.name for path in Path("other").iterdir()} >= {
        "predictions.jsonl",
        "settings.json",
    }


def test_a_prediction_goes_on_with_what_is_new_and_counts_all(
    network: FakeNetwork, capsys: pytest.CaptureFixture[str]
):
    put(Path("photos"), "a.jpg")
    Path("photos/b.jpg").write_bytes(b"no")
    assert run("predict photos --save jsonl") == 1
    put(Path("photos"), "c.jpg")
    capsys.readouterr()

    assert run("predict photos --save jsonl --resume") == 1, "b.jpg is still damaged"

    said = capsys.readouterr()
    assert said.out.startswith("photos/c.jpg: 1 door")
    assert len(said.out.splitlines()) == 1
    assert "2 photograph(s)" in said.err
    assert len(network.seen) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict missing.jpg", "missing.jpg: expected a photograph"),
        ("predict", "no source was named"),
        ("predict photos --padding 0.2", "--padding has no effect without crops"),
        ("predict photos --resume", "expected a prediction to resume, found none"),
        ("predict photos --out photos", "photos: expected a new or empty folder"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_model_is_opened(
    line: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    put(Path("photos"), "a.jpg")
    monkeypatch.setattr(used_model, "open_model", lambda *_, **__: pytest.fail("it was opened"))

    assert run(line) == 2

    error = capsys.readouterr().err
    assert said in error
    assert "hint: " in error


@pytest.mark.parametrize(
    "line",
    [
        "predict photos --save jsonl,nonsense",
        "predict photos --conf 1.5",
        "predict photos --conf nan",
        "predict photos --every 0",
        "predict photos --max-det 0",
        "predict photos --weights a.pt --version v1",
        "predict photos --json --schema",
    ],
)
def test_options_out_of_range_are_refused(line: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exit_code:
        run(line)
    assert exit_code.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_other_settings_are_refused_by_name(capsys: pytest.CaptureFixture[str]):
    put(Path("photos"), "a.jpg")
    put_video(Path("photos/v.avi"), [90] * 4)
    assert run("predict photos --out there") == 0

    assert run("predict photos --out there --every 2 --resume") == 2

    assert "there cannot be continued with other settings: every: expected 1, found 2" in (
        capsys.readouterr().err
    )


def test_the_paths_are_those_that_were_typed_below_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The command works in the root of the workspace, where the model is."""
    Path(".dvc").mkdir()
    put(tmp_path, "sub/data/a.jpg", "b c.jpg", "data/a.jpg")
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"../b c.jpg\n")))

    assert run("predict 'data/*.jpg' ../data - --save jsonl") == 0

    said = capsys.readouterr()
    names = [line.partition(": ")[0] for line in said.out.splitlines()]
    assert names == ["data/a.jpg", "../data/a.jpg", "../b c.jpg"]
    assert "results in ../predictions/1" in said.err


@pytest.mark.parametrize(
    ("typed", "zipped"),
    [(".. --json", "../june.zip"), ("../only", "../only/a.zip"), (".", "-dash.zip")],
)
def test_zips_below_a_workspace_are_named_so_that_the_hint_works(
    typed: str,
    zipped: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    Path(".dvc").mkdir()
    put(tmp_path, "sub/a.jpg")
    monkeypatch.chdir(tmp_path / "sub")
    put_zip(Path(zipped), {"z.jpg": jpeg()})
    run(f"predict {typed}")
    hint = capsys.readouterr().err.partition("doors predict ")[2].splitlines()[0]

    assert run(f"predict {hint}") == 0
    assert capsys.readouterr().out.startswith(f"{hint}/z.jpg: ".removeprefix("./"))


def test_a_file_cannot_be_watched(capsys: pytest.CaptureFixture[str]):
    put(Path(), "a.jpg")

    assert run("predict --watch a.jpg") == 2
    assert "name the folder that files arrive in" in capsys.readouterr().err


def test_a_camera_s_password_is_nowhere(capfd: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr("container_doors.prediction.streams.DELAYS_S", (0.01,))
    with MotionJpeg([[90] * 8]) as camera:
        assert run(f"predict '{camera.address}' --save jsonl,csv,crops --out there") == 1

    said = capfd.readouterr()
    assert "admin:***@127.0.0.1" in said.out
    assert "opening it again in 0.01 s (attempt 1 of 1)" in said.err
    texts = [said.out, said.err, *map(str, Path("there").rglob("*"))]
    texts += [path.read_text() for path in Path("there").glob("*.*") if path.is_file()]
    assert not [one for text in texts for one in ("s3cret", "t0ken") if one in text]


def test_ctrl_c_ends_a_watch_when_all_that_was_found_is_written(
    network: FakeNetwork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("container_doors.prediction.sources._POLL_S", 0.05)
    put(Path("in"), "a.jpg")

    def press() -> None:
        until = time.monotonic() + 30
        while not network.seen and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    assert run("predict --watch in --save jsonl,coco --out there") == 130

    assert len(Path("there/predictions.jsonl").read_text().splitlines()) == 1
    assert Path("there/coco/images.json").exists()
    assert "stopped; to go on: the same command with --resume" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


ROOT = Path(__file__).parents[2]
WITH_A_FAKE = """
import sys, time
from tests.predicting import FakeNetwork
from container_doors.cli import main, used_model
fake = FakeNetwork(before=lambda: time.sleep({pause_s}))
used_model.open_model = lambda *_, **__: fake.opened
sys.exit(main({words!r}))
"""


def as_program(line: str, *, pause_s: float = 0.0) -> list[str]:
    """Return the command of a process of its own, which takes so long for each photograph."""
    script = WITH_A_FAKE.format(pause_s=pause_s, words=shlex.split(line))
    return [sys.executable, "-c", script]


def test_a_kill_loses_nothing_and_leaves_nothing_twice():
    put(Path("photos"), *(f"{number}.jpg" for number in range(40)))
    line = "predict photos --save jsonl,csv,crops,yolo --out there"
    started = subprocess.Popen(
        as_program(line, pause_s=0.05),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": f"{ROOT}/src:{ROOT}"},
    )
    assert started.stdout is not None
    for _ in range(7):
        started.stdout.readline()
    started.kill()
    started.wait()
    started.stdout.close()
    written = Path("there/predictions.jsonl").read_bytes()
    assert 7 <= written.count(b"\n") < 40
    Path("there/predictions.jsonl").write_bytes(written[:-9])  # as a slow disk may leave it

    assert run(f"{line} --resume") == 0
    assert run(line.replace("there", "whole")) == 0

    found, whole = (
        [json.loads(row) for row in Path(name, "predictions.jsonl").read_text().splitlines()]
        for name in ("there", "whole")
    )
    assert [one["path"] for one in found] == [one["path"] for one in whole]
    assert [one["detections"] for one in found] == [one["detections"] for one in whole]
    for name in ("predictions.csv", *(path.name for path in Path("whole").glob("*/*"))):
        (one,), (other,) = (list(Path(folder).rglob(name)) for folder in ("there", "whole"))
        assert one.read_bytes() == other.read_bytes()


def test_a_reader_that_leaves_ends_it():
    put(Path("photos"), *(f"{number}.jpg" for number in range(50)))
    started = subprocess.Popen(
        as_program("predict photos"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT}/src:{ROOT}"},
    )
    assert started.stdout is not None
    started.stdout.close()
    assert started.wait(60) == 130
    assert started.stderr is not None
    assert b"Traceback" not in started.stderr.read()
    started.stderr.close()


def at_a_terminal(line: str, *, output: Path | None = None) -> str:
    """Run the program at a terminal; return what is on the screen."""
    program = as_program(line, pause_s=0.15)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"PYTHONPATH": f"{ROOT}/src:{ROOT}", "TERM": "xterm", "COLUMNS": "120"}
        if output is not None:
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), 1)
        os.execv(program[0], program)
    said = b""
    try:
        while chunk := os.read(terminal, 65536):
            said += chunk
    except OSError:  # it has ended
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return said.decode()


def test_a_bar_on_the_screen_does_not_swallow_what_goes_into_a_file():
    names = [f"photos/{number}.jpg" for number in range(5)]
    put(Path(), *names)

    text = at_a_terminal("predict photos --json", output=Path("found.jsonl"))

    assert "detecting" in text
    lines = Path("found.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == names


@pytest.mark.parametrize("option", ["", "--json"])
def test_on_a_terminal_there_is_a_bar_among_whole_lines(option: str):
    put(Path("photos"), *(f"{number}.jpg" for number in range(5)))
    text = at_a_terminal(f"predict photos {option}")

    if option:
        lines = [line for line in text.splitlines() if line.startswith("{")]
        assert [json.loads(line)["path"] for line in lines] == [
            f"photos/{number}.jpg" for number in range(5)
        ]
    else:
        assert "detecting" in text
        assert all(f"photos/{number}.jpg: 1 door: 0.90 at" in text for number in range(5))


@pytest.mark.parametrize("machines", [1, 3, 20])
def test_the_shards_of_several_machines_joined_are_what_one_machine_writes(machines: int):
    put(Path("photos"), "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "c/1.jpg")
    put(Path("photos"), "a/3.jpg", level=WHITE)
    Path("photos/b/0.jpg").write_bytes(b"no")
    put_zip(Path("more.zip"), {f"{number}.jpg": jpeg() for number in range(4)})
    put_video(Path("last.avi"), [100, 110])
    line = "predict photos more.zip last.avi --save csv,crops --without-times --out"
    assert run(f"{line} whole") == 1

    codes = {run(f"{line} {number} --shard {number}/{machines}") for number in one_to(machines)}

    assert codes == ({0, 1} if machines > 1 else {1})
    folders = [Path("whole"), *(Path(str(number)) for number in one_to(machines))]
    lines, *of_shards = [(one / "predictions.jsonl").read_bytes() for one in folders]
    assert b"".join(of_shards) == lines
    header, *rows = Path("whole/predictions.csv").read_bytes().splitlines()
    tables = [(one / "predictions.csv").read_bytes().splitlines() for one in folders[1:]]
    assert [row for table in tables for row in table[1:]] == rows
    assert {table[0] for table in tables} == {header}
    whole, *parts = [
        {path.name: path.read_bytes() for path in (one / "crops").iterdir()} for one in folders
    ]
    assert {name: data for part in parts for name, data in part.items()} == whole
    assert sum(map(len, parts)) == len(whole) == 11


def one_to(last: int) -> range:
    return range(1, last + 1)


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/5", ""])
def test_a_part_that_is_none_is_refused(part: str, capsys: pytest.CaptureFixture[str]):
    put(Path("photos"), "a.jpg")

    with pytest.raises(SystemExit, match="2"):
        run(f"predict photos --shard={part or shlex.quote(part)}")

    assert "expected a part such as 2/8" in capsys.readouterr().err


def test_a_camera_has_no_parts(capsys: pytest.CaptureFixture[str]):
    Path("inbox").mkdir()

    assert run("predict --watch inbox --shard 1/2") == 2

    assert "found a source that has no end" in capsys.readouterr().err


def test_a_part_is_not_continued_as_another_one(capsys: pytest.CaptureFixture[str]):
    put(Path("photos"), "a.jpg", "b.jpg")
    assert run("predict photos --out out --shard 1/2") == 0

    assert run("predict photos --out out --shard 2/2 --resume") == 2

    assert "shard: expected 1/2, found 2/2" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["predict photos --out out", "data validate --path data"])
def test_without_ray_the_line_that_installs_it_is_shown(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    put(Path("photos"), "a.jpg")
    assert run("data sample --out data --train 1 --val 1 --test 1") == 0
    monkeypatch.setitem(sys.modules, "ray", None)

    assert run(f"{line} --on ray") == 2

    error = capsys.readouterr().err
    assert "Ray is not installed, and --on ray needs it" in error
    assert "hint: " in error
