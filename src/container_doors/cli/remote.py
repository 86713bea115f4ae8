"""``doors remote``: where large files are kept."""

import argparse
import os
from pathlib import Path

from container_doors import pipeline
from container_doors.adapters.dvc_remote import DvcRemote
from container_doors.errors import VersioningError
from container_doors.versioning.complaints import THREE_WAYS
from container_doors.versioning.credentials import (
    SOURCES,
    DriveCredentials,
    find_credentials,
    parse_credentials,
)
from container_doors.versioning.remotes import kind_of


def choose(arguments: argparse.Namespace) -> int:
    """Configure the remote, and say as whom it will be used."""
    storage = DvcRemote(Path.cwd())
    url, credentials = pipeline.set_remote(
        arguments.url, _credentials(arguments), delegate=arguments.delegate, storage=storage
    )
    print(f"the remote is {url}")
    if credentials is not None:
        acting = f", for {arguments.delegate}" if arguments.delegate else ""
        print(f"used as {credentials.kind} {credentials.account}{acting}")
        print("the credentials are kept outside of this repository; .dvc/config.local names them")
        for line in _warnings(arguments, credentials):
            print(f"warning: {line}")
    elif kind_of(url) == "drive":
        print(f"warning: no credentials in {', '.join(SOURCES)}; add --credentials FILE")
    print("next: doors remote check")
    return 0


def check(arguments: argparse.Namespace) -> int:  # noqa: ARG001
    """Say that the remote can be used."""
    url = pipeline.check_remote(storage=DvcRemote(Path.cwd()))
    print(f"{url}: a small file was written, read and deleted")
    return 0


def _credentials(arguments: argparse.Namespace) -> DriveCredentials | None:
    file: Path | None = arguments.credentials
    if file is not None and arguments.url and kind_of(arguments.url) != "drive":
        raise VersioningError(
            f"{arguments.url} has no use for {file}: these credentials are for Google Drive",
            hint="leave --credentials out, and configure the remote as DVC documents",
        )
    if file is None:
        return find_credentials(os.environ)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise VersioningError(
            f"{file} is no text, and the credentials are JSON", hint="docs/google-drive.md"
        ) from None
    return parse_credentials(text, source=str(file))


def _warnings(arguments: argparse.Namespace, credentials: DriveCredentials) -> list[str]:
    lines = []
    if credentials.kind == "service account" and not arguments.delegate:
        lines.append(
            "a service account owns no storage: it can pull from a personal Drive and cannot push "
            f"to one. There, {THREE_WAYS}"
        )
    dvc_prefers = os.environ.get(SOURCES[0], "").strip()
    if dvc_prefers and not credentials.is_usable(dvc_prefers):
        lines.append(
            f"{SOURCES[0]} is set, DVC prefers it, and it cannot use it as it is: "
            f"unset {SOURCES[0]}"
        )
    return lines
