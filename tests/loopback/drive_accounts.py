"""Who may come to the stand-in for Google Drive: service accounts, people, their tokens."""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.loopback.drive_certificates import make_key, pem
from tests.loopback.drive_http import Reply

BOT = "bot@doors.iam.gserviceaccount.com"
PERSON = "someone@example.org"
CODE = "4/0Acode"
"""What a person who consents is sent back with."""

TOKEN_URI = "https://oauth2.googleapis.com/token"

_REVOKED = ("invalid_grant", "Token has been expired or revoked.")
_NOT_DELEGATED = (
    "unauthorized_client",
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized "
    "for any of the scopes requested.",
)


class Accounts:
    """Grants and tokens.

    Attributes:
        token_s: How long an access token lives; tokens that are out live on.
        delegates: The people whom service accounts may act for.
    """

    def __init__(self) -> None:
        self.token_s = 3599.0
        self.delegates: set[str] = set()
        self._keys: dict[str, rsa.RSAPublicKey] = {}
        self._refresh_tokens: dict[str, str] = {}
        self._tokens: dict[str, tuple[str, float]] = {}

    def add_service_account(self, email: str = BOT) -> str:
        """Make a service account; returns the JSON that the Cloud console would download."""
        key = make_key()
        self._keys[email] = key.public_key()
        return json.dumps({
            "type": "service_account", "project_id": "doors", "private_key_id": "0" * 40,
            "private_key": pem(key), "client_email": email, "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": TOKEN_URI,
        })  # fmt: skip

    def add_person(self, who: str = PERSON) -> str:
        """Have a person consent; returns the JSON that PyDrive2 would keep, its token run out."""
        refresh_token = f"1//{uuid.uuid4().hex}"
        self._refresh_tokens[refresh_token] = who
        return json.dumps({
            "access_token": "ya29.old", "client_id": "cid.apps.googleusercontent.com",
            "client_secret": f"GOCSPX-{uuid.uuid4().hex}", "refresh_token": refresh_token,
            "token_expiry": "2020-01-01T00:00:00Z", "token_uri": TOKEN_URI, "user_agent": None,
            "revoke_uri": "https://oauth2.googleapis.com/revoke", "id_token": None,
            "id_token_jwt": None, "token_response": {}, "invalid": False,
            "scopes": ["https://www.googleapis.com/auth/drive"],
            "token_info_uri": "https://oauth2.googleapis.com/tokeninfo",
            "_class": "OAuth2Credentials", "_module": "oauth2client.client",
        })  # fmt: skip

    def revoke(self) -> None:
        """Take back every consent and every key; access tokens die too."""
        self._refresh_tokens.clear()
        self._keys.clear()
        self._tokens.clear()

    def owner(self, token: str) -> str | None:
        """Whose access token it is, unless it has run out."""
        who, until = self._tokens.get(token, (None, 0.0))
        return who if time.monotonic() < until else None

    def grant(self, form: Mapping[str, str]) -> Reply:
        """Answer a request for an access token."""
        if form.get("grant_type") == "authorization_code":
            return self._first_grant(form)
        if form.get("grant_type") == "refresh_token":
            who, refusal = self._refresh_tokens.get(form.get("refresh_token", "")), _REVOKED
        else:
            who, refusal = self._signer(form["assertion"])
        if who is None:
            return Reply.of({"error": refusal[0], "error_description": refusal[1]}, 400)
        token = f"ya29.{uuid.uuid4().hex}"
        self._tokens[token] = who, time.monotonic() + self.token_s
        return Reply.of(
            {"access_token": token, "expires_in": int(self.token_s), "token_type": "Bearer"}
        )

    def _first_grant(self, form: Mapping[str, str]) -> Reply:
        """Answer who comes with the code that a browser brought."""
        if form.get("code") != CODE or not form.get("code_verifier"):
            return Reply.of({"error": "invalid_grant"}, 400)
        token: str = json.loads(self.add_person())["refresh_token"]
        return Reply.of({"access_token": "ya29.first", "refresh_token": token, "expires_in": 1})

    def _signer(self, assertion: str) -> tuple[str | None, tuple[str, str]]:
        """Who asks with a signed JWT (RFC 7523), or why they get nothing."""
        signed, _, signature = assertion.rpartition(".")
        claims: dict[str, Any] = json.loads(_decoded(signed.partition(".")[2]))
        key = self._keys.get(claims["iss"])
        if key is None:
            return None, ("invalid_grant", "Invalid grant: account not found")
        try:
            key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None, ("invalid_grant", "Invalid JWT Signature.")
        subject = claims.get("sub")
        if subject and subject not in self.delegates:
            return None, _NOT_DELEGATED
        return subject or claims["iss"], _REVOKED


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
