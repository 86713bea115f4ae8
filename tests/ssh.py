"""A person at a laptop: a pair of keys, and the real OpenSSH client."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from container_doors.tunnel.public_keys import PublicKey, parse_public_keys


def make_key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True
    )
    return path


def public(key: Path) -> PublicKey:
    return parse_public_keys(key.with_suffix(".pub").read_text(), source=key.name)[0]


@dataclass
class Laptop:
    """Runs ``ssh`` with nothing of the machine's own configuration."""

    folder: Path
    port: int
    host_key: PublicKey
    key: Path

    @property
    def options(self) -> list[str]:
        known = self.folder / "known"
        known.write_text(f"machine {self.host_key.line}\n")
        return [
            *("-F", "/dev/null", "-i", str(self.key)),
            *(
                word
                for option in (
                    f"Port={self.port}",
                    "HostName=127.0.0.1",
                    "HostKeyAlias=machine",
                    "IdentitiesOnly=yes",
                    "IdentityAgent=none",
                    "StrictHostKeyChecking=yes",
                    f"UserKnownHostsFile={known}",
                    "ConnectTimeout=10",
                    "LogLevel=ERROR",
                )
                for word in ("-o", option)
            ),
        ]

    def ssh(self, *words: str, options: tuple[str, ...] = (), typed: str = ""):
        return subprocess.run(
            ["ssh", *self.options, *options, "machine", *words],
            input=typed,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def scp(self, *words: str):
        return subprocess.run(
            ["scp", *self.options, *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
