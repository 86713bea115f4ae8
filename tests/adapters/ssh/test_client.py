"""What a laptop's ``~/.ssh`` holds after ``doors tunnel connect``, as OpenSSH itself reads it."""

import subprocess
from pathlib import Path

import pytest

from container_doors.adapters.ssh.client import SshClient
from container_doors.core.errors import TunnelError
from container_doors.tunnel.public_keys import parse_host_key
from tests.tunnel.test_public_keys import BLOB

KEY = parse_host_key(BLOB)


def understood(folder: Path, host: str = "kaggle-training") -> dict[str, str]:
    """What ssh would do."""
    listed = subprocess.check_output(["ssh", "-F", folder / "config", "-G", host], text=True)
    return dict(line.split(" ", 1) for line in listed.splitlines())


def test_ssh_understands_the_settings_as_they_are_meant(tmp_path: Path):
    SshClient(tmp_path).connect("x.example.org", KEY, cloudflared="/usr/bin/cloudflared")
    does = understood(tmp_path)

    assert does["hostname"] == "x.example.org"
    assert does["proxycommand"] == "/usr/bin/cloudflared access ssh --hostname %h"
    assert does["stricthostkeychecking"] == "true"
    assert does["userknownhostsfile"] == str(tmp_path / "container-doors/known_hosts")
    assert does["passwordauthentication"] == "no"
    assert does["forwardagent"] == "no"


@pytest.mark.parametrize("odd", ["A B", "50%h", "it's", "a #1", "mü"])
def test_odd_folders_are_understood_as_they_are(tmp_path: Path, odd: str):
    folder = tmp_path / odd
    folder.mkdir()
    (folder / "key").touch()
    SshClient(folder).connect(
        "x.example.org", KEY, cloudflared=f"{folder}/cloudflared", identity=folder / "key"
    )
    does = understood(folder)

    escaped = str(folder).replace("%", "%%")  # ssh -G shows these two before it reads tokens
    assert does["hostname"] == "x.example.org"
    assert does["userknownhostsfile"].replace("%%", "%") == f"{folder}/container-doors/known_hosts"
    assert does["identityfile"].replace("%%", "%") == f"{folder}/key"
    assert f"{escaped}/cloudflared" in does["proxycommand"]


def test_the_account_is_the_one_that_the_machine_named(tmp_path: Path):
    SshClient(tmp_path).connect("x.example.org", KEY, cloudflared="cloudflared", user="me")
    assert understood(tmp_path)["user"] == "me"

    with pytest.raises(TunnelError, match="expected the name of an account"):
        SshClient(tmp_path).connect("x.example.org", KEY, cloudflared="c", user="me\n  Port 1")


def test_a_folder_that_ssh_cannot_be_told_of_is_refused(tmp_path: Path):
    with pytest.raises(TunnelError, match="ssh's settings cannot contain the path"):
        SshClient(tmp_path / 'a"b').connect("x.example.org", KEY, cloudflared="cloudflared")
    assert not (tmp_path / 'a"b').exists()


def test_a_private_key_that_is_not_there_is_not_written_down(tmp_path: Path):
    with pytest.raises(TunnelError, match="there is no private key"):
        SshClient(tmp_path).connect(
            "x.example.org", KEY, cloudflared="cloudflared", identity=tmp_path / "none"
        )


def test_the_persons_own_hosts_stay_as_they_were(tmp_path: Path):
    own = "Host work\n    HostName work.example.org\n"
    (tmp_path / "config").write_text(own)
    before = understood(tmp_path, "work")

    SshClient(tmp_path).connect("x.example.org", KEY, cloudflared="cloudflared")
    SshClient(tmp_path).connect("y.example.org", KEY, cloudflared="cloudflared")

    assert understood(tmp_path, "work") == before
    assert understood(tmp_path)["hostname"] == "y.example.org"
    assert (tmp_path / "config").read_text().count("Include") == 1
    assert (tmp_path / "config").stat().st_mode & 0o777 == 0o600


def test_a_config_that_is_a_link_stays_one(tmp_path: Path):
    (tmp_path / "dotfiles").write_text("Host work\n")
    (tmp_path / "config").symlink_to(tmp_path / "dotfiles")

    SshClient(tmp_path).connect("x.example.org", KEY, cloudflared="cloudflared")

    assert (tmp_path / "config").is_symlink()
    assert "Include" in (tmp_path / "dotfiles").read_text()


def test_a_new_address_of_the_same_machine_keeps_its_key(tmp_path: Path):
    client = SshClient(tmp_path)
    client.connect("x.example.org", KEY, cloudflared="cloudflared")

    assert client.connect("y.example.org", None, cloudflared="cloudflared") == KEY


def test_without_a_host_key_nothing_is_written(tmp_path: Path):
    with pytest.raises(TunnelError, match="any server could pose as the machine"):
        SshClient(tmp_path).connect("x.example.org", None, cloudflared="cloudflared")

    assert not list(tmp_path.iterdir())


def test_a_machine_that_is_not_known_is_not_looked_for(tmp_path: Path):
    with pytest.raises(TunnelError, match="not configured here yet"):
        SshClient(tmp_path).run("true", terminal=False)
