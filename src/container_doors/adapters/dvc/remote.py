"""DVC's default remote, behind :class:`container_doors.core.ports.Storage`.

The committed configuration gets only the address. Options are in ``.dvc/config.local``, which git
ignores. Credentials are in a private file outside the repository, because the files in a Kaggle
machine's working directory become the notebook's output.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from container_doors.adapters.dvc.command import DVC_ENVIRONMENT, INSTALL_DVC, Dvc, python_of_dvc
from container_doors.adapters.shell import call
from container_doors.core.errors import ReadOnlyRemoteError, VersioningError
from container_doors.core.files import replace_secret, user_folder
from container_doors.storage.complaints import explain
from container_doors.storage.credentials import (
    SOURCES,
    DriveCredentials,
    find_credentials,
    parse_credentials,
)
from container_doors.storage.remotes import kind_of

NAME = "storage"
"""The name of a remote that doors adds; from the specification."""

CONFIGURATION = Path(".dvc/config")
"""The file with its address, for git."""

_PROBE = Path(__file__).with_name("probe.py")
_PROBE_S = 180.0
_PREFERRED = SOURCES[0]
"""DVC reads it instead of what is stored; of the other variables it knows nothing."""

_CREDENTIALS = ("gdrive_user_credentials_file", "gdrive_service_account_json_file_path")
_ANOTHER = (
    "make another key of the service account, then: doors storage set --credentials FILE; "
    "docs/google-drive.md"
)
_MAY_NOT_WRITE = (
    "service accounts do not have storage quota",
    "storagequotaexceeded",
    "insufficient permission",
    "insufficientfilepermissions",
    "permission denied",
    "read-only file system",
)
_STEPS = {
    "": "start",
    "opening": "open",
    "writing": "write to",
    "readable": "write to",
    "reading": "read from",
    "deleting": "delete from",
}


class DvcRemote:
    """The default remote of the DVC repository around a folder."""

    def __init__(self, directory: Path = Path()) -> None:
        """Store the folder; nothing runs yet."""
        self._directory = directory
        self._dvc = Dvc(directory)

    @property
    def url(self) -> str | None:
        """The address in DVC's configuration; None if there is no default remote.

        Raises:
            VersioningError: If there is no repository.
        """
        config = self._config()
        return config.get(f"remote.{self._name(config)}.url")

    def configure(self, url: str, options: Mapping[str, str]) -> None:
        """Make ``url`` the default remote; remove the options of an earlier one.

        Raises:
            VersioningError: If there is no repository, or DVC refuses.
        """
        config = self._config()
        name = self._name(config)
        prefix = f"remote.{name}."
        # First: DVC refuses every command while a remote has options of another kind of remote.
        for key in self._config("--local"):
            if key.startswith(prefix) and key.removeprefix(prefix) not in options:
                self._dvc.run_checked("clear the remote", "config", "--local", "--unset", key)
        if url != config.get(f"{prefix}url"):
            if kind_of(url) == "directory":
                folder = self._directory / Path(url).expanduser()
                folder.mkdir(parents=True, exist_ok=True)
            self._dvc.run_checked(
                "set the remote", "remote", "add", "--default", "--force", name, url
            )
        for option, value in options.items():
            self._dvc.run_checked("set the remote", "config", "--local", prefix + option, value)

    @property
    def credentials_file(self) -> Path:
        """The file of this repository's credentials."""
        root = self._root()
        name = f"{root.name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}.json"
        config = user_folder("XDG_CONFIG_HOME", ".config")
        if config is None:
            raise VersioningError(
                "there is no home folder to store credentials in",
                hint="set XDG_CONFIG_HOME to a folder that only you can read",
            )
        return config / "container-doors" / name

    def keep_credentials(self, text: str) -> Path:
        """Store a secret in a file that only its owner can read; one file per repository.

        Returns:
            The file's path.
        """
        path = self.credentials_file
        replace_secret(path, text)
        return path

    def uses(self, credentials: DriveCredentials) -> bool:
        """Return whether DVC, as it is configured here, uses these credentials for Drive."""
        config = self._config()
        name = self._name(config)
        if credentials.source == _PREFERRED:
            is_usable = credentials.is_usable(os.environ.get(_PREFERRED, ""))
            return is_usable and _is_of_the_kind(credentials, config, name)
        return any(_has(file, credentials) for file in self._files(config, name))

    def probe(self) -> str:
        """Write, read and delete a small file; return the remote's address.

        Raises:
            VersioningError: If the remote cannot be used.
        """
        config = self._config()
        name = self._name(config)
        url = config.get(f"remote.{name}.url")
        if url is None:
            raise VersioningError("DVC has no remote", hint="doors storage set DIRECTORY")
        if kind_of(url) == "drive":
            self._check_has_credentials(config, name, url)
        self._run_probe(url)
        return url

    def _check_has_credentials(self, config: Mapping[str, str], name: str, url: str) -> None:
        """Raise if there are no credentials: DVC would try to open a browser."""
        files = self._files(config, name)
        missing = [file for file in files if not file.exists()]
        is_stored = bool(files) and not missing
        if os.environ.get(_PREFERRED):
            _check_preferred(config, name, url, is_stored=is_stored)
            return
        if is_stored:
            self._check_service_account(config, name)
            return
        unstored = find_credentials(os.environ)
        if unstored is not None:
            raise _not_stored(url, unstored)
        found = f"{missing[0]} is missing" if missing else "this machine has none"
        raise VersioningError(
            f"{url} needs credentials, but {found}",
            hint="doors storage set --credentials FILE; docs/google-drive.md says how to get them",
        )

    def _files(self, config: Mapping[str, str], name: str) -> list[Path]:
        """Return the files of credentials that DVC is configured for; they may be missing."""
        keys = [f"remote.{name}.{key}" for key in _CREDENTIALS]
        named = [config[key] for key in keys if key in config]
        return [self._root() / ".dvc" / file for file in named] if named else []

    def _check_service_account(self, config: Mapping[str, str], name: str) -> None:
        """Report what is wrong with a stored key; DVC would only report that Drive refuses it."""
        path = config.get(f"remote.{name}.gdrive_service_account_json_file_path")
        is_used = config.get(f"remote.{name}.gdrive_use_service_account", "").lower() == "true"
        if path and is_used:
            file = self._root() / ".dvc" / path
            try:
                text = file.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise VersioningError(
                    f"{file} cannot be read: {type(error).__name__}", hint=_ANOTHER
                ) from None
            try:
                parse_credentials(text, source=str(file))
            except VersioningError as error:
                raise VersioningError(error.problem, hint=_ANOTHER) from None

    def _run_probe(self, url: str) -> None:
        try:
            done = call(
                [*python_of_dvc(), _PROBE],
                cwd=self._directory,
                hint=INSTALL_DVC,
                environment=DVC_ENVIRONMENT,
                tool="dvc",
                timeout_s=_PROBE_S,
            )
        except TimeoutError:
            raise VersioningError(
                f"{url} does not answer within {_PROBE_S:.0f} s",
                hint="is the network up? Then run this again",
            ) from None
        last = done.stdout.split()[-1] if done.stdout.split() else ""
        if done.exit_code == 0 and last == "done":
            return
        if last == "vanished":
            raise VersioningError(
                f"the folder {url} does not exist; DVC would silently create an empty one",
                hint="mount or restore it, or create a new one: doors storage set DIRECTORY",
            )
        if last == "differs":
            raise VersioningError(
                f"{url} returned other bytes than were written to it",
                hint="choose another remote: doors storage set URL",
            )
        raise self._failure(url, last, done.stderr)

    def _failure(self, url: str, step: str, message: str) -> VersioningError:
        complaint = explain(message)
        lines = [line for line in message.splitlines() if line.strip()] or ["no message"]
        meaning = complaint.meaning if complaint else ""
        is_refused = step == "readable" and any(sign in message.lower() for sign in _MAY_NOT_WRITE)
        kind = ReadOnlyRemoteError if is_refused else VersioningError
        return kind(
            f"cannot {_STEPS.get(step, step)} {url}: {meaning or lines[-1]}",
            hint=complaint.remedy if complaint else "dvc doctor shows more",
        )

    def _root(self) -> Path:
        found = self._dvc.run_checked("find its repository", "root").stdout.strip()
        return (self._directory / found).resolve()

    def _name(self, config: Mapping[str, str]) -> str:
        return config.get("core.remote", NAME)

    def _config(self, *level: str) -> dict[str, str]:
        listed = self._dvc.run_checked("read its configuration", "config", "--list", *level).stdout
        return dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)


def _check_preferred(config: Mapping[str, str], name: str, url: str, *, is_stored: bool) -> None:
    """Raise if DVC cannot use what it prefers; its own message names neither place nor reason."""
    otherwise = (
        f"unset {_PREFERRED}, which DVC prefers to the stored ones; or " if is_stored else ""
    )
    text = os.environ[_PREFERRED]
    try:
        credentials = parse_credentials(text, source=_PREFERRED)
    except VersioningError as error:
        raise VersioningError(error.problem, hint=f"{otherwise}{error.hint}") from None
    if not _is_of_the_kind(credentials, config, name):
        if not is_stored:
            raise _not_stored(url, credentials)
        raise VersioningError(
            f"{_PREFERRED} has the {credentials.kind} {credentials.account}, which is not of the "
            "kind in .dvc/config.local",
            hint=f"{otherwise}doors storage set, to use it",
        )
    if not credentials.is_usable(text):
        store = "" if is_stored else "doors storage set, which stores them complete; then "
        raise VersioningError(
            f"{_PREFERRED} has a person's credentials without values that DVC reads",
            hint=f"{store}unset {_PREFERRED}",
        )


def _not_stored(url: str, credentials: DriveCredentials) -> VersioningError:
    return VersioningError(
        f"{url} needs credentials: {credentials.source} has the {credentials.kind} "
        f"{credentials.account}, but DVC does not use it yet",
        hint="doors storage set",
    )


def _is_of_the_kind(credentials: DriveCredentials, config: Mapping[str, str], name: str) -> bool:
    is_service = config.get(f"remote.{name}.gdrive_use_service_account", "").lower() == "true"
    return (credentials.kind == "service account") == is_service


def _has(file: Path, credentials: DriveCredentials) -> bool:
    try:
        stored = parse_credentials(file.read_text(encoding="utf-8-sig"), source=str(file))
    except (OSError, UnicodeDecodeError, VersioningError):
        return False
    return stored.is_same(credentials)
