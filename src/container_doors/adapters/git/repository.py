"""Git, behind :class:`container_doors.core.ports.Repository`."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from container_doors.adapters.git.bundle import bundle_code
from container_doors.adapters.shell import (
    Finished,
    FinishedBytes,
    call_for_bytes,
    redacted,
    text_of,
)
from container_doors.core.errors import MissingToolError, VersioningError
from container_doors.core.ports import PackedCode, Upstream
from container_doors.core.records import CodeState

INSTALL_GIT = "install git: https://git-scm.com/downloads"

_INHERITED = re.compile(
    r"GIT_(?:CONFIG_.*|SSH.*|ASKPASS|(?:AUTHOR|COMMITTER)_.*|HTTP.*|SSL_.*|PROXY_.*|CURL_.*|"
    r"TRACE|ALLOW_PROTOCOL|PROTOCOL.*|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM|EXEC_PATH|TEST_.*)"
)
"""Variables that are passed on: the user's identity and access to remotes. Others could direct git
to another repository, as in a hook (GIT_DIR), to other objects, or to other rules for paths."""

_SETTINGS = (
    "core.fsmonitor=false",  # a program that would be run and trusted
    f"core.excludesFile={os.devnull}",  # a user's own list is not in a commit
    "core.quotePath=false",
    "core.commentChar=;",  # or git drops message lines that start with the user's character
    "color.ui=false",
    "column.ui=never",
    "diff.ignoreSubmodules=none",
    "fetch.all=false",
    "fetch.prune=false",
    "merge.autoStash=false",
)
"""Settings that override the user's configuration where it would change the output. The rest stays
the user's, such as how commits are signed and which hooks run."""

_TIMEOUT_S, _PACK_TIMEOUT_S = 120, 1800
_NO_VARIABLES: Mapping[str, str] = {}
_UPSTREAM = "@{upstream}"
_CODE = (":(top)", *(f":(top,exclude){path}" for path in ("reports", "weights", "summary_*")))
"""The paths of the code; outputs of a training are excluded, or the next one would be unclean."""

_NO_CODE = (
    "data", "runs", "reports", "weights", "summary_*", "kaggle_output", "doors-demo",
    "remote-storage", "dvc.lock", ".dvc",
)  # fmt: skip
"""Data, outputs and DVC's own files. A run identifies its data by hash, and the location of large
files does not change the weights."""


def run_git(directory: Path, *arguments: str, settings: Sequence[str] = ()) -> Finished:
    """Run git with settings that make its output independent of the user's configuration.

    Any exit code is returned. It never waits for a password; only the folder selects the
    repository.

    Args:
        directory: The working directory.
        arguments: The command and its arguments.
        settings: Additional settings, ``name=value``.

    Raises:
        MissingToolError: If git is not installed.
        VersioningError: If it does not end in time.
    """
    done = run_git_for_bytes(directory, arguments, settings=settings)
    return Finished(done.exit_code, redacted(text_of(done.stdout)), done.stderr)


def run_git_for_bytes(
    directory: Path,
    arguments: Sequence[str],
    *,
    settings: Sequence[str] = (),
    stdin: bytes = b"",
    variables: Mapping[str, str] = _NO_VARIABLES,
    timeout_s: float = _TIMEOUT_S,
) -> FinishedBytes:
    """Run git as :func:`run_git` does, and return its output as bytes.

    Args:
        directory: See :func:`run_git`.
        arguments: See :func:`run_git`.
        settings: See :func:`run_git`.
        stdin: Its standard input.
        variables: Additional environment variables.
        timeout_s: The time limit.

    Raises:
        MissingToolError: If git is not installed.
        VersioningError: If it does not end in time.
    """
    removed = [
        name for name in os.environ if name.startswith("GIT_") and not _INHERITED.fullmatch(name)
    ]
    environment = {
        **dict.fromkeys(removed),
        "PYTHONSAFEPATH": None,  # set by us; a hook in Python may need to import modules beside it
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",  # reading takes no locks: it never disturbs a commit
        "GIT_NO_REPLACE_OBJECTS": "1",  # the commit's own objects, without replacements
        **variables,
    }
    flags = [part for setting in (*_SETTINGS, *settings) for part in ("-c", setting)]
    try:
        return call_for_bytes(
            ["git", "--no-pager", *flags, *arguments],
            cwd=directory,
            hint=INSTALL_GIT,
            environment=environment,
            timeout_s=timeout_s,
            given=stdin,
        )
    except TimeoutError:
        raise VersioningError(
            f"git {arguments[0]} did not end within {timeout_s:.0f} s",
            hint="is the folder on a network drive, a hook waiting, or a signature's passphrase?",
        ) from None


class GitRepository:
    """The git repository around a folder, if there is one. It never reads a remote's URL."""

    def __init__(self, directory: Path = Path()) -> None:
        self._directory = directory

    def code_state(self, *, beside: Sequence[Path] = ()) -> CodeState:
        """Return the commit, and whether the code equals it; None outside of git.

        Args:
            beside: Paths that are not code, besides the usual paths of data and outputs.

        Raises:
            VersioningError: If there is a repository, and git refuses to read it.
        """
        try:
            top = self._git("rev-parse", "--show-toplevel")
        except MissingToolError:
            return CodeState(commit=None, clean=None)
        if top.exit_code:
            if "not a git repository" in top.stderr:
                return CodeState(commit=None, clean=None)
            raise _git_error("read the repository", top)
        commit = self._git("rev-parse", "--verify", "--quiet", "HEAD")
        changed = self._changed(*self._without(beside), untracked="normal")
        return CodeState(commit=commit.stdout.strip() or None, clean=not changed)

    def tags(self, pattern: str) -> list[str]:
        """List the tags that match a glob; none if there is no repository.

        Raises:
            VersioningError: If git refuses to read the repository: without its tags a version
                number could be used twice.
        """
        try:
            listed = self._git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
        except MissingToolError:
            return []
        if listed.exit_code:
            if "not a git repository" in listed.stderr:
                return []
            raise _git_error("list the tags", listed)
        return [tag for tag in listed.stdout.splitlines() if fnmatchcase(tag, pattern)]

    def _changed(self, *pathspecs: str, untracked: str) -> list[Path]:
        """List the files that differ from the commit, also those that the index ignores."""
        listed = self._data(
            "list the changes", "status", "--porcelain", "-z", "--no-renames",
            "--ignore-submodules=none", f"--untracked-files={untracked}", "--", *_CODE, *pathspecs,
        )  # fmt: skip
        changed = [Path(os.fsdecode(entry[3:])) for entry in listed.split(b"\0") if entry]
        return [
            *changed,
            *(path for path in self._ignored_changes(*pathspecs) if path not in changed),
        ]

    def _without(self, beside: Sequence[Path]) -> Iterator[str]:
        """Yield pathspecs that exclude data and outputs, of the root and of this folder."""
        output = self._run_checked(
            "find its root", "rev-parse", "--show-toplevel", "--show-prefix"
        ).stdout
        top, here = map(Path, output.split("\n")[:2])
        for name in _NO_CODE:
            yield f":(top,exclude){name}"
            yield f":(top,exclude){(here / name).as_posix()}"
        for path in beside:
            inside = Path(os.path.relpath(top / here / path, top))  # also for an absolute path
            if inside.parts[:1] not in {(), ("..",)}:
                yield f":(top,exclude,literal){inside.as_posix()}"
                yield f":(top,exclude,literal){inside.as_posix()}.dvc"
                for folder in inside.parents[:-1]:
                    if (top / folder).is_symlink():
                        yield f":(top,exclude,literal){folder.as_posix()}"

    def _ignored_changes(self, *pathspecs: str) -> Iterator[Path]:
        """Find changes hidden by ``git update-index --assume-unchanged`` or ``--skip-worktree``.

        A missing file was left out by a sparse checkout. Files in this clone's own exclude list are
        not part of the code, such as photographs on a machine that they were sent to.
        """
        root = self._data("find its root", "rev-parse", "--show-toplevel").removesuffix(b"\n")
        top = Path(os.fsdecode(root))
        listed = self._data(
            "list its files", "ls-files", "-v", "-s", "-z", "--full-name", "--", *_CODE, *pathspecs
        )
        hashes = {}
        for entry in listed.split(b"\0"):
            facts, _, name = entry.partition(b"\t")
            flag, _, index_entry = facts.decode("ascii").partition(" ")
            if name and (flag.islower() or flag == "S"):
                hashes[Path(os.fsdecode(name))] = index_entry.split()[1]
        for path in hashes.keys() - self._locally_excluded() if hashes else ():
            if (top / path).is_file() and self._hash_of(top / path) != hashes[path]:
                yield path

    def _locally_excluded(self) -> set[Path]:
        """List the tracked files that ``.git/info/exclude`` matches."""
        own = self._run_checked(
            "find its settings", "rev-parse", "--git-path", "info/exclude"
        ).stdout
        listed = self._data(
            "list its files", "ls-files", "-c", "-i", "-z", "--full-name",
            f"--exclude-from={own.rstrip()}",
        )  # fmt: skip
        return {Path(os.fsdecode(name)) for name in listed.split(b"\0") if name}

    def _hash_of(self, path: Path) -> str:
        """Return the hash that git would give a file, with line ends and filters as in a commit."""
        return self._run_checked(
            "hash a file", "hash-object", "--", str(path.absolute())
        ).stdout.strip()

    def fetch(self) -> Upstream:
        """Fetch the branch's upstream; nothing in the working directory changes.

        Raises:
            VersioningError: If the remote refuses, or if the branches have diverged.
        """
        self.check_ready()
        upstream = self._git("rev-parse", "--abbrev-ref", "--symbolic-full-name", _UPSTREAM)
        if upstream.exit_code:
            return Upstream(None, None)
        name = upstream.stdout.strip()
        self._run_checked(f"fetch {name}", "fetch", "--quiet", "--no-recurse-submodules")
        if self._is_ancestor(_UPSTREAM, "HEAD"):
            return Upstream(name, None)
        if not self._is_ancestor("HEAD", _UPSTREAM):
            raise VersioningError(
                f"this branch and {name} have diverged: both have commits that the other lacks",
                hint=f"git rebase {name} (or git merge {name}), then doors sync again",
            )
        return Upstream(name, self._run_checked("read it", "rev-parse", _UPSTREAM).stdout.strip())

    def changes(self, *, beside: Sequence[Path]) -> list[Path]:
        """List the files that differ from the commit, also untracked ones.

        Args:
            beside: Paths that are not part of the code.

        Raises:
            VersioningError: If there is no commit, or this is not the repository's root.
        """
        self.check_ready()
        if self._run_checked("find its root", "rev-parse", "--show-prefix").stdout.strip():
            raise VersioningError(
                "this is a folder of the repository, but not its root",
                hint="cd $(git rev-parse --show-toplevel)",
            )
        without = [f":(top,exclude,literal){path.as_posix()}" for path in beside]
        return self._changed(*without, untracked="all")

    def is_unchanged(self, paths: Sequence[Path]) -> bool:
        """Return whether the tracked files below some paths are unchanged."""
        pathspecs = [f":(top,literal){path.as_posix()}" for path in paths]
        return not self._data(
            "list the changes", "status", "--porcelain", "-z", "--untracked-files=no",
            "--", *pathspecs,
        )  # fmt: skip

    def uncommitted(self, paths: Sequence[Path]) -> list[Path]:
        """List those of some files that are changed or untracked; none outside of a repository."""
        return [path for path in paths if self._is_uncommitted(path)]

    def _is_uncommitted(self, path: Path) -> bool:
        try:
            done = self._git(
                "status", "--porcelain", "--untracked-files=all", "--", f":(literal){path}"
            )
        except MissingToolError:
            return False
        return done.exit_code == 0 and bool(done.stdout)

    def root_that_tracks(self, folder: Path) -> Path | None:
        """Return the repository's root if a folder is in it and not ignored; None otherwise.

        Args:
            folder: It need not exist.
        """
        try:
            top = self._git("rev-parse", "--show-toplevel")
        except MissingToolError:
            return None
        root, inside = Path(top.stdout.rstrip("\n")), folder.resolve()
        if top.exit_code or not inside.is_relative_to(root):
            return None
        is_ignored = self._git("check-ignore", "--quiet", "--", f"{inside}/").exit_code == 0
        return None if is_ignored else root

    def pack(self, target: Path, *, changed: Sequence[Path] = ()) -> PackedCode:
        """Write the objects of the present commit, and of changed files, to a file.

        As a check, the commit is rebuilt from them in a temporary folder.

        Raises:
            VersioningError: If it cannot be rebuilt from them.
        """
        return bundle_code(
            self.check_ready(), target, changed, git=self._data, directory=self._directory
        )

    def fast_forward(self, commit: str, *, same: Sequence[Path]) -> None:
        """Move the branch and the working directory to a commit.

        Git overwrites no file that differs from its index, even if the contents are the same as
        the new ones; so these files are staged first.
        """
        if same:  # by force: the .gitignore of that commit, which allows them, is not here yet
            self._run_checked("stage files", "add", "--force", "--", *map(str, same))
        self._run_checked(f"move to {commit[:12]}", "merge", "--ff-only", "--quiet", commit)

    def _is_ancestor(self, older: str, newer: str) -> bool:
        return self._git("merge-base", "--is-ancestor", older, newer).exit_code == 0

    def has_commit(self, commit: str) -> bool | None:
        """Return whether a commit exists with all its objects, and their hashes are correct.

        None if there is no repository.
        """
        try:
            inside = self._git("rev-parse", "--is-inside-work-tree")
        except MissingToolError:
            return None
        if inside.exit_code:
            return None
        if self._git("cat-file", "-e", f"{commit}^{{commit}}").exit_code:
            return False
        return self._git("fsck", "--no-dangling", "--no-progress", commit).exit_code == 0

    def show(self, revision: str, path: Path) -> str | None:
        """Read a file at a revision; None if the file or the revision does not exist.

        Raises:
            VersioningError: If it exists, but git cannot read it as a file.
        """
        blob = self._bytes("cat-file", "blob", f"{revision}:./{path.as_posix()}")
        if blob.exit_code == 0:
            return text_of(blob.stdout)
        listed = self._git("ls-tree", revision, "--", f"./{path.as_posix()}")
        if listed.exit_code == 0 and listed.stdout:
            done = Finished(blob.exit_code, "", blob.stderr)
            raise _git_error(f"read {path} of {revision[:12]} as a file", done)
        return None

    def check_ready(self) -> str:
        """Return the present commit, which a tag would be put on.

        Raises:
            MissingToolError: If git is not installed.
            VersioningError: If there is no repository, or no commit in it.
        """
        inside = self._git("rev-parse", "--is-inside-work-tree")
        if inside.exit_code:
            raise _git_error("read the repository", inside)
        head = self._git("rev-parse", "--verify", "--quiet", "HEAD")
        if head.exit_code:
            raise VersioningError(
                f"the git repository in {self._directory.resolve()} has no commit",
                hint='git add . && git commit -m "Begin"',
            )
        return head.stdout.strip()

    def stage(self, paths: Sequence[Path]) -> None:
        """Put files into the index, for the user's next commit."""
        self._run_checked("stage files", "add", "--", *map(str, paths))

    def commit(self, paths: Sequence[Path], message: str) -> str | None:
        """Commit only these files; return the commit, or None if nothing changed."""
        self.stage(paths)
        names = [str(path) for path in paths]
        if self._git("diff", "--cached", "--quiet", "--no-ext-diff", "--", *names).exit_code == 0:
            return None
        done = self._git("commit", "--quiet", "--message", message, "--only", "--", *names)
        if done.exit_code:
            raise self._commit_error(done)
        return self.check_ready()

    def create_tag(self, tag: str, message: str) -> None:
        """Tag the commit; annotated, because GTO reads no other tags."""
        self.check_ready()
        self._run_checked("tag the commit", "tag", "--annotate", "--message", message, tag)

    def _commit_error(self, done: Finished) -> VersioningError:
        """Return the error of a refused commit: by a hook, which git does not name, or by git."""
        hooks = [
            path
            for name in ("pre-commit", "prepare-commit-msg", "commit-msg")
            if os.access(path := self._hook(name), os.X_OK)
        ]
        if done.exit_code != 1 or not hooks:  # git's own errors end with 128
            return _git_error("commit", done)
        names = " or ".join(map(str, hooks))
        return VersioningError(
            f"a hook of this repository refuses the commit: {done.complaint}",
            hint=f"correct what {names} reports, then run this again",
        )

    def _hook(self, name: str) -> Path:
        """Return the path of a hook, also with core.hooksPath."""
        named = self._git("rev-parse", "--git-path", f"hooks/{name}").stdout.rstrip("\n")
        return self._directory / named

    def _run_checked(self, what: str, *arguments: str) -> Finished:
        done = self._git(*arguments)
        if done.exit_code:
            raise _git_error(what, done)
        return done

    def _data(
        self,
        what: str,
        *arguments: str,
        stdin: bytes = b"",
        variables: Mapping[str, str] = _NO_VARIABLES,
    ) -> bytes:
        """Run git and return its output as bytes: names and objects."""
        done = run_git_for_bytes(
            self._directory, arguments, stdin=stdin, variables=variables, timeout_s=_PACK_TIMEOUT_S
        )
        if done.exit_code:
            raise _git_error(what, Finished(done.exit_code, "", done.stderr))
        return done.stdout

    def _git(self, *arguments: str) -> Finished:
        return run_git(self._directory, *arguments)

    def _bytes(self, *arguments: str) -> FinishedBytes:
        return run_git_for_bytes(self._directory, arguments)


_REMEDIES = (
    *(
        (sign, "git cannot sign: check that git config user.signingKey is your key and that it is "
               "unlocked (git commit --allow-empty asks for its passphrase), or leave it out "
               "here: git config commit.gpgSign false && git config tag.gpgSign false")
        for sign in ("failed to sign", "signing failed", "unable to sign", "signingkey", "gpg:",
                     "load public key", "get agent socket", "cannot run gpg", "sign_and_send")
    ),
    ("by hook", "a hook of this repository refuses it: git rev-parse --git-path hooks shows where"),
    ("must be run in a work tree", "git config core.bare false, in a repository that has files"),
    ("not a git repository", "git init, then commit; or change into the repository"),
    ("dubious ownership", "git config --global --add safe.directory DIRECTORY"),
    ("index.lock", "another git process runs here; if none does, delete .git/index.lock"),
    ("overwritten by merge", "commit your changes, or git stash them, then run this again"),
    ("promisor remote", "a file of the commit is not in this partial clone: git fetch --refetch"),
    ("could not read from remote", "is the network up, and may you read it? git fetch shows more"),
    ("could not read username", "git has no credentials for it: git fetch, by hand, asks for them"),
    ("authentication failed", "its credentials are refused: git fetch, by hand, asks again"),
    ("unable to access", "is the network up? git fetch shows more"),
    ("already exists", "the tag exists already: git tag --list 'detection@v*'"),
    ("tell me who you are", "git config user.name NAME && git config user.email ADDRESS"),
    ("empty ident", "git config user.name NAME && git config user.email ADDRESS"),
    ("auto-detection is disabled", "git config user.name NAME && git config user.email ADDRESS"),
    ("ignored by one of your .gitignore files", "git check-ignore -v FILE shows the rule"),
)  # fmt: skip
"""Git's messages (in the C locale), and the remedies."""


def _git_error(what: str, done: Finished) -> VersioningError:
    message = done.stderr.lower()
    hint = next((remedy for sign, remedy in _REMEDIES if sign in message), "git status shows more")
    return VersioningError(f"git cannot {what}: {done.complaint}", hint=hint)
