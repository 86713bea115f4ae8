"""OpenSSH's signatures (``ssh-keygen -Y``), behind :class:`container_doors.core.ports.Signatures`.

Git's settings choose the signing key: https://git-scm.com/docs/git-config#Documentation/git-config.txt-usersigningKey
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from container_doors.adapters.git.repository import run_git
from container_doors.adapters.shell import Finished, redacted
from container_doors.core.child_environment import environment_for
from container_doors.core.errors import (
    MissingToolError,
    NoSigningKeyError,
    SignatureError,
    VersioningError,
)
from container_doors.core.ports import Signer

_INSTALL = "install OpenSSH 8.2 or later: apt-get install openssh-client"
_CONFIGURE = (
    "git config --global gpg.format ssh && "
    "git config --global user.signingkey ~/.ssh/id_ed25519.pub (ssh-keygen -t ed25519 makes a key)"
)
_TIMEOUT_S = 60
"""Time to touch a hardware key; everything else takes milliseconds."""

_LITERAL = ("key::", "ssh-")
"""Prefixes of a ``user.signingkey`` that is a public key; an agent has its private half."""

_GOOD = re.compile(r'Good "[^"]*" signature with (?P<key>\S+ key \S+)')

_FAULTS = (
    ("namespace does not match", "it has another namespace"),
    ("incorrect signature", "it does not match this file"),
    ("parse signature", "it is cut off, or not a signature of OpenSSH"),
    ("armor", "it is cut off, or not a signature of OpenSSH"),
    ("invalid format", "it is cut off, or not a signature of OpenSSH"),
)
"""Messages of ``ssh-keygen`` about a signature, and their meaning."""

_REFUSALS = (
    ("key has expired", "its key has expired"),
    ("key is not yet valid", "its key is not valid yet"),
    (
        "not permitted for use in signature namespace",
        "its key is only allowed for other namespaces",
    ),
)
"""Messages of ``ssh-keygen`` about a key in the list of allowed signers."""

_UNUSABLE = (
    ("incorrect passphrase", "it has a passphrase: ssh-add it to an agent first"),
    ("permissions", "others may read it: chmod 600 the file"),
    ("no private key found", "the private half is neither beside it nor in an agent: ssh-add it"),
    ("agent", "the private half must be in an agent: eval $(ssh-agent), then ssh-add it"),
    ("no such file", "git config user.signingkey sets another, or: ssh-keygen -t ed25519"),
)
"""Its messages about a key that cannot sign, and the remedies."""


class SshSignatures:
    """Sign with the SSH key of git's settings in a folder, and verify with ``ssh-keygen``."""

    def __init__(self, directory: Path = Path()) -> None:
        """Store the folder; nothing runs yet."""
        self._directory = directory

    def sign(self, document: Path, *, namespace: str) -> str:
        """Sign a file's bytes for one namespace; return the signature.

        Raises:
            NoSigningKeyError: If git has no SSH key to sign with.
            VersioningError: If its key cannot be used.
            MissingToolError: If the program is not installed.
        """
        key = self._signing_key()
        program = self._setting("gpg.ssh.program", "path") or "ssh-keygen"
        with TemporaryDirectory() as scratch:
            # A copy, as git does it: the signature is written beside the given file.
            copy = Path(scratch) / document.name
            copy.write_bytes(document.read_bytes())
            literal = key.removeprefix("key::") if key.startswith(_LITERAL) else None
            agent_only = []
            if literal is not None:
                (Path(scratch) / "key.pub").write_text(literal + "\n", encoding="utf-8")
                key, agent_only = str(Path(scratch) / "key.pub"), ["-U"]
            done = self._run(
                program, "-Y", "sign", "-n", namespace, "-f", key, *agent_only, str(copy)
            )
            signature_path = copy.with_name(f"{copy.name}.sig")
            if done.exit_code or not signature_path.is_file():
                raise _unusable(literal[:40] + "..." if literal else key, done)
            return signature_path.read_text(encoding="utf-8", errors="replace")

    def signer(
        self, document: Path, signature: str, *, namespace: str, allowed: str | None
    ) -> Signer:
        """Verify a signature and return the signer.

        Raises:
            SignatureError: If it is not a valid signature of these bytes for this namespace, or if
                the list does not allow its key.
            MissingToolError: If the program is not installed.
        """
        with _as_files(signature, allowed or "") as (signature_path, allowed_path):
            done = self._verify(
                document, "check-novalidate", "-n", namespace, "-s", str(signature_path)
            )
            match = _GOOD.search(done.stdout)
            if done.exit_code or match is None:
                raise SignatureError(_first(_FAULTS, done), hint="fetch or download both again")
            key = match["key"].replace(" key ", " ")
            if allowed is None:
                return Signer(key)
            return Signer(
                key,
                self._allowed(document, signature_path, allowed_path, namespace=namespace, key=key),
            )

    def _allowed(
        self, document: Path, signature_path: Path, allowed_path: Path, *, namespace: str, key: str
    ) -> str:
        """Return the name of the allowed signer with the key of a valid signature."""
        sources = ("-f", str(allowed_path), "-s", str(signature_path))
        found = self._run("ssh-keygen", "-Y", "find-principals", *sources)
        complaints = found.stderr
        for name in found.stdout.splitlines() if found.exit_code == 0 else []:
            done = self._verify(document, "verify", "-I", name, "-n", namespace, *sources)
            if done.exit_code == 0:
                return name
            complaints += done.stderr
        why = next((meaning for sign, meaning in _REFUSALS if sign in complaints.lower()), None)
        raise SignatureError(
            f"{why or 'no allowed signer has its key'} ({key})",
            hint="let an allowed signer sign it, or commit the key to the list of allowed signers",
        )

    def _verify(self, document: Path, *arguments: str) -> Finished:
        return self._run("ssh-keygen", "-Y", *arguments, stdin=document)

    def _signing_key(self) -> str:
        """Return the key that git signs with.

        Raises:
            NoSigningKeyError: If it is not an SSH key.
        """
        form = self._setting("gpg.format") or "openpgp"
        if form != "ssh":
            raise NoSigningKeyError(
                f"git signs with {form}, but a model needs an SSH key", hint=_CONFIGURE
            )
        key = self._setting("user.signingkey", "path")
        if key is None:
            raise NoSigningKeyError(
                "git has no user.signingkey to sign with",
                hint="git config --global user.signingkey ~/.ssh/id_ed25519.pub",
            )
        return key

    def _setting(self, name: str, kind: str | None = None) -> str | None:
        type_option = [f"--type={kind}"] if kind else []
        found = run_git(self._directory, "config", *type_option, "--get", name)
        return found.stdout.strip() or None if found.exit_code == 0 else None

    def _run(self, program: str, *arguments: str, stdin: Path | None = None) -> Finished:
        """Run it in its own session: without a terminal it cannot wait for a passphrase."""
        environment = environment_for("ssh-keygen") | {
            "LC_ALL": "C.UTF-8",
            "SSH_ASKPASS_REQUIRE": "never",
        }
        environment.pop("SSH_ASKPASS", None)  # used by releases before 8.4
        with (stdin or Path(os.devnull)).open("rb") as source:
            try:
                done = subprocess.run(
                    [program, *arguments],
                    cwd=self._directory,
                    env=environment,
                    stdin=source,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    check=False,
                    timeout=_TIMEOUT_S,
                    start_new_session=True,
                )
            except (FileNotFoundError, PermissionError) as error:
                problem = f"cannot run {program}: {error.strerror}"
                raise MissingToolError(problem, hint=_INSTALL) from None
            except subprocess.TimeoutExpired:
                raise VersioningError(
                    f"{program} did not end within {_TIMEOUT_S} s",
                    hint="an agent or a hardware key waits for you: answer it, then run this again",
                ) from None
        return Finished(done.returncode, done.stdout, redacted(done.stderr))


@contextmanager
def _as_files(signature: str, allowed: str) -> Iterator[tuple[Path, Path]]:
    with TemporaryDirectory() as scratch:
        signature_path, allowed_path = (
            Path(scratch) / "signature",
            Path(scratch) / "allowed_signers",
        )
        signature_path.write_text(signature, encoding="utf-8")
        allowed_path.write_text(allowed, encoding="utf-8")
        yield signature_path, allowed_path


def _first(meanings: tuple[tuple[str, str], ...], done: Finished) -> str:
    complaints = done.stderr.lower()
    return next((meaning for sign, meaning in meanings if sign in complaints), done.complaint)


def _unusable(key: str, done: Finished) -> VersioningError:
    complaints = done.stderr.lower()
    hint = next((remedy for sign, remedy in _UNUSABLE if sign in complaints), _CONFIGURE)
    return VersioningError(f"git's signing key {key} cannot be used: {done.complaint}", hint=hint)
