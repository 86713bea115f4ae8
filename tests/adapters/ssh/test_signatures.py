"""A signature is of these bytes, for this purpose, by a key that the list allows today."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.core.errors import (
    MissingToolError,
    NoSigningKeyError,
    SignatureError,
    VersioningError,
)
from tests.signing import Desk, new_key, public

MODEL = "container-doors-model"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return Desk(tmp_path)


@pytest.fixture
def document(desk: Desk) -> Path:
    path = desk.folder / "metadata.json"
    path.write_bytes(b'{"version": "v1"}\n')
    return path


def listed(desk: Desk, options: str = "") -> str:
    return f"alice@example.org {options}{public(desk.alice)}\n"


def test_a_signature_names_who_made_it(desk: Desk, document: Path):
    made = desk.signatures.sign(document, namespace=MODEL)

    signer = desk.signatures.signer(document, made, namespace=MODEL, allowed=listed(desk))

    assert str(signer).startswith("alice@example.org (ED25519 SHA256:")
    assert [path.name for path in document.parent.iterdir() if path.suffix == ".sig"] == []


def test_whoever_has_ssh_keygen_verifies_it_by_hand(desk: Desk, document: Path):
    made = document.with_name("metadata.json.sig")
    made.write_text(desk.signatures.sign(document, namespace=MODEL))
    allowed = document.with_name("allowed")
    allowed.write_text(listed(desk))

    subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-n", MODEL, "-I", "alice@example.org", "-f", allowed,
         "-s", made],
        input=document.read_bytes(), check=True,
    )  # fmt: skip


def test_without_a_list_the_key_alone_is_known(desk: Desk, document: Path):
    made = desk.signatures.sign(document, namespace=MODEL)

    signer = desk.signatures.signer(document, made, namespace=MODEL, allowed=None)

    assert (signer.name, signer.key[:15]) == (None, "ED25519 SHA256:")


@pytest.mark.parametrize(
    "form",
    [
        lambda desk: listed(desk, 'valid-after="20200101" '),
        lambda desk: listed(desk, f'namespaces="git,{MODEL}" '),
        lambda desk: f"bob@example.org,alice@example.org {public(desk.alice)}\n",
        lambda desk: f"*@example.org {public(desk.alice)}\n",
        lambda desk: f"# who may\n\nno key here\nbob@x {public(desk.mallory)}\n{listed(desk)}",
        lambda desk: listed(desk, 'valid-before="20200101" ') + listed(desk),
    ],
    ids=["valid", "for both", "two names", "a pattern", "among others", "renewed"],
)
def test_every_form_of_the_list_is_understood(
    form: Callable[[Desk], str], desk: Desk, document: Path
):
    made = desk.signatures.sign(document, namespace=MODEL)

    assert desk.signatures.signer(document, made, namespace=MODEL, allowed=form(desk)).name


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (lambda desk: "", "no allowed signer has its key"),
        (lambda desk: f"m@example.org {public(desk.mallory)}\n", "no allowed signer has its key"),
        (lambda desk: listed(desk, 'valid-before="20200101" '), "its key has expired"),
        (lambda desk: listed(desk, 'valid-after="20990101" '), "its key is not valid yet"),
        (
            lambda desk: listed(desk, 'namespaces="git" '),
            "its key is only allowed for other namespaces",
        ),
        (lambda desk: "\0\xff rubbish\n" * 99, "no allowed signer has its key"),
    ],
    ids=["empty", "another", "expired", "not yet", "for git alone", "rubbish"],
)
def test_a_key_that_is_not_allowed_signs_nothing(
    allowed: Callable[[Desk], str], said: str, desk: Desk, document: Path
):
    made = desk.signatures.sign(document, namespace=MODEL)

    with pytest.raises(SignatureError, match=said):
        desk.signatures.signer(document, made, namespace=MODEL, allowed=allowed(desk))


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda made: made[:-60], "it is cut off"),
        (lambda made: made[:40], "it is cut off"),
        (lambda made: "", "it is cut off"),
        (lambda made: "nothing of the kind\n" * 500, "it is cut off"),
        (lambda made: made.replace("U1NI", "U1NJ", 1), "it is cut off"),
    ],
    ids=["end", "beginning", "all", "another text", "another magic"],
)
def test_half_a_signature_is_none(
    spoil: Callable[[str], str], said: str, is_listed: bool, desk: Desk, document: Path
):
    made = spoil(desk.signatures.sign(document, namespace=MODEL))

    with pytest.raises(SignatureError, match=said):
        desk.signatures.signer(
            document, made, namespace=MODEL, allowed=listed(desk) if is_listed else None
        )


def test_a_signature_of_other_bytes_is_none(desk: Desk, document: Path):
    made = desk.signatures.sign(document, namespace=MODEL)
    document.write_bytes(document.read_bytes().replace(b"v1", b"v2"))

    for allowed in (None, listed(desk)):
        with pytest.raises(SignatureError, match="it does not match this file"):
            desk.signatures.signer(document, made, namespace=MODEL, allowed=allowed)


def test_a_signature_for_another_purpose_is_none(desk: Desk, document: Path):
    made = desk.signatures.sign(document, namespace="git")

    for allowed in (None, listed(desk)):
        with pytest.raises(SignatureError, match="it has another namespace"):
            desk.signatures.signer(document, made, namespace=MODEL, allowed=allowed)


def test_git_that_signs_with_gpg_has_no_key_for_a_model(desk: Desk, document: Path):
    desk.git("config", "gpg.format", "openpgp")

    with pytest.raises(NoSigningKeyError, match="git signs with openpgp") as caught:
        desk.signatures.sign(document, namespace=MODEL)

    assert "git config --global gpg.format ssh" in caught.value.hint


def test_git_without_a_signing_key_says_so(desk: Desk, document: Path):
    desk.git("config", "--unset", "user.signingkey")

    with pytest.raises(NoSigningKeyError, match=r"no user\.signingkey"):
        desk.signatures.sign(document, namespace=MODEL)


def is_good(desk: Desk, document: Path) -> bool:
    made = desk.signatures.sign(document, namespace=MODEL)
    allowed = listed(desk)
    return bool(desk.signatures.signer(document, made, namespace=MODEL, allowed=allowed))


def test_the_public_half_names_the_private_one_beside_it(desk: Desk, document: Path):
    desk.sign_with(f"{desk.alice}.pub")

    assert is_good(desk, document)


def test_a_key_in_the_home_folder_is_found(
    desk: Desk, document: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(desk.alice.parent))
    desk.sign_with("~/alice")

    assert is_good(desk, document)


@pytest.mark.parametrize("prefix", ["key::", ""])
def test_a_key_that_an_agent_has_signs(
    prefix: str, desk: Desk, document: Path, monkeypatch: pytest.MonkeyPatch
):
    desk.sign_with(f"{prefix}{public(desk.alice)}")
    socket = str(desk.folder / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        until = time.monotonic() + 20
        while subprocess.run(["ssh-add", "-q", desk.alice], check=False).returncode:
            assert time.monotonic() < until
        assert is_good(desk, document)
    finally:
        agent.terminate()
        agent.wait()


def lonely(desk: Desk) -> str:
    path = desk.folder / "lonely.pub"
    path.write_text(public(desk.alice))
    return str(path)


def readable_by_all(desk: Desk) -> str:
    desk.mallory.chmod(0o644)
    return str(desk.mallory)


@pytest.mark.parametrize(
    ("choose", "hint"),
    [
        (lambda desk: f"key::{public(desk.alice)}", "ssh-agent"),
        (lambda desk: str(new_key(desk.folder / "keys/locked", "a long passphrase")), "ssh-add"),
        (lambda desk: str(desk.folder / "nowhere"), "ssh-keygen -t ed25519"),
        (lonely, "ssh-add"),
        (readable_by_all, "chmod 600"),
    ],
    ids=["no agent", "a passphrase", "no such key", "no private half", "others may read it"],
)
def test_a_key_that_cannot_be_used_says_why(
    choose: Callable[[Desk], str], hint: str, desk: Desk, document: Path
):
    desk.sign_with(choose(desk))

    with pytest.raises(VersioningError, match=r"git's signing key .* cannot be used") as caught:
        desk.signatures.sign(document, namespace=MODEL)

    assert hint in caught.value.hint
    assert not isinstance(caught.value, NoSigningKeyError)


def test_nobody_is_asked_for_a_passphrase_on_a_terminal(desk: Desk, document: Path):
    desk.sign_with(str(new_key(desk.folder / "keys/locked", "a long passphrase")))
    script = (
        "import sys; from pathlib import Path\n"
        "from container_doors.adapters.ssh.signatures import SshSignatures\n"
        "SshSignatures(Path(sys.argv[1])).sign(Path(sys.argv[2]), namespace='n')\n"
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execv(
            sys.executable,
            [sys.executable, "-c", script, str(desk.folder / "work"), str(document)],
        )
    said = b""
    try:
        while chunk := os.read(terminal, 65536):
            said += chunk
    except OSError:  # Linux: the other side has closed it
        pass
    os.waitpid(process, 0)

    assert b"it has a passphrase" in said
    assert b"Enter passphrase" not in said.partition(b"cannot be used")[0]


def test_ssh_keygen_sees_no_secret(desk: Desk, document: Path, monkeypatch: pytest.MonkeyPatch):
    program = desk.folder / "op-ssh-sign"
    program.write_text('#!/bin/sh\nenv > "$0.seen"; echo "$@" > "$0.argv"; exec ssh-keygen "$@"\n')
    program.chmod(0o755)
    desk.git("config", "gpg.ssh.program", str(program))
    monkeypatch.setenv("WANDB_API_KEY", "a secret of W&B")

    assert is_good(desk, document)

    assert "a secret" not in Path(f"{program}.seen").read_text()
    assert "PRIVATE" not in Path(f"{program}.argv").read_text()


def test_a_machine_without_openssh_says_what_to_install(
    desk: Desk, document: Path, monkeypatch: pytest.MonkeyPatch
):
    made = desk.signatures.sign(document, namespace=MODEL)
    git = subprocess.run(["which", "git"], check=True, capture_output=True, text=True)
    (desk.folder / "bin").mkdir()
    (desk.folder / "bin/git").symlink_to(git.stdout.strip())
    monkeypatch.setenv("PATH", str(desk.folder / "bin"))

    with pytest.raises(MissingToolError, match="cannot run ssh-keygen") as caught:
        desk.signatures.signer(document, made, namespace=MODEL, allowed=None)
    with pytest.raises(MissingToolError, match="cannot run ssh-keygen"):
        desk.signatures.sign(document, namespace=MODEL)

    assert "openssh-client" in caught.value.hint


def test_outside_of_git_the_person_s_own_settings_count(tmp_path: Path):
    document = tmp_path / "metadata.json"
    document.write_text("{}\n")

    with pytest.raises(NoSigningKeyError, match="git signs with openpgp"):
        SshSignatures(tmp_path).sign(document, namespace=MODEL)
