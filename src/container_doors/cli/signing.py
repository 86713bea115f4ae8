"""What a command asks of signatures: the params say whether, git says whose."""

from pathlib import Path

from container_doors.adapters.dvc.checkpoints import checkpoints_of
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.core.config import Params, Versioning, load_params
from container_doors.publishing.signatures import SignaturePolicy
from container_doors.publishing.signed_checkpoints import SignedCheckpoints


def signature_policy(params: Params | None = None) -> SignaturePolicy:
    """Read what these params ask for, or those of ``params.yaml``, where there is one."""
    path = Path("params.yaml")
    if params is None and path.exists():
        params = load_params(path)
    asked = params.versioning if params else Versioning()
    here = Path.cwd()
    return SignaturePolicy(SshSignatures(here), GitRepository(here), asked.require_signature)


def signed_checkpoints(params: Params | None = None) -> SignedCheckpoints | None:
    """Find the remote for checkpoints, and look at whose they are; None without a remote."""
    remote = checkpoints_of(Path.cwd())
    return SignedCheckpoints(remote, signature_policy(params)) if remote else None
