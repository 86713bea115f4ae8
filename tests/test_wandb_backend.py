"""The stand-in for the W&B server, told and asked by the real client, one process per session."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.wandb_backend import KEY, Fault, RemoteRun, WandbBackend

WRONG_KEY = KEY[:-1] + "X"

# wandb-core cuts the interval and the waits to whole seconds, and takes 0 for "not set".
PRELUDE = """
import json, sys, time, wandb
settings = wandb.Settings(console="off", init_timeout=20, x_file_stream_transmit_interval=1,
    x_file_stream_retry_wait_min_seconds=1, x_file_stream_retry_wait_max_seconds=1)
def say(*values): print(json.dumps(values), flush=True)
def failure(action):
    try: action()
    except Exception as error: return [type(error).__name__, str(error)]
"""

LOG_A_RUN = """
import numpy as np
settings.x_file_stream_no_gzip = False
settings.x_stats_sampling_interval = 0.2
run = wandb.init(project="doors", id="exp1", name="before", tags=["a", "b"], notes="a note",
                 config={"lr": 1, "model": {"pretrained": False}}, settings=settings)
run.define_metric("epoch")
run.define_metric("*", step_metric="epoch")
for epoch in (1, 2, 3):
    run.log({"epoch": epoch, "val/mAP50": epoch / 10})
box = {"position": {"minX": 0.1, "maxX": 0.2, "minY": 0.1, "maxY": 0.2}, "class_id": 0}
found = {"box_data": [box], "class_labels": {0: "door"}}
run.log({"found": wandb.Image(np.zeros((8, 8, 3), "uint8"), boxes={"predictions": found})})
run.summary["best_epoch"] = 2
run.summary.update({"test": {"mAP50": 0.9}})
run.config["late"] = "yes"
time.sleep(0.5)
run.name = "after"
run.finish()
"""


def environment(backend: WandbBackend, home: Path, key: str = KEY) -> dict[str, str]:
    ours = {"WANDB_MODE": "online", "WANDB_SILENT": "true", "WANDB_DIR": str(home)}
    return {**os.environ, "HOME": str(home), **ours, **backend.environment(key)}


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", PRELUDE + script, *arguments]


def client(
    backend: WandbBackend, home: Path, script: str, *arguments: str, **more: str
) -> list[Any]:
    """Run a script in a process of its own; what it said."""
    key = more.pop("key", KEY)
    done = subprocess.run(
        command(script, *arguments),
        env={**environment(backend, home, key), **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def session(backend: WandbBackend, home: Path, script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A client to talk with meanwhile; it is killed if it outlives the block."""
    with subprocess.Popen(
        command(script),
        env=environment(backend, home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], object], *, within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def backend() -> Iterator[WandbBackend]:
    with WandbBackend(entity="team") as served:
        yield served
        assert served.unknown == []


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WandbBackend]:
    """A backend that was told one whole run, ``exp1``, by the real client."""
    with WandbBackend(entity="team") as served:
        client(served, tmp_path_factory.mktemp("client"), LOG_A_RUN)
        yield served


@pytest.fixture
def run(logged: WandbBackend) -> RemoteRun:
    return logged.runs["exp1"]


class TestALoggedRun:
    def test_has_what_it_was_opened_with(self, run: RemoteRun):
        assert (run.id, run.project, run.entity, run.notes) == ("exp1", "doors", "team", "a note")
        assert run.tags == ["a", "b"]
        assert run.config == {"lr": 1, "model": {"pretrained": False}, "late": "yes"}

    def test_has_its_rows_in_order(self, run: RemoteRun):
        assert [row["_step"] for row in run.history] == [0, 1, 2, 3]
        assert run.metric("val/mAP50") == [0.1, 0.2, 0.3]
        assert run.metric("never logged") == []

    def test_has_its_defined_metrics(self, run: RemoteRun):
        """The client sends them by numbers; ``1`` is a name, ``2`` a pattern, ``5`` an index."""
        first, second = run.wire_config["_wandb"]["value"]["m"]

        assert (first["1"], second["2"], second["5"]) == ("epoch", "*", 1)

    def test_has_its_summary(self, run: RemoteRun):
        assert run.summary["best_epoch"] == 2
        assert run.summary["test"] == {"mAP50": 0.9}
        assert run.summary["val/mAP50"] == 0.3

    def test_has_its_pictures_and_their_boxes(self, run: RemoteRun):
        (picture,) = run.metric("found")

        assert run.files[picture["path"]].startswith(b"\x89PNG")
        boxes = json.loads(run.files[picture["boxes"]["predictions"]["path"]])
        assert boxes["class_labels"] == {"0": "door"}
        assert b"pretrained: false" in run.files["config.yaml"]

    def test_has_its_system_metrics(self, run: RemoteRun):
        assert any(key.startswith("system.") for row in run.system for key in row)

    def test_was_opened_once_though_it_was_renamed(self, run: RemoteRun):
        assert (run.name, run.times_opened) == ("after", 1)

    def test_is_finished(self, run: RemoteRun):
        assert (run.state, run.exit_code) == ("finished", 0)

    def test_is_all_that_was_asked_for(self, logged: WandbBackend):
        assert logged.unknown == []
        assert logged.keys_seen == {KEY}
        assert logged.requests[0] == "UpsertBucket"
        assert logged.requests[-1] == "file_stream"
        assert "storage run/team/doors/exp1/config.yaml" in logged.requests


def test_the_public_api_reads_a_run_and_knows_what_there_is_not(
    logged: WandbBackend, tmp_path: Path
):
    script = """
api = wandb.Api(timeout=5)
run = api.run("team/doors/exp1")
say(run.state, run.lastHistoryStep, run.summary["best_epoch"], run.config, run.name)
say(api.default_entity, api.viewer.username)
say(failure(lambda: api.run("team/doors/exp2")), failure(lambda: api.run("team/gates/exp1")))
run.summary["late"] = 1
run.summary.update()
"""

    shown, account, (no_run, no_project) = client(logged, tmp_path, script)

    config = {"lr": 1, "model": {"pretrained": False}, "late": "yes"}
    assert shown == ["finished", 3, 2, config, "after"]
    assert account == ["team", "team"]
    assert no_run == ["CommError", "Could not find run <Run team/doors/exp2 (not found)>"]
    assert no_project == ["CommError", "Could not find run <Run team/gates/exp1 (not found)>"]
    assert logged.runs["exp1"].summary["late"] == 1
    assert logged.runs["exp1"].times_opened == 1
    assert logged.unknown == []


@pytest.mark.slow
def test_a_run_is_resumed_where_it_stood(backend: WandbBackend, tmp_path: Path):
    first = """
run = wandb.init(project="doors", id="exp1", config={"lr": 1}, tags=["a"], resume="allow",
                 settings=settings)
run.log({"epoch": 1})
run.log({"epoch": 2})
run.finish(exit_code=3)
"""
    second = """
run = wandb.init(project="doors", id="exp1", resume="must", settings=settings)
say(run.resumed, run.starting_step, dict(run.config), run.summary.get("epoch"), run.tags)
say(wandb.Api(timeout=5).run("team/doors/exp1").state)
run.log({"epoch": 3})
run.finish()
def again(id, resume): wandb.init(project="doors", id=id, resume=resume, settings=settings)
say(failure(lambda: again("exp1", "never")), failure(lambda: again("exp2", "must")))
"""

    client(backend, tmp_path, first)
    run = backend.runs["exp1"]
    assert (run.state, run.exit_code) == ("failed", 3)

    resumed, state, (never, must) = client(backend, tmp_path, second)

    assert resumed == [True, 2, {"lr": 1}, 2, ["a"]]
    assert state == ["running"]
    assert [(row["_step"], row["epoch"]) for row in run.history] == [(0, 1), (1, 2), (2, 3)]
    assert (run.state, run.exit_code, run.times_opened) == ("finished", 0, 2)
    assert never[0] == must[0] == "UsageError"
    assert "exp1) already exists" in never[1]
    assert "exp2) does not exist" in must[1]
    assert list(backend.runs) == ["exp1"]


def test_artifacts_are_versioned_by_their_content(backend: WandbBackend, tmp_path: Path):
    script = """
from pathlib import Path
run = wandb.init(project="doors", id="exp1", settings=settings)
def log(weights, *aliases, type="model"):
    artifact = wandb.Artifact("door", type, description="a door", metadata={"epoch": 3})
    for name, text in {"best.pt": weights, "notes/args.yaml": "the same"}.items():
        path = Path(sys.argv[1], name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        artifact.add_file(str(path), name=name)
    run.log_artifact(artifact, aliases=list(aliases)).wait(timeout=20)
    return artifact
first = log("good weights", "good")
same = log("good weights", "liked")
better = log("better weights", "good")
say(first.version, same.version, better.version, same.id == first.id)
first.aliases.append("kept")
first.metadata["seen"] = True
first.save()
say(failure(lambda: log("any weights", type="dataset")))
run.finish()
"""

    versions, (other_type,) = client(backend, tmp_path, script, str(tmp_path))

    assert versions == ["v0", "v0", "v1", True]
    assert other_type[0] == "ValueError"
    first, better = backend.runs["exp1"].artifacts
    assert (first.name, first.type, first.description) == ("door", "model", "a door")
    assert (first.state, first.version_index, first.aliases) == ("COMMITTED", 0, ["kept", "liked"])
    assert first.metadata == {"epoch": 3, "seen": True}
    assert (better.version_index, better.aliases) == (1, ["good", "latest"])
    assert first.files == {"best.pt": b"good weights", "notes/args.yaml": b"the same"}
    assert better.files == {"best.pt": b"better weights", "notes/args.yaml": b"the same"}


@pytest.mark.slow
def test_offline_segments_of_a_run_are_synced_into_one(backend: WandbBackend, tmp_path: Path):
    script = """
run = wandb.init(project="doors", id="exp1", mode="offline", config={"lr": 1}, settings=settings)
run.log({"epoch": int(sys.argv[1])})
run.finish()
"""
    for epoch in ("1", "2", "3"):
        (tmp_path / epoch).mkdir()
        client(backend, tmp_path, script, epoch, WANDB_DIR=str(tmp_path / epoch))
    assert backend.requests == []
    first, *others = (str(next(tmp_path.glob(f"{epoch}/wandb/offline-run-*"))) for epoch in "123")

    for folders in ([first], others):
        sync = [sys.executable, "-m", "wandb", "sync", *folders]
        subprocess.run(sync, env=environment(backend, tmp_path), check=True, capture_output=True)

    run = backend.runs["exp1"]
    assert (run.metric("epoch"), run.config, run.times_opened) == ([1, 2, 3], {"lr": 1}, 3)
    assert run.state == "finished"


def test_a_key_is_verified(backend: WandbBackend, tmp_path: Path):
    script = "say(failure(lambda: wandb.login(key=sys.argv[1], verify=True, relogin=True)))"

    ((good,),) = client(backend, tmp_path, script, KEY)
    ((wrong,),) = client(backend, tmp_path, script, WRONG_KEY)

    assert good is None
    assert wrong[0] == "AuthenticationError"
    assert "user is not logged in" in wrong[1]
    assert backend.keys_seen == {KEY, WRONG_KEY}
    assert len(KEY) == 86


def test_without_a_valid_key_or_in_a_stranger_s_name_no_run_is_opened(
    backend: WandbBackend, tmp_path: Path
):
    script = """
def start(): wandb.init(project="doors", entity=sys.argv[1], settings=settings)
say(failure(start))
"""

    (((kind, unauthorized),),) = client(backend, tmp_path, script, "team", key=WRONG_KEY)
    (((same_kind, forbidden),),) = client(backend, tmp_path, script, "strangers")

    assert kind == same_kind == "CommError"
    assert "not logged in" in unauthorized
    assert "permission denied" in forbidden
    assert backend.runs == {}


def test_what_an_outage_held_up_arrives_after_it(backend: WandbBackend, tmp_path: Path):
    script = """
run = wandb.init(project="doors", id="exp1", settings=settings)
say("open")
sys.stdin.readline()
for epoch in range(5): run.log({"epoch": epoch})
run.finish()
"""
    with session(backend, tmp_path, script) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        address = backend.url
        backend.stop()
        process.stdin.write(b"go on\n")
        process.stdin.flush()
        time.sleep(1)
        assert process.poll() is None
        backend.fault = Fault(status=503, only={"file_stream"})
        before = len(backend.requests)
        backend.start()
        assert backend.url == address
        until(lambda: "file_stream" in backend.requests[before:])
        assert backend.runs["exp1"].history == []
        backend.fault = None
        assert process.wait(timeout=40) == 0

    assert backend.runs["exp1"].metric("epoch") == [0, 1, 2, 3, 4]
    assert backend.runs["exp1"].state == "finished"


def ask(
    backend: WandbBackend,
    operation: str,
    variables: Mapping[str, Any] | None = None,
    key: str = KEY,
) -> Any:
    """One GraphQL request; the data of the answer."""
    document = {"query": f"query {operation} {{ x }}", "variables": variables}
    return send(f"{backend.url}/graphql", json.dumps(document).encode(), key=key)["data"]


def send(address: str, body: bytes, *, method: str = "POST", key: str = KEY) -> Any:
    request = urllib.request.Request(address, body, method=method)
    credentials = base64.b64encode(f"api:{key}".encode()).decode()
    request.add_header("Authorization", f"Basic {credentials}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def open_run(backend: WandbBackend) -> RemoteRun:
    ask(backend, "UpsertBucket", {"project": "doors", "name": "exp1"})
    return backend.runs["exp1"]


def test_lines_are_written_where_they_were_sent_and_never_shifted(backend: WandbBackend):
    run = open_run(backend)

    def write(offset: int, *steps: int) -> None:
        content = [json.dumps({"_step": step}) for step in steps]
        files = {"wandb-history.jsonl": {"offset": offset, "content": content}}
        stream = f"{backend.url}/files/team/doors/exp1/file_stream"
        send(stream, json.dumps({"files": files}).encode())

    write(0, 0, 1, 2)
    write(1, 10)
    write(5, 50)

    assert run.metric("_step") == [0, 10, 2, 50]
    status = ask(backend, "RunResumeStatus", {"project": "doors", "name": "exp1"})
    bucket = status["model"]["bucket"]
    assert bucket["historyLineCount"] == 6
    assert json.loads(bucket["historyTail"]) == ['{"_step": 50}']


def test_a_revoked_key_is_refused_everywhere(backend: WandbBackend):
    run = open_run(backend)
    sent = {"entity": "team", "project": "doors", "run": "exp1", "files": ["media/a b.txt"]}
    (file,) = ask(backend, "CreateRunFiles", sent)["createRunFiles"]["files"]
    send(file["uploadUrl"], b"before", method="PUT")

    backend.valid_keys = {WRONG_KEY}

    stream = f"{backend.url}/files/team/doors/exp1/file_stream"
    for address in (file["uploadUrl"], stream, f"{backend.url}/graphql"):
        method = "PUT" if "storage" in address else "POST"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            send(address, b'{"query": "query Viewer { x }"}', method=method)
    assert run.files == {"media/a b.txt": b"before"}
    assert ask(backend, "Viewer", key=WRONG_KEY)["viewer"]["entity"] == "team"


def test_a_fault_strikes_what_it_names_and_is_listed_all_the_same(backend: WandbBackend):
    backend.fault = Fault(status=503, only=frozenset({"UpsertBucket"}))

    with pytest.raises(urllib.error.HTTPError, match="503"):
        open_run(backend)

    assert ask(backend, "Viewer")
    assert backend.runs == {}
    assert backend.requests == ["UpsertBucket", "Viewer"]


def test_a_late_answer_is_an_answer(backend: WandbBackend):
    backend.fault = Fault(delay_s=0.3)
    start = time.monotonic()

    assert ask(backend, "Viewer")

    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize("end", ["lifted", "stopped"])
def test_a_request_hangs_until_the_end_of_the_fault_and_is_then_dropped(
    backend: WandbBackend, end: str
):
    backend.fault = Fault(hang=True)
    outcome: list[type[BaseException]] = []

    def hang() -> None:
        try:
            ask(backend, "Viewer")
        except ConnectionError as error:
            outcome.append(type(error))

    asking = threading.Thread(target=hang)
    asking.start()
    until(lambda: backend.requests)
    asking.join(timeout=0.3)
    assert asking.is_alive()

    if end == "lifted":
        backend.fault = None
    else:
        backend.stop()
    asking.join(timeout=5)

    assert len(outcome) == 1
    assert not asking.is_alive()


def test_what_is_not_served_is_said_and_noted():
    with WandbBackend() as backend:
        answer = send(f"{backend.url}/graphql", b'{"query": "mutation DropTables { x }"}')
        with pytest.raises(urllib.error.HTTPError, match="404"):
            send(f"{backend.url}/elsewhere", b"")

    assert answer["data"] is None
    assert "DropTables" in answer["errors"][0]["message"]
    assert backend.unknown == ["DropTables", "POST /elsewhere"]


def test_it_can_be_served_by_hand(repository_root: Path):
    with subprocess.Popen(
        [sys.executable, "-m", "tests.loopback.wandb_backend"],
        cwd=repository_root,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        address, key = (process.stdout.readline().strip() for _ in range(2))
        url = address.removeprefix("export WANDB_BASE_URL=")
        answer = send(f"{url}/graphql", b'{"query": "query Viewer { x }"}')
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=10)

    assert (status, key) == (0, f"export WANDB_API_KEY={KEY}")
    assert answer["data"]["viewer"]["entity"] == "team"
