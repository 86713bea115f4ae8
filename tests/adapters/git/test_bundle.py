"""Every commit is made anew from its pack to the byte, or is refused with what is in the way."""

import hashlib
import os
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from container_doors.adapters.git.repository import GitRepository
from container_doors.core.errors import VersioningError
from container_doors.core.ports import PackedCode
from container_doors.kaggle.worker import JobError, rebuild

NOT_UTF_8 = os.fsdecode(b"T\xfcr.txt")


def git(folder: Path, *arguments: str | bytes, given: bytes | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=given, check=True, capture_output=True
    )
    return done.stdout.decode("ascii", "replace").strip()


def shell(folder: Path, script: str) -> None:
    subprocess.run(["bash", "-euc", script], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "a.txt").write_bytes(b"one\r\ntwo\n$Id$\n$Format:%H$\n")
    commit_all(folder)
    return folder


def commit_all(folder: Path) -> None:
    shell(folder, "git add --all && git commit --quiet --allow-empty --message Change")


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def packed(folder: Path, changed: Sequence[Path] = ()) -> tuple[PackedCode, Path]:
    target = folder.parent / "code.pack"
    return GitRepository(folder).pack(target, changed=changed), target


def rebuilt(folder: Path, changed: Sequence[Path] = (), into: str = "there") -> Path:
    """Pack it here, and make it anew as the other machine does."""
    code, pack = packed(folder, changed)
    there = folder.parent / into
    rebuild(pack, there, {"id": code.commit, "tree": code.tree, "not_code": ["runs"]})
    return there


def test_a_commit_with_credentials_is_not_packed(folder: Path):
    (folder / "settings.json").write_text('{"username": "someone", "key": "0123"}')
    commit_all(folder)

    with pytest.raises(VersioningError, match=r"the commit contains .*: 'settings\.json'; nothing"):
        packed(folder)

    git(folder, "rm", "--quiet", "--cached", "settings.json")
    git(folder, "commit", "--quiet", "--message", "Without it")
    packed(folder)


@pytest.mark.parametrize("changed", [[], [Path("a.txt")]], ids=["commit", "changed"])
def test_a_commit_is_packed_where_git_cannot_write(folder: Path, changed: list[Path]):
    (folder / "a.txt").write_text("three")
    objects = folder / ".git/objects"
    shutil.rmtree(objects / "pack")
    (objects / "pack").touch()  # as if read-only: root, which tests may be, heeds no permissions

    packed(folder, changed)


def target_of(link: Path) -> bytes:
    return os.readlink(os.fsencode(link))  # noqa: PTH115 - pathlib spells it anew


def files(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Read what lies in a folder: bytes, and whether it is a program."""
    return {
        str(path.relative_to(folder)): (
            target_of(path) if path.is_symlink() else path.read_bytes(),
            bool(path.lstat().st_mode & 0o100),
        )
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and ".git" not in path.relative_to(folder).parts
    }


MESSAGES = {
    "an address that looks like a password": b"Merge branch 'main' of ssh://git@host/team/x.git\n",
    "Latin-1": b"T\xfcr\n",
    "no message": b"",
    "carriage returns and odd bytes": b"\r\n\x01\x1b[31m\xff\xfe",
    "a secret of the environment": b"hunter2hunter2\n",
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_a_commit_keeps_its_message_to_the_byte(
    folder: Path, message: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOME_PASSWORD", "hunter2hunter2")
    lines = git(folder, "cat-file", "commit", "HEAD").encode().partition(b"\n\n")[0]
    made = git(
        folder, "hash-object", "-t", "commit", "-w", "--stdin",
        given=lines + b"\nencoding ISO-8859-1\n\n" + message,
    )  # fmt: skip
    git(folder, "update-ref", "HEAD", made)

    there = rebuilt(folder)

    assert head(there) == made
    assert git(there, "status", "--porcelain") == ""


ALL_AT_ONCE = r"""
git config core.autocrlf true
git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z'
printf '%s\n' '[attr]odd filter=up text ident eol=crlf' '*.not export-ignore' '*.odd odd' \
    '*.subst export-subst' '*.up filter=up' '*.lfs filter=lfs diff=lfs merge=lfs -text' \
    '*.eol text eol=crlf' '*.auto text=auto' '*.old crlf' '*.id ident' \
    '*.16 working-tree-encoding=UTF-16LE' > .gitattributes
for name in not odd subst up lfs eol auto old id; do cp a.txt a.$name; done
printf 'x\0' > a.16
echo '*' > .gitignore; git add --force .gitignore a.*
printf x > $'T\xfcr'; mkdir $'\xff'; printf x > $'\xff/a\tb\\"'
printf x > $'a\nb'; printf x > ' '; printf x > -- --; printf x > '*'; printf x > :
printf x > README; printf y > readme; touch empty; printf '\0' > nul
printf x > b; chmod +x b; mkdir c; ln -s ../b c/d; ln -s nowhere e; ln -s c f; ln -s f/d $'\xfe'
head -c 3000000 /dev/urandom > large
git add --force .
"""


def test_files_arrive_as_git_keeps_them_and_the_tree_is_clean(folder: Path):
    """Attributes, filters, names, modes and links: all in one commit."""
    shell(folder, ALL_AT_ONCE)
    commit_all(folder)

    there = rebuilt(folder)

    assert head(there) == head(folder)
    assert git(there, "status", "--porcelain", "--ignored") == ""
    found = files(there)
    assert len(found) == 30
    for name, (content, is_program) in found.items():
        kept = subprocess.run(
            ["git", "cat-file", "blob", f"HEAD:{name}"], cwd=folder, check=True, capture_output=True
        ).stdout
        assert content == kept, name
        assert is_program == (name == "b") or (there / name).is_symlink(), name


COMMITS = {
    "many parents": "a=$(git commit-tree -m a HEAD^{tree}); b=$(git commit-tree -m b HEAD^{tree});"
    "git reset --soft $(git commit-tree -p HEAD -p $a -p $b -m o HEAD^{tree})",
    "an old mode": r"git reset --hard $(git commit-tree -m x $(printf '100664 blob %s\tb\n' "
    "$(git rev-parse HEAD:a.txt) | git mktree))",
    "no file at all": "git reset --hard $(git commit-tree -m x $(git mktree < /dev/null))",
    "replaced": "git replace HEAD $(git commit-tree -m other HEAD^{tree})",
    "replaced files": "git replace HEAD:a.txt $(echo other | git hash-object -w --stdin)",
    "grafted": "git commit --allow-empty -m 2; git rev-parse HEAD > .git/info/grafts",
    "SHA-256": "rm -rf .git; git init -q --object-format=sha256; git add .; git commit -m x",
}  # fmt: skip


@pytest.mark.parametrize("script", COMMITS.values(), ids=COMMITS)
def test_a_commit_is_what_its_hash_says(folder: Path, script: str):
    shell(folder, script)

    there = rebuilt(folder)

    assert head(there) == head(folder)
    assert git(there, "status", "--porcelain", "--ignored") == ""


def test_a_shallow_partial_and_sparse_clone_in_a_linked_worktree_is_sent_whole(
    folder: Path, tmp_path: Path
):
    shell(folder, "mkdir far; echo x > far/b; git config uploadpack.allowFilter true")
    commit_all(folder)
    shell(
        tmp_path,
        f"git clone -q --depth 1 --filter=blob:none --sparse file://{folder} clone;"
        "git -C clone worktree add -q ../linked; git -C linked sparse-checkout set nothing",
    )
    assert not (tmp_path / "linked/far").exists()

    there = rebuilt(tmp_path / "linked")

    assert head(there) == head(folder)
    assert (there / "far/b").read_text() == "x\n"


def test_a_file_that_a_partial_clone_lacks_is_named_before_anything_is_sent(
    folder: Path, tmp_path: Path
):
    shell(folder, "git config uploadpack.allowFilter true")
    shell(
        tmp_path, f"git clone -q --no-checkout --filter=blob:none file://{folder} clone; mv work x"
    )

    with pytest.raises(VersioningError, match="git cannot pack the commit") as raised:
        packed(tmp_path / "clone")

    assert "git fetch --refetch" in raised.value.hint


def test_the_same_commit_is_the_same_pack_however_its_objects_lie(folder: Path):
    shell(folder, "for n in $(seq 30); do seq $n 900 > $n; done")
    commit_all(folder)
    loose = packed(folder)[1].read_bytes()
    shell(folder, "git gc --quiet --aggressive; git config pack.packSizeLimit 1m")

    assert packed(folder)[1].read_bytes() == loose


LIMITS = "expected names of 255 bytes at most, and paths of 4000, found 0{100}"
INDEXED = (
    "printf '100644 %s 0\\t%s7\\n' $(git rev-parse HEAD:a.txt) {} | git update-index --index-info"
)
REFUSED = {
    "a submodule": (
        "git init -q sub; git -C sub commit -q --allow-empty -m x; git add sub",
        "no files of sub, which is a git submodule", "git rm --cached PATH",
    ),
    "an absolute link": (
        "ln -s /etc/hosts a; git add a", "a is a link to /etc/hosts, which", "a relative link",
    ),
    "an absolute link to here": (
        "ln -s $PWD/a.txt a; git add a", "a is a link to /.*/a.txt", "a relative link",
    ),
    "a link out": (
        "mkdir b; ln -s ../../x b/a; git add b", "b/a is a link to ../../x", "commit a copy",
    ),
    "a link out by another": (
        "mkdir b; ln -s . b/a; ln -s b/a/../../x c; git add b c", "c is a link to b/a/../../x",
        "commit a copy",
    ),
    "a link into git's own": (
        "ln -s .git/hooks a; git add a", "a is a link to .git/hooks", "commit a copy",
    ),
    "a long name": (INDEXED.format("$(printf '%0300d' 1)"), LIMITS, "a shorter name"),
    "a long path": (INDEXED.format("$(printf '%0200d/' {1..30})"), LIMITS, "a shorter name"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "said", "way_out"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_made_anew_is_named_before_it_is_sent_with_the_way_out(
    folder: Path, script: str, said: str, way_out: str
):
    shell(folder, f"{script}; git commit -q -m Change")

    with pytest.raises(VersioningError, match=said) as raised:
        packed(folder)

    assert way_out in raised.value.hint
    assert list(folder.parent.glob("*")) == [folder]


def test_a_name_is_shown_and_not_obeyed(folder: Path):
    shell(folder, r"ln -s /x $'a\e]0;title\a\xff'")
    commit_all(folder)

    with pytest.raises(VersioningError, match=r"a\\x1b\]0;title\\x07\\xff is a link"):
        packed(folder)


def test_making_it_anew_runs_nothing_that_a_person_or_the_commit_has_set(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Hooks, filters, templates and monitors of the person's own settings leave a mark."""
    mark, template = tmp_path / "mark", tmp_path / "template/hooks"
    template.mkdir(parents=True)
    for name in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor"):
        (template / name).write_text(f"#!/bin/sh\necho {name} >> {mark}\n")
        (template / name).chmod(0o755)
    shell(folder, "echo '* filter=mark' > .gitattributes")
    commit_all(folder)
    code, pack = packed(folder)
    settings = tmp_path / "settings"
    settings.write_text(
        f"[core]\nhooksPath = {template}\nfsmonitor = {template}/fsmonitor\n"
        f"[init]\ntemplateDir = {template.parent}\n"
        f'[filter "mark"]\nsmudge = touch {mark}; cat\nclean = touch {mark}; cat\nrequired = true\n'
    )
    for name, value in {
        "GIT_CONFIG_GLOBAL": settings, "HOME": tmp_path, "GIT_DIR": folder / ".git",
        "GIT_INDEX_FILE": tmp_path / "index", "GIT_WORK_TREE": folder, "GIT_CONFIG_COUNT": 1,
        "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": template,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))

    rebuild(pack, tmp_path / "there", {"id": code.commit, "tree": code.tree, "not_code": []})

    assert not mark.exists()
    assert not (tmp_path / "index").exists()
    assert (tmp_path / "there/a.txt").read_bytes() == (folder / "a.txt").read_bytes()


def test_a_pack_that_is_not_of_the_commit_is_refused(folder: Path, tmp_path: Path):
    code, pack = packed(folder)
    (folder / "a.txt").write_text("other")
    commit_all(folder)

    with pytest.raises(JobError, match="git update-ref failed"):
        rebuild(pack, tmp_path / "a", {"id": head(folder), "tree": code.tree, "not_code": []})
    pack.write_bytes(pack.read_bytes()[:-30])
    with pytest.raises(JobError, match="git index-pack failed"):
        rebuild(pack, tmp_path / "b", {"id": code.commit, "tree": code.tree, "not_code": []})


CHANGES = {
    "changed": "printf 'x\\r\\n' > a.txt",
    "added": r"mkdir $'\xff'; printf x > $'\xff/b\nc'; printf x > -- -x",
    "removed": "rm a.txt",
    "a file becomes a folder": "rm a.txt; mkdir a.txt; echo x > a.txt/b",
    "a folder becomes a file": "rm -r c; echo x > c",
    "a link becomes a folder": "rm l; mkdir l; echo x > l/b",
    "a file becomes a link": "rm a.txt; ln -s c/b a.txt",
    "a link that pathlib would spell otherwise": "ln -s .//c/./ odd",
    "a program": "chmod +x a.txt",
    "filtered": "echo '* filter=up eol=crlf' > .gitattributes; git config filter.up.clean false",
}


@pytest.mark.parametrize("script", CHANGES.values(), ids=CHANGES)
def test_what_is_not_committed_arrives_as_it_is_here(folder: Path, script: str):
    shell(folder, "mkdir c; echo x > c/b; ln -s c l")
    commit_all(folder)
    shell(folder, script)
    before = (folder / ".git/index").read_bytes(), sorted((folder / ".git/objects").rglob("*"))

    there = rebuilt(folder, GitRepository(folder).changes(beside=[]))

    assert files(there) == files(folder)
    assert head(there) == head(folder)
    assert git(there, "status", "--porcelain") != ""
    assert before == (
        (folder / ".git/index").read_bytes(), sorted((folder / ".git/objects").rglob("*")),
    )  # fmt: skip


REFUSED_CHANGES = {
    "another repository": ("git init -q sub; touch sub/x", "sub is a git repository of its own"),
    "a pipe": ("rm a.txt; mkfifo a.txt", "a.txt is neither a file nor a link"),
    "an absolute link": ("ln -s /etc/hosts link", "link is a link to /etc/hosts"),
}


@pytest.mark.parametrize(("script", "said"), REFUSED_CHANGES.values(), ids=REFUSED_CHANGES)
def test_changes_that_cannot_be_made_anew_are_named(folder: Path, script: str, said: str):
    shell(folder, script)

    with pytest.raises(VersioningError, match=said):
        packed(folder, GitRepository(folder).changes(beside=[]))


@pytest.mark.parametrize("path", ["data", "da?ta[1]*", "a b/#c !\\", NOT_UTF_8])
def test_what_lies_beside_the_code_is_no_change_of_it(folder: Path, tmp_path: Path, path: str):
    code, pack = packed(folder)
    there = tmp_path / "there"

    rebuild(pack, there, {"id": code.commit, "tree": code.tree, "not_code": [path]})

    (there / path).mkdir(parents=True)
    (there / path / "x").touch()
    assert git(there, "status", "--porcelain") == ""
    (there / "data1").touch()
    assert git(there, "status", "--porcelain") == "?? data1"


ODD_NAMES = (b"a", b"A", b"..", b".", b".git", b".GIT", b"a/b", b"git~1", b".gitmodules")
ANY_NAMES = st.binary(min_size=1, max_size=6).map(lambda name: name.replace(b"\0", b"0"))
NAMES = ANY_NAMES | ANY_NAMES | st.sampled_from(ODD_NAMES)
FILES = st.tuples(st.sampled_from([b"100644", b"100755", b"100664"]), st.binary(max_size=20))
LINKS = st.tuples(
    st.just(b"120000"),
    st.binary(max_size=9) | st.sampled_from([b"a", b"../a", b"..", b"/etc", b"a/../..", b".git/x"]),
)
MODULES = st.tuples(st.just(b"160000"), st.just(b""))
TREES = st.recursive(
    st.dictionaries(NAMES, FILES | FILES | LINKS, max_size=3),
    lambda below: st.dictionaries(NAMES, FILES | LINKS | MODULES | below, max_size=3),
    max_leaves=5,
)
LINE_STARTS = st.sampled_from(
    [b"", b"gpgsig x\n y\n", b"encoding ISO-8859-1\n", b"mergetag \xff\n"]
)


def put(folder: Path, kind: bytes, content: bytes) -> str:
    """Write an object, whatever git would think of it."""
    whole = b"%s %d\0%s" % (kind, len(content), content)
    name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    path = folder / ".git/objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole))
    return name


def put_tree(folder: Path, tree: dict[bytes, Any]) -> str:
    entries = []
    for name, below in tree.items():
        if isinstance(below, dict):
            entries.append((name + b"/", b"40000 %s\0" % name, put_tree(folder, below)))
            continue
        mode, content = below
        blob = "1" * 40 if mode == b"160000" else put(folder, b"blob", content)
        entries.append((name, b"%s %s\0" % (mode, name), blob))
    lines = (line + bytes.fromhex(found) for _, line, found in sorted(entries))
    return put(folder, b"tree", b"".join(lines))


def flat(tree: dict[bytes, Any], above: bytes = b"") -> dict[str, tuple[bytes, bool]]:
    found: dict[str, tuple[bytes, bool]] = {}
    for name, below in tree.items():
        if isinstance(below, dict):
            found |= flat(below, above + name + b"/")
        else:
            found[os.fsdecode(above + name)] = below[1], below[0] in {b"100755", b"120000"}
    return found


def refused(folder: Path) -> VersioningError | None:
    try:
        rebuilt(folder)
    except VersioningError as refusal:
        return refusal
    return None


@pytest.mark.slow
@given(tree=TREES, header=LINE_STARTS, message=st.binary(max_size=30))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=set(Phase) - {Phase.explain},
)
def test_any_commit_is_made_anew_or_refused_and_nothing_is_written_outside(
    folder: Path, tree: dict[bytes, Any], header: bytes, message: bytes
):
    who = b"\xff <> 0 +0000\n"
    commit = put(
        folder, b"commit",
        b"tree %s\nauthor %scommitter %s%s\n%s"
        % (put_tree(folder, tree).encode(), who, who, header, message),
    )  # fmt: skip
    git(folder, "update-ref", "HEAD", commit)
    there = folder.parent / "there"
    shutil.rmtree(there, ignore_errors=True)

    refusal = refused(folder)

    event("refused" if refusal else "made anew")
    if refusal:
        assert refusal.hint
        assert not there.exists()
    else:
        assert head(there) == commit
        assert git(there, "status", "--porcelain") == ""
        assert files(there) == flat(tree)
    assert {path.name for path in folder.parent.iterdir()} <= {"work", "there", "code.pack"}
