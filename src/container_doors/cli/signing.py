"""The signature policy of a command: from the params, and from git."""

from pathlib import Path

from container_doors.adapters.dvc.checkpoints import checkpoints_of
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.ssh.signatures import SshSignatures
from container_doors.core.config import Params, Versioning, load_params
from container_doors.publishing.signatures import SignaturePolicy
from container_doors.publishing.signed_checkpoints import SignedCheckpoints


def signature_policy(params: Params | None = None) -> SignaturePolicy:
    """Return the policy of these params, or of ``params.yaml`` if there is one."""
    path = Path("params.yaml")
    if params is None and path.exists():
        params = load_params(path)
    versioning = params.versioning if params else Versioning()
    here = Path.cwd()
    return SignaturePolicy(SshSignatures(here), GitRepository(here), versioning.require_signature)


def signed_checkpoints(params: Params | None = None) -> SignedCheckpoints | None:
    """Return the remote for checkpoints, with its signature policy; None without a remote."""
    remote = checkpoints_of(Path.cwd())
    return SignedCheckpoints(remote, signature_policy(params)) if remote else None
