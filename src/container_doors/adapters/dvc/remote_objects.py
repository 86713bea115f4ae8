"""Fetch objects from DVC's remote past the cache, so that they can be hashed.

``dvc status --cloud`` checks only the names of objects. Here DVC gets an empty cache, by a global
configuration of its own, which has a lower priority than the repository's:
https://doc.dvc.org/command-reference/config#description
"""

import os
import shutil
from collections.abc import Sequence
from configparser import RawConfigParser
from pathlib import Path

from container_doors.adapters.dvc.command import (
    DVC_ENVIRONMENT,
    INSTALL_DVC,
    dvc_error,
    find_dvc,
)
from container_doors.adapters.shell import Finished, call
from container_doors.core.errors import VersioningError
from container_doors.core.files import user_folder
from container_doors.publishing.pointers import read_pointer

_GLOBAL = "DVC_GLOBAL_CONFIG_DIR"


def fetch_objects(
    pointers: Sequence[Path], scratch: Path, *, directory: Path
) -> dict[str, Path | None]:
    """Fetch the objects of pointers; return each by its file's name, None if there is none.

    DVC deletes a damaged object of a local remote, and then has none.

    Args:
        pointers: Pointers of single files.
        scratch: An empty folder for them.
        directory: A folder inside the DVC repository.

    Raises:
        VersioningError: If the remote cannot be reached.
    """
    objects = fetch_into_cache(pointers, scratch, directory=directory)
    found = {}
    for pointer in map(read_pointer, pointers):
        path = objects / pointer.md5[:2] / pointer.md5[2:]
        found[pointer.path] = path if path.is_file() else None
    return found


def fetch_into_cache(pointers: Sequence[Path], scratch: Path, *, directory: Path) -> Path:
    """Fetch the objects of pointers to files and folders; return the folder of the objects.

    Args:
        pointers: See :func:`fetch_objects`.
        scratch: See :func:`fetch_objects`.
        directory: See :func:`fetch_objects`.

    Raises:
        VersioningError: If the remote cannot be reached.
    """
    cache = scratch / "cache"
    environment = DVC_ENVIRONMENT | {_GLOBAL: str(_configuration(scratch / "config"))}
    folder = directory

    def dvc(*arguments: str) -> Finished:
        done = call(
            [find_dvc(), *arguments],
            cwd=folder,
            hint=INSTALL_DVC,
            environment=environment,
            tool="dvc",
        )
        if done.exit_code:
            raise dvc_error("fetch the remote's objects", done)
        return done

    dvc("config", "--global", "cache.dir", str(cache.resolve()))
    root = directory / dvc("root").stdout.strip()
    if not os.access(root / ".dvc", os.W_OK):  # DVC takes a lock there even to read
        settings = dvc("config", "--list").stdout
        folder = scratch / "repository"
        _write_configuration(folder, settings)
        pointers = _copies(pointers, root, directory, folder)
    dvc("fetch", *map(str, pointers))
    if not cache.exists() and Path(dvc("cache", "dir").stdout.strip()) != cache.resolve():
        raise VersioningError(
            "DVC's configuration in this repository sets a cache, which cannot be bypassed",
            hint="dvc config --unset cache.dir, and dvc config --global cache.dir DIR instead",
        )
    return cache / "files" / "md5"


def _write_configuration(folder: Path, listed: str) -> None:
    """Make a DVC repository with the settings that ``dvc config --list`` printed.

    DVC (3.67) lists paths as absolute ones, so they hold in any folder.
    """
    config = RawConfigParser()
    config.optionxform = str  # type: ignore[method-assign, assignment] # keep upper case
    for line in listed.splitlines():
        key, equals, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if equals and section:
            kind, _, name = section.partition(".")
            title = f'{kind} "{name}"' if name else kind
            if not config.has_section(title):
                config.add_section(title)
            config.set(title, option, value)
    if not config.has_section("core"):
        config.add_section("core")
    config.set("core", "no_scm", "true")
    (folder / ".dvc").mkdir(parents=True, mode=0o700)
    with (folder / ".dvc" / "config").open("x", encoding="utf-8") as file:
        config.write(file)


def _copies(pointers: Sequence[Path], root: Path, directory: Path, folder: Path) -> list[Path]:
    """Copy pointers to the same places of another repository; return their paths in it."""
    places = [(directory / one).resolve().relative_to(root.resolve()) for one in pointers]
    for pointer, place in zip(pointers, places, strict=True):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / pointer, folder / place)
    return places


def _configuration(folder: Path) -> Path:
    """Copy the user's global configuration, which may define a remote."""
    folder.mkdir(mode=0o700)
    usual = user_folder("XDG_CONFIG_HOME", ".config")
    global_dir = os.environ.get(_GLOBAL) or (usual and usual / "dvc")
    own = None if global_dir is None else Path(global_dir) / "config"
    if own is not None and own.is_file():
        shutil.copyfile(own, folder / "config")
    return folder
