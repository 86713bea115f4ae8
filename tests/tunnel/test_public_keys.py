import pytest

from container_doors.core.errors import TunnelError
from container_doors.tunnel.public_keys import parse_host_key, parse_public_keys
from tests.pem import private_key

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
LINE = f"ssh-ed25519 {BLOB} me@laptop"


def test_a_file_of_keys_is_read_with_its_comments():
    keys = parse_public_keys(f"# mine\n{LINE}\n\nssh-ed25519 {BLOB}\n", source="a file")

    assert [key.line for key in keys] == [LINE, f"ssh-ed25519 {BLOB}"]


@pytest.mark.parametrize(
    "text",
    [
        "ssh-ed25519",
        f"ssh-rsa {BLOB}",
        "ssh-dss AAAAB3NzaC1kc3MAAAA=",
        f'command="rm -rf /" {LINE}',
        f"ssh-ed25519 {BLOB[:20]}",
        "Not Found",
    ],
    ids=["no key", "another kind", "a kind of the past", "options", "cut off", "an error page"],
)
def test_what_is_no_public_key_is_refused(text: str):
    with pytest.raises(TunnelError, match="expected a public key"):
        parse_public_keys(text, source="a file")


def test_a_private_key_is_refused_and_not_repeated():
    pasted = private_key("b3BlbnNz", kind="OPENSSH")

    with pytest.raises(TunnelError, match="must never leave its machine") as caught:
        parse_public_keys(pasted, source="the pasted key")

    assert "b3BlbnNz" not in str(caught.value)


def test_an_account_without_keys_lets_nobody_in():
    with pytest.raises(TunnelError, match="contains no public key"):
        parse_public_keys("\n", source="github.com/nobody.keys")


def test_a_comment_cannot_write_to_the_terminal():
    assert "\x1b" not in parse_public_keys(f"{LINE}\x1b[2J", source="a file")[0].line


@pytest.mark.parametrize("text", [BLOB, f"ssh-ed25519 {BLOB}"])
def test_a_host_key_is_read_with_and_without_its_kind(text: str):
    assert parse_host_key(text).line == f"ssh-ed25519 {BLOB}"


def test_a_host_key_that_was_cut_off_is_refused():
    with pytest.raises(TunnelError, match="expected a host key"):
        parse_host_key("SHA256:abc")
