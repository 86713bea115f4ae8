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
"""Variables of a person's that say who they are and how remotes are reached. Any other may turn git
to another repository, as in a hook (GIT_DIR), to other objects, or to another reading of paths."""

_SETTINGS = (
    "core.fsmonitor=false",  # a program, which would be started, and believed
    f"core.excludesFile={os.devnull}",  # a person's own list is in no commit
    "core.quotePath=false",
    "core.commentChar=;",  # or a line of a message that begins with theirs would be dropped
    "color.ui=false",
    "column.ui=never",
    "diff.ignoreSubmodules=none",
    "fetch.all=false",
    "fetch.prune=false",
    "merge.autoStash=false",
)
"""What a person's configuration would change of our answers; it may say the rest, such as how a
commit is signed and which hooks look at it."""

_TIMEOUT_S, _PACK_TIMEOUT_S = 120, 1800
_NOTHING_ELSE: Mapping[str, str] = {}
_UPSTREAM = "@{upstream}"
_CODE = (":(top)", *(f":(top,exclude){path}" for path in ("reports", "weights", "summary_*")))
"""What a training does not write itself: the next one would be of unclean code."""

_NO_CODE = (
    "data", "runs", "reports", "weights", "summary_*", "kaggle_output", "doors-demo",
    "remote-storage", "dvc.lock", ".dvc",
)  # fmt: skip
"""Where data, outputs and DVC's own files lie. A run names its data by hash; where DVC keeps large
files changes no weight."""


def run_git(directory: Path, *arguments: str, settings: Sequence[str] = ()) -> Finished:
    """Run git, whatever its exit code, so that nobody's configuration changes what it answers.

    It never waits for a password, and the folder alone decides which repository is meant.

    Args:
        directory: Where it runs.
        arguments: The command and what follows it.
        settings: More of ``name=value``.

    Raises:
        MissingToolError: If git is not installed.
        VersioningError: If it does not end.
    """
    done = run_git_for_bytes(directory, arguments, settings=settings)
    return Finished(done.exit_code, redacted(text_of(done.stdout)), done.stderr)


def run_git_for_bytes(
    directory: Path,
    arguments: Sequence[str],
    *,
    settings: Sequence[str] = (),
    given: bytes = b"",
    also: Mapping[str, str] = _NOTHING_ELSE,
    timeout_s: float = _TIMEOUT_S,
) -> FinishedBytes:
    """Run git as :func:`run_git` does, and keep what it wrote byte for byte.

    Args:
        directory: See :func:`run_git`.
        arguments: See :func:`run_git`.
        settings: See :func:`run_git`.
        given: What it reads on its standard input.
        also: More variables that it sees.
        timeout_s: When to give up.

    Raises:
        MissingToolError: If git is not installed.
        VersioningError: If it does not end.
    """
    dropped = [
        name for name in os.environ if name.startswith("GIT_") and not _INHERITED.fullmatch(name)
    ]
    environment = {
        **dict.fromkeys(dropped),
        "PYTHONSAFEPATH": None,  # ours; a hook in Python may import what lies beside it
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",  # reading takes none, and never disturbs a commit beside it
        "GIT_NO_REPLACE_OBJECTS": "1",  # a commit is what its name is the hash of
        **also,
    }
    flags = [part for setting in (*_SETTINGS, *settings) for part in ("-c", setting)]
    try:
        return call_for_bytes(
            ["git", "--no-pager", *flags, *arguments],
            cwd=directory,
            hint=INSTALL_GIT,
            environment=environment,
            timeout_s=timeout_s,
            given=given,
        )
    except TimeoutError:
        raise VersioningError(
            f"git {arguments[0]} did not end within {timeout_s:.0f} s",
            hint="is the folder on a network drive, a hook waiting, or a signature's passphrase?",
        ) from None


class GitRepository:
    """The git repository around a folder, if there is one. No remote's URL is ever read."""

    def __init__(self, directory: Path = Path()) -> None:
        self._directory = directory

    def code_state(self, *, beside: Sequence[Path] = ()) -> CodeState:
        """Name the commit, and whether the code differs from it; unknown outside of git.

        Args:
            beside: Paths that are no code, beside those where data and outputs always are.

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
            raise _refused("read the repository", top)
        commit = self._git("rev-parse", "--verify", "--quiet", "HEAD")
        changed = self._changed(*self._without(beside), untracked="normal")
        return CodeState(commit=commit.stdout.strip() or None, clean=not changed)

    def tags(self, pattern: str) -> list[str]:
        """List the tags that match a glob; none where there is no repository.

        Raises:
            VersioningError: If there is a repository, and git refuses to read it: without its tags
                a number would be used twice.
        """
        try:
            listed = self._git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
        except MissingToolError:
            return []
        if listed.exit_code:
            if "not a git repository" in listed.stderr:
                return []
            raise _refused("list the tags", listed)
        return [tag for tag in listed.stdout.splitlines() if fnmatchcase(tag, pattern)]

    def _changed(self, *pathspecs: str, untracked: str) -> list[Path]:
        """List what differs from the commit, also what the index was told to pass over."""
        listed = self._data(
            "see what has changed", "status", "--porcelain", "-z", "--no-renames",
            "--ignore-submodules=none", f"--untracked-files={untracked}", "--", *_CODE, *pathspecs,
        )  # fmt: skip
        changed = [Path(os.fsdecode(entry[3:])) for entry in listed.split(b"\0") if entry]
        return [*changed, *(path for path in self._passed_over(*pathspecs) if path not in changed)]

    def _without(self, beside: Sequence[Path]) -> Iterator[str]:
        """Leave out data and outputs, those of the root and those of this folder."""
        shown = self._must("find its root", "rev-parse", "--show-toplevel", "--show-prefix").stdout
        top, here = map(Path, shown.split("\n")[:2])
        for name in _NO_CODE:
            yield f":(top,exclude){name}"
            yield f":(top,exclude){(here / name).as_posix()}"
        for path in beside:
            inside = Path(os.path.relpath(top / here / path, top))  # also of an absolute one
            if inside.parts[:1] not in {(), ("..",)}:
                yield f":(top,exclude,literal){inside.as_posix()}"
                yield f":(top,exclude,literal){inside.as_posix()}.dvc"
                for folder in inside.parents[:-1]:
                    if (top / folder).is_symlink():
                        yield f":(top,exclude,literal){folder.as_posix()}"

    def _passed_over(self, *pathspecs: str) -> Iterator[Path]:
        """Find what differs behind ``git update-index --assume-unchanged`` or ``--skip-worktree``.

        A file that is not there is one that a sparse checkout left out. What this clone's own list
        of exclusions names beside that is no part of the code: photographs where they are sent to.
        """
        root = self._data("find its root", "rev-parse", "--show-toplevel").removesuffix(b"\n")
        top = Path(os.fsdecode(root))
        listed = self._data(
            "list its files", "ls-files", "-v", "-s", "-z", "--full-name", "--", *_CODE, *pathspecs
        )
        hashes = {}
        for entry in listed.split(b"\0"):
            facts, _, name = entry.partition(b"\t")
            flag, _, of_index = facts.decode("ascii").partition(" ")
            if name and (flag.islower() or flag == "S"):
                hashes[Path(os.fsdecode(name))] = of_index.split()[1]
        for path in hashes.keys() - self._excluded_here() if hashes else ():
            if (top / path).is_file() and self._hash_of(top / path) != hashes[path]:
                yield path

    def _excluded_here(self) -> set[Path]:
        """List the tracked files that ``.git/info/exclude`` names."""
        own = self._must("find its settings", "rev-parse", "--git-path", "info/exclude").stdout
        listed = self._data(
            "list its files", "ls-files", "-c", "-i", "-z", "--full-name",
            f"--exclude-from={own.rstrip()}",
        )  # fmt: skip
        return {Path(os.fsdecode(name)) for name in listed.split(b"\0") if name}

    def _hash_of(self, path: Path) -> str:
        """Name what git would keep of a file, line ends and filters as in a commit."""
        return self._must("hash a file", "hash-object", "--", str(path.absolute())).stdout.strip()

    def fetch(self) -> Upstream:
        """Fetch what the branch follows; nothing in the working directory changes.

        Raises:
            VersioningError: If the remote refuses, or if both sides have commits of their own.
        """
        self.check_ready()
        followed = self._git("rev-parse", "--abbrev-ref", "--symbolic-full-name", _UPSTREAM)
        if followed.exit_code:
            return Upstream(None, None)
        name = followed.stdout.strip()
        self._must(f"fetch {name}", "fetch", "--quiet", "--no-recurse-submodules")
        if self._is_ancestor(_UPSTREAM, "HEAD"):
            return Upstream(name, None)
        if not self._is_ancestor("HEAD", _UPSTREAM):
            raise VersioningError(
                f"this branch and {name} both have commits that the other lacks",
                hint=f"git rebase {name} (or git merge {name}), then doors sync again",
            )
        return Upstream(name, self._must("read it", "rev-parse", _UPSTREAM).stdout.strip())

    def changes(self, *, beside: Sequence[Path]) -> list[Path]:
        """List what differs from the commit, untracked files too.

        Args:
            beside: Paths that are no part of the code.

        Raises:
            VersioningError: If there is no commit, or this is not the repository's root.
        """
        self.check_ready()
        if self._must("find its root", "rev-parse", "--show-prefix").stdout.strip():
            raise VersioningError(
                "this is a folder of the repository, and not its root",
                hint="cd $(git rev-parse --show-toplevel)",
            )
        without = [f":(top,exclude,literal){path.as_posix()}" for path in beside]
        return self._changed(*without, untracked="all")

    def is_unchanged(self, paths: Sequence[Path]) -> bool:
        """Tell whether what git tracks below some paths is as it was committed."""
        meant = [f":(top,literal){path.as_posix()}" for path in paths]
        return not self._data(
            "see what has changed", "status", "--porcelain", "-z", "--untracked-files=no",
            "--", *meant,
        )  # fmt: skip

    def pack(self, target: Path, *, changed: Sequence[Path] = ()) -> PackedCode:
        """Write the objects of the present commit, and of what is changed, to a file.

        The commit is rebuilt from them in a temporary folder, as it will be where they are sent.

        Raises:
            VersioningError: If it cannot be rebuilt from them.
        """
        return bundle_code(
            self.check_ready(), target, changed, git=self._data, directory=self._directory
        )

    def fast_forward(self, commit: str, *, same: Sequence[Path]) -> None:
        """Move the branch and the working directory to a commit.

        Git overwrites nothing that differs from its index, even if it is the same as what it
        would write; so that is put into the index first.
        """
        if same:  # by force: the .gitignore of that commit, which takes them, is not here yet
            self._must("stage files", "add", "--force", "--", *map(str, same))
        self._must(f"move to {commit[:12]}", "merge", "--ff-only", "--quiet", commit)

    def _is_ancestor(self, older: str, newer: str) -> bool:
        return self._git("merge-base", "--is-ancestor", older, newer).exit_code == 0

    def holds(self, commit: str) -> bool | None:
        """Tell whether a commit is there with all that it names, every object hashed anew.

        None where there is no repository.
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
        """Read a file as it was in a revision; None if it was not there, or the revision is not.

        Raises:
            VersioningError: If it is there, and git cannot read it as a file.
        """
        shown = self._bytes("cat-file", "blob", f"{revision}:./{path.as_posix()}")
        if shown.exit_code == 0:
            return text_of(shown.stdout)
        listed = self._git("ls-tree", revision, "--", f"./{path.as_posix()}")
        if listed.exit_code == 0 and listed.stdout:
            done = Finished(shown.exit_code, "", shown.stderr)
            raise _refused(f"read {path} of {revision[:12]} as a file", done)
        return None

    def check_ready(self) -> str:
        """Name the commit that a tag would be put on.

        Raises:
            MissingToolError: If git is not installed.
            VersioningError: If there is no repository, or no commit in it.
        """
        inside = self._git("rev-parse", "--is-inside-work-tree")
        if inside.exit_code:
            raise _refused("read the repository", inside)
        head = self._git("rev-parse", "--verify", "--quiet", "HEAD")
        if head.exit_code:
            raise VersioningError(
                f"the git repository in {self._directory.resolve()} has no commit",
                hint='git add . && git commit -m "Begin"',
            )
        return head.stdout.strip()

    def stage(self, paths: Sequence[Path]) -> None:
        """Put files into the index, for the person's next commit."""
        self._must("stage files", "add", "--", *map(str, paths))

    def commit(self, paths: Sequence[Path], message: str) -> str | None:
        """Commit these files and nothing else; returns the commit, or None if nothing changed."""
        self.stage(paths)
        names = [str(path) for path in paths]
        if self._git("diff", "--cached", "--quiet", "--no-ext-diff", "--", *names).exit_code == 0:
            return None
        done = self._git("commit", "--quiet", "--message", message, "--only", "--", *names)
        if done.exit_code:
            raise self._refused_commit(done)
        return self.check_ready()

    def create_tag(self, tag: str, message: str) -> None:
        """Tag the commit; annotated, because GTO does not see other tags."""
        self.check_ready()
        self._must("tag the commit", "tag", "--annotate", "--message", message, tag)

    def _refused_commit(self, done: Finished) -> VersioningError:
        """Tell a hook that refuses, which git itself does not name, from git's own refusal."""
        hooks = [
            path
            for name in ("pre-commit", "prepare-commit-msg", "commit-msg")
            if os.access(path := self._hook(name), os.X_OK)
        ]
        if done.exit_code != 1 or not hooks:  # git's own errors end with 128
            return _refused("commit", done)
        names = " or ".join(map(str, hooks))
        return VersioningError(
            f"a hook of this repository refuses the commit: {done.complaint}",
            hint=f"mend what {names} complains of, then run this again",
        )

    def _hook(self, name: str) -> Path:
        """Find a hook, also where core.hooksPath says."""
        named = self._git("rev-parse", "--git-path", f"hooks/{name}").stdout.rstrip("\n")
        return self._directory / named

    def _must(self, what: str, *arguments: str) -> Finished:
        done = self._git(*arguments)
        if done.exit_code:
            raise _refused(what, done)
        return done

    def _data(
        self,
        what: str,
        *arguments: str,
        given: bytes = b"",
        also: Mapping[str, str] = _NOTHING_ELSE,
    ) -> bytes:
        """Ask git for what is no text: names, and objects."""
        done = run_git_for_bytes(
            self._directory, arguments, given=given, also=also, timeout_s=_PACK_TIMEOUT_S
        )
        if done.exit_code:
            raise _refused(what, Finished(done.exit_code, "", done.stderr))
        return done.stdout

    def _git(self, *arguments: str) -> Finished:
        return run_git(self._directory, *arguments)

    def _bytes(self, *arguments: str) -> FinishedBytes:
        return run_git_for_bytes(self._directory, arguments)


_REMEDIES = (
    *(
        (sign, "git cannot sign: see that git config user.signingKey is a key of yours and that it "
               "is unlocked (git commit --allow-empty asks for its passphrase), or leave it out "
               "here: git config commit.gpgSign false && git config tag.gpgSign false")
        for sign in ("failed to sign", "signing failed", "unable to sign", "signingkey", "gpg:",
                     "load public key", "get agent socket", "cannot run gpg", "sign_and_send")
    ),
    ("by hook", "a hook of this repository refuses it: git rev-parse --git-path hooks names where"),
    ("must be run in a work tree", "git config core.bare false, in a repository that has files"),
    ("not a git repository", "git init, then commit; or change into the repository"),
    ("dubious ownership", "git config --global --add safe.directory DIRECTORY"),
    ("index.lock", "another git is at work here; if none is, delete .git/index.lock"),
    ("overwritten by merge", "commit what you changed, or git stash it, then run this again"),
    ("promisor remote", "a file of the commit is not in this partial clone: git fetch --refetch"),
    ("could not read from remote", "is the network up, and may you read it? git fetch says more"),
    ("could not read username", "git has no credentials for it: git fetch, by hand, asks for them"),
    ("authentication failed", "its credentials are not good there: git fetch, by hand, asks anew"),
    ("unable to access", "is the network up? git fetch says more"),
    ("already exists", "the tag is taken: git tag --list 'detection@v*'"),
    ("tell me who you are", "git config user.name NAME && git config user.email ADDRESS"),
    ("empty ident", "git config user.name NAME && git config user.email ADDRESS"),
    ("auto-detection is disabled", "git config user.name NAME && git config user.email ADDRESS"),
    ("ignored by one of your .gitignore files", "git check-ignore -v FILE names the line"),
)  # fmt: skip
"""What git says (in its C locale), and what to do about it."""


def _refused(what: str, done: Finished) -> VersioningError:
    said = done.stderr.lower()
    hint = next((remedy for sign, remedy in _REMEDIES if sign in said), "git status says more")
    return VersioningError(f"git cannot {what}: {done.complaint}", hint=hint)
