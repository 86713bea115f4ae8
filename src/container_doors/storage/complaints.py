"""What DVC and Google say when a remote does not work, in plain words, and what to do about it."""

import re
from dataclasses import dataclass, replace

ADD_REMOTE = "doors remote set DIRECTORY, or gdrive://FOLDER_ID, or any URL that DVC knows"
THREE_WAYS = (
    "use a folder of a shared drive (Google Workspace), or act for a person: doors remote set "
    "--delegate EMAIL, or use a person's own credentials: doors remote login "
    "--client FILE; see docs/google-drive.md"
)
_AGAIN = "run this again: what arrived is not sent twice"
_PLUGIN = re.compile(r"dvc[-_](?P<name>[a-z0-9]+)")
_GET_PLUGIN = "uv sync, for Google Drive; for others DVC's plugin, where dvc itself is"
_SIGN_IN = (
    "sign in again: doors remote login --client FILE; the app must be published, or it lasts "
    "7 days only"
)
_CONFIGURE = "https://doc.dvc.org/user-guide/data-management/remote-storage"
_WHICH = (
    "for Google Drive: doors remote set --credentials FILE with a service account's new key, or as "
    f"a person doors remote login --client FILE; for others configure them: {_CONFIGURE}"
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong, and the next step; a ``meaning`` of "" is no better than what was said."""

    sign: str
    """What is said, in lower case; alternatives are divided by ``|``."""
    meaning: str
    remedy: str


_COMPLAINTS = [
    Complaint(*row)
    for row in (
        ("unable to acquire lock", "",
         "another dvc is at work here: wait for it, then run this again"),
        ("not inside of a dvc repository", "", "dvc init, in the repository's root"),
        ("is not a git repository", "",
         "git init, in the folder that holds .dvc; or clone it anew"),
        ("no remote specified", "", ADD_REMOTE),
        ("is git-ignored", "", "git check-ignore -v FILE names the line of .gitignore to change"),
        ("is already tracked by scm", "git tracks that path, and two cannot keep it",
         "git rm -r --cached PATH && git commit, then run this again; the file itself stays"),
        ("overlapping with other", "",
         "of two pointers, one inside the other, keep one: dvc remove POINTER.dvc"),
        ("inside symlinked", "the path is behind a symbolic link",
         "name the real path, or copy it into the repository"),
        ("surrogates not allowed", "a file's name is no UTF-8, which is all that DVC can keep",
         "rename it: find . | grep -axv '.*' lists such names"),
        ("file name too long", "", "shorten the name that it quotes"),
        ("unsupported url type", "DVC knows no such kind of address", ADD_REMOTE),
        ("can't remove the following unsaved files",
         "files here are not what their pointers name, and DVC has no copy of them",
         "keep them: dvc add PATH; or give them up: dvc pull --force"),
        ("to be installed|requires 'dvc|no module named",
         "DVC's plugin for this remote is missing", _GET_PLUGIN),
        ("service accounts do not have storage quota",
         "a service account owns no storage, so it cannot write to a personal Drive", THREE_WAYS),
        ("storage quota has been exceeded", "the Drive is full",
         "empty its bin or free some space, then " + _AGAIN),
        ("storagequotaexceeded",
         "there is no storage left, or the account is a service account, which owns none",
         "free some space; for a service account: " + THREE_WAYS),
        ("no space left", "the disk is full", "free some space there, then " + _AGAIN),
        ("quota exceeded", "the quota is used up", "free some space there, then run this again"),
        ("read-only file system", "",
         "make the remote writable, or choose another: dvc remote list"),
        ("unauthorized_client", "the service account may not act for that person",
         "a Workspace admin allows it: docs/google-drive.md, delegation; scope "
         "https://www.googleapis.com/auth/drive"),
        ("could not deserialize key|no key could be detected|incorrect padding|pyasn1.error",
         "the service account's key is damaged",
         "make another key, then: doors remote set --credentials FILE"),
        ("account not found|invalid jwt", "the service account, or its key, is no longer good",
         "make another key, then: doors remote set --credentials FILE"),
        ("deleted_client", "the OAuth client has been deleted",
         "make another, then: doors remote login --client FILE"),
        ("invalid_client", "Google does not know the OAuth client, or its secret",
         "copy both anew, then: doors remote login --client FILE"),
        ("invalid_grant", "the consent has expired or was revoked", _SIGN_IN),
        ("insufficientpermissions", "the consent does not cover Drive", _SIGN_IN),
        ("insufficient permission|insufficientfilepermissions",
         "the account may only read that folder",
         "share the folder with the account as an editor"),
        ("accessnotconfigured",
         "the Drive API is not switched on for the project of the credentials",
         "switch it on: https://console.cloud.google.com/apis/library/drive.googleapis.com"),
        ("file not found: ", "the folder is not there, or is not shared with this account",
         "share it with the account as an editor, and compare the id with the folder's address"),
        ("exists and you can access it", "the sub-folder is not there; DVC does not make it",
         "make it in the browser, or name the folder's own id"),
        ("'access_token'|'_module'|'private_key|unexpected credentials type",
         "the credentials are of another kind than .dvc/config.local says",
         "unset GDRIVE_CREDENTIALS_DATA, or: doors remote set"),
        ("jsondecodeerror|expecting value", "the credentials are no JSON",
         "doors remote set --credentials FILE"),
        ("nocredentialserror|unable to locate credentials", "there are no credentials for it",
         f"configure them: {_CONFIGURE}"),
        ("name or service not known", "there is no network, or no such host", _AGAIN),
        ("temporary failure in name|unable to find the server", "there is no network",
         "when it is back, " + _AGAIN),
        ("connection refused", "nothing answers there", "is the network up? Then " + _AGAIN),
        ("cannot connect", "there is no network", "is the network up? Then " + _AGAIN),
        ("ratelimitexceeded", "Google asks to be slower", "wait some minutes, then " + _AGAIN),
        ("permission denied", "",
         "make the remote writable, or the path that it names (ls -ld PATH), or choose another "
         "remote: dvc remote list"),
        ("authenticat", "the credentials are refused", _WHICH),
        ("forbidden", "",
         "the credentials may not use that remote: give their account access to it"),
        ("no such file or directory", "", "does the remote's folder exist? dvc remote list"),
    )
]  # fmt: skip
"""In this order: the first that fits."""

_PASSING = (
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
"""What may be gone a moment later; the rest needs a person."""


def explain(said: str) -> Complaint | None:
    """Find what is meant by what was said.

    >>> explain("<HttpError 403> storageQuotaExceeded").remedy[:15]
    'free some space'
    """
    lower = said.lower()
    fits = (one for one in _COMPLAINTS if any(sign in lower for sign in one.sign.split("|")))
    complaint = next(fits, None)
    plugin = _PLUGIN.search(lower)
    if complaint is None or complaint.remedy != _GET_PLUGIN or plugin is None:
        return complaint
    name = f"dvc-{plugin['name']}"
    if name == "dvc-gdrive":
        return replace(complaint, remedy="uv sync installs dvc-gdrive")
    remedy = f"uv add --group dvc {name}; or pip install {name}, where dvc itself is"
    return replace(complaint, meaning=f"DVC's plugin {name} is missing", remedy=remedy)


def may_pass(said: str) -> bool:
    """Tell whether trying again is worth it."""
    lower = said.lower()
    return any(sign in lower for sign in _PASSING)
