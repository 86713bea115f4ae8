"""What programs see of a person's environment, by the one table there is."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from container_doors.core.child_environment import (
    COMPUTE,
    REMOTES,
    TOOLS,
    environment_for,
    full_environment,
    hide_secrets,
    is_secret_name,
    remote_schemes,
)
from container_doors.core.errors import ConfigError
from tests.markers import SECRETS

NO_SECRETS = {"PASSWORD", "PASSWORD_STORE_DIR", "SSH_PUBLIC_KEY", "WANDB_IDENTITY_TOKEN_FILE"}
"""A word, a key for everybody, and the paths of a folder and a file."""

PROXY = "http://me:proxy-password@proxy.example.org:3128"


@pytest.fixture(autouse=True)
def _everything_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in SECRETS:
        monkeypatch.setenv(name, f"marker-of-{name}")
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


def configured(folder: Path, *urls: str) -> Path:
    (folder / ".dvc").mkdir(parents=True)
    lines = [f"['remote \"r{number}\"']\n    url = {url}\n" for number, url in enumerate(urls)]
    (folder / ".dvc/config").write_text("".join(lines))
    return folder


def secrets_of(tool: str, directory: Path) -> set[str]:
    return SECRETS.keys() & environment_for(tool, directory).keys()


@pytest.mark.parametrize("tool", [*TOOLS, "any-other"])
def test_a_program_sees_its_own_secrets_and_no_other(tool: str, tmp_path: Path):
    assert secrets_of(tool, tmp_path) == {name for name, whose in SECRETS.items() if whose == tool}


@pytest.mark.parametrize("scheme", REMOTES)
def test_dvc_sees_the_secrets_of_its_remote_s_kind_alone(scheme: str, tmp_path: Path):
    inside = configured(tmp_path / "repository", f"{scheme}://there/x") / "data/deep"
    inside.mkdir(parents=True)

    assert secrets_of("dvc", inside) == {
        name for name, whose in SECRETS.items() if whose == f"dvc:{scheme}"
    }


def test_dvc_with_a_folder_for_a_remote_sees_none(tmp_path: Path):
    assert secrets_of("dvc", configured(tmp_path / "repository", "../storage")) == set()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config/dvc/config", '[remote "a"]\nurl=s3://b\n'),
        ("repository/.dvc/config.local", "['remote \"a\"']\n\turl = 'S3://b/c'\n"),
        ("DVC_GLOBAL_CONFIG_DIR/config", '["remote \\"a\\""]\nurl = "s3://b"\n'),
        ("DVC_SYSTEM_CONFIG_DIR/config", "['remote \"a\"']\n    url = s3://b\n"),
    ],
)
def test_a_remote_is_found_wherever_dvc_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
):
    if file.startswith("config/"):
        monkeypatch.delenv("DVC_GLOBAL_CONFIG_DIR")
    configured(tmp_path / "repository")
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)

    assert remote_schemes(tmp_path / "repository", full_environment()) == {"s3"}


@pytest.mark.parametrize("tool", [*TOOLS, "any-other"])
def test_a_proxy_s_password_is_for_who_uses_the_network(tool: str, tmp_path: Path):
    found = environment_for(tool, tmp_path).get("HTTPS_PROXY")

    assert found == (PROXY if tool in TOOLS and TOOLS[tool].network else None)


@pytest.mark.parametrize(
    ("tool", "names"),
    [
        ("any-other", ["PATH", "HOME", "LANG", "LC_CTYPE", "TMPDIR", "TERM", "XDG_CACHE_HOME",
                       "CONDA_PREFIX", "CONDA_EXE", "VIRTUAL_ENV", "PYENV_ROOT", "PYENV_VERSION",
                       "PYTHONPATH", "LD_LIBRARY_PATH", "ASDF_DATA_DIR", "SYSTEMROOT"]),
        ("git", ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_ASKPASS",
                 "GIT_SSH_COMMAND", "GIT_AUTHOR_NAME", "SSH_AUTH_SOCK", "GNUPGHOME", "GPG_TTY",
                 "HTTPS_PROXY", "SSL_CERT_FILE", "DBUS_SESSION_BUS_ADDRESS", "PRE_COMMIT_HOME"]),
        ("dvc", ["DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR", "GIT_CONFIG_GLOBAL",
                 "REQUESTS_CA_BUNDLE", "HTTPLIB2_CA_CERTS", "no_proxy"]),
        ("wandb", ["WANDB_MODE", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE", "NETRC",
                   "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "SSL_CERT_FILE"]),
        ("trainer", ["CUDA_VISIBLE_DEVICES", "NCCL_DEBUG", "OMP_NUM_THREADS", "TORCH_HOME",
                     "PYTORCH_CUDA_ALLOC_CONF", "MKL_NUM_THREADS", "YOLO_CONFIG_DIR"]),
        ("ssh", ["SSH_AUTH_SOCK", "DISPLAY", "TERM", "HTTPS_PROXY"]),
        ("ssh-keygen", ["SSH_AUTH_SOCK"]),
        ("nvidia-smi", ["CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"]),
    ],
)  # fmt: skip
def test_what_a_program_needs_on_somebody_s_machine_is_passed(
    tool: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in names:
        monkeypatch.setenv(name, "x")

    assert set(names) <= environment_for(tool, tmp_path).keys()


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("s3://b", ["AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE"]),
        ("azure://b", ["AZURE_STORAGE_ACCOUNT", "AZURE_CLIENT_SECRET"]),
        ("gs://b", ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"]),
        ("ssh://h/b", ["SSH_AUTH_SOCK"]),
        ("hdfs://h/b", ["HADOOP_HOME", "JAVA_HOME", "KRB5CCNAME"]),
    ],
)
def test_what_dvc_needs_for_a_cloud_is_passed(
    url: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in names:
        monkeypatch.setenv(name, "x")

    assert set(names) <= environment_for("dvc", configured(tmp_path / "r", url)).keys()


def test_one_more_is_passed_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CONTAINER_DOORS_PASS", "SOMETHING, git:HF_TOKEN git:KAGGLE_*")

    assert "SOMETHING" in environment_for("nvidia-smi", tmp_path)
    assert {"SOMETHING", "HF_TOKEN", "KAGGLE_KEY"} <= environment_for("git", tmp_path).keys()
    assert "HF_TOKEN" not in environment_for("wandb", tmp_path)


@pytest.mark.parametrize("value", ["A=B", "gti:HF_TOKEN", "git:", "A;B"])
def test_what_names_no_variable_is_refused(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONTAINER_DOORS_PASS", value)

    with pytest.raises(ConfigError, match="CONTAINER_DOORS_PASS: expected names of variables"):
        environment_for("git")


PUT_AWAY = """
import os, sys, json
from collections.abc import Sequence
from pathlib import Path
from container_doors.core.child_environment import environment_for, hide_secrets
def block(): return Path("/proc/self/environ").read_bytes().decode()
with hide_secrets():
    forked = os.fork()
    if not forked:
        print(json.dumps([block(), dict(os.environ)]), flush=True)
        os._exit(0)
    os.waitpid(forked, 0)
    inside = environment_for("wandb")["WANDB_API_KEY"]
print(json.dumps([inside, os.environ["WANDB_API_KEY"], os.environ["KEPT"]]))
"""


def test_a_process_that_computes_has_no_secret_in_its_environment(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", PUT_AWAY],
        env=full_environment() | {"KEPT": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    forked, after = done.stdout.splitlines()

    assert "KEPT" in forked
    assert "SOMETHING" in forked  # which is called and looks like no secret
    for name in SECRETS.keys() - {"SOMETHING", "PIP_INDEX_URL"}:
        assert f"marker-of-{name}" not in forked
    assert "proxy-password" not in forked
    assert json.loads(after) == ["marker-of-WANDB_API_KEY", "marker-of-WANDB_API_KEY", "x"]


def test_what_was_put_away_is_still_hidden_in_messages():
    from container_doors.adapters.shell import redacted

    with hide_secrets():
        assert redacted("no marker-of-HF_TOKEN") == "no ***"


def test_every_secret_that_the_sources_name_is_one_of_these(repository_root: Path):
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("src", "scripts")
        for path in (repository_root / folder).rglob("*.py")
    ]
    named = {name for text in sources for name in re.findall(r'"([A-Z][A-Z0-9_]{3,})"', text)}

    assert {name for name in named if is_secret_name(name)} == NO_SECRETS | SECRETS.keys() & named


def test_the_documentation_shows_the_table(repository_root: Path):
    text = (repository_root / "docs/security.md").read_text(encoding="utf-8")

    for row in (*documented_tools(), *documented_remotes()):
        assert row in text.splitlines()


def documented_tools() -> list[str]:
    return [
        f"| {tool} | {'yes' if needs.network else ''} | {listed(needs.own)} | "
        f"{listed(needs.general)} |"
        for tool, needs in TOOLS.items()
    ]


def documented_remotes() -> list[str]:
    return [f"| `{scheme}://` | {listed(names)} |" for scheme, names in REMOTES.items()]


def listed(names: Sequence[str]) -> str:
    of_a_group = set(COMPUTE) <= set(names)
    own = [name for name in names if not (of_a_group and name in COMPUTE)]
    return ", ".join([*(f"`{name}`" for name in own), *(["compute"] if of_a_group else [])])
