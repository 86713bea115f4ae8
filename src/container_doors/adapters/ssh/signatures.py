"""OpenSSH's signatures (``ssh-keygen -Y``), behind :class:`container_doors.core.ports.Signatures`.

Which key signs, git's own settings say: https://git-scm.com/docs/git-config#Documentation/git-config.txt-usersigningKey
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
"""How ``user.signingkey`` begins where it is a public key, whose private half an agent has."""

_GOOD = re.compile(r'Good "[^"]*" signature with (?P<key>\S+ key \S+)')

_FAULTS = (
    ("namespace does not match", "it was made for another purpose (another namespace)"),
    ("incorrect signature", "it is not of this file's bytes"),
    ("parse signature", "it is cut off, or is none of OpenSSH's"),
    ("armor", "it is cut off, or is none of OpenSSH's"),
    ("invalid format", "it is cut off, or is none of OpenSSH's"),
)
"""What ``ssh-keygen`` says of a signature, whoever made it, and what that means."""

_REFUSALS = (
    ("key has expired", "its key has expired"),
    ("key is not yet valid", "its key is not valid yet"),
    ("not permitted for use in signature namespace", "its key may sign other things alone"),
)
"""What ``ssh-keygen`` says of a key that is in the list."""

_UNUSABLE = (
    ("incorrect passphrase", "it has a passphrase: ssh-add it to an agent first"),
    ("permissions", "others may read it: chmod 600 the file"),
    ("no private key found", "the private half is neither beside it nor in an agent: ssh-add it"),
    ("agent", "the private half has to be in an agent: eval $(ssh-agent), then ssh-add it"),
    ("no such file", "git config user.signingkey names another, or: ssh-keygen -t ed25519"),
)
"""What it says of a key that cannot sign, and what to do."""


class SshSignatures:
    """Signs with the SSH key of git's settings in a folder, and verifies with ``ssh-keygen``."""

    def __init__(self, directory: Path = Path()) -> None:
        """Remember where; nothing runs yet."""
        self._directory = directory

    def sign(self, document: Path, *, namespace: str) -> str:
        """Sign a file's bytes, for one purpose alone; returns the signature.

        Raises:
            NoSigningKeyError: If git has no SSH key to sign with.
            VersioningError: If it has one, and it cannot be used.
            MissingToolError: If the program itself is not there.
        """
        key = self._signing_key()
        program = self._setting("gpg.ssh.program", "path") or "ssh-keygen"
        with TemporaryDirectory() as scratch:
            # A copy, as git does it: the signature is written beside the file that is named.
            signed = Path(scratch) / document.name
            signed.write_bytes(document.read_bytes())
            literal = key.removeprefix("key::") if key.startswith(_LITERAL) else None
            agent_only = []
            if literal is not None:
                (Path(scratch) / "key.pub").write_text(literal + "\n", encoding="utf-8")
                key, agent_only = str(Path(scratch) / "key.pub"), ["-U"]
            done = self._run(
                program, "-Y", "sign", "-n", namespace, "-f", key, *agent_only, str(signed)
            )
            made = signed.with_name(f"{signed.name}.sig")
            if done.exit_code or not made.is_file():
                raise _unusable(literal[:40] + "..." if literal else key, done)
            return made.read_text(encoding="utf-8", errors="replace")

    def signer(
        self, document: Path, signature: str, *, namespace: str, allowed: str | None
    ) -> Signer:
        """Tell who signed a file's bytes.

        Raises:
            SignatureError: If it is no signature of these bytes for this purpose, or if the list
                does not allow its key.
            MissingToolError: If the program itself is not there.
        """
        with _as_files(signature, allowed or "") as (made, listed):
            anybody = self._verify(document, "check-novalidate", "-n", namespace, "-s", str(made))
            good = _GOOD.search(anybody.stdout)
            if anybody.exit_code or good is None:
                raise SignatureError(_first(_FAULTS, anybody), hint="fetch or download both again")
            key = good["key"].replace(" key ", " ")
            if allowed is None:
                return Signer(key)
            return Signer(key, self._allowed(document, made, listed, namespace=namespace, key=key))

    def _allowed(
        self, document: Path, made: Path, listed: Path, *, namespace: str, key: str
    ) -> str:
        """Find the name under which the list allows the key of a good signature."""
        sources = ("-f", str(listed), "-s", str(made))
        found = self._run("ssh-keygen", "-Y", "find-principals", *sources)
        complaints = found.stderr
        for name in found.stdout.splitlines() if found.exit_code == 0 else []:
            done = self._verify(document, "verify", "-I", name, "-n", namespace, *sources)
            if done.exit_code == 0:
                return name
            complaints += done.stderr
        why = next((meaning for sign, meaning in _REFUSALS if sign in complaints.lower()), None)
        raise SignatureError(
            f"{why or 'nobody who may sign has its key'} ({key})",
            hint="let somebody sign it whose key is allowed, or have its owner commit the key",
        )

    def _verify(self, document: Path, *arguments: str) -> Finished:
        return self._run("ssh-keygen", "-Y", *arguments, stdin=document)

    def _signing_key(self) -> str:
        """Read what git signs with.

        Raises:
            NoSigningKeyError: If that is no SSH key.
        """
        form = self._setting("gpg.format") or "openpgp"
        if form != "ssh":
            raise NoSigningKeyError(
                f"git signs with {form}, and a model is signed with an SSH key", hint=_CONFIGURE
            )
        key = self._setting("user.signingkey", "path")
        if key is None:
            raise NoSigningKeyError(
                "git has no user.signingkey to sign with",
                hint="git config --global user.signingkey ~/.ssh/id_ed25519.pub",
            )
        return key

    def _setting(self, name: str, kind: str | None = None) -> str | None:
        of_kind = [f"--type={kind}"] if kind else []
        found = run_git(self._directory, "config", *of_kind, "--get", name)
        return found.stdout.strip() or None if found.exit_code == 0 else None

    def _run(self, program: str, *arguments: str, stdin: Path | None = None) -> Finished:
        """Run it in a session of its own: without a terminal it cannot wait for a passphrase."""
        seen = environment_for("ssh-keygen") | {"LC_ALL": "C.UTF-8", "SSH_ASKPASS_REQUIRE": "never"}
        seen.pop("SSH_ASKPASS", None)  # what releases before 8.4 look at
        with (stdin or Path(os.devnull)).open("rb") as source:
            try:
                done = subprocess.run(
                    [program, *arguments],
                    cwd=self._directory,
                    env=seen,
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
                    hint="an agent or a hardware key waits for you: answer it, and run this again",
                ) from None
        return Finished(done.returncode, done.stdout, redacted(done.stderr))


@contextmanager
def _as_files(signature: str, allowed: str) -> Iterator[tuple[Path, Path]]:
    with TemporaryDirectory() as scratch:
        made, listed = Path(scratch) / "signature", Path(scratch) / "allowed_signers"
        made.write_text(signature, encoding="utf-8")
        listed.write_text(allowed, encoding="utf-8")
        yield made, listed


def _first(meanings: tuple[tuple[str, str], ...], done: Finished) -> str:
    complaints = done.stderr.lower()
    return next((meaning for sign, meaning in meanings if sign in complaints), done.complaint)


def _unusable(key: str, done: Finished) -> VersioningError:
    complaints = done.stderr.lower()
    hint = next((remedy for sign, remedy in _UNUSABLE if sign in complaints), _CONFIGURE)
    return VersioningError(f"git's signing key {key} cannot be used: {done.complaint}", hint=hint)
