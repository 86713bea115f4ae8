import json
import subprocess
import sys
from pathlib import Path

import pytest

from container_doors.adapters.shell import call, call_for_bytes, redacted
from container_doors.core.errors import MissingToolError


def test_what_a_program_said_is_kept(tmp_path: Path):
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"

    done = call([sys.executable, "-c", code], cwd=tmp_path, hint="")

    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_an_argument_is_never_a_command(tmp_path: Path):
    done = call(
        [sys.executable, "-c", "import sys; print(sys.argv[1])", "$(touch x); `touch x`"],
        cwd=tmp_path,
        hint="",
    )

    assert done.stdout == "$(touch x); `touch x`\n"
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_asks_gets_no_answer():
    """Not even when somebody could type one."""
    code = (
        "import sys; from pathlib import Path; from container_doors.adapters.shell import call; "
        "asks = [sys.executable, '-c', 'input()']; "
        "print(call(asks, cwd=Path(), hint='', timeout_s=60).stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], input="typed\n", check=True, capture_output=True, text=True
    )

    assert "EOFError" in done.stdout


def test_a_program_that_hangs_is_killed(tmp_path: Path):
    with pytest.raises(TimeoutError, match="did not end within 0 s"):
        call(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            cwd=tmp_path,
            hint="",
            timeout_s=0.3,
        )


def test_a_program_that_is_not_there_is_named_with_the_way_to_get_it(tmp_path: Path):
    with pytest.raises(MissingToolError, match="cannot run no-such-program") as caught:
        call(["no-such-program"], cwd=tmp_path, hint="install it")

    assert caught.value.hint == "install it"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("at https://user:pass@example.org/x", "at https://***@example.org/x"),
        ("at https://ghp_token@github.com/x.git", "at https://***@github.com/x.git"),
        ("see https://example.org/@me", "see https://example.org/@me"),
        ("mail me@example.org", "mail me@example.org"),
        ("'https://x.org/d?sv=1&sig=a%2Fb' fails", "'https://x.org/d?sv=1&sig=***' fails"),
        ("at s3://b/x?X-Amz-Security-Token=abc&a=b", "at s3://b/x?X-Amz-Security-Token=***&a=b"),
        ("azure://AccountName=a;AccountKey=b;x", "azure://AccountName=a;AccountKey=***;x"),
        ("see https://example.org/code?version=7", "see https://example.org/code?version=7"),
    ],
)
def test_the_credentials_of_an_url_are_hidden(said: str, shown: str):
    assert redacted(said) == shown


def test_what_the_environment_keeps_secret_is_hidden(monkeypatch: pytest.MonkeyPatch):
    credentials = {"type": "x", "client_id": "public", "refresh_token": "1//0refresh"}
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", json.dumps(credentials))
    monkeypatch.setenv("WANDB_API_KEY", "wandb_v1_abcdefgh")
    monkeypatch.setenv("SOME_TOKEN", "true")

    text = f"{json.dumps(credentials)} 1//0refresh wandb_v1_abcdefgh public true"

    assert redacted(text) == "*** *** *** public true"


def test_credentials_too_long_for_a_path_are_hidden_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
):
    """A service account's key is 1,700 characters; a name in a file system has at most 255."""
    key = "M" * 1700
    monkeypatch.setenv("GDRIVE_CREDENTIALS_DATA", json.dumps({"private_key": key}))

    assert redacted(f"bad key {key}") == "bad key ***"


def test_the_path_of_a_credentials_file_is_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "drive.json").touch()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "drive.json"))

    assert redacted(f"no {tmp_path / 'drive.json'}") == f"no {tmp_path / 'drive.json'}"


def test_a_program_sees_its_own_of_our_environment_with_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_KEPT", "ours")
    monkeypatch.setenv("XDG_HIDDEN", "ours")
    monkeypatch.setenv("ANYTHING", "ours")
    monkeypatch.setenv("LANGUAGE", "de:en")
    names = ["XDG_KEPT", "XDG_HIDDEN", "ANYTHING", "ADDED", "LC_ALL", "LANGUAGE"]
    code = f"import os, json; print(json.dumps([os.environ.get(name) for name in {names}]))"

    done = call(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        hint="",
        environment={"XDG_HIDDEN": None, "ADDED": "new"},
    )

    assert json.loads(done.stdout) == ["ours", None, None, "new", "C.UTF-8", ""]


def test_what_a_program_wrote_as_data_is_kept_to_the_byte_and_its_complaints_hide_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOME_PASSWORD", "hunter2hunter2")
    code = (
        "import sys; given = sys.stdin.buffer.read(); sys.stdout.buffer.write(given); "
        "sys.stderr.buffer.write(given)"
    )
    data = b"ssh://git@host/x hunter2hunter2 \xff\r\n\r\0"

    done = call_for_bytes([sys.executable, "-c", code], cwd=tmp_path, hint="", given=data)

    assert done.stdout == data
    assert done.stderr == "ssh://***@host/x *** \ufffd\n\n\0"
