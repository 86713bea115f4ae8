"""Real SSH keys, real ``ssh-keygen``, and git's settings as a person writes them."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.publishing.signatures import ALLOWED_SIGNERS, SignaturePolicy
from tests.fakes import FakeRepository


def new_key(path: Path, passphrase: str = "") -> Path:
    """Make a pair; returns the private half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", path], check=True
    )
    return path


def public(key: Path) -> str:
    return key.with_name(f"{key.name}.pub").read_text().strip()


def make_huge(signature: Path) -> None:
    with signature.open("r+b") as file:
        file.truncate(100_000_000)


def cut_off(signature: Path) -> None:
    signature.write_text(signature.read_text()[:99])


@dataclass
class Desk:
    """Somebody's git settings, in a folder, and keys beside it."""

    folder: Path
    alice: Path = field(init=False)
    mallory: Path = field(init=False)

    def __post_init__(self) -> None:
        self.alice, self.mallory = (new_key(self.folder / "keys" / n) for n in ("alice", "mallory"))
        (self.folder / "work").mkdir()
        self.git("init", "-q")
        self.sign_with(str(self.alice))

    @property
    def signatures(self) -> SshSignatures:
        return SshSignatures(self.folder / "work")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder / "work", check=True)

    def sign_with(self, key: str) -> None:
        self.git("config", "gpg.format", "ssh")
        self.git("config", "user.signingkey", key)

    def sign_with_nothing(self) -> None:
        self.git("config", "--unset-all", "gpg.format")

    def policy(
        self, repository: FakeRepository, allowed: str | None = "", *, is_required: bool = True
    ) -> SignaturePolicy:
        """Commit a list of those who may sign: alice by default, none where it is None."""
        if allowed is not None:
            text = allowed or f"alice@example.org {public(self.alice)}\n"
            repository.files["HEAD", ALLOWED_SIGNERS] = text
        return SignaturePolicy(self.signatures, repository, is_required)
