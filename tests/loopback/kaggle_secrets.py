"""Kaggle's client for secrets, as its notebooks have it, and the service that it asks.

Written after what the real one was seen to do; its classes share no base. It is put on the path
under its real name, ``kaggle_secrets``.
"""

import json
import os
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class CredentialError(Exception):
    pass


class BackendError(Exception):
    pass


class ValidationError(Exception):
    pass


class UserSecretsClient:
    def __init__(self) -> None:
        self._token = os.environ.get("KAGGLE_USER_SECRETS_TOKEN")
        if self._token is None:
            raise CredentialError("A JWT Token is required to call Kaggle")

    def get_secret(self, label: str) -> str:
        if not label:
            raise ValidationError("Label must be non-empty.")
        request = urllib.request.Request(
            os.environ["KAGGLE_URL_BASE"] + "/requests/GetUserSecretRequest",
            data=json.dumps({"Label": label}).encode(),
            headers={"X-Kaggle-Authorization": f"Bearer {self._token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = json.load(response)
        except urllib.error.URLError as error:
            raise ConnectionError("Connection error trying to communicate with service.") from error
        if not answer.get("wasSuccessful"):
            raise BackendError(f"Unexpected response from the service. Response: {answer}.")
        return str(answer["result"]["secret"])


TOKEN = "a-token-for-this-notebook-alone"


@contextmanager
def service(secrets: dict[str, str]):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            label = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Label"]
            allowed = self.headers["X-Kaggle-Authorization"] == f"Bearer {TOKEN}"
            answer = (
                {"wasSuccessful": True, "result": {"secret": secrets[label]}}
                if allowed and label in secrets
                else {"wasSuccessful": False, "errors": ["No user secrets exist"]}
            )
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
