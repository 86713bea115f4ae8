"""Git, behind :class:`container_doors.ports.Repository`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from container_doors.adapters.code_pack import pack_code
from container_doors.adapters.shell import (
    Finished,
    FinishedBytes,
    call_for_bytes,
    redacted,
    text_of,
)
from container_doors.errors import MissingToolError, VersioningError
from container_doors.ports import PackedCode, Upstream
from container_doors.records import CodeState

INSTALL_GIT = "install git: https://git-scm.com/downloads"
GIT_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    # A commit is what its hash says, and no object that somebody has put in its place.
    "GIT_NO_REPLACE_OBJECTS": "1",
    # Set inside of a git hook, they would turn us to that hook's repository: git rev-parse
    # --local-env-vars, but for those that carry a person's `git -c`.
    **dict.fromkeys((
        "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_NAMESPACE",
        # They change what a path means to git.
        "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
    )),
}  # fmt: skip
"""It never waits for a password, and the folder alone decides which repository is meant."""

_TIMEOUT_S, _PACK_TIMEOUT_S = 120, 1800
_NOTHING_ELSE: Mapping[str, str] = {}
_UPSTREAM = "@{upstream}"
_CODE = (":(top)", *(f":(top,exclude){path}" for path in ("reports", "weights", "summary_*")))
"""What a training does not write itself: the next one would be of unclean code."""


class GitRepository:
    """The git repository around a folder, if there is one. No remote's URL is ever read."""

    def __init__(self, directory: Path = Path()) -> None:
        self._directory = directory

    def code_state(self) -> CodeState:
        """Name the commit, and whether the tree differs from it; unknown outside of git.

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
        changes = self._must("see what has changed", "status", "--porcelain", "--", *_CODE)
        return CodeState(commit=commit.stdout.strip() or None, clean=not changes.stdout)

    def tags(self, pattern: str) -> list[str]:
        """List the tags that match a glob; none where there is no repository."""
        try:
            listed = self._git("tag", "--list", pattern)
        except MissingToolError:
            return []
        return listed.stdout.splitlines() if listed.exit_code == 0 else []

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
        self._must(f"fetch {name}", "fetch", "--quiet")
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
        listed = self._data(
            "see what has changed", "status", "--porcelain", "-z", "--no-renames",
            "--untracked-files=all", "--", *_CODE, *without,
        )  # fmt: skip
        return [Path(os.fsdecode(entry[3:])) for entry in listed.split(b"\0")[:-1]]

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
        return pack_code(
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
        shown = self._run("cat-file", "blob", f"{revision}:./{path}")
        if shown.exit_code == 0:
            return text_of(shown.stdout)
        listed = self._git("ls-tree", revision, "--", f"./{path}")
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
        if self._git("diff", "--cached", "--quiet", "--", *names).exit_code == 0:
            return None
        self._must("commit", "commit", "--quiet", "--message", message, "--only", "--", *names)
        return self.check_ready()

    def create_tag(self, tag: str, message: str) -> None:
        """Tag the commit; annotated, because GTO does not see other tags."""
        self.check_ready()
        self._must("tag the commit", "tag", "--annotate", "--message", message, tag)

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
        done = self._run(*arguments, given=given, also=also, timeout_s=_PACK_TIMEOUT_S)
        if done.exit_code:
            raise _refused(what, Finished(done.exit_code, "", done.stderr))
        return done.stdout

    def _git(self, *arguments: str) -> Finished:
        done = self._run(*arguments)
        return Finished(done.exit_code, redacted(text_of(done.stdout)), done.stderr)

    def _run(
        self,
        *arguments: str,
        given: bytes = b"",
        also: Mapping[str, str] = _NOTHING_ELSE,
        timeout_s: float = _TIMEOUT_S,
    ) -> FinishedBytes:
        try:
            return call_for_bytes(
                ["git", *arguments],
                cwd=self._directory,
                hint=INSTALL_GIT,
                # Reading takes no lock, so that it never disturbs a commit beside it.
                environment={**GIT_ENVIRONMENT, "GIT_OPTIONAL_LOCKS": "0", **also},
                timeout_s=timeout_s,
                given=given,
            )
        except TimeoutError as error:
            raise VersioningError(
                str(error), hint="is the folder on a network drive, or a git hook waiting?"
            ) from None


_REMEDIES = (
    ("not a git repository", "git init, then commit; or change into the repository"),
    ("dubious ownership", "git config --global --add safe.directory DIRECTORY"),
    ("index.lock", "another git is at work here; if none is, delete .git/index.lock"),
    ("overwritten by merge", "commit what you changed, or git stash it, then run this again"),
    ("promisor remote", "a file of the commit is not in this partial clone: git fetch --refetch"),
    ("could not read from remote", "is the network up, and may you read it? git fetch says more"),
    ("could not read username", "git has no credentials for it: git fetch, by hand, asks for them"),
    ("unable to access", "is the network up? git fetch says more"),
    ("already exists", "the tag is taken: git tag --list 'detection@v*'"),
    ("tell me who you are", "git config user.name NAME && git config user.email ADDRESS"),
    ("empty ident", "git config user.name NAME && git config user.email ADDRESS"),
    ("ignored by one of your .gitignore files", "git check-ignore -v FILE names the line"),
)
"""What git says (in its C locale), and what to do about it."""


def _refused(what: str, done: Finished) -> VersioningError:
    said = done.stderr.lower()
    hint = next((remedy for sign, remedy in _REMEDIES if sign in said), "git status says more")
    return VersioningError(f"git cannot {what}: {done.complaint}", hint=hint)
