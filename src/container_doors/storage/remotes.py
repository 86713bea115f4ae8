"""Addresses of DVC remotes: their kinds, and checks for each kind."""

import re
import shlex
from pathlib import Path
from typing import Literal

from container_doors.core.errors import VersioningError

Kind = Literal["drive", "directory", "other"]

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_DRIVE = re.compile(r"[\w-]+(/.+)?")
_LIKE_A_DRIVE_ID = re.compile(
    r"(?=[\w-]*[0-9])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{19,60}", re.ASCII
)
"""Google's ids have 33 characters today, 28 of older folders, 19 of shared drives."""

_SCHEMES = ("gdrive", "s3", "gs", "azure", "oss", "ssh", "hdfs", "webhdfs", "http", "https",
            "webdav", "webdavs", "remote")  # fmt: skip
"""https://doc.dvc.org/user-guide/data-management/remote-storage#supported-storage-types"""

_TOKENS = ("http", "https", "webdav", "webdavs")
"""Schemes in which a user name alone may be a token."""

_QUERY = re.compile(r"[?#;].*", re.DOTALL)
"""Where an address has a signature, a token, or a whole connection string."""

_BAD_PORT = re.compile(r":(?!\d*$)[^\]]*$")

_ONE_SLASH = re.compile(rf"(?:{'|'.join(_SCHEMES)}):(?!//)", re.IGNORECASE)

SECRET_OPTIONS = {
    "s3": "secret_access_key", "gs": "credentialpath", "azure": "sas_token",
    "oss": "oss_key_secret", "ssh": "password", "webhdfs": "token", "http": "password",
    "https": "password", "webdav": "token", "webdavs": "token",
}  # fmt: skip
"""DVC's option for the secret of each kind of remote."""

_BROWSER = re.compile(r"drive\.google\.com/.*?(?:folders/|[?&]id=)(?P<id>[\w-]+)")


def kind_of(url: str) -> Kind:
    """Return the kind of a remote.

    >>> kind_of("../storage"), kind_of("gdrive://1aBc/doors"), kind_of("s3://bucket/doors")
    ('directory', 'drive', 'other')
    """
    found = _SCHEME.fullmatch(url)
    if found is None:
        return "directory"
    return "drive" if found["scheme"].lower() == "gdrive" else "other"


def check_url(url: str) -> None:
    """Check that an address is valid, and contains no secret, so that it can be committed.

    Raises:
        VersioningError: If it contains a password or a query, or is not the address of a folder.
            The message has no part of the address that may be a secret.
    """
    found = _SCHEME.fullmatch(url)
    if not url.strip() or url != url.strip() or "\n" in url:
        raise VersioningError(
            f"expected a remote's address, found {url!r}", hint="doors storage set DIRECTORY"
        )
    browser = _BROWSER.search(url)
    if browser:
        raise VersioningError(
            "that is the address of a web page, but DVC needs the folder's id",
            hint=f"doors storage set gdrive://{browser['id']}",
        )
    if found is None:
        _check_folder(url)
        return
    _refuse_secrets(found["scheme"].lower(), found["rest"])
    scheme = found["scheme"].lower()
    if kind_of(url) == "drive" and not found["rest"].strip("/"):
        raise VersioningError(
            f"expected gdrive://FOLDER_ID, found {url!r}, without the folder's id",
            hint="the id is the last part of the folder's address in the browser",
        )
    if scheme not in _SCHEMES or not found["rest"].strip("/"):
        raise VersioningError(
            f"expected a folder, or {'://..., '.join(_SCHEMES)}://..., found {url!r}",
            hint="doors storage set DIRECTORY, gdrive://FOLDER_ID or s3://BUCKET/FOLDER",
        )
    if kind_of(url) == "drive" and not _DRIVE.fullmatch(found["rest"]):
        raise VersioningError(
            f"expected gdrive://FOLDER_ID, found {url!r}",
            hint="the id is the last part of the folder's address in the browser",
        )


def _refuse_secrets(scheme: str, rest: str) -> None:
    """Refuse a login with a secret, and every query: it may be a signature or a token."""
    address = _QUERY.sub("", rest)
    authority, slash, path = address.partition("/")
    login, _, host = authority.rpartition("@")
    if _BAD_PORT.search(host):  # a password with a slash or the like, which ends the host's part
        what, bare = "a password or a token", f"{scheme}://HOST/FOLDER"
    elif ":" in login or (login and scheme in _TOKENS):
        what, bare = "a password or a token", f"{scheme}://{host}{slash}{path}"
    elif address != rest:
        what, bare = "a query, which may be a secret", f"{scheme}://{address}"
    else:
        return
    option = SECRET_OPTIONS.get(scheme)
    modify = f", then, for this machine alone: dvc remote modify --local storage {option} SECRET"
    raise VersioningError(
        f"{scheme}://*** contains {what}, and the address is committed",
        hint=f"doors storage set {shlex.quote(bare)}{modify if option else ''}",
    )


def _check_folder(url: str) -> None:
    """Check a folder's path: a single word is more likely a mistake than a new folder."""
    slip = _ONE_SLASH.match(url)
    if slip:
        raise VersioningError(
            f"expected {slip[0]}//..., found {slip[0]} without the two slashes",
            hint=f"doors storage set {slip[0]}//...; for a folder of that name: ./{slip[0]}...",
        )
    if Path(url).is_dir():
        return
    if Path(url).exists():
        raise VersioningError(
            f"expected a folder, found the file {url}", hint="doors storage set DIRECTORY"
        )
    if _LIKE_A_DRIVE_ID.fullmatch(url):
        raise VersioningError(
            f"expected a remote's address, found {url!r}, which looks like a folder's id",
            hint=f"doors storage set gdrive://{url}; for a new folder of that name: doors storage "
            f"set {shlex.quote(f'../{url}')}",
        )
    if "/" not in url:
        raise VersioningError(
            f"expected a remote's address, found {url!r}, which is not a folder here",
            hint=f"for a new folder of that name: doors storage set {shlex.quote(f'../{url}')}",
        )
