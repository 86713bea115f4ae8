"""Kaggle's own client, unmodified, against a Kaggle on loopback that really runs what is pushed."""

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_doors.adapters import account_health
from container_doors.adapters.kaggle import client as kaggle_client
from container_doors.adapters.kaggle import host as kaggle_host
from container_doors.adapters.kaggle import upload as kaggle_upload
from container_doors.adapters.kaggle.host import KaggleHost
from container_doors.core.errors import AbsentError, HostError, UnreachableError
from tests.fakes import FakeProgress
from tests.loopback.kaggle_api import MOST_SESSIONS, NO_PHONE, NO_QUOTA
from tests.loopback.kaggle_backend import USER, Fault, KaggleBackend, Rules
from tests.loopback.kaggle_session import TOO_LONG, can_run
from tests.loopback.kaggle_state import Dataset, KaggleState

pytestmark = pytest.mark.skipif(not can_run(), reason="no namespaces for a kernel to run in")

PROGRESS = FakeProgress()
SLUG = "doors-exp1-3f2a"
REF = f"{USER}/{SLUG}"
DATA = "doors-data-0a1b"


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KaggleBackend]:
    with KaggleBackend(tmp_path_factory.mktemp("kaggle")) as server:
        yield server


@pytest.fixture
def kaggle(
    _server: KaggleBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[KaggleBackend]:
    """A Kaggle that nobody has used before, known to this process."""
    _server.state = KaggleState(tmp_path / "kaggle")
    _server.account = _server.state.add_account(USER)
    _server.rules, _server.faults, _server.requests = Rules(), [], []
    for name, value in _server.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kaggle_upload, "_PAUSE_S", 0)
    yield _server
    for kernel in _server.state.kernels.values():
        kernel.session.kill()


@pytest.fixture
def host(kaggle: KaggleBackend) -> KaggleHost:
    return KaggleHost(pauses_s=(0,))


def a_job(folder: Path, script: str = "print('done')", slug: str = SLUG, **changed: object) -> Path:
    folder = folder / slug
    folder.mkdir(parents=True)
    (folder / "script.py").write_text(textwrap.dedent(script))
    described = {
        "id": f"{USER}/{slug}", "title": slug, "code_file": "script.py", "language": "python",
        "kernel_type": "script", "is_private": True, "enable_gpu": True, "enable_internet": True,
        "machine_shape": "NvidiaTeslaT4", "dataset_sources": [], **changed,
    }  # fmt: skip
    (folder / "kernel-metadata.json").write_text(json.dumps(described))
    return folder


def some_data(folder: Path, size: int = 300_000) -> Path:
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(os.urandom(size))
    (folder / "list.txt").write_text("data.bin\n")
    return folder


def finished(kaggle: KaggleBackend, host: KaggleHost, folder: Path, script: str) -> None:
    host.start(a_job(folder, script))
    kaggle.session(SLUG).wait()


# Who one is


def test_without_credentials_every_way_to_get_some_is_named(
    host: KaggleHost, kaggle: KaggleBackend, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("KAGGLE_API_TOKEN")

    with pytest.raises(HostError, match="there are no Kaggle credentials") as error:
        host.owner()
    for way in (
        "kaggle.com/settings", "KAGGLE_API_TOKEN", "access_token", "kaggle.json",
        "KAGGLE_USERNAME", "KAGGLE_KEY", "kaggle auth login",
    ):  # fmt: skip
        assert way in error.value.hint
    assert kaggle.names == []


@pytest.mark.parametrize("way", ["variable", "token file", "pair", "kaggle.json", "auth login"])
def test_every_way_of_the_client_logs_in(
    way: str, kaggle: KaggleBackend, monkeypatch: pytest.MonkeyPatch
):
    token, key = next(iter(kaggle.account.tokens)), kaggle.account.key
    folder = Path(os.environ["HOME"]) / ".kaggle"
    folder.mkdir()
    if way != "variable":
        monkeypatch.delenv("KAGGLE_API_TOKEN")
    if way == "token file":
        (folder / "access_token").write_text(f"{token}\n")
    elif way == "pair":
        monkeypatch.setenv("KAGGLE_USERNAME", USER)
        monkeypatch.setenv("KAGGLE_KEY", key)
    elif way == "kaggle.json":
        (folder / "kaggle.json").write_text(json.dumps({"username": USER, "key": key}))
        monkeypatch.setattr(kaggle_client.Client, "config", str(folder / "kaggle.json"))
    elif way == "auth login":
        login = {
            "refresh_token": "r", "access_token": token, "username": USER, "scopes": [],
            "access_token_expiration": "2999-01-01T00:00:00+00:00",
        }  # fmt: skip
        (folder / "credentials.json").write_text(json.dumps(login))

    host = KaggleHost(pauses_s=())
    assert host.owner() == USER
    assert host.quota() is not None


@pytest.mark.parametrize("when", ["at once", "later"])
def test_bad_credentials_are_named_and_not_quoted(
    when: str, host: KaggleHost, kaggle: KaggleBackend, capfd: pytest.CaptureFixture[str]
):
    token = os.environ["KAGGLE_API_TOKEN"]
    if when == "later":
        host.owner()
    kaggle.account.tokens.clear()

    with pytest.raises(HostError, match="does not take the credentials of KAGGLE_API_TOKEN") as it:
        host.quota()
    assert "Generate New Token" in it.value.hint
    assert token not in f"{it.value}{capfd.readouterr()}"


def test_the_import_of_the_client_asks_nobody_and_prints_nothing(kaggle: KaggleBackend):
    done = subprocess.run(
        [sys.executable, "-c", "import container_doors.adapters.kaggle.client"],
        env={**os.environ, "VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert kaggle.names == []


def test_the_doctor_says_whose_account_it_is_and_what_it_may_still_use(kaggle: KaggleBackend):
    kaggle.account.gpu_used_s = 3.5 * 3600
    assert account_health.kaggle().found == f"{USER}, 26.5 of 30 GPU hours left"

    kaggle.account.tokens.clear()
    assert account_health.kaggle().verdict == "fail"


def test_the_quota_is_in_hours_and_says_when_it_begins_anew(
    host: KaggleHost, kaggle: KaggleBackend
):
    kaggle.account.gpu_used_s = 1800

    quota = host.quota()
    assert quota is not None
    assert (quota.used_h, quota.allowed_h) == (0.5, 30.0)
    assert quota.renewed_at is not None
    assert quota.renewed_at.utcoffset() is not None


# The network


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(503), r"just now \(503\)"),
        (Fault(429), r"too many requests \(429\)"),
        (Fault(is_page=True), "answers with a page"),
        (Fault(sent_share=0.5), "closed the connection|cannot read|page"),
        pytest.param(Fault(hangs=True), "does not answer in time", marks=pytest.mark.slow),
    ],
    ids=["503", "429", "a page", "half an answer", "silence"],
)
def test_what_may_pass_is_asked_once_more_and_then_said_to_pass(
    fault: Fault,
    says: str,
    host: KaggleHost,
    kaggle: KaggleBackend,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(kaggle_client, "LONGEST_WAIT_S", 0.5)
    host.owner()
    kaggle.faults = [fault]
    assert host.quota() is not None

    fault.times = 2
    with pytest.raises(UnreachableError, match=says):
        host.quota()


def test_a_limit_of_requests_says_how_long_to_wait(host: KaggleHost, kaggle: KaggleBackend):
    host.owner()
    kaggle.faults = [Fault(429, retry_after="33", times=2)]

    with pytest.raises(UnreachableError) as error:
        host.quota()
    assert "33 s" in error.value.hint


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("http://127.0.0.1:9", "connection refused"),
        ("http://nowhere.invalid:80", r"no address here \(DNS\)"),
    ],
    ids=["refused", "no name"],
)
def test_a_dead_network_is_no_fault_of_the_credentials(
    proxy: str, says: str, host: KaggleHost, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("https_proxy", proxy)

    with pytest.raises(UnreachableError, match=says):
        host.owner()


def test_an_impostor_is_not_spoken_to(
    host: KaggleHost, kaggle: KaggleBackend, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")

    with pytest.raises(UnreachableError, match=r"not trusted \(TLS\)"):
        host.owner()
    assert kaggle.names == []


# Data sets


def test_a_data_set_is_private_and_waited_for(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.rules.dataset_polls = 2
    folder = some_data(tmp_path / "data")
    assert host.dataset_state(DATA) == "absent"

    host.send_dataset(folder, slug=DATA, title=DATA, progress=PROGRESS)

    states = [host.dataset_state(DATA) for _ in range(3)]
    assert states == ["processing", "processing", "ready"]
    assert host.dataset_is_private(DATA)
    there = kaggle.state.datasets[f"{USER}/{DATA}"].folder
    assert (there / "data.bin").read_bytes() == (folder / "data.bin").read_bytes()
    assert sorted(path.name for path in there.iterdir()) == ["data.bin", "list.txt"]


def test_a_data_set_that_became_public_or_is_shared_is_not_private(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.send_dataset(some_data(tmp_path / "a", 9), slug=DATA, title=DATA, progress=PROGRESS)
    kaggle.state.datasets[f"{USER}/{DATA}"].collaborators.append("another")
    assert not host.dataset_is_private(DATA)

    kaggle.rules.forgets_privacy = True
    host.send_dataset(
        some_data(tmp_path / "b", 9), slug="doors-b", title="doors-b", progress=PROGRESS
    )
    assert not host.dataset_is_private("doors-b")


def test_a_data_set_that_kaggle_could_not_read_has_failed(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.rules.dataset_status = "FAILED"
    host.send_dataset(some_data(tmp_path / "data", 9), slug=DATA, title=DATA, progress=PROGRESS)

    assert host.dataset_state(DATA) == "failed"


def test_an_upload_that_is_cut_is_taken_up_where_it_was_cut(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    folder = some_data(tmp_path / "data", 400_001)
    kaggle.faults = [Fault(is_cut_sending=True, only="upload", times=2)]

    host.send_dataset(folder, slug=DATA, title=DATA, progress=PROGRESS)

    there = kaggle.state.datasets[f"{USER}/{DATA}"].folder / "data.bin"
    assert there.read_bytes() == (folder / "data.bin").read_bytes()
    assert kaggle.names.count("StartBlobUpload") == 2  # one each: nothing was begun anew


@pytest.mark.parametrize("is_expired", [False, True], ids=["in time", "after it expired"])
def test_an_upload_goes_on_when_the_network_is_back(
    is_expired: bool, host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    folder = some_data(tmp_path / "data", 400_001)
    (folder / "list.txt").unlink()
    kaggle.faults = [Fault(is_cut_sending=True, only="upload"), Fault(503, only="upload", times=30)]
    with pytest.raises(UnreachableError):
        host.send_dataset(folder, slug=DATA, title=DATA, progress=PROGRESS)
    kaggle.faults = []
    for blob in kaggle.state.blobs.values():
        blob.is_expired = is_expired

    KaggleHost(pauses_s=()).send_dataset(folder, slug=DATA, title=DATA, progress=PROGRESS)

    there = kaggle.state.datasets[f"{USER}/{DATA}"].folder / "data.bin"
    assert there.read_bytes() == (folder / "data.bin").read_bytes()
    assert kaggle.names.count("StartBlobUpload") == (2 if is_expired else 1)


def test_a_data_set_whose_receipt_was_lost_is_there(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.faults = [Fault(502, is_lost=True, only="CreateDataset")]

    host.send_dataset(some_data(tmp_path / "data", 9), slug=DATA, title=DATA, progress=PROGRESS)

    assert host.dataset_state(DATA) == "ready"


def test_what_would_be_left_out_of_a_data_set_is_refused(host: KaggleHost, tmp_path: Path):
    folder = some_data(tmp_path / "data", 9)
    (folder / "inner").mkdir()

    with pytest.raises(HostError, match="inner is a folder, and would be left out"):
        host.send_dataset(folder, slug=DATA, title=DATA, progress=PROGRESS)


def test_a_data_set_of_that_name_is_not_replaced(host: KaggleHost, tmp_path: Path):
    folder = some_data(tmp_path / "data", 9)
    host.send_dataset(folder, slug=DATA, title=DATA, progress=PROGRESS)

    with pytest.raises(HostError, match="already in use"):
        host.send_dataset(folder, slug=DATA, title=DATA, progress=PROGRESS)


# Starting


def test_a_job_runs_with_its_data_at_kaggles_paths_and_none_of_the_laptops_settings(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.send_dataset(some_data(tmp_path / "data"), slug=DATA, title=DATA, progress=PROGRESS)
    script = f"""
        import json, os, pathlib
        data = pathlib.Path("/kaggle/input/datasets/{USER}/{DATA}")
        try:
            (data / "new").write_text("")
        except OSError as error:
            print(error.strerror)
        print(os.getcwd(), len((data / "data.bin").read_bytes()))
        print(json.dumps(dict(os.environ)))
        pathlib.Path("out.txt").write_text("done")
    """

    job = host.start(a_job(tmp_path, script, dataset_sources=[f"{USER}/{DATA}"]))
    kaggle.session(SLUG).wait()

    assert (job.ref, job.url) == (REF, f"https://www.kaggle.com/code/{REF}")
    lines = list(host.log(REF))
    assert lines[:2] == ["Read-only file system", "/kaggle/working 300000"]
    environment = json.loads(lines[2])
    assert not {"KAGGLE_API_TOKEN", "HTTPS_PROXY", "WANDB_MODE"} & set(environment)
    assert environment["KAGGLE_KERNEL_RUN_TYPE"] == "Batch"
    assert host.state(REF).phase == "complete"
    assert host.files(REF) == ["out.txt"]
    assert not Path("/kaggle/working").exists()


def test_no_credential_is_in_anything_that_is_sent(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.send_dataset(some_data(tmp_path / "data", 9), slug=DATA, title=DATA, progress=PROGRESS)
    host.start(a_job(tmp_path, dataset_sources=[f"{USER}/{DATA}"]))

    token = os.environ["KAGGLE_API_TOKEN"]
    for request in kaggle.requests:
        if request.name != "IntrospectToken":  # which asks whose it is
            assert token.encode() not in request.body
        if request.host == "storage.googleapis.com":
            assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (MOST_SESSIONS, "doors kaggle list"),
        (NO_QUOTA, "doors kaggle plan"),
        (NO_PHONE, "Phone verification"),
        ("The requested title is already in use by a kernel.", "another experiment's name"),
        ("Something else entirely", "open https://www.kaggle.com"),
    ],
    ids=["sessions", "quota", "phone", "name", "anything"],
)
def test_a_refused_push_is_an_error_with_a_remedy(
    said: str, remedy: str, host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.rules.refusal = said

    with pytest.raises(HostError) as error:
        host.start(a_job(tmp_path))
    assert said in error.value.problem
    assert remedy in error.value.hint
    assert not isinstance(error.value, UnreachableError)


def test_a_third_session_is_refused(host: KaggleHost, tmp_path: Path):
    for number in (1, 2):
        host.start(a_job(tmp_path, "import time; time.sleep(60)", slug=f"doors-number-{number}"))

    with pytest.raises(HostError, match="session count of 2"):
        host.start(a_job(tmp_path))


def test_an_unverified_phone_is_said(host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path):
    kaggle.account.is_phone_verified = False

    with pytest.raises(HostError, match="Phone"):
        host.start(a_job(tmp_path))


@pytest.mark.parametrize("source", ["absent", "refused"])
def test_a_job_that_would_run_without_its_data_is_ended(
    source: str, host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    if source == "refused":
        kaggle.rules.invalid_sources = {f"{USER}/{DATA}"}
        folder = kaggle.state.home / "datasets" / DATA
        folder.mkdir(parents=True)
        kaggle.state.datasets[f"{USER}/{DATA}"] = Dataset(USER, DATA, DATA, True, folder)
    job = a_job(tmp_path, "import time; time.sleep(60)", dataset_sources=[f"{USER}/{DATA}"])

    with pytest.raises(HostError, match=f"run without {USER}/{DATA}.* the job was deleted"):
        host.start(job)
    assert kaggle.state.kernels == {}


def test_a_job_that_is_not_described_as_private_is_not_sent(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    with pytest.raises(HostError, match="expected is_private: true, found False"):
        host.start(a_job(tmp_path, is_private=False))
    assert "SaveKernel" not in kaggle.names


def test_kaggles_own_answer_says_whether_a_job_is_private(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.start(a_job(tmp_path))
    assert host.is_private(REF)

    kaggle.rules.forgets_privacy = True
    host.start(a_job(tmp_path, slug="doors-exp2"))
    assert not host.is_private(f"{USER}/doors-exp2")


def test_a_start_whose_answer_was_lost_is_found_and_not_repeated(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.faults = [Fault(502, is_lost=True, only="SaveKernel")]

    assert host.start(a_job(tmp_path)).ref == REF
    assert len(kaggle.kernel(SLUG).sessions) == 1


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ([Fault(503, only="SaveKernel")], r"start .* just now \(503\)$"),
        (
            [Fault(503, only="SaveKernel"), Fault(503, only="GetKernelSessionStatus", times=2)],
            "has started is not known",
        ),
    ],
    ids=["it has not", "nobody knows"],
)
def test_a_start_without_answer_says_whether_it_began(
    faults: list[Fault], says: str, host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.faults = faults

    with pytest.raises(UnreachableError) as error:
        host.start(a_job(tmp_path))
    assert re.search(says, error.value.problem)
    assert kaggle.state.kernels == {}


# Following


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ("", "queued"), ("RUNNING", "running"), ("CANCEL_REQUESTED", "running"),
        ("COMPLETE", "complete"), ("cancelAcknowledged", "cancelled"), ("error", "failed"),
    ],
)  # fmt: skip
def test_every_state_has_a_phase(
    said: str, phase: str, host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.start(a_job(tmp_path))
    kaggle.rules.status = said

    assert host.state(REF).phase == phase


def test_a_state_that_the_client_does_not_know_is_not_made_up(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.start(a_job(tmp_path))
    kaggle.rules.status = "HIBERNATING"

    with pytest.raises(HostError, match="Kaggle's client cannot read the answer"):
        host.state(REF)


def test_a_job_that_nobody_has_is_absent(host: KaggleHost):
    with pytest.raises(AbsentError, match="there is no such thing"):
        host.state(REF)
    assert list(host.log(REF)) == []


@pytest.mark.slow
def test_a_session_that_is_too_long_is_killed_with_all_that_it_started_and_its_files_stay(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.rules.session_limit_s = 1.5
    script = """
        import pathlib, subprocess, time
        keep = "import time, pathlib\\nwhile True: time.sleep(.05); pathlib.Path('beat').touch()"
        subprocess.Popen(["python", "-c", keep], start_new_session=True)
        pathlib.Path("last.pt").write_text("epoch 3")
        print("waiting", flush=True)
        time.sleep(60)
    """
    finished(kaggle, host, tmp_path, script)

    assert host.state(REF).phase == "failed"
    assert host.state(REF).message == TOO_LONG
    assert "last.pt" in host.files(REF)
    beat = kaggle.session(SLUG).working / "beat"
    time.sleep(0.3)
    last = beat.stat().st_mtime_ns
    time.sleep(0.3)
    assert beat.stat().st_mtime_ns == last


def test_with_internet_off_a_job_has_no_network(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    script = (
        "import pathlib; print(len(pathlib.Path('/proc/net/dev').read_text().splitlines()) - 2)"
    )
    host.start(a_job(tmp_path, script, enable_internet=False))
    kaggle.session(SLUG).wait()

    assert list(host.log(REF)) == ["1"]  # lo, which is down


def test_a_log_is_read_while_it_is_written_and_again_from_the_beginning(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    script = """
        import pathlib, time
        print("epoch 1", flush=True)
        while not pathlib.Path("/kaggle/working/go").exists(): time.sleep(.02)
        print("epoch 2", flush=True)
    """
    host.start(a_job(tmp_path, script))
    lines = host.log(REF)
    assert next(lines) == "epoch 1"
    assert host.state(REF).phase == "running"

    (kaggle.session(SLUG).working / "go").touch()
    assert list(lines) == ["epoch 2"]
    assert list(host.log(REF)) == ["epoch 1", "epoch 2"]
    kaggle.session(SLUG).wait()
    assert list(host.log(REF)) == ["epoch 1", "epoch 2"]  # as it was kept


@pytest.mark.slow
def test_a_log_that_is_cut_again_and_again_is_read_whole_by_skipping(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    kaggle.rules.log_cut_s = 0.25
    script = """
        import time
        for n in range(10): print("line", n, flush=True); time.sleep(.1)
    """
    host.start(a_job(tmp_path, script))
    read: list[str] = []
    cuts = 0
    while host.state(REF).phase in {"queued", "running"}:
        for number, line in enumerate(host.log(REF)):
            read += [line] if number >= len(read) else []
        cuts += 1

    read += list(host.log(REF))[len(read) :]
    assert read == [f"line {number}" for number in range(10)]
    assert cuts > 2


@pytest.mark.slow
def test_a_log_that_is_silent_ends_rather_than_waits_for_ever(
    host: KaggleHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kaggle_client, "LONGEST_WAIT_S", 1.0)
    host.start(a_job(tmp_path, "import time; print('begun', flush=True); time.sleep(60)"))

    assert list(host.log(REF)) == ["begun"]


def test_a_log_that_cannot_be_asked_for_says_so(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.start(a_job(tmp_path))
    kaggle.faults = [Fault(503, only="log")]

    with pytest.raises(UnreachableError, match="read the log"):
        list(host.log(REF))


# What it leaves


def test_all_pages_of_files_are_listed(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kaggle_host, "_PAGE", 20)
    script = """
        import pathlib
        pathlib.Path("runs").mkdir()
        for n in range(45): pathlib.Path(f"runs/{n:02}.txt").write_text("x")
    """
    finished(kaggle, host, tmp_path, script)

    assert host.files(REF) == [f"runs/{number:02}.txt" for number in range(45)]


def an_archive(kaggle: KaggleBackend, host: KaggleHost, folder: Path) -> bytes:
    script = "import os; open('run.bin', 'wb').write(os.urandom(700_001))"
    finished(kaggle, host, folder, script)
    return (kaggle.session(SLUG).working / "run.bin").read_bytes()


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault(sent_share=0.3, only="output"), Fault(sent_share=0.5, only="output")],
        [Fault(503, only="output")],
        [Fault(403, only="output")],
        [Fault(sent_share=0.9, only="output"), Fault(403, only="output")],
    ],
    ids=["whole", "cut twice", "503", "expired", "cut and expired"],
)
def test_a_file_comes_whole_whatever_happens_on_the_way(
    faults: list[Fault], host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    content = an_archive(kaggle, host, tmp_path)
    kaggle.faults = faults
    target = tmp_path / "home" / "in" / "run.bin"

    host.download(REF, "run.bin", target, progress=PROGRESS)

    assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["run.bin"]


def test_a_cut_download_is_not_begun_anew(host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path):
    an_archive(kaggle, host, tmp_path)
    kaggle.faults = [Fault(sent_share=0.6, only="output")]

    host.download(REF, "run.bin", tmp_path / "run.bin", progress=PROGRESS)

    asked = [request for request in kaggle.requests if request.name == "output"]
    begin = [request.headers.get("range", "bytes=0-") for request in asked]
    assert begin == ["bytes=0-", f"bytes={420_000 // 65536 * 65536}-"]


@pytest.mark.parametrize(
    ("fault", "says", "kind"),
    [
        (Fault(is_page=True, only="output", times=9), "a page of HTML", HostError),
        (Fault(403, only="output", times=9), "expired", UnreachableError),
        (Fault(500, only="output", times=9), "500", UnreachableError),
        (
            Fault(sent_share=0.0, only="output", times=9),
            "interrupted|closed the connection",
            UnreachableError,
        ),
    ],
    ids=["a page", "expired", "500", "nothing at all"],
)
def test_a_page_or_a_part_never_becomes_the_file(
    fault: Fault, says: str, kind: type[HostError], host: KaggleHost, kaggle: KaggleBackend,
    tmp_path: Path,
):  # fmt: skip
    an_archive(kaggle, host, tmp_path)
    kaggle.faults = [fault]
    target = tmp_path / "run.bin"
    target.write_text("the last one")

    with pytest.raises(kind, match=says):
        host.download(REF, "run.bin", target, progress=PROGRESS)
    assert target.read_text() == "the last one"
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


def test_a_file_that_was_not_left_is_absent(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    finished(kaggle, host, tmp_path, "")

    with pytest.raises(AbsentError, match=r"has written no run\.bin"):
        host.download(REF, "run.bin", tmp_path / "run.bin", progress=PROGRESS)


# The list


def test_the_list_has_this_projects_jobs_newest_first(
    host: KaggleHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kaggle_host, "_PAGE", 2)
    for slug in ("doors-first", "another-thing", "doors-second", "doors-third"):
        host.start(a_job(tmp_path, slug=slug, enable_gpu=False))

    jobs = host.jobs("doors-")
    assert [job.ref for job in jobs] == [f"{USER}/doors-{n}" for n in ("third", "second", "first")]
    assert all(job.last_run_at is not None for job in jobs)


def test_a_deleted_job_is_over_and_gone(host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path):
    host.start(a_job(tmp_path, "import time; time.sleep(60)"))
    session = kaggle.session(SLUG)

    host.delete(REF)

    session.wait(5)
    assert host.jobs("doors-") == []


def test_a_deletion_that_kaggle_refuses_is_not_taken_for_one(
    host: KaggleHost, kaggle: KaggleBackend, tmp_path: Path
):
    host.start(a_job(tmp_path))
    kaggle.rules.takes_no_delete = "Kernel is locked"

    with pytest.raises(HostError, match="Kernel is locked"):
        host.delete(REF)


def test_what_belongs_to_others_is_not_shown(
    kaggle: KaggleBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """That the stand-in keeps what is private from others is what its privacy is worth."""
    other = kaggle.state.add_account("other")
    KaggleHost().start(a_job(tmp_path))

    monkeypatch.setenv("KAGGLE_API_TOKEN", next(iter(other.tokens)))

    with pytest.raises(AbsentError):
        KaggleHost(pauses_s=()).state(REF)
