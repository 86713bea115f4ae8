"""git's secrets: a real git, a server that asks for a password, and all arguments that there are.

git's own trace names each program that it starts, and with what arguments.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_doors.adapters.git.repository import GitRepository
from container_doors.core.errors import VersioningError
from tests.loopback.git_server import GitServer

USER, PASSWORD = "me@example.org", "p%w \\d'\"$HOME"
QUOTED = "me%40example.org:p%25w%20%5Cd%27%22%24HOME"
MARKS = ("me%40", "me@", "p%25", "p%w", "%24HOME")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    folder = tmp_path_factory.mktemp("served")
    git(folder, "init", "--bare", "--initial-branch=main", "a.git")
    with GitServer(folder, user=USER, password=PASSWORD) as serving:
        git(folder, "clone", "a.git", "work")
        for message in ("One", "Two"):
            git(folder / "work", "commit", "--allow-empty", "--message", message)
        git(folder / "work", "push", "origin", "HEAD")
        yield serving


@pytest.fixture
def clone(tmp_path: Path, server: GitServer) -> Path:
    """One that follows the server's branch, and lacks its last commit."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", server.folder / "a.git", folder)
    git(folder, "reset", "--hard", "HEAD~1")
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(folder, "remote", "set-url", "origin", f"http://{server.host}/a.git")
    return folder


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    return tmp_path / "trace"


def git(folder: Path, *arguments: str | Path) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def fetch(clone: Path) -> None:
    assert GitRepository(clone).fetch().commit is not None


def arguments_in(trace: Path) -> str:
    text = trace.read_text("utf-8")
    assert "git-remote-http" in text
    return text


def test_a_password_in_the_remote_s_address_is_in_no_argument(
    clone: Path, server: GitServer, trace: Path
):
    git(clone, "remote", "set-url", "origin", f"http://{QUOTED}@{server.host}/a.git")
    trace.unlink()

    fetch(clone)

    assert not [mark for mark in MARKS if mark in arguments_in(trace)]


def test_nor_is_one_that_the_person_s_configuration_puts_there(
    clone: Path, server: GitServer, trace: Path
):
    """As in ``git config url."https://TOKEN@github.com/".insteadOf https://github.com/``."""
    git(clone, "config", f"url.http://{QUOTED}@{server.host}/.insteadOf", f"http://{server.host}/")
    trace.unlink()

    fetch(clone)

    assert not [mark for mark in MARKS if mark in arguments_in(trace)]


TOKEN = "t0ken-" * 4
ASKING = """#!/bin/sh
echo "$*" >> {}
printf '%s\\n' "$MY_PAT"
"""


@pytest.fixture(scope="module")
def by_token(server: GitServer) -> Iterator[GitServer]:
    """The same repositories, for who has a token in place of a name."""
    with GitServer(server.folder, user=TOKEN, password="") as serving:
        yield serving


def test_a_token_in_place_of_a_name_is_in_no_argument(
    clone: Path, by_token: GitServer, trace: Path
):
    git(clone, "remote", "set-url", "origin", f"http://{TOKEN}@{by_token.host}/a.git")
    trace.unlink()

    fetch(clone)

    assert TOKEN not in arguments_in(trace)


@pytest.mark.parametrize("named_by", ["GIT_ASKPASS", "core.askPass", "SSH_ASKPASS"])
def test_a_name_that_may_be_a_token_is_in_no_question(
    clone: Path, server: GitServer, trace: Path, monkeypatch: pytest.MonkeyPatch, named_by: str
):
    """The program that answers is a person's own, and its question is its argument."""
    script = trace.with_name("askpass")
    script.write_text(ASKING.format(trace.with_name("asked")))
    script.chmod(0o755)
    monkeypatch.setenv("MY_PAT", PASSWORD)
    if "." in named_by:
        git(clone, "config", named_by, script)
        git(clone, "config", "credential.helper", '!: "$MY_PAT" #')
    else:
        monkeypatch.setenv(named_by, str(script))
    git(clone, "remote", "set-url", "origin", f"http://me%40example.org@{server.host}/a.git")
    trace.unlink()

    fetch(clone)

    assert trace.with_name("asked").read_text() == f"Password for 'http://{server.host}/a.git': \n"
    assert not [mark for mark in ("me@", "me%40") if mark in arguments_in(trace)]


def test_the_password_of_an_ssh_address_goes_nowhere(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """ssh takes none from its arguments; git would show it there as a part of the name."""
    stand_in = tmp_path / "ssh"
    stand_in.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/arguments\nexit 255\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("GIT_SSH", str(stand_in))
    git(clone, "remote", "set-url", "origin", f"ssh://me:{TOKEN}@host.invalid:2222/a.git")

    with pytest.raises(VersioningError) as caught:
        GitRepository(clone).fetch()

    arguments = (tmp_path / "arguments").read_text()
    assert "me@host.invalid" in arguments
    assert "2222" in arguments
    assert TOKEN not in arguments + str(caught.value)


def test_a_password_with_signs_of_an_address_in_it_is_in_no_argument(
    clone: Path, server: GitServer, trace: Path
):
    """``#``, ``?`` and ``@`` should be written as %23, %3F and %40, and often are not."""
    raw = f"http://me%40example.org:p%25w#?@{TOKEN}@{server.host}/a.git"
    git(clone, "remote", "set-url", "origin", raw)
    trace.unlink()

    with pytest.raises(VersioningError) as caught:
        GitRepository(clone).fetch()

    assert not [mark for mark in (*MARKS, TOKEN) if mark in arguments_in(trace) + str(caught.value)]


def test_what_a_partial_clone_fetches_by_the_way_shows_no_password(
    server: GitServer, trace: Path, tmp_path: Path
):
    """Any command may fetch there what it reads."""
    (server.folder / "work/file").write_text("content")
    git(server.folder / "work", "add", "file")
    git(server.folder / "work", "commit", "--message", "Three")
    git(server.folder / "work", "push", "origin", "HEAD")
    for allowed in ("allowFilter", "allowAnySHA1InWant"):
        git(server.folder / "a.git", "config", f"uploadpack.{allowed}", "true")
    git(tmp_path, "clone", "--no-checkout", "--filter=blob:none",
        f"file://{server.folder}/a.git", "partial")  # fmt: skip
    partial = tmp_path / "partial"
    git(partial, "remote", "set-url", "origin", f"http://{QUOTED}@{server.host}/a.git")
    trace.unlink()

    assert GitRepository(partial).show("HEAD", Path("file")) == "content"

    assert not [mark for mark in MARKS if mark in arguments_in(trace)]


@pytest.mark.usefixtures("trace")
def test_no_other_helper_is_asked_where_the_address_has_the_password(
    clone: Path, server: GitServer, tmp_path: Path
):
    git(clone, "remote", "set-url", "origin", f"http://{QUOTED}@{server.host}/a.git")
    git(clone, "config", "credential.helper", f"!touch {tmp_path}/asked; echo password=wrong #")

    fetch(clone)

    assert not (tmp_path / "asked").exists()


def test_the_settings_that_the_environment_holds_already_stay(
    clone: Path, server: GitServer, monkeypatch: pytest.MonkeyPatch
):
    git(clone, "remote", "set-url", "origin", f"http://{QUOTED}@{server.host}/elsewhere.git")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "remote.origin.proxy")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "http://127.0.0.1:9")

    with pytest.raises(VersioningError, match="port 9"):
        GitRepository(clone).fetch()


@pytest.mark.parametrize(
    "helper",
    [
        '!f() { echo "username=$DOORS_TEST_USER"; echo "password=${DOORS_TEST_TOKEN}"; }; f',
        "!gh auth git-credential",
    ],
    ids=["names its variables", "gh"],
)
def test_the_person_s_own_helper_sees_what_it_reads(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helper: str
):
    """Without it, git finds no password, and no other secret comes along."""
    (tmp_path / "gh").write_text(
        '#!/bin/sh\nprintf "username=%s\\npassword=%s\\n" "me@example.org" "$GITHUB_TOKEN"\n'
        f"env > {tmp_path}/environment\n"
    )
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOORS_TEST_USER", USER)
    monkeypatch.setenv("DOORS_TEST_TOKEN", PASSWORD)
    monkeypatch.setenv("GITHUB_TOKEN", PASSWORD)
    monkeypatch.setenv("WANDB_API_KEY", "marker")
    git(clone, "config", "credential.helper", helper)

    fetch(clone)

    if (tmp_path / "environment").exists():
        assert "marker" not in (tmp_path / "environment").read_text()


def test_a_token_that_no_helper_reads_is_not_passed(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GITHUB_TOKEN", "marker")
    git(clone, "config", "credential.helper", f"!env > {tmp_path}/environment #")

    with pytest.raises(VersioningError):
        GitRepository(clone).fetch()

    assert "PATH=" in (tmp_path / "environment").read_text()
    assert "marker" not in (tmp_path / "environment").read_text()


def test_a_script_that_answers_for_the_person_sees_what_it_names(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = tmp_path / "askpass"
    script.write_text(
        "#!/bin/sh\n"
        'case $1 in Username*) echo me@example.org;; *) printf "%s\\n" "$MY_PAT";; esac\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("GIT_ASKPASS", str(script))
    monkeypatch.setenv("MY_PAT", PASSWORD)

    fetch(clone)
