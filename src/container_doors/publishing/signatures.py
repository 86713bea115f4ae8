"""Who published a model: a signature beside its metadata, by a key that git's last commit allows.

Hashes that come from the same hand as the files prove that the files fit together, and not where
they are from. Signed are the bytes of ``metadata.json``, which names the version, the experiment,
the run and the sha256 of every file that is published with it; so the signature of one version is
none of another. It is a small text that git keeps beside the pointers. The list of those who may
sign is read from a commit: whoever can write to the storage, or has made a folder that is
downloaded, changes no commit.
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
"""The name that ``ssh-keygen -Y sign`` gives it."""

ALLOWED_SIGNERS = Path(".allowed_signers")
"""Beside ``params.yaml``; its form is OpenSSH's: https://man.openbsd.org/ssh-keygen#ALLOWED_SIGNERS"""

MODEL = "container-doors-model"
"""The purpose that a model is signed for: a signature of anything else is none of a model."""

_MOST_BYTES = 16 * 1024
"""Ed25519 makes 300, RSA with 16,384 bits 6,000, a certificate's key somewhat more."""

_PARAMS = Path("params.yaml")
_ASKED = "params.yaml asks for a signature (detection.versioning.require_signature)"
_SIGN = (
    "doors version signs it, where git has a key that may sign; "
    f"then commit {PUBLISHED / SIGNATURE}"
)
_ALLOW = (
    f'echo "$(git config user.email) $(cat ~/.ssh/id_ed25519.pub)" >> {ALLOWED_SIGNERS} && '
    f'git add {ALLOWED_SIGNERS} && git commit -m "Who may sign"'
)


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """What a project asks of signatures: whether they must be there, and who may make them."""

    signatures: Signatures
    repository: Repository
    """Whose commits hold the list of allowed signers."""
    is_required: bool
    """``versioning.require_signature`` of the params."""

    def is_required_at(self, revision: str) -> bool:
        """Tell whether a revision that is not here yet asks for signatures, or this one does.

        Raises:
            ConfigError: If its ``params.yaml`` cannot be understood.
        """
        return self.is_required or (revision != "HEAD" and self._asks(revision))

    def allowed_at(self, revision: str) -> str | None:
        """Read who may sign; None if nobody has to, and there is no list.

        Raises:
            SignatureError: If somebody has to, and there is no list.
        """
        allowed = self.repository.show(revision, ALLOWED_SIGNERS)
        if allowed is None and self.is_required_at(revision):
            raise SignatureError(
                f"{_ASKED}, and git's commit has no {ALLOWED_SIGNERS} to say whose", hint=_ALLOW
            )
        return allowed

    def check(
        self, document: Path, signature: str | None, *, namespace: str, revision: str = "HEAD"
    ) -> Signer | None:
        """See that a document is signed, as far as the project asks for that.

        A signature that is there is looked at in any case: one that is wrong is worse than none.

        Args:
            document: What should be signed.
            signature: Of it; None if there is none.
            namespace: What it has to be signed for.
            revision: Whose list of allowed signers counts.

        Returns:
            Who signed it; None if nobody did, and nobody has to.

        Raises:
            SignatureError: If nobody did who may.
            MissingToolError: If it cannot be looked at.
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
                f"the signature of {document.name} is not good: {error.problem}", hint=error.hint
            ) from None

    def _asks(self, revision: str) -> bool:
        text = self.repository.show(revision, _PARAMS)
        return (
            text is not None
            and versioning_of(text, f"{_PARAMS} of commit {revision[:12]}").require_signature
        )


def read_signature(path: Path) -> str | None:
    """Read a signature; None if there is none.

    Raises:
        SignatureError: If it is larger than any is.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    return bounded(content.decode("utf-8", errors="replace"), str(path))


def bounded(signature: str, where: str) -> str:
    """Return a signature that can be one.

    Raises:
        SignatureError: If it is larger than any is.
    """
    if len(signature.encode()) > _MOST_BYTES:
        raise SignatureError(
            f"{where}: expected a signature of at most {_MOST_BYTES // 1024} KiB, found a larger "
            "file",
            hint="take it from where the model was signed, or from git",
        )
    return signature


def sign_model(folder: Path, policy: SignaturePolicy, say: Callable[[str], None]) -> None:
    """Sign the metadata in a folder, or keep the signature that is good already.

    What nobody may sign here is left unsigned, and said, unless the project asks for a signature.

    Raises:
        VersioningError: If it asks for one, and git has no key, or none that may sign.
        MissingToolError: If it asks for one, and the program is not there.
    """
    document, path = folder / METADATA, folder / SIGNATURE
    if _is_signed(document, path, policy):
        return
    path.unlink(missing_ok=True)
    try:
        policy.allowed_at("HEAD")
        signature = policy.signatures.sign(document, namespace=MODEL)
        signer = _own(document, signature, policy)
    except (VersioningError, MissingToolError) as error:
        if policy.is_required:
            raise
        if not isinstance(error, NoSigningKeyError):
            say(f"not signed: {error.problem}; {error.hint}")
        return
    path.write_text(signature, encoding="utf-8")
    say(f"signed by {signer}" + ("" if signer.name else f", whom no {ALLOWED_SIGNERS} names yet"))


def signature_check(experiment: str, folder: Path, policy: SignaturePolicy) -> Check:
    """See who signed the published model.

    Args:
        experiment: Of the model.
        folder: Where it is.
        policy: What the project asks for.
    """
    name, path = "signature", folder / SIGNATURE
    try:
        signer = policy.check(folder / METADATA, read_signature(path), namespace=MODEL)
    except SignatureError as error:
        back = error.hint.replace("NAME", experiment)
        if _is_changed(path, policy.repository.show("HEAD", path)):
            back = f"git checkout HEAD -- {path}"
        mismatch = Mismatch(str(path), "a signature by who may sign", error.problem, back)
        return Check(name, "", (mismatch,))
    except MissingToolError as error:
        return Check(name, "", not_checked=f"{error.problem}; {error.hint}")
    if signer is None:
        return Check(name, "none, and params.yaml asks for none")
    whose = "" if signer.name else f", and no {ALLOWED_SIGNERS} says whose key that is"
    return Check(name, f"{METADATA} is signed by {signer}{whose}")


def _is_signed(document: Path, path: Path, policy: SignaturePolicy) -> bool:
    """Tell whether somebody has signed it already, who may as far as is known; that is kept."""
    try:
        return policy.check(document, read_signature(path), namespace=MODEL) is not None
    except (SignatureError, MissingToolError):
        return False


def _own(document: Path, signature: str, policy: SignaturePolicy) -> Signer:
    """Look at one's own signature as everybody will."""
    allowed = policy.allowed_at("HEAD")
    try:
        return policy.signatures.signer(document, signature, namespace=MODEL, allowed=allowed)
    except SignatureError as error:
        raise SignatureError(
            f"git's signing key may not sign, says {ALLOWED_SIGNERS} of git's last commit: "
            f"{error.problem}",
            hint=_ALLOW,
        ) from None


def _is_changed(path: Path, committed: str | None) -> bool:
    try:
        return committed is not None and read_signature(path) != committed
    except SignatureError:
        return committed is not None
