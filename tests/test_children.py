"""What our programs really hand to those that they start: a marker is in every secret variable.

Each is started as our code starts it, and is the real one: a stand-in in front of it notes what it
was started with, or the system is asked while it lives.
"""

import importlib.util
import os
import platform
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from container_doors.adapters import machine
from container_doors.adapters.cloudflared.tunnel import CloudflaredTunnel
from container_doors.adapters.dvc.command import Dvc
from container_doors.adapters.dvc.remote import DvcRemote
from container_doors.adapters.git.repository import GitRepository, run_git
from container_doors.adapters.google_consent import open_browser
from container_doors.adapters.ssh.client import SshClient
from container_doors.core.errors import TunnelError
from container_doors.data import pool
from tests.adapters.cloudflared.test_tunnel import install as install_cloudflared
from tests.loopback.git_server import GitServer
from tests.loopback.wandb_backend import WandbBackend
from tests.markers import (
    StandIns,
    Started,
    Watch,
    marked_environment,
    marker_of,
    markers_in,
    real,
    whole_environment,
)
from tests.signing import Desk
from tests.ssh import make_key, public
from tests.test_tracking import a_workspace
from tests.test_tunnel import opened
from tests.tiny import tiny_data
from tests.tracked_run import command as tracked_run

PROXY = {"HTTPS_PROXY"}
GIT = {"GCM_CREDENTIAL_STORE", *PROXY}
WANDB = {"WANDB_API_KEY", *PROXY}
ORDINARY = {"SOMETHING"}
"""Looks like no secret, and stays where a library starts a program of its own accord."""

SESSION = {
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_KEY", "DVC_SERVICE_ACCOUNT_JSON", "GDRIVE_CREDENTIALS_DATA", "GIT_TOKEN",
    "GOOGLE_API_KEY", "OSS_ACCESS_KEY_SECRET", "WANDB_API_KEY", *PROXY, *ORDINARY,
}  # fmt: skip
"""What DVC's remotes, W&B and git there need."""

ADDRESS = "PASSWORD_OF_THE_ADDRESS"


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """Programs that note, in front of PATH; each secret is set."""
    made = StandIns(tmp_path / "watched")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CONTAINER_DOORS_PASS", raising=False)
    for name, value in marked_environment().items():
        monkeypatch.setenv(name, value)
    return made


def check(started: list[Started], own: set[str]) -> None:
    """See that each has no secret but these, and that one of them had them all."""
    seen = [markers_in(one.environment) for one in started]
    assert seen, "it was not started"
    assert set().union(*seen) == own
    assert not markers_in([word for one in started for word in one.argv])


def git_over_http(folder: Path, stand_ins: StandIns) -> None:
    """Fetch and push with a password in the address; the helper lies where git says."""
    real_git = real("git")
    programs = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip())
    ours = folder / "git-core"
    ours.mkdir()
    for program in programs.iterdir():
        (ours / program.name).symlink_to(program)
    password = marker_of(ADDRESS)
    for arguments in (
        ["init", "--quiet", "--bare", "--initial-branch=main", "served/a.git"],
        ["-C", "served/a.git", "config", "http.receivepack", "true"],
        ["clone", "--quiet", "served/a.git", "work"],
        ["-C", "work", "commit", "--quiet", "--allow-empty", "--message", "One"],
        ["-C", "work", "push", "--quiet", "origin", "HEAD"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    stand_ins.add("git", real_git)
    stand_ins.add("git-remote-http", f'exec {programs}/git-remote-http "$@"', folder=ours)
    with GitServer(folder / "served", user="me", password=password) as server:
        address = f"http://me:{password}@{server.host}/a.git"
        run_git(folder / "work", "config", "remote.origin.url", "http://nowhere/a.git")
        config = folder / "work/.git/config"
        config.write_text(config.read_text().replace("http://nowhere/a.git", address))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_EXEC_PATH", str(ours))
            assert GitRepository(folder / "work").fetch().name == "origin/main"
            pushed = run_git(folder / "work", "push", "origin", "HEAD:refs/heads/other")
            assert pushed.exit_code == 0, pushed.stderr


def dvc_with(url: str) -> Callable[[Path, StandIns], None]:
    def start(folder: Path, stand_ins: StandIns) -> None:
        """Add, push and pull; of a remote elsewhere the configuration is read, and no more."""
        beside = Path(sys.executable)
        program = stand_ins.add("dvc", f'exec {beside.with_name("dvc")} "$@"')
        stand_ins.add("python", f'exec {beside} "$@"')
        work = folder / "work"
        (work / ".dvc").mkdir(parents=True)
        (work / ".dvc/config").write_text(
            f"[core]\n    no_scm = true\n    remote = s\n['remote \"s\"']\n    url = {url}\n"
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CONTAINER_DOORS_DVC", str(program))
            if "://" in url:
                assert Dvc(work).run("remote", "list").exit_code == 0
                return
            (work / "best.pt").write_text("weights")
            Dvc(work).run_checked("track it", "add", "best.pt")
            for verb in ("push", "pull"):
                Dvc(work).transfer(verb, [Path("best.pt.dvc")])
            DvcRemote(work).probe()

    return start


def signature(folder: Path, stand_ins: StandIns) -> None:
    desk = Desk(folder)
    stand_ins.add("ssh-keygen", real("ssh-keygen"))
    (folder / "document").write_text("of a model")
    desk.signatures.sign(folder / "document", namespace="container-doors-model")


def ssh_through_cloudflared(folder: Path, stand_ins: StandIns) -> None:
    """Neither gets through: there is no tunnel."""
    stand_ins.add("ssh", real("ssh"))
    stand_ins.add("cloudflared", "exit 1")
    client = SshClient(folder / "ssh")
    client.connect("a.trycloudflare.com", public(make_key(folder, "host")),
                   cloudflared=str(stand_ins.folder / "cloudflared"))  # fmt: skip
    with pytest.raises(TunnelError, match="failed or was lost"):
        client.run("true", terminal=False)


def tunnel(folder: Path, stand_ins: StandIns) -> None:
    (folder / "edge").mkdir()
    carrying = install_cloudflared(folder, folder / "edge")
    program = stand_ins.add("cloudflared", f'exec {carrying} "$@"')
    with CloudflaredTunnel(str(program), folder / "t", port=9) as opening:
        opening.open()


def driver(folder: Path, stand_ins: StandIns) -> None:
    stand_ins.add("nvidia-smi", "echo 570.86.15")
    assert machine._driver() == "570.86.15"


def processor(folder: Path, stand_ins: StandIns) -> None:
    """Python itself asks for it."""
    stand_ins.add("uname", real("uname"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform, "_uname_cache", None)
        patch.setattr(platform, "_platform_cache", {})
        machine.describe_environment()


def browser(folder: Path, stand_ins: StandIns) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWSER", str(stand_ins.add("browser", "exit 0")))
        patch.setattr(webbrowser, "_tryorder", None)
        assert open_browser("http://127.0.0.1:9/")


def fonts(folder: Path, stand_ins: StandIns) -> None:
    """Any command, of the first run on a machine: Matplotlib looks for fonts."""
    stand_ins.add("fc-list", "exit 1")
    subprocess.run(
        [sys.executable, "-m", "container_doors", "track", "show", "nothing"], cwd=folder,
        env=os.environ | {"MPLCONFIGDIR": str(folder / "mpl")}, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("start", "sees"),
    [
        pytest.param(git_over_http, {"git": {*GIT, ADDRESS}, "git-remote-http": {*GIT, ADDRESS}},
                     id="git and its remote helper"),
        pytest.param(dvc_with("../remote"), {"dvc": PROXY, "python": PROXY}, id="dvc with a folder",
                     marks=pytest.mark.slow),
        pytest.param(dvc_with("s3://bucket"), {"dvc": {*PROXY, "AWS_SECRET_ACCESS_KEY",
                                                       "AWS_SESSION_TOKEN"}}, id="dvc with s3"),
        pytest.param(signature, {"ssh-keygen": set()}, id="ssh-keygen"),
        pytest.param(ssh_through_cloudflared, {"ssh": PROXY, "cloudflared": PROXY}, id="ssh"),
        pytest.param(tunnel, {"cloudflared": PROXY}, id="cloudflared"),
        pytest.param(driver, {"nvidia-smi": set()}, id="nvidia-smi"),
        pytest.param(processor, {"uname": ORDINARY}, id="uname"),
        pytest.param(browser, {"browser": PROXY | ORDINARY}, id="a browser"),
        pytest.param(fonts, {"fc-list": PROXY | ORDINARY}, id="fc-list"),
    ],
)  # fmt: skip
def test_a_program_has_its_own_secrets_and_no_other(
    start: Callable[[Path, StandIns], None],
    sees: dict[str, set[str]],
    tmp_path: Path,
    stand_ins: StandIns,
):
    start(tmp_path, stand_ins)

    for program, own in sees.items():
        check(stand_ins.started(program), own)
    assert not markers_in(stand_ins.argv())


@pytest.fixture
def installer(repository_root: Path) -> ModuleType:
    script = repository_root / "scripts/install_locked.py"
    spec = importlib.util.spec_from_file_location("install_locked", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_installer_s_uv_and_pip_have_the_index_s_password_alone(
    installer: ModuleType, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
):
    stand_ins.add("uv", "echo uv 99.0.0")
    python = stand_ins.add("python", 'test "$3" = --version')
    installer.export(installer.find_uv(), without=[])
    monkeypatch.setattr(installer, "OLDEST_UV", (100,))
    monkeypatch.setattr(sys, "executable", str(python))

    with pytest.raises(installer.InstallError, match="could not be installed"):
        installer.find_uv()

    check(stand_ins.started("uv"), {"PIP_INDEX_URL", *PROXY})
    check(stand_ins.started("python"), {"PIP_INDEX_URL", *PROXY})
    assert [one.argv[:3] for one in stand_ins.started("python") if "install" in one.argv]


def test_processes_that_read_photographs_have_no_secret(stand_ins: StandIns):
    seen = pool.spread(whole_environment, range(2), workers=2, on_progress=lambda *_: None)

    assert [markers_in(environment) for environment in seen] == [ORDINARY, ORDINARY]


@pytest.mark.slow
def test_w_and_b_s_client_and_its_service_have_its_key_alone(
    tmp_path: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
):
    """In the process beside a training, and in ``doors track login`` and ``sync``."""
    workspace = a_workspace(tmp_path / "workspace")
    for name in ("git", "uname"):
        stand_ins.add(name, real(name))
    monkeypatch.delenv("WANDB_MODE")
    key = marker_of("WANDB_API_KEY")
    path = f"{stand_ins.add_python()}{os.pathsep}{Path(__file__).parents[1]}"
    doors = [sys.executable, "-m", "container_doors", "track"]
    services = []
    with WandbBackend() as backend:
        backend.valid_keys = {key}
        seen = os.environ | backend.environment(key) | {"PYTHONPATH": path}
        for command in (tracked_run("exp1"), [*doors, "sync", "exp1"], [*doors, "login"]):
            with Watch() as watch:
                done = subprocess.run(command, cwd=workspace, env=seen, input=f"{key}\n", text=True,
                                      capture_output=True, check=False)  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            services.append(watch.started("wandb-core"))
            assert not markers_in(watch.argv())

    followers = [one for one in stand_ins.started("python") if "follow" in one.argv]
    check(followers, WANDB)
    beside, *ours = services
    check(beside, WANDB)
    for started in ours:
        check(started, WANDB | ORDINARY)
    for program in ("git", "uname"):
        asked = [markers_in(one.environment) for one in stand_ins.started(program)]
        assert set().union(*asked) <= WANDB | ORDINARY
    assert not markers_in(stand_ins.argv())


TRAINING = """
import sys
from pathlib import Path
from container_doors.adapters.yolo.engine import Engine
from container_doors.adapters.yolo.trainer import YoloTrainer
from container_doors.core.records import StartingWeights
from container_doors.core.run import Run
from container_doors.training.recorder import Recorder
from tests.tiny import Printing, tiny_params

class WithLoaders(Engine):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.args.workers = 2  # Ultralytics has none of them on a processor

run = Run("a", root=Path(sys.argv[1]))
run.directory.mkdir(parents=True)
YoloTrainer(vendor_trainer=WithLoaders).train(
    tiny_params(epochs=1, cache="none"), run, data_yaml=Path(sys.argv[2]),
    listener=Recorder(run, epochs=1, progress=Printing()), weights=StartingWeights(source="random"),
)
"""


def trained(command: list[str], folder: Path, repository_root: Path, *rest: str) -> Watch:
    data_yaml = tiny_data(folder / "data")
    with Watch() as watch:
        subprocess.run(
            [sys.executable, *command, str(folder / "runs"), str(data_yaml), *rest],
            cwd=repository_root, check=True, capture_output=True,
        )  # fmt: skip
    return watch


@pytest.mark.slow
def test_loaders_of_a_training_have_no_secret(
    tmp_path: Path, stand_ins: StandIns, repository_root: Path
):
    watch = trained(["-c", TRAINING], tmp_path, repository_root)

    check(watch.forked(), ORDINARY)
    assert not markers_in(watch.argv())


@pytest.mark.slow
def test_workers_of_several_gpus_have_no_secret(
    tmp_path: Path, stand_ins: StandIns, repository_root: Path
):
    watch = trained(["-m", "tests.cpu_ddp"], tmp_path, repository_root, "1")

    check(watch.started("yolo.workers", "torch.distributed.run"), set())
    check(watch.started("_temp_"), set())
    assert not markers_in(watch.argv())


@pytest.mark.slow
def test_a_way_in_and_its_sessions_have_what_training_there_needs(
    tmp_path: Path, stand_ins: StandIns
):
    key = make_key(tmp_path, "mine")
    stand_ins.add("ssh-keygen", real("ssh-keygen"))
    with Watch() as watch, opened(tmp_path, tmp_path, {}, key) as session:
        shown = session.ssh("kaggle-training", "cat /proc/self/environ").stdout

    assert markers_in(shown) == SESSION
    check(watch.started("ssh.aftermath"), set())
    check(watch.started("sshd: "), set())
    check(watch.started("cloudflared", "--metrics"), PROXY)
    check(stand_ins.started("ssh-keygen"), set())
    assert not markers_in(watch.argv())
