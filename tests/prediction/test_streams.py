"""Frames of videos and cameras."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from container_doors.core.predictions import Frame
from container_doors.data.convert_pictures import UnreadablePictureError
from container_doors.prediction.streams import (
    StreamLostError,
    TakenFrame,
    frame_count,
    masked,
    stream_frames,
    video_frames,
)
from tests.predicting import MotionJpeg, put_video

LEVELS = [20, 60, 110, 160, 210]


def until_it_fails(frames: Iterator[TakenFrame]) -> tuple[list[TakenFrame], Exception | None]:
    taken: list[TakenFrame] = []
    try:
        for one in frames:
            taken.append(one)  # noqa: PERF402 - list() would lose what came before the error
    except (UnreadablePictureError, StreamLostError) as error:
        return taken, error
    return taken, None


def numbers(frames) -> list[int]:
    return [one.frame.index for one in frames]


@pytest.mark.parametrize("name", ["a.avi", "Tür 1.avi", "a%02d.avi"])
def test_every_nth_frame_of_a_video_is_decoded_with_its_time(name: str, tmp_path: Path):
    video = put_video(tmp_path / name, LEVELS)

    taken = list(video_frames(video, every=2))

    assert frame_count(video) == 5
    assert [one.frame for one in taken] == [
        Frame(index=0, time_s=0.0),
        Frame(index=2, time_s=0.2),
        Frame(index=4, time_s=0.4),
    ]
    assert [int(one.bgr[0, 0, 0]) for one in taken] == pytest.approx(LEVELS[::2], abs=3)
    assert numbers(video_frames(video, every=1, after=2)) == [3, 4]


def test_a_name_that_is_no_utf_8_is_opened(tmp_path: Path):
    video = put_video(tmp_path / "a.avi", LEVELS).rename(tmp_path / "T\udcfcr.avi")

    assert numbers(video_frames(video, every=1)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "content", [b"", b"hello" * 100, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"]
)
def test_what_is_no_video_says_so(content: bytes, tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(content)

    with pytest.raises(UnreadablePictureError, match="expected a video, found nothing that can be"):
        list(video_frames(tmp_path / "a.mp4", every=1))


def test_opencv_and_ffmpeg_log_nothing(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"hello" * 100)
    places = [tmp_path / "a.mp4", "rtsp://admin:s3cret@127.0.0.1:9/", "http://a:s3cret@127.0.0.1:9"]
    script = (
        "from pathlib import Path, PosixPath\n"
        "from container_doors.prediction.streams import _opened\n"
        f"for where in {places!r}:\n"
        "    with _opened(where) as video: assert not video.isOpened()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )  # FFmpeg is told once in a process, and another test may have been first

    assert (done.stdout, done.stderr) == ("", "")


def test_a_video_that_ends_early_is_damaged_and_its_frames_are_taken(tmp_path: Path):
    whole = put_video(tmp_path / "whole.avi", [90] * 60).read_bytes()
    (tmp_path / "half.avi").write_bytes(whole[: len(whole) // 2])

    taken, error = until_it_fails(video_frames(tmp_path / "half.avi", every=1))

    assert 10 < len(taken) < 40
    assert isinstance(error, UnreadablePictureError)
    assert str(error) == f"it can be decoded up to frame {len(taken) - 1}, and announces 60 frames"


def test_a_stream_that_breaks_is_opened_again_with_longer_pauses_then_given_up(
    capfd: pytest.CaptureFixture[str],
):
    said: list[str] = []
    with MotionJpeg([LEVELS, LEVELS]) as camera:
        frames = stream_frames(
            camera.address,
            every=1,
            after=None,
            stop=Event(),
            say=said.append,
            delays_s=(0.01, 0.02, 0.04),
        )
        taken, error = until_it_fails(frames)

    assert isinstance(error, StreamLostError)
    assert str(error) == "it cannot be opened after 3 more attempts"
    assert numbers(taken) == list(range(len(taken)))
    assert len(taken) > len(LEVELS), "frames of both connections"
    assert all(one.is_live for one in taken)
    times = [one.frame.time_s for one in taken]
    assert times == sorted(times)
    assert [line.partition("again in ")[2] for line in said] == [
        "0.01 s (attempt 1 of 3)",
        "0.01 s (attempt 1 of 3)",
        "0.02 s (attempt 2 of 3)",
        "0.04 s (attempt 3 of 3)",
    ]
    printed = "".join(said) + "".join(capfd.readouterr())
    assert "s3cret" not in printed
    assert "t0ken" not in printed


def test_a_stream_goes_on_after_the_last_frame_of_an_earlier_start_and_stops_when_asked():
    stop = Event()
    with MotionJpeg([[90] * 1000]) as camera:
        taken: list[TakenFrame] = []
        for one in stream_frames(
            camera.address,
            every=2,
            after=Frame(index=6, time_s=12.0),
            stop=stop,
            say=print,
        ):
            taken.append(one)
            if len(taken) == 3:
                stop.set()

    assert numbers(taken) == [8, 10, 12]
    assert all(one.frame.time_s >= 12 for one in taken)


def test_a_pause_ends_when_it_is_stopped():
    stop = Event()
    began = time.monotonic()
    frames = stream_frames(
        "http://127.0.0.1:9/",
        every=1,
        after=None,
        stop=stop,
        say=lambda _: stop.set(),
        delays_s=(60.0,),
    )

    assert list(frames) == []
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://10.0.0.5:554/live", "rtsp://10.0.0.5:554/live"),
        ("rtsp://admin@10.0.0.5/live", "rtsp://admin@10.0.0.5/live"),
        ("rtsp://admin:s3cret@10.0.0.5/live", "rtsp://admin:***@10.0.0.5/live"),
        ("rtsp://admin:s3c@ret@10.0.0.5/live", "rtsp://admin:***@10.0.0.5/live"),
        ("rtsp://admin:s3/c?r#et@10.0.0.5/live", "rtsp://admin:***@10.0.0.5/live"),
        ("rtsp://admin:s3cret@[fe80::1]:554/live", "rtsp://admin:***@[fe80::1]:554/live"),
        (
            "http://host:8080/a?user=me&pwd=s3cret&size=2",
            "http://host:8080/a?user=me&pwd=***&size=2",
        ),
        ("http://host/a?mail=me@example.org", "http://host/a?mail=me@example.org"),
        ("RTSP://admin:s3cret@host", "RTSP://admin:***@host"),
        ("rtsp://admin:12345@host", "rtsp://admin:***@host"),
        ("rtsp://admin:123/45@host", "rtsp://admin:***@host"),
        ("rtsp://admin:p@ss/w@rd@host/a", "rtsp://admin:***@host/a"),
        ("http://host:80/a?mail=me@example.org", "http://host:***@example.org"),
        ("photos/a@b.jpg", "photos/a@b.jpg"),
    ],
)
def test_a_password_is_masked(address: str, shown: str):
    assert masked(address) == shown
