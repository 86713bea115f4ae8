"""Credentials under any name: ignored by git where guides name them, refused where they are not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pem import private_key

SAVED = (
    "gdrive.json",
    "secrets/any-name.txt",
    "client.json",
    "client_secret_1234-abc.apps.googleusercontent.com.json",
    "my-project-427310-0123abc456de.json",
    "project-id-0123abc.json",
    "service_account.json",
    "my-service-account.json",
    "credentials.json",
    "application_default_credentials.json",
    "kaggle.json",
    "access_token",
    "token.json",
    "drive_token.json",
    ".env",
    ".env.local",
    ".netrc",
    "_netrc",
    ".git-credentials",
    ".pypirc",
    "tunnel.pem",
    "id_ed25519",
)
KEPT = ("params.yaml", "tokenizer.json", ".env.example", "reports/metrics.json", "results-1.json")
CONTENTS = {
    "a service account": {"type": "service_account", "private_key": private_key("no key")},
    "an OAuth client": {"installed": {"client_id": "1", "client_secret": "s" * 24}},
    "a person's consent": {"type": "authorized_user", "refresh_token": "1//abc"},
    "Kaggle's": {"username": "someone", "key": "0" * 32},
    "W&B's": {"any": "wandb_v1_" + "a" * 77},
}


@pytest.mark.parametrize("folder", [".", "data", "notebooks"])
def test_what_guides_tell_to_save_is_ignored_by_git(
    folder: str, tmp_path: Path, repository_root: Path
):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    shutil.copy(repository_root / ".gitignore", tmp_path)

    def is_ignored(name: str) -> bool:
        asked = ["git", "check-ignore", "--quiet", "--no-index", f"{folder}/{name}"]
        return subprocess.run(asked, cwd=tmp_path, check=False).returncode == 0

    assert [name for name in SAVED if not is_ignored(name)] == []
    assert [name for name in KEPT if is_ignored(name)] == []


def refused(repository_root: Path, *paths: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, repository_root / "scripts/refuse_credentials.py", *paths],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_commit_of_credentials_is_refused_under_any_name(
    content: dict[str, object], tmp_path: Path, repository_root: Path
):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content))

    done = refused(repository_root, path)

    assert done.returncode == 1
    assert f"error: '{path}' looks like credentials" in done.stdout
    assert "hint: git rm --cached" in done.stdout
    assert "s" * 24 not in done.stdout


HEX, MIXED = "0a" * 20, "aB3" * 14
WRITTEN = {
    "netrc": f"machine api.wandb.ai\n  login user\n  password {HEX}\n",
    "netrc in a line": f"machine github.com login me account x password {'k3y' * 4}",
    "an environment": f"export WANDB_API_KEY={HEX}",
    "a notebook": json.dumps({"source": [f'os.environ["WANDB_API_KEY"] = "{HEX}"\n']}),
    "a default in code": f"environ.setdefault('KAGGLE_KEY', '{HEX[:32]}')",
    "a settings file": f"wandb:\n  api_key: {HEX}\n",
    "a command": f"wandb login --relogin {HEX}",
    "a call": f'wandb.login(key="{HEX}")',
    "Kaggle's with words around it": f'my key: {{"username":"me","key":"{HEX[:32]}"}}',
    "AWS'": f"aws_secret_access_key = {MIXED}",
    "an OAuth client's": f'config = {{"client_secret": "{MIXED}"}}',
    "Google's refresh": f"refresh: 1//0{MIXED}",
    "Google's access": f'token = {{"access_token":"ya29.{MIXED}"}}',
    "git-credentials": f"https://me:{HEX}@git.example.org",
    "PGP's": private_key("no key", kind="PGP").replace("KEY-----", "KEY BLOCK-----"),
    "PuTTY's": "PuTTY-User-Key-" + "File-3: ssh-ed25519",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_was_pasted_into_any_file_is_refused(
    encoding: str, tmp_path: Path, repository_root: Path
):
    paths = [tmp_path / f"{number}.txt" for number in range(len(WRITTEN) + len(CONTENTS))]
    texts = [*WRITTEN.values(), *map(json.dumps, CONTENTS.values())]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding=encoding)

    said = refused(repository_root, *paths).stdout

    assert [text for path, text in zip(paths, texts, strict=True) if f"'{path}'" not in said] == []
    assert HEX not in said


SPOKEN = (
    "WANDB_API_KEY=your-key-goes-here", "export WANDB_API_KEY=$(cat key)", "WANDB_API_KEY: null",
    "machine api.wandb.ai login user password <your key>", "password YOUR_API_KEY",
    "machine x login me password $PASSWORD", 'wandb_key = secrets.get_secret("WANDB_API_KEY2")',
    "kaggle_token = read_the_token_of_version_2(path)", f"wandb: commit {HEX}", f"sha256: {HEX}",
    f'keys = {{"key": "{HEX}"}}', "https://user:password@example.org", "KAGGLE_KEY=" + "x" * 32,
)  # fmt: skip


def test_what_stands_for_a_key_is_none(tmp_path: Path, repository_root: Path):
    (tmp_path / "guide.md").write_text("\n\n".join(SPOKEN))

    assert refused(repository_root, tmp_path / "guide.md").stdout == ""


def test_code_and_documents_that_speak_of_keys_are_not(tmp_path: Path, repository_root: Path):
    spoken = tmp_path / "module.py"
    spoken.write_text('SECRETS = {"private_key": 1, "refresh_token": 2}')
    harmless = tmp_path / "model-0123abc.json"
    harmless.write_text('{"client_secret": "", "key": "a", "metrics": [1, 2]}')
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository_root, capture_output=True, text=True, check=True
    )
    ours = [repository_root / name for name in listed.stdout.split("\0") if name]

    assert refused(repository_root, spoken, harmless, *ours).stdout == ""


def test_each_commit_and_the_gate_ask(repository_root: Path):
    config = yaml.safe_load((repository_root / ".pre-commit-config.yaml").read_text())
    entries = [hook.get("entry", "") for one in config["repos"] for hook in one["hooks"]]

    assert [one for one in entries if one.endswith("scripts/refuse_credentials.py")]
    assert "scripts/refuse_credentials.py" in (repository_root / ".ci/run").read_text()
