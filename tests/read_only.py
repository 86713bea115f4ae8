"""A folder in which nothing can be written; root, which tests may be, heeds no permissions."""

import builtins
import errno
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_CHANGES = ("mkdir", "rename", "replace", "unlink", "rmdir", "truncate", "utime")
_LINKS = ("symlink", "link")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Refuse what would change anything below ``folder``, as the kernel does of such a mount."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _CHANGES:
            patch.setattr(os, name, _refusing(getattr(os, name), folder))
        for name in _LINKS:
            patch.setattr(os, name, _refusing(getattr(os, name), folder, first=1))
        patch.setattr(os, "open", _opening(os.open, folder, _writes_by_flags))
        for module in (io, builtins):
            patch.setattr(module, "open", _opening(open, folder, _writes_by_mode))
        yield


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[None]:
    """Let no program write below ``folder``: by a mount as root, else by permissions."""
    if os.geteuid() != 0:
        kept = [(path, path.stat().st_mode) for path in (folder, *folder.rglob("*"))]
        for path, mode in kept:
            path.chmod(mode & ~0o222)
        yield
        for path, mode in kept:
            path.chmod(mode)
        return
    if subprocess.run(["mount", "--bind", folder, folder], check=False).returncode:
        pytest.skip("this root may not mount anything")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def content(folder: Path) -> dict[Path, bytes]:
    """Read every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _refusing(real: Callable[..., Any], folder: Path, *, first: int = 0) -> Callable[..., Any]:
    def changed(*paths: Any, **options: Any) -> Any:
        if not any(options.values()):  # a dir_fd is of a scratch folder
            for path in paths[first:]:
                _refuse(path, folder)
        return real(*paths, **options)

    return changed


def _opening(
    real: Callable[..., Any], folder: Path, writes: Callable[..., bool]
) -> Callable[..., Any]:
    def opened(path: Any, *how: Any, **options: Any) -> Any:
        if writes(*how, **options) and options.get("dir_fd") is None:
            _refuse(path, folder)
        return real(path, *how, **options)

    return opened


def _writes_by_flags(flags: int, *_: Any, **__: Any) -> bool:
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _writes_by_mode(mode: str = "r", *_: Any, **__: Any) -> bool:
    return bool(set(mode) & set("wax+"))


def _refuse(path: Any, folder: Path) -> None:
    if isinstance(path, str | os.PathLike) and Path(path).absolute().is_relative_to(folder):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
