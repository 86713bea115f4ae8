"""Files that look like somebody's credentials, and so are never sent along with changed code."""

import re
from fnmatch import fnmatch
from pathlib import Path

_NAMES = (
    ".env", ".env.*", "*.env", ".netrc", ".npmrc", ".pypirc", ".git-credentials", "*.pem", "*.key",
    "*.p12", "*.pfx", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "kaggle.json", "access_token",
    "*credentials*.json", "*service[-_]account*.json", "client_secret*.json", "config.local",
)  # fmt: skip

_TEXT = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE"
    rb" KEY-----"
    rb'|"private_key"\s*:|"refresh_token"\s*:'
    rb"|\b(?:KGAT_[0-9a-f]{16}|wandb_v1_\w{16}|gh[oprsu]_\w{20}|github_pat_\w{20}|hf_\w{20}"
    rb"|AKIA[0-9A-Z]{12}|GOCSPX-[\w-]{16})"
)
"""Keys of Kaggle, W&B, GitHub, Hugging Face, AWS and Google, by how they begin."""

_READ_BYTES = 1 << 20


def looks_confidential(path: Path) -> bool:
    """Tell whether a file is called or contains what credentials are and do.

    >>> looks_confidential(Path("keys/id_ed25519")), looks_confidential(Path("src/train.py"))
    (True, False)
    """
    if any(fnmatch(path.name.lower(), name) for name in _NAMES):
        return True
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        return _TEXT.search(file.read(_READ_BYTES)) is not None
