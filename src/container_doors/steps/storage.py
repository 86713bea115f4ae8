"""Configure and test the storage of large files."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from container_doors.core.errors import VersioningError
from container_doors.core.ports import Storage
from container_doors.storage.credentials import DriveCredentials
from container_doors.storage.remotes import check_url, kind_of


def set_storage(
    url: str | None,
    credentials: DriveCredentials | None,
    *,
    delegate: str | None,
    storage: Storage,
    root_that_tracks: Callable[[Path], Path | None],
) -> tuple[str, DriveCredentials | None]:
    """Configure the storage of large files, so that plain ``dvc push`` and ``dvc pull`` work.

    Args:
        url: Any URL that DVC supports; None for the one already configured.
        credentials: Credentials for Google Drive; not used for other storages.
        delegate: The person that a service account impersonates.
        storage: The storage to configure.
        root_that_tracks: Returns the root of the git repository that a new folder would be part
            of; None if it is outside, or git ignores it.

    Returns:
        The address, and the credentials used for it.

    Raises:
        VersioningError: If the address is not valid, if git would commit the storage, or if DVC
            refuses.
    """
    typed, url = url, url or storage.url
    if url is None:
        raise VersioningError(
            "this repository names no storage yet", hint="doors storage set gdrive://FOLDER_ID"
        )
    check_url(url)
    if typed:
        _refuse_tracked(typed, root_that_tracks)
    kind = kind_of(url)
    if delegate and (kind != "drive" or credentials is None):
        raise VersioningError(
            f"cannot act for {delegate}: that needs Google Drive and a service account",
            hint="give --credentials FILE with it"
            if kind == "drive"
            else f"doors storage set {url}, without --delegate",
        )
    if kind != "drive":
        storage.configure(url, {"verify": "true"} if kind == "directory" else {})
        return url, None
    options = {}
    if credentials is not None:
        credentials.options("", delegate=delegate)  # refused before anything is stored
        file = storage.keep_credentials(credentials.text)
        options = credentials.options(str(file), delegate=delegate)
    storage.configure(url, options)
    return url, credentials


def _refuse_tracked(url: str, root_that_tracks: Callable[[Path], Path | None]) -> None:
    """Refuse a folder inside the repository: git would commit every large file."""
    if kind_of(url) != "directory":
        return
    folder = Path(url).expanduser().resolve()
    root = root_that_tracks(folder)
    if root is not None:
        name = folder.name if folder != root else "door-storage"
        outside = os.path.relpath(root.parent / name, Path.cwd())
        raise VersioningError(
            f"{folder} is inside the repository {root}: git would commit each stored file",
            hint=f"choose a folder outside of it: doors storage set {shlex.quote(outside)}; "
            "or let .gitignore name the folder first",
        )


def check_storage(*, storage: Storage) -> str:
    """Write, read and delete a small file in the storage; return its address.

    Raises:
        VersioningError: If that fails; the message says what is wrong and what to do.
    """
    return storage.probe()
