"""Checkpoints on a remote, each with a signature beside it if the project requires one.

The signature covers a small text: the experiment, the checkpoint's name, which has the run and the
epoch, and the sha256 of its content. So it is not valid for another checkpoint.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.core.errors import SignatureError
from container_doors.core.ports import CheckpointRemote
from container_doors.publishing.hashing import file_sha256
from container_doors.publishing.signatures import SignaturePolicy, read_signature

CHECKPOINT = "container-doors-checkpoint"
"""The namespace of a checkpoint's signature."""

_OF_CONTENT, _SIGNATURE = ".tar", ".sig"


class SignedCheckpoints:
    """A remote that signs checkpoints when it sends them and verifies them when it fetches them."""

    def __init__(self, remote: CheckpointRemote, policy: SignaturePolicy) -> None:
        """Store the remote and the policy.

        Args:
            remote: The remote of the checkpoints.
            policy: Whether they must be signed, and by whom. Nothing is signed unless required: a
                hardware key would ask for a touch every few minutes.
        """
        self._remote = remote
        self._policy = policy
        self.where = remote.where

    def names(self, experiment: str) -> list[str]:
        """List the files of an experiment; signatures are not listed."""
        return [name for name in self._remote.names(experiment) if not name.endswith(_SIGNATURE)]

    def put(self, path: Path, experiment: str, *, instead_of: Sequence[str] = ()) -> list[str]:
        """Send a file after its signature, so that it is never on the remote unsigned.

        Raises:
            VersioningError: Also if it must be signed but cannot be.
        """
        if self._policy.is_required and path.suffix == _OF_CONTENT:
            with TemporaryDirectory() as scratch:
                made = Path(scratch) / f"{path.name}{_SIGNATURE}"
                made.write_text(self._sign(path, experiment), encoding="utf-8")
                self._remote.put(made, experiment)
        names = self._remote.put(path, experiment, instead_of=instead_of)
        return [name for name in names if not name.endswith(_SIGNATURE)]

    def sha256(self, name: str, experiment: str) -> str:
        """Return the hash of a file on the remote; its signature is not verified."""
        return self._remote.sha256(name, experiment)

    def get(self, name: str, experiment: str, into: Path) -> None:
        """Fetch a file and verify its signature; delete the file if it is not valid.

        Raises:
            SignatureError: If it is not signed as the project requires.
        """
        signature = self._signature(name, experiment) if name.endswith(_OF_CONTENT) else None
        self._remote.get(name, experiment, into)
        if not name.endswith(_OF_CONTENT):
            return
        try:
            self._check(into / name, signature, experiment)
        except SignatureError:
            (into / name).unlink()
            raise

    def remove(self, names: Sequence[str], experiment: str) -> None:
        """Delete files and their signatures."""
        beside = {f"{name}{_SIGNATURE}" for name in names}
        present = beside & set(self._remote.names(experiment)) if names else set()
        self._remote.remove([*names, *sorted(present)], experiment)

    def _sign(self, path: Path, experiment: str) -> str:
        with TemporaryDirectory() as scratch:
            document = _statement(path, experiment, Path(scratch))
            self._policy.allowed_at("HEAD")
            signature = self._policy.signatures.sign(document, namespace=CHECKPOINT)
            self._policy.check(document, signature, namespace=CHECKPOINT)
            return signature

    def _signature(self, name: str, experiment: str) -> str | None:
        """Fetch the small signature before the large file; None if the file is not signed."""
        signature = f"{name}{_SIGNATURE}"
        if signature not in self._remote.names(experiment):
            if self._policy.is_required:
                raise SignatureError(
                    f"the checkpoint {name} on {self.where} is not signed, and params.yaml asks "
                    "for it (detection.versioning.require_signature)",
                    hint=_start_again(experiment),
                )
            return None
        with TemporaryDirectory() as scratch:
            into = Path(scratch) / "fetched"
            self._remote.get(signature, experiment, into)
            return read_signature(into / signature)

    def _check(self, path: Path, signature: str | None, experiment: str) -> None:
        with TemporaryDirectory() as scratch:
            document = _statement(path, experiment, Path(scratch))
            try:
                self._policy.check(document, signature, namespace=CHECKPOINT)
            except SignatureError as error:
                raise SignatureError(
                    f"{self.where}: {error.problem}", hint=_start_again(experiment)
                ) from None


def _statement(path: Path, experiment: str, folder: Path) -> Path:
    """Write the text that is signed for a checkpoint."""
    document = folder / path.name
    document.write_text(
        f"experiment {experiment}\nname {path.name}\nsha256 {file_sha256(path)}\n", encoding="utf-8"
    )
    return document


def _start_again(experiment: str) -> str:
    return (
        "ask the person who trained it; or start again without it: "
        f"doors train --experiment {experiment} --replace"
    )
