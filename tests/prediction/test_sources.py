"""What ``doors predict`` looks at, and in which order."""

import io
import os
import shlex
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from container_doors.core.errors import SourceError
from container_doors.core.predictions import Frame
from container_doors.prediction.loaded import Loaded
from container_doors.prediction.sources import Done, Item, Plan, Reading, plan
from tests.predicting import jpeg, put, put_video, put_zip


def planned(folder: Path, *typed: str, lines: bytes = b"", watch: str | None = None) -> Plan:
    return plan(typed, here=folder, standard_input=io.BytesIO(lines), watch=watch)


def reading(done: Done | None = None, *, every: int = 1, stop: Event | None = None) -> Reading:
    return Reading(every=every, done=done or Done(), stop=stop or Event(), say=print)


def loaded(found: Plan, done: Done | None = None, *, every: int = 1) -> list[Loaded]:
    return [item.load() for item in found.items(reading(done, every=every))]


def names(found: Plan, done: Done | None = None) -> list[str]:
    return [one.name for one in loaded(found, done)]


def test_a_folder_is_searched_and_sorted_as_people_count(tmp_path: Path):
    put(tmp_path / "photos", "b10.jpg", "b9.JPG", "a/1.jpg", "c.txt", ".hidden/x.jpg")
    put_video(tmp_path / "photos/b9a.avi", [90, 90])

    assert names(planned(tmp_path, "photos")) == [
        "photos/a/1.jpg",
        "photos/b9.JPG",
        "photos/b9a.avi",
        "photos/b9a.avi",
        "photos/b10.jpg",
    ]
    assert planned(tmp_path, "photos/").count(every=2) == 4
    assert names(planned(tmp_path / "photos/a", ".")) == ["1.jpg"]


def test_a_zip_in_a_folder_is_said_with_what_to_type(tmp_path: Path):
    put(tmp_path / "photos", "a.jpg")
    for name in ("photos/b c.zip", "photos/sub/d.ZIP", "zips/e.zip"):
        put_zip(tmp_path / name, {"z.jpg": jpeg()})

    found = planned(tmp_path, "photos")
    said = found.left_out or ""
    assert "and 1 more are zips" in said
    *_, typed = shlex.split(said)
    assert names(planned(tmp_path, typed)) == ["photos/b c.zip/z.jpg"]

    named = planned(tmp_path, "photos", "photos/b c.zip", "photos/sub/d.ZIP")
    assert named.left_out is None
    with pytest.raises(SourceError, match="found 1 zip") as error:
        planned(tmp_path, "zips")
    assert names(planned(tmp_path, shlex.split(error.value.hint)[-1])) == ["zips/e.zip/z.jpg"]


def test_sources_are_in_the_order_in_which_they_were_typed_and_each_file_once(tmp_path: Path):
    put(tmp_path, "b.jpg", "photos/a.jpg")

    found = planned(tmp_path, "photos", "b.jpg", "photos/a.jpg", str(tmp_path / "b.jpg"))

    assert names(found) == ["photos/a.jpg", "b.jpg"]


def test_a_photograph_has_its_hash_its_size_and_its_pixels(tmp_path: Path):
    (path,) = put(tmp_path, "a.jpg")

    (one,) = loaded(planned(tmp_path, "a.jpg"))

    assert one.sha256 is not None
    assert (len(one.sha256), one.size_bytes) == (64, path.stat().st_size)
    assert one.picture is not None
    assert one.picture.bgr.shape == (48, 64, 3)
    assert one.read_ms > 0


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.jpg", ["photos/a1.jpg", "photos/a10.jpg"]),
        ("photos/**/*.jpg", ["photos/a1.jpg", "photos/a10.jpg", "photos/deep/b.jpg"]),
        ("photos/**", ["photos/a1.jpg", "photos/a10.jpg", "photos/deep/b.jpg"]),
        ("photos/*", ["photos/a1.jpg", "photos/a10.jpg", "photos/deep/b.jpg"]),
        ("photos/a[0-9].jpg", ["photos/a1.jpg"]),
        ("[x].jpg", ["[x].jpg"]),
    ],
)
def test_a_pattern_is_matched(pattern: str, expected: list[str], tmp_path: Path):
    put(tmp_path, "photos/a10.jpg", "photos/a1.jpg", "photos/deep/b.jpg", "[x].jpg", "x.jpg")
    put(tmp_path, "photos/notes.txt")

    assert names(planned(tmp_path, pattern)) == expected


def test_standard_input_is_a_list_of_paths_taken_literally(tmp_path: Path):
    put(tmp_path, "a [1].jpg", "Tür.jpg", "photos/c.jpg")
    lines = "Tür.jpg\r\n\na [1].jpg\nphotos".encode()

    assert names(planned(tmp_path, "-", lines=lines)) == ["Tür.jpg", "a [1].jpg", "photos/c.jpg"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"", "expected a path in each line, found none"),
        (b"a.jpg\nb.jpg\n", r"1 are not there\n  - line 2: b.jpg: found nothing"),
        (b"a.jpg\n*.jpg\n", "line 2: "),
        (b"a\0b.jpg\n", r"line 1: a\\x00b.jpg: found nothing"),
        (b"x" * 10_000, "at most .* bytes"),
    ],
)
def test_a_list_with_what_is_not_there_is_an_error(lines: bytes, said: str, tmp_path: Path):
    put(tmp_path, "a.jpg")

    with pytest.raises(SourceError, match=said):
        planned(tmp_path, "-", lines=lines)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["a.jpg", "missing.jpg"], "missing.jpg: expected a photograph, .* found nothing"),
        (["*.png"], "expected photographs or videos, found none of that name"),
        (["empty"], "empty: expected photographs or videos, found none"),
        (["pipe"], "pipe: expected a file, found a pipe or a device"),
        (["gone.jpg"], "found a broken link"),
        (["file:///etc/passwd"], "expected rtsp://.*, found file://"),
        (["ftp://me:s3cret@host/a"], r"ftp://me:\*\*\*@host/a: expected rtsp"),
        (["https://host/a.jpg"], "found the address of a photograph"),
        (["977"], "977: expected a photograph of that name, or a camera, found "),
        ([], "no source was named"),
        (["-", "-"], "standard input was named twice"),
        (["rtsp://host/a", "a.jpg"], "expected one camera, stream or watched folder, as the last"),
        (["a\x1b[2J.jpg"], r"a\\x1b\[2J.jpg: expected"),
    ],
)
def test_a_source_that_cannot_be_used_is_an_error_before_anything_is_read(
    typed: list[str], said: str, tmp_path: Path
):
    put(tmp_path, "a.jpg")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone.jpg").symlink_to("nowhere")

    with pytest.raises(SourceError, match=said) as error:
        planned(tmp_path, *typed)
    assert "s3cret" not in str(error.value)


def test_the_members_of_a_zip_are_read_in_memory(tmp_path: Path):
    video = put_video(tmp_path / "v.avi", [90, 90, 90]).read_bytes()
    put_zip(
        tmp_path / "a.ZIP",
        {"b/10.jpg": jpeg(), "b/9.jpg": jpeg(), "v.avi": video, "n.txt": b"", "bad.jpg": b"no"},
    )
    before = sorted(tmp_path.rglob("*"))

    found = loaded(planned(tmp_path, "a.ZIP"), every=2)

    assert [one.name for one in found] == [
        "a.ZIP/b/9.jpg",
        "a.ZIP/b/10.jpg",
        "a.ZIP/bad.jpg",
        "a.ZIP/v.avi",
        "a.ZIP/v.avi",
    ]
    assert [one.problem for one in found if one.problem] == ["it is no picture of a known format"]
    assert [one.frame.index for one in found if one.frame] == [0, 2]
    assert sorted(tmp_path.rglob("*")) == before


def bomb(path: Path) -> None:
    """Write a zip that announces a member of four gigabytes."""
    put_zip(path, {"a.jpg": jpeg()})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(bomb, "expected files of at most .* together", id="bomb"),
        pytest.param(
            lambda path: put_zip(path, {"../a.jpg": b""}), "would be written outside", id="outside"
        ),
        pytest.param(lambda path: put_zip(path, {"a.txt": b""}), "found none", id="empty"),
    ],
)
def test_a_zip_that_is_no_good_is_an_error(make, said: str, tmp_path: Path):
    make(tmp_path / "a.zip")

    with pytest.raises(SourceError, match=said) as error:
        planned(tmp_path, "a.zip")
    assert "import" not in error.value.hint, "this command imports nothing"


def test_a_damaged_zip_is_one_failed_line_and_the_rest_goes_on(tmp_path: Path):
    whole = put_zip(tmp_path / "a.zip", {"a.jpg": jpeg()}).read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[:-60])
    found = loaded(planned(tmp_path, "b.zip", "a.zip"))

    assert [(one.name, one.problem) for one in found] == [
        ("b.zip", "a damaged zip: copy or download it again"),
        ("a.zip/a.jpg", None),
    ]


def test_a_damaged_member_is_one_photograph_that_cannot_be_read(tmp_path: Path):
    path = put_zip(tmp_path / "a.zip", {"a.jpg": jpeg(), "b.jpg": jpeg(20)})
    data = bytearray(path.read_bytes())
    data[60:70] = bytes(10)
    path.write_bytes(data)

    first, second = loaded(planned(tmp_path, "a.zip"))

    assert first.problem is not None
    assert "the member 'a.jpg' is damaged" in first.problem
    assert second.picture is not None


def test_a_damaged_file_has_a_short_reason_and_the_rest_goes_on(tmp_path: Path):
    put(tmp_path, "a.jpg", "c.jpg")
    (tmp_path / "b.jpg").write_bytes(jpeg()[:200])
    (tmp_path / "d.mp4").write_bytes(b"no video")
    os.mkfifo(tmp_path / "e.jpg")

    found = {one.name: one.problem for one in loaded(planned(tmp_path, "."))}

    assert [name for name, problem in found.items() if problem] == ["b.jpg", "d.mp4", "e.jpg"]
    assert found["e.jpg"] == "expected a file, found a pipe"
    assert all(len(problem) < 210 for problem in found.values() if problem)


def test_what_an_earlier_start_has_done_is_left_out(tmp_path: Path):
    put(tmp_path, "photos/a.jpg", "photos/b.jpg")
    put_zip(tmp_path / "c.zip", {"a.jpg": jpeg(), "b.jpg": jpeg()})
    put_video(tmp_path / "v.avi", [90] * 6)
    put_video(tmp_path / "w.avi", [90] * 6)
    done = Done({"photos/a.jpg", "c.zip/b.jpg", "w.avi"}, {"v.avi": Frame(index=3, time_s=0.3)})

    found = loaded(planned(tmp_path, "photos", "c.zip", "v.avi", "w.avi"), done)

    assert [(one.name, one.frame and one.frame.index) for one in found] == [
        ("photos/b.jpg", None),
        ("c.zip/a.jpg", None),
        ("v.avi", 4),
        ("v.avi", 5),
    ]


def test_results_of_earlier_predictions_are_no_photographs(tmp_path: Path):
    put(tmp_path, "a.jpg", "predictions/1/pictures/a.jpg", "predictions/1/crops/b/c.jpg")
    put(tmp_path, "predictions/2/a.jpg")
    (tmp_path / "predictions/1/predictions.jsonl").touch()

    assert names(planned(tmp_path, ".")) == ["a.jpg", "predictions/2/a.jpg"]
    assert names(planned(tmp_path, "predictions/1/pictures")) == ["predictions/1/pictures/a.jpg"]


class Watching:
    """Goes through a watched folder in a thread, as the command does."""

    def __init__(self, found: Plan, done: Done | None = None) -> None:
        self.stop, self.names = Event(), list[str]()
        items = found.items(reading(done, stop=self.stop))
        self._thread = threading.Thread(target=self._go, args=(items,))

    def _go(self, items: Iterator[Item]) -> None:
        for item in items:
            self.names.append(item.load().name)

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def wait_for(self, *expected: str) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until and self.names != list(expected):
            time.sleep(0.01)
        assert self.names == list(expected)


def test_files_of_a_watched_folder_are_taken_once_when_they_have_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("container_doors.prediction.sources._POLL_S", 0.05)
    put(tmp_path, "in/a.jpg", "in/done.jpg")
    with Watching(planned(tmp_path, watch="in"), Done({"in/done.jpg"})) as watching:
        watching.wait_for("in/a.jpg")
        slow = tmp_path / "in/slow.jpg"
        data = jpeg()
        for end in range(100, len(data), 100):  # it grows
            slow.write_bytes(data[:end])
            time.sleep(0.02)
        assert watching.names == ["in/a.jpg"]
        slow.write_bytes(data)
        watching.wait_for("in/a.jpg", "in/slow.jpg")
        put_zip(tmp_path / "in/z.zip", {"z.jpg": jpeg()})
        put(tmp_path, "in/deep/b.jpg")
        watching.wait_for("in/a.jpg", "in/slow.jpg", "in/deep/b.jpg")
    assert capsys.readouterr().out.count("in/z.zip is a zip") == 1


def test_a_file_that_was_read_too_early_is_read_again_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("container_doors.prediction.sources._POLL_S", 0.05)
    (tmp_path / "in").mkdir()
    data = jpeg()
    (tmp_path / "in/a.jpg").write_bytes(data[: len(data) // 2])
    done = Done({"in/b.jpg"})
    put(tmp_path, "in/b.jpg")
    with Watching(planned(tmp_path, watch="in"), done) as watching:
        watching.wait_for("in/a.jpg")
        (tmp_path / "in/a.jpg").write_bytes(data)
        watching.wait_for("in/a.jpg", "in/a.jpg")
        (tmp_path / "in/b.jpg").write_bytes(data)  # an earlier start has seen another one
        watching.wait_for("in/a.jpg", "in/a.jpg", "in/b.jpg")


def test_a_folder_to_watch_must_be_there(tmp_path: Path):
    with pytest.raises(SourceError, match="expected a folder to watch, found nothing"):
        planned(tmp_path, watch="in")
