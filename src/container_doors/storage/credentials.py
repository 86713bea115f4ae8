"""Credentials for Google Drive: recognise the kind of a JSON, and configure DVC for it.

Google issues several kinds of JSON; DVC's message for the wrong kind is only ``'access_token'``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from container_doors.core.errors import VersioningError
from container_doors.core.files import json_fault
from container_doors.storage.private_keys import is_rsa_key

SOURCES = ("GDRIVE_CREDENTIALS_DATA", "DVC_SERVICE_ACCOUNT_JSON", "KAGGLE_SECRET_DVC_JSON")
"""The environment variables that may contain a JSON; the first that does is used."""

SUFFIX = ".gserviceaccount.com"
_AUTH_URI = "https://accounts.google.com/o/oauth2/auth"
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_READ_BY_OAUTH2CLIENT = (
    "access_token", "client_id", "client_secret", "refresh_token", "token_expiry", "token_uri",
    "user_agent", "invalid",
)  # fmt: skip
_LONG_AGO = "1970-01-01T00:00:00Z"
_HOW = "docs/google-drive.md explains how to get them"

Kind = Literal["service account", "person"]


@dataclass(frozen=True, slots=True)
class DriveCredentials:
    """An account that may use Drive; its ``repr`` does not show the secrets."""

    kind: Kind
    account: str
    """The service account's address, or the id of the app that the person consented to."""
    source: str
    document: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<{self.kind} {self.account}, from {self.source}>"

    @property
    def text(self) -> str:
        """The JSON in the form that DVC reads."""
        return json.dumps(self.document)

    def is_same(self, other: "DriveCredentials") -> bool:
        """Return whether both have the same secret; tokens that DVC renews may differ."""
        secret = "private_key" if self.kind == "service account" else "refresh_token"
        return self.kind == other.kind and self.document[secret] == other.document[secret]

    def is_usable(self, text: str) -> bool:
        """Return whether DVC, configured for these, can use the JSON in GDRIVE_CREDENTIALS_DATA.

        DVC passes it unchanged to oauth2client, which fails if a key is missing.
        """
        try:
            other = parse_credentials(text, source=self.source)
        except VersioningError:
            return False
        needed = () if other.kind == "service account" else _READ_BY_OAUTH2CLIENT
        return other.kind == self.kind and set(needed) <= json.loads(text).keys()

    def options(self, file: str, *, delegate: str | None) -> dict[str, str]:
        """Return the options for DVC's configuration.

        Args:
            file: The file that has :attr:`text`.
            delegate: The person that a service account impersonates.

        Raises:
            VersioningError: If a person should impersonate another, which Drive does not support.
        """
        if self.kind == "service account":
            impersonation = {"gdrive_service_account_user_email": delegate} if delegate else {}
            return {
                "gdrive_use_service_account": "true",
                "gdrive_service_account_json_file_path": file,
                **impersonation,
            }
        if delegate:
            raise VersioningError(
                f"{self.source} has a person's credentials, which cannot act for another person",
                hint="leave --delegate out, or give a service account's JSON",
            )
        return {"gdrive_use_service_account": "false", "gdrive_user_credentials_file": file}


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An app that may ask a person for consent."""

    client_id: str
    client_secret: str = field(repr=False)
    auth_uri: str
    token_uri: str


def parse_client(text: str, *, source: str) -> OAuthClient:
    """Read an OAuth client of type "Desktop app", as the Cloud console downloads it.

    Raises:
        VersioningError: If it is another JSON, or not JSON.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    client = document.get("installed") if isinstance(document, dict) else None
    if not isinstance(client, dict):
        raise VersioningError(
            f'{source}: expected the JSON of an OAuth client of type "Desktop app"',
            hint="docs/google-drive.md, your own OAuth credentials, step 5",
        )
    _must_have(client, ("client_id", "client_secret"), "an OAuth client", source)
    return OAuthClient(
        client["client_id"],
        client["client_secret"],
        client.get("auth_uri") or _AUTH_URI,
        client.get("token_uri") or _TOKEN_URI,
    )


def find_credentials(environment: Mapping[str, str]) -> DriveCredentials | None:
    """Read the first environment variable that is set.

    Raises:
        VersioningError: If it does not contain credentials for Drive.
    """
    source = next(iter(drive_sources(environment)), None)
    return parse_credentials(environment[source], source=source) if source else None


def drive_sources(environment: Mapping[str, str]) -> list[str]:
    """List the environment variables that are set, in the order in which they are read."""
    return [name for name in SOURCES if environment.get(name, "").strip()]


def parse_credentials(text: str, *, source: str) -> DriveCredentials:
    """Parse a JSON according to its own type.

    Raises:
        VersioningError: If it is not JSON, or of a kind that DVC cannot use; it quotes no secret.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise VersioningError(
            f"{source}: expected the JSON of an account for Google Drive, found {_describe(text)}",
            hint=f"paste the whole file, from {{ to }}; {_HOW}",
        )
    if document.get("type") == "service_account":
        return _service_account(document, source)
    if {"installed", "web"} & document.keys():
        raise VersioningError(
            f"{source} has an OAuth client, which names an app, not a person who consented",
            hint=f"doors storage login --client {_file_or_placeholder(source)}",
        )
    if "refresh_token" in document:
        return _person(document, source)
    raise VersioningError(
        f"{source}: expected a service account (type service_account) or a person's OAuth "
        f"credentials (refresh_token), found {_kind_in(document)}",
        hint=_HOW,
    )


def _service_account(document: Mapping[str, Any], source: str) -> DriveCredentials:
    needed = ("client_email", "private_key", "private_key_id", "client_id")
    _must_have(document, needed, "a service account", source)
    if not is_rsa_key(document["private_key"]):
        raise VersioningError(
            f"{source}: private_key is not a valid key; it was cut off or changed",
            hint=f"paste the whole file again, from {{ to }}, or make another key of the service "
            f"account and download it; {_HOW}",
        )
    complete = {**document, "token_uri": document.get("token_uri") or _TOKEN_URI}
    return DriveCredentials("service account", document["client_email"], source, complete)


def _person(document: Mapping[str, Any], source: str) -> DriveCredentials:
    """Add the fields that oauth2client reads; without an access token it requests one at once."""
    needed = ("refresh_token", "client_id", "client_secret")
    _must_have(document, needed, "a person's OAuth credentials", source)
    has_token = isinstance(document.get("access_token"), str)
    complete = {
        "access_token": "",
        "token_uri": _TOKEN_URI,
        "user_agent": None,
        "revoke_uri": None,
        "id_token": None,
        "token_response": None,
        "scopes": [],
        "token_info_uri": None,
        **document,
        "token_expiry": (has_token and document.get("token_expiry")) or _LONG_AGO,
        "invalid": False,
        "_class": "OAuth2Credentials",
        "_module": "oauth2client.client",
    }
    return DriveCredentials("person", document["client_id"], source, complete)


def _must_have(document: Mapping[str, Any], keys: tuple[str, ...], what: str, source: str) -> None:
    missing = [
        key for key in keys if not isinstance(document.get(key), str) or not document[key].strip()
    ]
    if missing:
        raise VersioningError(
            f"{source}: {what} without {', '.join(missing)}",
            hint=f"paste the whole file; {_HOW}",
        )


def _describe(text: str) -> str:
    if not text.strip():
        return "nothing"
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return f"incomplete JSON, or JSON with a mistake ({json_fault(text) or 'of another kind'})"
    return f"{len(text)} characters that are not a JSON object"


def _kind_in(document: Mapping[str, Any]) -> str:
    kind = document.get("type")
    return f"type {kind}" if isinstance(kind, str) and len(kind) < 40 else "neither"


def _file_or_placeholder(source: str) -> str:
    return "FILE" if source in SOURCES else source
