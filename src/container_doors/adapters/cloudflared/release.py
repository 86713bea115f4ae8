"""Find cloudflared on the PATH, or download one release and check its hash."""

import hashlib
import platform
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from container_doors.core.errors import MissingToolError, TunnelError
from container_doors.core.files import put_in_place

VERSION = "2026.9.1"
RELEASES = "https://github.com/cloudflare/cloudflared/releases/download"
_SHA256 = {
    "amd64": "03f1f25d1cc93b9ad6c60569d44060bc4f17ed97075760ed8cfca4b12dcd68cc",
    "arm64": "3d97437c71848bd8df68041e12436b484a661d95073ea1937f01a845ce88faa3",
}
"""From the release notes:
https://github.com/cloudflare/cloudflared/releases/tag/2026.9.1"""

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
DOWNLOADS = (
    "https://developers.cloudflare.com/cloudflare-one/connections/connect-networks/downloads/"
)
_LARGEST = 200 * 2**20
_STALL_S = 60.0


def find_cloudflared() -> str:
    """Find the program on the PATH, as installed on a laptop.

    Raises:
        MissingToolError: If it is not installed.
    """
    found = shutil.which("cloudflared")
    if found is None:
        raise MissingToolError(
            "cloudflared is not installed", hint=f"{DOWNLOADS} (macOS: brew install cloudflared)"
        )
    return found


def find_or_download(
    directory: Path, *, releases: str = RELEASES, sha256: str | None = None
) -> str:
    """Find the program on the PATH, or download it once.

    Args:
        directory: The folder for a downloaded program.
        releases: The address of the releases.
        sha256: The expected hash; by default that of the release for this machine.

    Raises:
        MissingToolError: If there is no release for this machine, or it cannot be downloaded.
        TunnelError: If the download does not match the hash; it is not stored.
    """
    found = shutil.which("cloudflared")
    if found:
        return found
    architecture = _ARCHITECTURES.get(platform.machine().lower())
    if platform.system() != "Linux" or architecture is None:
        raise MissingToolError(
            f"there is no cloudflared for {platform.system()} on {platform.machine()}",
            hint=f"install it: {DOWNLOADS}",
        )
    path = directory / f"cloudflared-{VERSION}"
    expected = sha256 or _SHA256[architecture]
    if not path.exists() or _sha256(path.read_bytes()) != expected:
        url = f"{releases}/{VERSION}/cloudflared-linux-{architecture}"
        _store(path, _download(url), expected=expected, url=url)
    return str(path)


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_STALL_S) as response:  # noqa: S310 - our own url
            return bytes(response.read(_LARGEST))
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise MissingToolError(
            f"cannot download {url}: {getattr(error, 'reason', None) or error}",
            hint="is Internet on, in the notebook's settings? Or put cloudflared on the PATH",
        ) from None


def _store(path: Path, content: bytes, *, expected: str, url: str) -> None:
    if _sha256(content) != expected:
        raise TunnelError(
            f"{url} is not the released program: expected sha256 {expected}, found "
            f"{_sha256(content)} ({len(content)} bytes)",
            hint="do not run it; try again, or install cloudflared from a package",
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_suffix(".part")
    staged.write_bytes(content)
    staged.chmod(0o755)
    put_in_place(staged, path)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
