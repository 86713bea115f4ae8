"""Runs shown to W&B: the real client and our real follower, against a server on loopback."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from container_doors.adapters.follower import FollowerProcess
from container_doors.core.records import RunRecord
from container_doors.core.run import Run
from container_doors.scenes import draw_sample
from container_doors.training.history import read_epochs
from tests.builders import a_small_dataset
from tests.fakes import FakeProgress
from tests.loopback.wandb_backend import KEY, Fault, RemoteRun, WandbBackend
from tests.loopback.wandb_state import HISTORY
from tests.test_training import command as doors_command
from tests.tracked_run import VALUES, command

FAULT = "CONTAINER_DOORS_TEST_FAULT"
"""As tests/cpu_ddp.py, which imports Ultralytics, reads it."""

WRONG_KEY = KEY[:-1] + "X"
FAST = {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1"}
"""The client sends every 15 s otherwise."""


@pytest.fixture
def backend() -> Iterator[WandbBackend]:
    with WandbBackend() as backend:
        yield backend
    assert not backend.unknown


def a_workspace(folder: Path) -> Path:
    (folder / "home").mkdir(parents=True)
    a_small_dataset(folder / "data/processed/detection")
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return a_workspace(tmp_path / "workspace")


def environment(workspace: Path, backend: WandbBackend | None, key: str = KEY) -> dict[str, str]:
    """What a person's shell holds: no WANDB_MODE, a key perhaps, a home of its own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    there = backend.environment(key) if backend else {"WANDB_BASE_URL": "http://127.0.0.1:9"}
    source = {"PYTHONPATH": str(Path(__file__).parents[1])}
    return {**ours, **source, "HOME": str(workspace / "home"), **FAST, **there}


def train(
    workspace: Path, seen: dict[str, str], name: str = "exp1", **options: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, **options), cwd=workspace, env=seen, check=False,
        capture_output=True, text=True,
    )  # fmt: skip


def doors(workspace: Path, seen: dict[str, str], *words: str, said: str | None = None):
    return subprocess.run(
        [sys.executable, "-m", "container_doors", *words], cwd=workspace, env=seen, check=False,
        capture_output=True, text=True, input=said,
    )  # fmt: skip


def until(condition: Callable[[], object], *, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def the_run(backend: WandbBackend) -> RemoteRun:
    (run,) = backend.runs.values()
    return run


def has_ended(backend: WandbBackend) -> bool:
    return bool(backend.runs) and all(run.exit_code is not None for run in backend.runs.values())


def told(workspace: Path, name: str = "exp1") -> list[dict[str, float]]:
    epochs = read_epochs(workspace / f"runs/{name}/metrics.jsonl")
    return [{"epoch": epoch.number, **epoch.metrics} for epoch in epochs]


def shown(run: RemoteRun, *names: str) -> list[dict[str, float]]:
    """Every row of the run that is an epoch, without what the client adds."""
    keys = set(names) or {"epoch", "val/mAP50-95", "train/box_loss", "perf/epoch_s"}
    rows = [row for row in run.history if "epoch" in row]
    return [{key: value for key, value in row.items() if key in keys} for row in rows]


@pytest.fixture(scope="module")
def shared_backend() -> Iterator[WandbBackend]:
    with WandbBackend() as backend:
        yield backend
    assert not backend.unknown


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_workspace(tmp_path_factory.mktemp("online"))


@pytest.fixture(scope="module")
def done(shared_workspace: Path, shared_backend: WandbBackend) -> subprocess.CompletedProcess[str]:
    done = train(shared_workspace, environment(shared_workspace, shared_backend))
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def online(done: subprocess.CompletedProcess[str], shared_backend: WandbBackend) -> RemoteRun:
    return the_run(shared_backend)


class TestARunOnline:
    """One run, looked at from several sides."""

    def test_it_says_that_it_is_online_and_why_in_one_line(
        self, done: subprocess.CompletedProcess[str]
    ):
        (line,) = [line for line in done.stdout.splitlines() if "W&B: online" in line]
        assert "because a key is in WANDB_API_KEY" in line
        assert "/team/container-id-research/runs/exp1-" in line

    def test_its_id_comes_from_the_experiment(self, online: RemoteRun, shared_workspace: Path):
        record = RunRecord.read(shared_workspace / "runs/exp1/run.json")
        assert online.id == f"exp1-{record.run_id[:8]}"
        assert (online.name, online.project, online.tags) == (
            "exp1",
            "container-id-research",
            ["test"],
        )
        assert online.times_opened == 1

    def test_every_epoch_is_there_once_as_it_is_on_disk(
        self, online: RemoteRun, shared_workspace: Path
    ):
        assert shown(online) == told(shared_workspace)
        assert [row["_step"] for row in online.history] == [1, 2, 3, 4]

    def test_it_knows_what_it_was_made_with(self, online: RemoteRun, shared_workspace: Path):
        record = RunRecord.read(shared_workspace / "runs/exp1/run.json")
        assert online.config["training"]["epochs"] == 4
        assert online.config["dataset"]["sha256"] == record.dataset.sha256
        assert online.config["code"]["commit"] == record.code.commit
        assert online.config["hardware"]["cpu"] == "a CPU"
        assert online.config["environment"]["packages"]

    def test_the_best_epoch_is_marked(self, online: RemoteRun):
        assert online.summary["best_epoch"] == 3
        assert online.summary["best/val/mAP50-95"] == max(VALUES)

    def test_the_test_scores_are_in_the_summary(self, online: RemoteRun):
        assert online.summary["test/mAP50"] == 0.995
        assert {"test/mAP50-95", "test/precision", "test/recall"} <= online.summary.keys()
        assert online.summary["test/operating/conf_threshold"] == 0.25
        assert "test/operating/false_alarms" in online.summary

    def test_plots_and_photographs_with_boxes_are_there(self, online: RemoteRun):
        (row,) = [row for row in online.history if "predictions" in row]
        assert row["predictions"]["count"] == 2
        assert "plots/training/results" in row
        boxes = [
            json.loads(online.files[name]) for name in online.files if name.endswith("boxes2D.json")
        ]
        (box,) = [box for group in boxes for box in group["box_data"] if "scores" in box]
        # The door is at x 16..48, y 6..42 of 64x48 px, in a square of 64 px with 8 px above.
        position = box["position"]
        assert position == {"minX": 0.25, "minY": 14 / 64, "maxX": 0.75, "maxY": 50 / 64}
        assert box["scores"] == {"confidence": 0.9}

    def test_the_model_is_an_artifact_that_names_its_data_and_version(
        self, online: RemoteRun, shared_workspace: Path
    ):
        (model,) = online.artifacts
        record = RunRecord.read(shared_workspace / "runs/exp1/run.json")
        assert (model.type, model.state) == ("model", "COMMITTED")
        assert (
            model.files["best.pt"] == (shared_workspace / "weights/detection/best.pt").read_bytes()
        )
        assert model.metadata["dataset_sha256"] == record.dataset.sha256
        assert model.metadata["version"] in model.aliases

    def test_it_ends_well(self, online: RemoteRun, done: subprocess.CompletedProcess[str]):
        assert (online.state, online.exit_code) == ("finished", 0)
        assert "W&B: everything was sent to" in done.stdout

    def test_the_machine_is_watched(self, online: RemoteRun):
        assert any(key.startswith("system.") for row in online.system for key in row)

    def test_its_log_is_attached(self, online: RemoteRun, shared_workspace: Path):
        log = (shared_workspace / "runs/exp1/train.log").read_bytes()
        assert b" published detection_v1.0" in online.files["train.log"]
        assert log.startswith(online.files["train.log"])

    def test_sending_it_again_sends_nothing(
        self, online: RemoteRun, shared_workspace: Path, shared_backend: WandbBackend
    ):
        again = doors(
            shared_workspace, environment(shared_workspace, shared_backend), "track", "sync", "exp1"
        )
        assert "exp1: nothing was missing" in again.stdout
        assert online.times_opened == 1

    def test_the_key_is_nowhere(
        self, online: RemoteRun, shared_workspace: Path, done: subprocess.CompletedProcess[str]
    ):
        assert KEY not in done.stdout + done.stderr + json.dumps(online.config)
        written = [path for path in shared_workspace.rglob("*") if path.is_file()]
        assert written
        assert not [path for path in written if KEY.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "exit_code", "status"),
    [
        pytest.param("failed", 1, "failed", id="an error"),
        pytest.param("killed", 137, "running", id="kill -9"),
    ],
)
def test_a_run_that_ends_badly_says_so_and_has_every_epoch(
    end: str, exit_code: int, status: str, workspace: Path, backend: WandbBackend
):
    train(workspace, environment(workspace, backend), end=end)

    until(lambda: has_ended(backend))
    run = the_run(backend)
    assert (run.state, run.exit_code) == ("failed", exit_code)
    assert shown(run) == told(workspace)
    assert (b"training failed" in run.files["train.log"]) == (end == "failed")
    assert RunRecord.read(workspace / "runs/exp1/run.json").status == status


@pytest.mark.slow
def test_begun_anew_after_a_kill_it_is_another_run(workspace: Path, backend: WandbBackend):
    seen = environment(workspace, backend)
    train(workspace, seen, end="killed")

    done = train(workspace, seen)

    assert done.returncode == 0, done.stderr
    states = sorted((run.state, len(shown(run))) for run in backend.runs.values())
    assert states == [("failed", 4), ("finished", 4)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "fault", "why"),
    [
        pytest.param(WRONG_KEY, None, "the key is refused", id="bad key"),
        pytest.param("short", None, "expected a W&B key of 40 or more", id="no key at all"),
        pytest.param(KEY, Fault(status=503), "it answers 503", id="503", marks=pytest.mark.slow),
        pytest.param(
            KEY, Fault(hang=True), "it does not answer in time", id="hang", marks=pytest.mark.slow
        ),
    ],
)
def test_what_does_not_open_costs_nothing_and_is_sent_later(
    key: str, fault: Fault | None, why: str, workspace: Path, backend: WandbBackend
):
    backend.fault = fault

    done = train(workspace, environment(workspace, backend, key))

    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "W&B: offline" in line]
    assert why in line
    assert "doors track sync exp1" in line
    assert not backend.runs
    assert key == KEY or key not in done.stdout + done.stderr
    if why != "it answers 503":  # what was recorded does not depend on the reason
        return
    backend.fault = None
    sent = doors(workspace, environment(workspace, backend), "track", "sync")
    assert sent.returncode == 0, sent.stderr
    assert "exp1: sent epochs 1 to 4, the scores, pictures and the model" in sent.stdout
    assert shown(the_run(backend)) == told(workspace)
    assert the_run(backend).state == "finished"
    assert the_run(backend).system  # recorded while it was trained


@pytest.mark.slow
def test_an_outage_of_half_a_minute_is_bridged(workspace: Path, backend: WandbBackend):
    go_on = workspace / "go on"
    argv = command("exp1", epochs=200, pause_s=0.25, held_until=go_on)
    seen = environment(workspace, backend)
    with subprocess.Popen(argv, cwd=workspace, env=seen, stdout=subprocess.PIPE, text=True) as run:
        until(lambda: backend.runs and the_run(backend).history)
        before = len(the_run(backend).history)
        backend.fault = Fault(status=503)
        go_on.touch()
        time.sleep(30)
        assert run.poll() is None, "it did not train on"
        backend.fault = None
        said, _ = run.communicate(timeout=120)

    assert run.returncode == 0
    assert before < len(told(workspace))
    assert "W&B: everything was sent to" in said
    assert shown(the_run(backend)) == told(workspace)
    assert (the_run(backend).state, the_run(backend).times_opened) == ("finished", 1)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["hang", "revoked key"])
def test_a_server_that_is_gone_at_the_end_is_not_waited_for_and_gets_the_rest_later(
    how: str, workspace: Path, backend: WandbBackend
):
    go_on = workspace / "go on"
    argv = command("exp1", epochs=30, pause_s=0.25, patience_s=15, held_until=go_on)
    seen = environment(workspace, backend)
    with subprocess.Popen(argv, cwd=workspace, env=seen, stdout=subprocess.PIPE, text=True) as run:
        until(lambda: backend.runs and the_run(backend).history)
        if how == "hang":
            backend.fault = Fault(hang=True)
        else:
            backend.valid_keys.clear()
        go_on.touch()
        until(lambda: len(told(workspace)) == 30)
        began = time.monotonic()
        said, _ = run.communicate(timeout=60)
        waited_s = time.monotonic() - began
    backend.fault = None
    backend.valid_keys.add(KEY)

    assert run.returncode == 0
    assert waited_s < 25
    assert "doors track sync exp1" in said
    assert how == "hang" or "the key is refused" in said
    sent = doors(workspace, environment(workspace, backend), "track", "sync", "exp1")
    assert sent.returncode == 0, sent.stderr
    assert shown(the_run(backend)) == told(workspace)
    assert the_run(backend).state == "finished"
    assert the_run(backend).artifacts[-1].state == "COMMITTED"


def test_without_a_key_it_is_offline_and_wandb_sync_uploads_it(
    workspace: Path, backend: WandbBackend
):
    seen = environment(workspace, backend)
    done = train(workspace, {name: value for name, value in seen.items() if value != KEY})
    assert "W&B: offline, because there is no key" in done.stdout
    (recording,) = (workspace / "runs/exp1/tracking/wandb").glob("offline-run-*")

    subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--yes", recording],
        cwd=workspace, env=seen, check=True, capture_output=True,
    )  # fmt: skip

    assert shown(the_run(backend)) == told(workspace)
    assert the_run(backend).summary["test/mAP50"] == 0.995
    assert the_run(backend).artifacts[0].state == "COMMITTED"
    assert b" published detection_v1.0" in the_run(backend).files["train.log"]
    again = doors(workspace, seen, "track", "sync", "exp1")
    assert "nothing was missing" in again.stdout


@pytest.mark.slow
def test_a_row_that_was_lost_with_its_connection_is_sent_again(
    workspace: Path, backend: WandbBackend
):
    """The summary of the last epoch had come through, and its row had not."""
    seen = environment(workspace, backend)
    train(workspace, seen, end="killed")
    until(lambda: has_ended(backend))
    rows = the_run(backend)._streams[HISTORY]
    with the_run(backend).lock:
        rows.popitem()
    assert the_run(backend).summary["epoch"] == told(workspace)[-1]["epoch"]

    sent = doors(workspace, seen, "track", "sync", "exp1")
    assert sent.returncode == 0, sent.stderr

    assert shown(the_run(backend)) == told(workspace)


@pytest.mark.slow
def test_a_follower_that_dies_costs_the_training_nothing(workspace: Path, backend: WandbBackend):
    go_on = workspace / "go on"
    argv = command("exp1", epochs=6, held_until=go_on)
    seen = environment(workspace, backend)
    with subprocess.Popen(argv, cwd=workspace, env=seen, stdout=subprocess.PIPE, text=True) as run:
        until(lambda: backend.runs)
        (follower,) = psutil.Process(run.pid).children()
        follower.kill()
        go_on.touch()
        said, _ = run.communicate(timeout=60)

    assert run.returncode == 0
    assert len(told(workspace)) == 6
    assert "tracking: its process ended with exit code -9" in said
    sent = doors(workspace, seen, "track", "sync", "exp1")
    assert sent.returncode == 0, sent.stderr
    assert shown(the_run(backend)) == told(workspace)


def test_a_run_that_is_being_trained_is_not_sent_by_anybody_else(
    workspace: Path, backend: WandbBackend
):
    argv = command("exp1", epochs=100, held_until=workspace / "for ever")
    seen = environment(workspace, backend)
    with subprocess.Popen(argv, cwd=workspace, env=seen, stdout=subprocess.DEVNULL) as run:
        until(lambda: backend.runs)
        began = time.monotonic()
        sent = doors(workspace, seen, "track", "sync", "exp1")
        took_s = time.monotonic() - began
        run.kill()

    assert sent.returncode == 2
    assert "is being trained or sent by another process" in sent.stderr
    assert took_s < 20
    until(lambda: has_ended(backend))


@pytest.mark.slow
def test_what_is_damaged_stops_nothing_else(workspace: Path, backend: WandbBackend):
    seen = environment(workspace, backend)
    for name in ("exp1", "exp2", "exp3"):
        train(workspace, seen, name, mode="offline")
    (workspace / "runs/exp1/run.json").write_text("{")
    (workspace / "runs/exp2/tracking/wandb.json").write_text("{")

    sent = doors(workspace, seen, "track", "sync")

    assert sent.returncode == 2
    assert "runs/exp1/run.json cannot be read" in sent.stderr
    assert "Traceback" not in sent.stderr
    assert {run.name for run in backend.runs.values()} == {"exp2", "exp3"}
    for run in backend.runs.values():
        assert shown(run) == told(workspace, run.name or "")


@pytest.mark.slow
def test_a_recording_that_was_cut_off_is_made_again(workspace: Path, backend: WandbBackend):
    """The machine dies: trainer, follower and client at once, before anything was written."""
    argv = command("exp1", epochs=400, held_until=workspace / "for ever", mode="offline")
    seen = environment(workspace, backend)
    with subprocess.Popen(argv, cwd=workspace, env=seen, stdout=subprocess.PIPE) as run:
        recordings = workspace / "runs/exp1/tracking/wandb"
        until(lambda: list(recordings.glob("offline-run-*/*.wandb")))
        everybody = psutil.Process(run.pid).children(recursive=True)
        for process in everybody:
            process.send_signal(signal.SIGKILL)
        run.kill()
    psutil.wait_procs(everybody, timeout=10)

    sent = doors(workspace, seen, "track", "sync", "exp1")
    assert sent.returncode == 0, sent.stderr

    assert sent.returncode == 0, sent.stderr
    assert shown(the_run(backend)) == told(workspace)
    assert (the_run(backend).state, the_run(backend).exit_code) == ("failed", 137)


def followed_to_the_end(run: Run, seen: dict[str, str]) -> str:
    progress = FakeProgress()
    follower = FollowerProcess(seen)
    follower.start(run, progress=progress)
    follower.finish(exit_code=0)
    return "\n".join(progress.lines)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_full_disk_in_the_folder_of_the_trackers_is_said_and_nothing_is_lost(
    mode: str, workspace: Path, backend: WandbBackend, monkeypatch: pytest.MonkeyPatch
):
    """The follower's part alone, on a disk of its own; the record is on it and is whole."""
    seen = environment(workspace, backend)
    train(workspace, seen, mode="disabled")
    record = json.loads((workspace / "runs/exp1/run.json").read_text())
    record["params"]["wandb"]["mode"] = mode
    disk = workspace / "full/runs"
    disk.mkdir(parents=True)
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    mounted = subprocess.run(mounting, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copytree(workspace / "runs/exp1", disk / "exp1")
        (disk / "exp1/run.json").write_text(json.dumps(record))
        with contextlib.suppress(OSError):
            (disk / "filler").write_bytes(b"x" * 2**20)

        monkeypatch.chdir(workspace / "full")
        said = followed_to_the_end(Run("exp1"), seen)

        assert "doors track sync exp1" in said
        assert "its process ended with exit code" not in said
        (disk / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        sent = doors(workspace / "full", seen, "track", "sync", "exp1")
        assert sent.returncode == 0, sent.stderr
        assert shown(the_run(backend)) == told(workspace)
        assert the_run(backend).artifacts[0].state == "COMMITTED"
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.slow
def test_a_follower_is_started_by_a_training_and_by_nobody_else(
    workspace: Path, backend: WandbBackend
):
    seen = environment(workspace, backend)
    train(workspace, seen)

    done = doors(workspace, seen, "track", "follow", "runs/exp1")

    assert done.returncode == 2
    assert "only a training can start this command" in done.stderr
    assert the_run(backend).state == "finished"


def test_a_disabled_run_is_shown_to_nobody(workspace: Path, backend: WandbBackend):
    done = train(workspace, environment(workspace, backend), mode="disabled")

    assert "W&B: disabled, because detection.wandb.mode is disabled" in done.stdout
    assert not backend.requests
    assert not (workspace / "runs/exp1/tracking").exists()


@pytest.mark.slow
def test_a_disabled_run_is_sent_by_its_name_only(workspace: Path, backend: WandbBackend):
    seen = environment(workspace, backend)
    train(workspace, {**seen, "WANDB_MODE": "disabled"})
    train(workspace, seen, "exp2")

    doors_said = doors(workspace, seen, "track", "sync")

    assert doors_said.returncode == 0, doors_said.stderr
    assert "exp1: not sent, because its tracking is disabled" in doors_said.stdout
    assert the_run(backend).name == "exp2"
    assert doors(workspace, seen, "track", "sync", "exp1").returncode == 0
    assert {run.name for run in backend.runs.values()} == {"exp1", "exp2"}


@pytest.mark.slow
def test_a_misspelt_name_sends_nothing(workspace: Path, backend: WandbBackend):
    seen = environment(workspace, backend)
    train(workspace, seen, mode="offline")

    done = doors(workspace, seen, "track", "sync", "exp1", "exp9")

    assert done.returncode == 2
    assert "no run 'exp9'" in done.stderr
    assert not backend.runs


def test_the_key_is_in_no_argument_while_it_trains(workspace: Path, backend: WandbBackend):
    go_on = workspace / "go on"
    argv = command("exp1", epochs=6, held_until=go_on)
    seen = environment(workspace, backend)
    with subprocess.Popen(argv, cwd=workspace, env=seen, stdout=subprocess.DEVNULL) as run:
        until(lambda: backend.runs)
        family = psutil.Process(run.pid).children(recursive=True)
        arguments = [" ".join(process.cmdline()) for process in family]
        go_on.touch()
    assert any("wandb-core" in line for line in arguments)
    assert not any(KEY in line for line in arguments)


class TestLogin:
    def test_a_good_key_is_kept_where_every_program_finds_it(
        self, workspace: Path, backend: WandbBackend
    ):
        seen = environment(workspace, backend, key="")
        netrc = workspace / "home/.netrc"

        done = doors(workspace, seen, "track", "login", said=f"{KEY}\n")

        assert done.returncode == 0, done.stderr
        assert KEY in netrc.read_text()
        assert netrc.stat().st_mode & 0o077 == 0
        assert KEY not in done.stdout + done.stderr
        assert f"a key is in {netrc}" in train(workspace, seen).stdout

    @pytest.mark.parametrize(
        ("typed", "complaint"),
        [
            pytest.param(WRONG_KEY, "refuses the key", id="refused"),
            pytest.param("short", "expected a W&B key of 40 or more", id="short"),
            pytest.param("", "expected a W&B key of 40 or more", id="nothing"),
        ],
    )
    def test_a_bad_key_is_not_kept(
        self, typed: str, complaint: str, workspace: Path, backend: WandbBackend
    ):
        seen = environment(workspace, backend, key="")

        done = doors(workspace, seen, "track", "login", said=f"{typed}\n")

        assert done.returncode == 2
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr
        assert not (workspace / "home/.netrc").exists()


@pytest.mark.slow
def test_syncing_without_a_key_or_a_run_is_explained(workspace: Path, backend: WandbBackend):
    seen = environment(workspace, backend, key="")
    nothing = doors(workspace, seen, "track", "sync")
    assert nothing.returncode == 2
    assert "no run in runs" in nothing.stderr
    train(workspace, seen)

    no_key = doors(workspace, seen, "track", "sync")

    assert no_key.returncode == 2
    assert "there is no key" in no_key.stderr
    assert "doors track login" in no_key.stderr
    absent = doors(workspace, environment(workspace, backend), "track", "sync", "exp9")
    assert absent.returncode == 2
    assert "exp9" in absent.stderr


@pytest.mark.slow
def test_a_run_taken_elsewhere_goes_on_as_the_same_run(workspace: Path, backend: WandbBackend):
    """Only what a checkpoint carries is there: run.json and metrics.jsonl, no tracker's files."""
    seen = environment(workspace, backend)
    train(workspace, seen, end="killed")
    until(lambda: has_ended(backend))
    elsewhere = a_workspace(workspace.with_name("elsewhere"))
    shutil.copytree(
        workspace / "runs/exp1", elsewhere / "runs/exp1", ignore=shutil.ignore_patterns("tracking")
    )
    with (elsewhere / "runs/exp1/metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            '{"epoch": 5, "val/mAP50-95": 0.5, "train/box_loss": 0.2, "perf/epoch_s": 0.1}\n'
        )

    sent = doors(elsewhere, environment(elsewhere, backend), "track", "sync", "exp1")

    assert "exp1: sent epochs 5 to 5" in sent.stdout, sent.stderr
    assert shown(the_run(backend)) == told(elsewhere)


class TestRealTraining:
    """With Ultralytics, a few steps long."""

    @pytest.fixture
    def workspace(self, tmp_path: Path, repository_root: Path) -> Path:
        (tmp_path / "home").mkdir()
        shutil.copy(repository_root / "params.yaml", tmp_path)
        draw_sample(
            tmp_path / "data/processed/detection", counts={"train": 8, "val": 4, "test": 4}, seed=1
        )
        return tmp_path

    @pytest.mark.slow
    def test_killed_and_resumed_it_is_one_run_without_a_lost_or_doubled_epoch(
        self, workspace: Path, backend: WandbBackend
    ):
        seen = environment(workspace, backend)
        longer = ("detection.training.epochs=6",)
        argv = doors_command("train", "--experiment", "exp1", overrides=longer)
        with subprocess.Popen(argv, cwd=workspace, env=seen, stdout=subprocess.PIPE) as training:
            until(lambda: epochs_on_disk(workspace) >= 3, within_s=120)
            training.kill()
        until(lambda: has_ended(backend))
        assert the_run(backend).state == "failed"

        argv = doors_command("train", "--resume", "--experiment", "exp1", overrides=longer)
        done = subprocess.run(
            argv, cwd=workspace, env=seen, check=False, capture_output=True, text=True
        )

        assert done.returncode == 0, done.stderr
        run, epochs = the_run(backend), told(workspace)
        assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4, 5, 6]
        assert shown(run, *epochs[0]) == epochs
        assert (run.state, run.times_opened) == ("finished", 2)
        record = RunRecord.read(workspace / "runs/exp1/run.json")
        assert record.resumed_after in ([3], [4])
        assert record.status == "finished"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("fault", "epochs", "end"),
        [
            pytest.param("", [1, 2], ("finished", 0), id="well"),
            pytest.param("raise", [1], ("failed", 1), id="a worker crashes"),
        ],
    )
    def test_several_workers_are_one_run(
        self,
        fault: str,
        epochs: list[int],
        end: tuple[str, int],
        workspace: Path,
        backend: WandbBackend,
    ):
        seen = environment(workspace, backend) | {FAULT: fault}
        done = subprocess.run(
            [sys.executable, "-m", "tests.tracked_ddp", "exp1"],
            cwd=workspace, env=seen, check=False, capture_output=True, text=True,
        )  # fmt: skip

        assert done.returncode == (1 if fault else 0), done.stderr
        assert [epoch["epoch"] for epoch in told(workspace)] == epochs
        run = the_run(backend)
        assert [row["epoch"] for row in run.history if "epoch" in row] == epochs
        assert ("the second worker has had enough" in done.stderr) == bool(fault)
        assert ((run.state, run.exit_code), run.times_opened) == (end, 1)


def epochs_on_disk(workspace: Path) -> int:
    path = workspace / "runs/exp1/metrics.jsonl"
    return len(told(workspace)) if path.exists() else 0
