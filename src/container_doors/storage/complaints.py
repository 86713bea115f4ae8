"""Known errors of DVC and Google when a remote fails: what each means, and what to do."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from container_doors.core.installation import install_command

ADD_REMOTE = "doors storage set DIRECTORY, or gdrive://FOLDER_ID, or any URL that DVC knows"
THREE_WAYS = (
    "use a folder of a shared drive (Google Workspace), or impersonate a person: doors storage set "
    "--delegate EMAIL, or use a person's own credentials: doors storage login "
    "--client FILE; see docs/google-drive.md"
)
_AGAIN = "run this again: files that were sent are not sent again"
_READ_ONLY = "read-only file system"
_READ_ONLY_PATH = re.compile(_READ_ONLY + r": ['\"](?P<path>[^'\"]+)", re.IGNORECASE)
_PLUGIN = re.compile(r"dvc[-_](?P<name>[a-z0-9]+)")
_GET_PLUGIN = "uv sync, for Google Drive; for others install DVC's plugin where dvc is"
_SIGN_IN = (
    "sign in again: doors storage login --client FILE; if the app is not published, a login lasts "
    "7 days only"
)
_CONFIGURE = "https://doc.dvc.org/user-guide/data-management/remote-storage"
_WHICH = (
    "for Google Drive: doors storage set --credentials FILE with a service account's new key, or "
    f"as a person doors storage login --client FILE; for others configure them: {_CONFIGURE}"
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A known error: its meaning and the next step; ``meaning`` is "" if the message is clear."""

    sign: str
    """A part of the message, in lower case; alternatives are separated by ``|``."""
    meaning: str
    remedy: str


_COMPLAINTS = [
    Complaint(*row)
    for row in (
        ("unable to acquire lock", "",
         "another dvc process runs here: wait for it, then run this again"),
        ("not inside of a dvc repository", "", "dvc init, in the repository's root"),
        ("is not a git repository", "",
         "git init, in the folder that has .dvc; or clone it again"),
        ("no remote specified", "", ADD_REMOTE),
        ("is git-ignored", "", "git check-ignore -v FILE names the line of .gitignore to change"),
        ("is already tracked by scm", "git already tracks that path, so DVC cannot",
         "git rm -r --cached PATH && git commit, then run this again; the file itself stays"),
        ("overlapping with other", "",
         "one pointer is inside the other; keep one of them: dvc remove POINTER.dvc"),
        ("inside symlinked", "the path is behind a symbolic link",
         "name the real path, or copy it into the repository"),
        ("surrogates not allowed", "a file's name is not UTF-8, which DVC needs",
         "rename it: find . | grep -axv '.*' lists such names"),
        ("file name too long", "", "shorten the name in the message"),
        ("unsupported url type", "DVC does not support that kind of address", ADD_REMOTE),
        ("can't remove the following unsaved files",
         "files here do not match their pointers, and DVC has no copy of them",
         "keep them: dvc add PATH; or discard them: dvc pull --force"),
        ("to be installed|requires 'dvc|no module named",
         "DVC's plugin for this remote is missing", _GET_PLUGIN),
        ("service accounts do not have storage quota",
         "a service account owns no storage, so it cannot write to a personal Drive", THREE_WAYS),
        ("storage quota has been exceeded", "the Drive is full",
         "empty its bin or free some space, then " + _AGAIN),
        ("storagequotaexceeded",
         "there is no storage left, or it is a service account, which owns none",
         "free some space; for a service account: " + THREE_WAYS),
        ("no space left", "the disk is full", "free some space there, then " + _AGAIN),
        ("quota exceeded", "the quota is used up", "free some space there, then run this again"),
        (_READ_ONLY, "",
         "make the remote writable, or choose another: dvc remote list"),
        ("unauthorized_client", "the service account may not impersonate that person",
         "a Workspace admin allows it: docs/google-drive.md, delegation; scope "
         "https://www.googleapis.com/auth/drive"),
        ("could not deserialize key|no key could be detected|incorrect padding|pyasn1.error",
         "the service account's key is damaged",
         "make another key, then: doors storage set --credentials FILE"),
        ("account not found|invalid jwt", "the service account, or its key, is no longer valid",
         "make another key, then: doors storage set --credentials FILE"),
        ("deleted_client", "the OAuth client has been deleted",
         "make another, then: doors storage login --client FILE"),
        ("invalid_client", "Google does not know the OAuth client, or its secret",
         "copy both again, then: doors storage login --client FILE"),
        ("invalid_grant", "the consent has expired or was revoked", _SIGN_IN),
        ("insufficientpermissions", "the consent does not cover Drive", _SIGN_IN),
        ("insufficient permission|insufficientfilepermissions",
         "the account may only read that folder",
         "share the folder with the account as an editor"),
        ("accessnotconfigured",
         "the Drive API is not enabled for the project of the credentials",
         "enable it: https://console.cloud.google.com/apis/library/drive.googleapis.com"),
        ("file not found: ", "the folder does not exist, or is not shared with this account",
         "share it with the account as an editor, and compare the id with the folder's address"),
        ("exists and you can access it", "the sub-folder does not exist; DVC does not create it",
         "create it in the browser, or use the folder's own id"),
        ("'access_token'|'_module'|'private_key|unexpected credentials type",
         "the credentials are not of the kind that DVC is configured for here",
         "unset GDRIVE_CREDENTIALS_DATA, or: doors storage set"),
        ("jsondecodeerror|expecting value", "the credentials are not JSON",
         "doors storage set --credentials FILE"),
        ("nocredentialserror|unable to locate credentials", "there are no credentials for it",
         f"configure them: {_CONFIGURE}"),
        ("name or service not known", "there is no network, or the host does not exist", _AGAIN),
        ("temporary failure in name|unable to find the server", "there is no network",
         "when the network is back, " + _AGAIN),
        ("connection refused", "the host does not answer", "is the network up? Then " + _AGAIN),
        ("cannot connect", "there is no network", "is the network up? Then " + _AGAIN),
        ("ratelimitexceeded", "Google limits the rate", "wait some minutes, then " + _AGAIN),
        ("permission denied", "",
         "make the remote, or the path in the message, writable (ls -ld PATH), or choose another "
         "remote: dvc remote list"),
        ("authenticat", "the credentials were refused", _WHICH),
        ("forbidden", "",
         "the credentials may not use that remote: give their account access to it"),
        ("no such file or directory", "", "does the remote's folder exist? dvc remote list"),
    )
]  # fmt: skip
"""Searched in this order; the first match is used."""

_TEMPORARY = (
    "unable to acquire lock",
    "cannot connect",
    "connection reset",
    "connection aborted",
    "connection broken",
    "broken pipe",
    "remote end closed",
    "eof occurred",
    "incompleteread",
    "badstatusline",
    "server disconnected",
    "timed out",
    "timeout",
    "did not move",
    "temporary failure",
    "unable to find the server",
    "too many requests",
    "ratelimitexceeded",
    *(
        f"{error} {code}"
        for error in ("error", "status")
        for code in (408, 429, 500, 502, 503, 504)
    ),
)
"""Parts of messages of temporary errors; other errors need a person."""


def explain(message: str) -> Complaint | None:
    """Find the known error in a message of DVC or Google; None if there is none.

    A read-only path in the working directory is the workspace's; others are the storage's.

    >>> explain("<HttpError 403> storageQuotaExceeded").remedy[:15]
    'free some space'
    """
    lower = message.lower()
    fits = (one for one in _COMPLAINTS if any(sign in lower for sign in one.sign.split("|")))
    complaint = next(fits, None)
    if complaint is not None and complaint.sign == _READ_ONLY:
        path = _READ_ONLY_PATH.search(message)
        if path and Path(path["path"]).is_relative_to(Path.cwd()):
            remedy = "this workspace is read-only: make it writable, or work in a clone of it"
            return replace(complaint, remedy=remedy)
    plugin = _PLUGIN.search(lower)
    if complaint is None or complaint.remedy != _GET_PLUGIN or plugin is None:
        return complaint
    name = f"dvc-{plugin['name']}"
    if name == "dvc-gdrive":
        return replace(complaint, remedy=install_command("gdrive"))
    remedy = f"pip install {name}, where dvc itself is; or uv add {name}"
    return replace(complaint, meaning=f"DVC's plugin {name} is missing", remedy=remedy)


def may_pass(message: str) -> bool:
    """Return whether the error is temporary, so that a retry may succeed."""
    lower = message.lower()
    return any(sign in lower for sign in _TEMPORARY)
