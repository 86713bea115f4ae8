"""``doors storage``: configure the storage of large files."""

import argparse
import os
from pathlib import Path

from container_doors.adapters.dvc.remote import CONFIGURATION, DvcRemote
from container_doors.adapters.git.repository import GitRepository
from container_doors.adapters.google_consent import ask_for_consent
from container_doors.cli.output import say
from container_doors.core.errors import VersioningError
from container_doors.steps.storage import check_storage, set_storage
from container_doors.storage.complaints import THREE_WAYS
from container_doors.storage.credentials import (
    SOURCES,
    DriveCredentials,
    drive_sources,
    find_credentials,
    parse_client,
    parse_credentials,
)
from container_doors.storage.remotes import check_url, kind_of


def choose(arguments: argparse.Namespace) -> int:
    """Configure the storage, and print the account that it is used with."""
    return _configure(arguments.url, _credentials(arguments), delegate=arguments.delegate)


def login(arguments: argparse.Namespace) -> int:
    """Ask a person to consent in their browser, then use the storage with their account."""
    if arguments.url:
        check_url(arguments.url)  # before it is shown
    url = arguments.url or DvcRemote(Path.cwd()).url
    if url is None or kind_of(url) != "drive":
        raise VersioningError(
            f"cannot log in to {url or 'no storage'}: this is for Google Drive",
            hint="doors storage login gdrive://FOLDER_ID --client FILE",
        )
    client = parse_client(_read(arguments.client), source=str(arguments.client))
    credentials = parse_credentials(ask_for_consent(client, say=say), source="your browser")
    return _configure(arguments.url, credentials, delegate=None)


def check(arguments: argparse.Namespace) -> int:  # noqa: ARG001
    """Test the storage and print that it works."""
    url = check_storage(storage=DvcRemote(Path.cwd()))
    say(f"{url}: a small file was written, read and deleted")
    return 0


def _configure(
    url: str | None, credentials: DriveCredentials | None, *, delegate: str | None
) -> int:
    storage = DvcRemote(Path.cwd())
    url, account = set_storage(
        url,
        credentials,
        delegate=delegate,
        storage=storage,
        root_that_tracks=GitRepository(Path.cwd()).root_that_tracks,
    )
    say(f"the storage is {_in_full(url)}")
    if account is not None:
        say(f"used as {account.kind} {account.account}{f', for {delegate}' if delegate else ''}")
        say(f"the credentials are stored in {storage.credentials_file}, outside of git")
        if account.kind == "service account" and not delegate:
            say(
                "it can push to a folder of a shared drive, and only pull from a personal Drive, "
                f"because it owns no storage: there, {THREE_WAYS}"
            )
        for line in _warnings(account):
            say(f"warning: {line}")
    elif kind_of(url) == "drive":
        say(f"warning: no credentials in {', '.join(SOURCES)}; add --credentials FILE")
    elif unused := drive_sources(os.environ):
        say(f"not used: {', '.join(unused)}, which is for Google Drive")
    say("next: doors storage check")
    if uncommitted_configuration():
        say(
            "then, so that every clone has this storage:",
            f"  git add {CONFIGURATION}",
            '  git commit -m "The storage of large files"',
        )
    return 0


def uncommitted_configuration() -> list[Path]:
    """Return the file that names the storage, if the last commit does not have it."""
    return GitRepository(Path.cwd()).uncommitted([CONFIGURATION])


def _in_full(url: str) -> str:
    if kind_of(url) != "directory":
        return url
    folder = Path(url).expanduser().resolve()
    return url if url == str(folder) else f"{url}, the folder {folder}"


def _credentials(arguments: argparse.Namespace) -> DriveCredentials | None:
    file: Path | None = arguments.credentials
    if file is None:
        other = arguments.url is not None and kind_of(arguments.url) != "drive"
        return None if other else find_credentials(os.environ)
    if arguments.url and kind_of(arguments.url) != "drive":
        check_url(arguments.url)  # before it is shown
        raise VersioningError(
            f"{arguments.url} does not use {file}: these credentials are for Google Drive",
            hint="leave --credentials out, and configure the storage as DVC documents",
        )
    return parse_credentials(_read(file), source=str(file))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise VersioningError(
            f"{file} is not text, but credentials are JSON", hint="docs/google-drive.md"
        ) from None


def _warnings(credentials: DriveCredentials) -> list[str]:
    dvc_prefers = os.environ.get(SOURCES[0], "").strip()
    if not dvc_prefers or credentials.is_usable(dvc_prefers):
        return []
    return [f"DVC prefers {SOURCES[0]}, which is set but which it cannot use: unset {SOURCES[0]}"]
