"""The wheel of the installed release, written again from its installed files.

A machine that has no checkout of this project gets its code as this wheel. Equal files give equal
bytes, so the wheel's sha256 names the code.
"""

import base64
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from container_doors.core.errors import VersioningError

_PACKAGE = "container_doors"
_WHEEL = (
    "Wheel-Version: 1.0\nGenerator: container-doors\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FROM_CHECKOUT = {
    "params.yaml": "params.yaml",
    "dvc.yaml": "dvc.yaml",
    ".dvcignore": ".dvcignore",
    ".gitignore": ".gitignore",
    "scripts/run_training.sh": "scripts/run_training.sh",
    "scripts/setup_kaggle.sh": "scripts/setup_kaggle.sh",
    "scripts/finalize_training_kaggle.sh": "scripts/finalize_training_kaggle.sh",
    "notebooks/kaggle_ssh_tunnel.ipynb": "notebooks/kaggle_ssh_tunnel.ipynb",
    "pyproject.toml": "locked/pyproject.toml",
    "uv.lock": "locked/uv.lock",
    "scripts/install_locked.py": "locked/scripts/install_locked.py",
}
"""What a build puts into the wheel's ``template`` folder (``pyproject.toml``), by its place in a
checkout; an editable installation has it there."""


def write_wheel(folder: Path) -> Path:
    """Write the wheel of this installation; return its path.

    Args:
        folder: Where it is written; it is made.

    Raises:
        VersioningError: If the installed files are not those of a release: they were changed.
    """
    try:
        installed = distribution("container-doors")
    except PackageNotFoundError:
        raise VersioningError(
            "container-doors runs without being installed, so it has no wheel",
            hint="install it: pip install container-doors",
        ) from None
    _refuse_changes(installed)
    info = f"{_PACKAGE}-{installed.version}.dist-info"
    content = {name: path.read_bytes() for name, path in sorted(_files())}
    content[f"{info}/METADATA"] = (installed.read_text("METADATA") or "").encode()
    content[f"{info}/WHEEL"] = _WHEEL.encode()
    entry_points = installed.read_text("entry_points.txt")
    content[f"{info}/entry_points.txt"] = (entry_points or "").encode()
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{_PACKAGE}-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=6)
    return wheel


def _files() -> Iterator[tuple[str, Path]]:
    """Yield the package's files by their names in the wheel."""
    package = Path(sys.modules[_PACKAGE].__path__[0])
    for path in package.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield f"{_PACKAGE}/{path.relative_to(package).as_posix()}", path
    if not (package / "template/params.yaml").exists():
        for name, place in _FROM_CHECKOUT.items():
            yield f"{_PACKAGE}/template/{place}", package.parents[1] / name


def _refuse_changes(installed: Distribution) -> None:
    """Compare the installed files with the hashes that the installer recorded."""
    for file in installed.files or ():
        if file.hash is None or not file.parts or file.parts[0] != _PACKAGE:
            continue
        path = Path(str(file.locate()))
        if not path.is_file() or _digest(path.read_bytes(), file.hash.mode) != (
            f"{file.hash.mode}={file.hash.value}"
        ):
            raise VersioningError(
                f"{path} is not the file of release {installed.version}: it was changed or removed",
                hint="install the release again: "
                f"{sys.executable} -m pip install --force-reinstall --no-deps "
                f"container-doors=={installed.version}",
            )


def _digest(data: bytes, name: str = "sha256") -> str:
    """Return a hash in the form of a wheel's RECORD.

    >>> _digest(b"")
    'sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'
    """
    digest = hashlib.new(name, data).digest()
    return f"{name}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
