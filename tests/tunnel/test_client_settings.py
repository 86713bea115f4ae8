from pathlib import Path

import pytest

from container_doors.core.errors import TunnelError
from container_doors.tunnel.client_settings import host_block, parse_address, with_include
from container_doors.tunnel.public_keys import parse_host_key
from tests.tunnel.test_public_keys import BLOB


@pytest.mark.parametrize(
    "text",
    ["x.trycloudflare.com", "https://X.trycloudflare.com", " ssh://x.trycloudflare.com/\n"],
)
def test_an_address_is_read_however_it_was_copied(text: str):
    assert parse_address(text) == "x.trycloudflare.com"


@pytest.mark.parametrize(
    "text",
    [
        "x.example.org\n  ProxyCommand rm",
        "-oProxyCommand=x.y",
        "x.example.org/path",
        "localhost",
        "https://api.trycloudflare.com",
        "x;reboot.example.org",
        "",
    ],
)
def test_what_is_no_address_never_reaches_the_settings(text: str):
    with pytest.raises(TunnelError, match="expected an address"):
        parse_address(text)


def test_the_include_comes_first_and_once():
    ours = Path("/home/me/.ssh/container-doors/config")
    once = with_include("Host work\n    User me\n", ours)

    assert once.startswith(f"Include {ours}\n")
    assert once.endswith("Host work\n    User me\n")
    assert with_include(once, ours) == once


def test_paths_with_spaces_are_one_word():
    block = host_block(
        "x.example.org",
        host_key=parse_host_key(BLOB),
        known_hosts="/home/A B/known",
        cloudflared="/opt/c d/cloudflared",
        identity=Path("/home/A B/key"),
    )

    assert 'ProxyCommand "/opt/c d/cloudflared" access ssh --hostname %h' in block
    assert 'IdentityFile "/home/A B/key"' in block
