"""Sign and verify models: a signature of the metadata, by a key that git's last commit allows.

Hashes from the same source as the files prove that the files belong together, but not where they
come from. The signature covers the bytes of ``metadata.json``, which has the version, the
experiment, the run and the sha256 of every published file; so it is not valid for another version.
It is a small text that git tracks beside the pointers. The list of allowed signers is read from a
commit: a person who can write to the storage, or who made a downloaded folder, cannot change a
commit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from container_doors.core.config import versioning_of
from container_doors.core.errors import (
    MissingToolError,
    NoSigningKeyError,
    SignatureError,
    VersioningError,
)
from container_doors.core.ports import Repository, Signatures, Signer
from container_doors.core.records import Check, Mismatch
from container_doors.core.run import PUBLISHED
from container_doors.publishing.publication import METADATA

SIGNATURE = f"{METADATA}.sig"
"""The file name that ``ssh-keygen -Y sign`` uses."""

ALLOWED_SIGNERS = Path(".allowed_signers")
"""Beside ``params.yaml``, in OpenSSH's format: https://man.openbsd.org/ssh-keygen#ALLOWED_SIGNERS"""

MODEL = "container-doors-model"
"""The namespace of a model's signature: a signature with another namespace is not valid."""

_MOST_BYTES = 16 * 1024
"""Signature sizes: Ed25519 300, RSA with 16,384 bits 6,000, a certificate's key a bit more."""

_PARAMS = Path("params.yaml")
_ASKED = "params.yaml asks for a signature (detection.versioning.require_signature)"
_SIGN = (
    f"doors version signs it, if git has a key that may sign; then commit {PUBLISHED / SIGNATURE}"
)
_ALLOW = (
    f'echo "$(git config user.email) $(cat ~/.ssh/id_ed25519.pub)" >> {ALLOWED_SIGNERS} && '
    f'git add {ALLOWED_SIGNERS} && git commit -m "Who may sign"'
)


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """A project's rules for signatures: whether they are required, and who may sign."""

    signatures: Signatures
    repository: Repository
    """The repository whose commits have the list of allowed signers."""
    is_required: bool
    """``versioning.require_signature`` in the params."""

    def is_required_at(self, revision: str) -> bool:
        """Return whether the current params or those of a fetched revision require signatures.

        Raises:
            ConfigError: If its ``params.yaml`` is not valid.
        """
        return self.is_required or (revision != "HEAD" and self._requires_signature(revision))

    def allowed_at(self, revision: str) -> str | None:
        """Read the list of allowed signers; None if there is no list and no signature is required.

        Raises:
            SignatureError: If there is no list and a signature is required.
        """
        allowed = self.repository.show(revision, ALLOWED_SIGNERS)
        if allowed is None and self.is_required_at(revision):
            raise SignatureError(
                f"{_ASKED}, but git's commit has no {ALLOWED_SIGNERS}", hint=_ALLOW
            )
        return allowed

    def check(
        self, document: Path, signature: str | None, *, namespace: str, revision: str = "HEAD"
    ) -> Signer | None:
        """Check a document's signature, as the project requires.

        A present signature is always verified: a wrong one is worse than none.

        Args:
            document: The file that should be signed.
            signature: Its signature; None if there is none.
            namespace: The namespace that it must be signed with.
            revision: The revision whose list of allowed signers is used.

        Returns:
            The signer; None if it is not signed and need not be.

        Raises:
            SignatureError: If it is not signed by an allowed signer.
            MissingToolError: If the program that verifies it is missing.
        """
        allowed = self.allowed_at(revision)
        if signature is None:
            if not self.is_required_at(revision):
                return None
            raise SignatureError(f"{document.name} is not signed; {_ASKED}", hint=_SIGN)
        try:
            return self.signatures.signer(document, signature, namespace=namespace, allowed=allowed)
        except SignatureError as error:
            raise SignatureError(
                f"the signature of {document.name} is not valid: {error.problem}", hint=error.hint
            ) from None

    def _requires_signature(self, revision: str) -> bool:
        text = self.repository.show(revision, _PARAMS)
        return (
            text is not None
            and versioning_of(text, f"{_PARAMS} of commit {revision[:12]}").require_signature
        )


def read_signature(path: Path) -> str | None:
    """Read a signature; None if there is none.

    Raises:
        SignatureError: If it is too large to be a signature.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    return check_signature_size(content.decode("utf-8", errors="replace"), str(path))


def check_signature_size(signature: str, where: str) -> str:
    """Return the signature, if its size is possible.

    Raises:
        SignatureError: If it is too large to be a signature.
    """
    if len(signature.encode()) > _MOST_BYTES:
        raise SignatureError(
            f"{where}: expected a signature of at most {_MOST_BYTES // 1024} KiB, found a larger "
            "file",
            hint="take it from where the model was signed, or from git",
        )
    return signature


def sign_model(folder: Path, policy: SignaturePolicy, say: Callable[[str], None]) -> None:
    """Sign the metadata in a folder, unless its signature is valid already.

    If nothing here may sign, report it and leave it unsigned, unless a signature is required.

    Raises:
        VersioningError: If a signature is required, and git has no key, or none that may sign.
        MissingToolError: If a signature is required, and the program is missing.
    """
    document, path = folder / METADATA, folder / SIGNATURE
    if _is_signed(document, path, policy):
        return
    path.unlink(missing_ok=True)
    try:
        policy.allowed_at("HEAD")
        signature = policy.signatures.sign(document, namespace=MODEL)
        signer = _verified_signer(document, signature, policy)
    except (VersioningError, MissingToolError) as error:
        if policy.is_required:
            raise
        if not isinstance(error, NoSigningKeyError):
            say(f"not signed: {error.problem}; {error.hint}")
        return
    path.write_text(signature, encoding="utf-8")
    say(f"signed by {signer}" + ("" if signer.name else f", but there is no {ALLOWED_SIGNERS} yet"))


def signature_check(experiment: str, folder: Path, policy: SignaturePolicy) -> Check:
    """Check who signed the published model.

    Args:
        experiment: The model's experiment.
        folder: The folder of the model.
        policy: The project's rules.
    """
    name, path = "signature", folder / SIGNATURE
    try:
        signer = policy.check(folder / METADATA, read_signature(path), namespace=MODEL)
    except SignatureError as error:
        back = error.hint.replace("NAME", experiment)
        if _is_changed(path, policy.repository.show("HEAD", path)):
            back = f"git checkout HEAD -- {path}"
        mismatch = Mismatch(str(path), "a signature by an allowed signer", error.problem, back)
        return Check(name, "", (mismatch,))
    except MissingToolError as error:
        return Check(name, "", not_checked=f"{error.problem}; {error.hint}")
    if signer is None:
        return Check(name, "none, and params.yaml does not ask for one")
    unknown = "" if signer.name else f", but there is no {ALLOWED_SIGNERS} to say whose key that is"
    return Check(name, f"{METADATA} is signed by {signer}{unknown}")


def _is_signed(document: Path, path: Path, policy: SignaturePolicy) -> bool:
    """Return whether it already has a valid signature, which is then kept."""
    try:
        return policy.check(document, read_signature(path), namespace=MODEL) is not None
    except (SignatureError, MissingToolError):
        return False


def _verified_signer(document: Path, signature: str, policy: SignaturePolicy) -> Signer:
    """Verify the signature just made, as other people will, and return the signer."""
    allowed = policy.allowed_at("HEAD")
    try:
        return policy.signatures.signer(document, signature, namespace=MODEL, allowed=allowed)
    except SignatureError as error:
        raise SignatureError(
            f"git's signing key is not allowed by {ALLOWED_SIGNERS} of git's last commit: "
            f"{error.problem}",
            hint=_ALLOW,
        ) from None


def _is_changed(path: Path, committed: str | None) -> bool:
    try:
        return committed is not None and read_signature(path) != committed
    except SignatureError:
        return committed is not None
