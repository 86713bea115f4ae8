import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from container_doors.adapters.git.repository import GitRepository
from container_doors.core.errors import MissingToolError, VersioningError
from container_doors.core.records import CodeState, Version
from container_doors.publishing.metadata import build_metadata
from tests.builders import a_record, an_evaluation

TAG = "detection@v1.0.0+20261123.exp001"
TOKEN = "ghp_0123456789abcdef"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and no repository above it."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("GIT_DIR", "GIT_INDEX"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(empty: Path) -> Path:
    """A repository with one commit, and a token in its remote's URL."""
    git(empty, "init", "--quiet")
    git(empty, "remote", "add", "origin", f"https://{TOKEN}@example.invalid/x.git")
    (empty / "params.yaml").write_text("a: 1\n")
    (empty / ".gitignore").write_text("*.pt\n")
    git(empty, "add", ".")
    git(empty, "commit", "--quiet", "--message", "Begin")
    return empty


def test_a_clean_tree_is_its_commit(folder: Path):
    (folder / "best.pt").write_text("ignored")
    (folder / "below").mkdir()

    state = GitRepository(folder / "below").code_state()

    assert state == CodeState(commit=git(folder, "rev-parse", "HEAD"), clean=True)
    assert TOKEN not in repr(state)


@pytest.mark.parametrize("name", ["params.yaml", "new_module.py"], ids=["changed", "untracked"])
def test_a_tree_that_differs_is_not_clean(name: str, folder: Path):
    (folder / name).write_text("a: 2\n")

    state = GitRepository(folder).code_state()

    assert state.commit == git(folder, "rev-parse", "HEAD")
    assert state.clean is False


def test_what_a_training_writes_is_no_change_of_its_code(folder: Path):
    for name in ("reports/metrics.json", "weights/detection/.gitignore", "summary_exp1.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("of the training before")

    assert GitRepository(folder).code_state().clean is True


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("data/processed/detection/images/train/a.jpg", "data/processed/detection"),
        ("data/processed/detection.dvc", "data/processed/detection"),
        ("photos/set1/images/train/a.jpg", "photos/set1"),
        ("photos/set1.dvc", "photos/set1"),
        ("photos/[a]*/images/train/a.jpg", "photos/[a]*"),
        ("photos/set1/a.jpg", "{folder}/photos/set1"),
        ("photos/set1/a.jpg", "./photos/../photos/set1/"),
        ("runs/exp1/run.json", "photos"),
        ("kaggle_output/run.json", "photos"),
        ("summary_exp1_files/curves.png", "photos"),
        ("dvc.lock", "photos"),
        (".dvc/config", "photos"),
    ],
)
def test_data_and_outputs_are_no_code(written: str, path: str, folder: Path):
    (folder / written).parent.mkdir(parents=True, exist_ok=True)
    (folder / written).write_text("no code")
    beside = [Path(path.format(folder=folder))]

    assert GitRepository(folder).code_state(beside=beside).clean is True

    git(folder, "add", "--force", written)
    assert GitRepository(folder).code_state(beside=beside).clean is True
    (folder / "new_module.py").touch()
    assert GitRepository(folder).code_state(beside=beside).clean is False


def test_data_of_a_workspace_below_the_root_are_no_code(folder: Path):
    for name in ("work/data/a.jpg", "work/photos/a.jpg", "work/runs/exp1/run.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    repository = GitRepository(folder / "work")

    assert repository.code_state(beside=[Path("photos")]).clean is True
    assert repository.code_state().clean is False


def test_a_folder_that_leads_to_the_photographs_is_no_code(folder: Path, tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (folder / "photos").symlink_to(tmp_path / "disk")

    assert GitRepository(folder).code_state(beside=[Path("photos/set1")]).clean is True
    assert GitRepository(folder).code_state().clean is False


@pytest.mark.parametrize("path", [".", "..", "../data", "/", "{folder}"])
def test_code_is_never_left_out_with_the_data(path: str, folder: Path):
    (folder / "new_module.py").touch()
    beside = [Path(path.format(folder=folder))]

    assert GitRepository(folder).code_state(beside=beside).clean is False


def test_before_the_first_commit_there_is_none(empty: Path):
    git(empty, "init", "--quiet")
    (empty / "a").touch()

    assert GitRepository(empty).code_state() == CodeState(commit=None, clean=False)


def test_outside_of_git_nothing_is_made_up(empty: Path):
    assert GitRepository(empty).code_state() == CodeState(commit=None, clean=None)
    assert GitRepository(empty).tags("*") == []


def test_outside_of_git_is_told_apart_in_any_language(empty: Path, monkeypatch: pytest.MonkeyPatch):
    """Git's own translations outrank C.UTF-8 wherever LANGUAGE is set, as on many desktops."""
    monkeypatch.setenv("LANGUAGE", "de:fr")

    assert GitRepository(empty).code_state() == CodeState(commit=None, clean=None)


HOSTILE_SETTINGS = {
    "columns": {"column.ui": "always", "column.tag": "always", "column.status": "always"},
    "colours": {"color.ui": "always", "color.status": "always", "core.pager": "false"},
    "untracked files are hidden": {"status.showUntrackedFiles": "no"},
    "paths": {"status.relativePaths": "true", "core.quotePath": "true", "status.branch": "true"},
    "submodules": {"status.submoduleSummary": "true", "diff.ignoreSubmodules": "all"},
    "a person's own ignored files": {"core.excludesFile": "{tmp}/ignored"},
    "a monitor that says that nothing changed": {"core.fsmonitor": "{tmp}/monitor"},
    "another diff": {"diff.external": "{tmp}/monitor", "diff.renames": "copies"},
    "tags in another order": {"tag.sort": "-version:refname", "versionsort.suffix": "+"},
    "signatures in a log": {"log.showSignature": "true"},
    "other names for commands": {"alias.status": "!false", "alias.for-each-ref": "!false"},
    "less is fetched": {"fetch.prune": "true", "submodule.recurse": "true", "fetch.all": "true"},
    "merging": {"merge.ff": "false", "merge.conflictStyle": "diff3", "pull.rebase": "true"},
    "comments": {"core.commentChar": "t", "commit.template": "/nowhere", "commit.verbose": "true"},
}


def answers(folder: Path, origin: Path) -> dict[str, object]:
    """Ask all that we ask, then commit, tag and move on; the dates of both are always the same."""
    repository = GitRepository(folder)
    before = {
        "state": repository.code_state(),
        "tags": repository.tags("detection@v*"),
        "changes": repository.changes(beside=[Path("data")]),
        "shown": repository.show("HEAD", Path("params.yaml")),
        "whole": repository.has_commit(git(folder, "rev-parse", "HEAD")),
        "upstream": repository.fetch(),
    }
    commit = repository.commit([Path("T\xfcr.py")], "Release")
    repository.create_tag("detection@v3.0.0+20261123.exp003", "third")
    (tag,) = then = repository.tags("detection@v3*")
    return before | {"commit": commit, "then": then, "tag": git(folder, "cat-file", "tag", tag)}


@pytest.fixture
def asked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A clone with versions, a changed and an untracked file, and a person's configuration."""
    (tmp_path / "ignored").write_text("*.py\n")
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexit 0\n")
    monitor.chmod(0o755)
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, "2026-11-23T00:00:00Z")

    def ask(number: int, settings: dict[str, str]) -> dict[str, object]:
        clone = tmp_path / f"clone{number}"
        git(tmp_path, "clone", "--quiet", str(folder), str(clone))
        for tag in (TAG, "detection@v1.10.0+20261124.exp002", "detection@v1.2.0+20261124.exp002"):
            git(clone, "tag", tag)
        (clone / "params.yaml").write_text("a: 2\n")
        (clone / "T\xfcr.py").write_text("a = 2\n")
        lines = "".join(
            f"[{name.rpartition('.')[0]}]\n  {name.rpartition('.')[2]} = "
            f'"{value.format(tmp=tmp_path)}"\n'
            for name, value in settings.items()
        )
        person = tmp_path / f"person{number}"
        person.write_text(f"[user]\n  name = T\n  email = t@example.org\n{lines}")
        with monkeypatch.context() as patch:
            patch.setenv("GIT_CONFIG_GLOBAL", str(person))
            return answers(clone, folder)

    return ask


@pytest.mark.parametrize("settings", HOSTILE_SETTINGS.values(), ids=HOSTILE_SETTINGS)
def test_no_setting_of_a_person_changes_what_git_answers_or_makes(
    settings: dict[str, str], asked, folder: Path, tmp_path: Path
):
    (folder / "later.txt").touch()
    plain = asked(1, {})

    assert asked(2, settings) == plain
    assert plain["changes"] == [Path("params.yaml"), Path("T\xfcr.py")]
    assert len(plain["tags"]) == 3
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "setting", ["[submodule]\n  recurse = true\n", "[fetch]\n  recurseSubmodules = true\n"]
)
def test_submodules_are_not_fetched_whatever_a_person_has_set(
    setting: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One whose server is gone would be an error of every fetch."""
    inner = tmp_path / "inner"
    git(tmp_path, "clone", "--quiet", str(folder), str(inner))
    git(
        folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub"
    )
    git(folder, "commit", "--quiet", "--all", "--message", "With a submodule")
    clone = tmp_path / "clone"
    git(tmp_path, "-c", "protocol.file.allow=always", "clone", "--quiet", "--recurse-submodules",
        str(folder), str(clone))  # fmt: skip
    shutil.rmtree(inner)
    git(folder, "tag", TAG)
    (tmp_path / "person").write_text(setting)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "person"))

    GitRepository(clone).fetch()

    assert GitRepository(clone).tags("*") == [TAG]


HOSTILE_VARIABLES = {
    "inside of a hook": {"GIT_DIR": "{other}/.git", "GIT_INDEX_FILE": "{other}/.git/index"},
    "another work tree": {"GIT_WORK_TREE": "{other}", "GIT_PREFIX": "below/"},
    "other objects": {"GIT_OBJECT_DIRECTORY": "{other}/.git/objects", "GIT_COMMON_DIR": "{other}"},
    "literal paths": {"GIT_LITERAL_PATHSPECS": "1"},
    "any case": {"GIT_ICASE_PATHSPECS": "1"},
    "a name space": {"GIT_NAMESPACE": "other"},
    "another diff": {"GIT_EXTERNAL_DIFF": "false", "GIT_PAGER": "false", "GIT_EDITOR": "false"},
    "by variables": {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "status.showUntrackedFiles", "GIT_CONFIG_VALUE_0": "no",
        "GIT_CONFIG_KEY_1": "column.ui", "GIT_CONFIG_VALUE_1": "always",
    },
    "a German": {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"},
}  # fmt: skip


@pytest.mark.parametrize("variables", HOSTILE_VARIABLES.values(), ids=HOSTILE_VARIABLES)
def test_no_variable_turns_git_to_another_repository_or_reading(
    variables: dict[str, str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(folder, "tag", TAG)
    (folder / "reports").mkdir()
    (folder / "reports" / "metrics.json").touch()
    head = git(folder, "rev-parse", "HEAD")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(other=other))
    repository = GitRepository(folder)

    assert repository.code_state() == CodeState(commit=head, clean=True)
    assert repository.tags("*") == [TAG]
    (folder / "new.py").touch()
    assert repository.changes(beside=[]) == [Path("new.py")]


def test_a_commit_is_not_another_that_was_put_in_its_place(folder: Path):
    old = git(folder, "rev-parse", "HEAD")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Other")
    (folder / "params.yaml").write_text("a: 2\n")
    git(folder, "commit", "--quiet", "--all", "--message", "Change")
    git(folder, "replace", "HEAD", old)

    assert GitRepository(folder).show("HEAD", Path("params.yaml")) == "a: 2\n"
    assert GitRepository(folder).code_state().clean is True


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_the_index_was_told_to_pass_over_is_one(flag: str, folder: Path):
    git(folder, "update-index", flag, "params.yaml")
    assert GitRepository(folder).code_state().clean is True

    (folder / "params.yaml").write_text("a: 2\n")

    assert GitRepository(folder).code_state().clean is False
    assert GitRepository(folder).changes(beside=[]) == [Path("params.yaml")]


def test_tags_that_cannot_be_read_are_not_absent(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Their numbers would be used twice."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    with pytest.raises(VersioningError, match="dubious ownership"):
        GitRepository(folder).tags("*")


def test_without_git_training_still_knows_that_it_does_not_know(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(folder))

    assert GitRepository(folder).code_state() == CodeState(commit=None, clean=None)
    assert GitRepository(folder).tags("*") == []


def test_a_repository_that_git_refuses_is_an_error_and_not_an_absence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    with pytest.raises(VersioningError, match="dubious ownership") as caught:
        GitRepository(folder).code_state()

    assert "safe.directory" in caught.value.hint


def test_reading_leaves_the_index_alone(folder: Path):
    index = folder / ".git" / "index"
    os.utime(folder / "params.yaml", (1, 1))
    before = index.read_bytes()

    assert GitRepository(folder).code_state().clean is True
    assert index.read_bytes() == before


def test_tags_are_chosen_by_a_glob(folder: Path):
    for tag in (TAG, "v0.1.0", "detection#prod"):
        git(folder, "tag", tag)

    assert GitRepository(folder).tags("detection@v*") == [TAG]


def test_a_tag_is_annotated_because_gto_sees_no_other(folder: Path):
    GitRepository(folder).create_tag(TAG, "detection_v1.0_20261123_exp001")

    assert git(folder, "cat-file", "-t", TAG) == "tag"
    assert git(folder, "rev-parse", f"{TAG}^{{}}") == git(folder, "rev-parse", "HEAD")


def test_a_tag_never_moves(folder: Path):
    repository = GitRepository(folder)
    repository.create_tag(TAG, "first")

    with pytest.raises(VersioningError, match="already exists"):
        repository.create_tag(TAG, "second")


def test_a_commit_holds_the_named_files_and_nothing_else(folder: Path):
    (folder / "best.pt.dvc").write_text("outs: []\n")
    (folder / "params.yaml").write_text("half done\n")
    (folder / "also staged").touch()
    git(folder, "add", "also staged")

    commit = GitRepository(folder).commit([Path("best.pt.dvc")], "Release")

    assert commit == git(folder, "rev-parse", "HEAD")
    assert git(folder, "show", "--name-only", "--format=", "HEAD") == "best.pt.dvc"
    assert git(folder, "diff", "--cached", "--name-only") == "also staged"
    assert GitRepository(folder).commit([Path("best.pt.dvc")], "Release") is None


def test_a_file_that_git_ignores_is_not_forced_in(folder: Path):
    (folder / "best.pt").touch()

    with pytest.raises(VersioningError, match="ignored by one of your"):
        GitRepository(folder).stage([Path("best.pt")])


def test_the_token_of_a_remote_is_in_no_answer_and_no_document(
    folder: Path, capfd: pytest.CaptureFixture[str]
):
    """Not even in what git itself quotes: the hook below says where it would push to."""
    repository = GitRepository(folder)
    record = a_record(code=repository.code_state())
    version = Version(major=1, minor=0, date="20261123", experiment="exp001")
    metadata = build_metadata(record, an_evaluation(), version)
    hook = folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho error: $(git remote get-url origin) >&2\nexit 1\n")
    hook.chmod(0o755)
    (folder / "params.yaml").write_text("a: 2\n")

    with pytest.raises(VersioningError, match=r"https://\*\*\*@example\.invalid") as caught:
        repository.commit([Path("params.yaml")], "Change")

    assert metadata.code.commit == git(folder, "rev-parse", "HEAD")
    written = [record.to_json(), metadata.to_json(), str(caught.value), *capfd.readouterr()]
    assert not [text for text in written if TOKEN in text]


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        pytest.param({"commit.gpgSign": "true", "gpg.program": "false"}, "cannot sign", id="gpg"),
        pytest.param({"commit.gpgSign": "true", "gpg.program": "/no"}, "cannot sign", id="no gpg"),
        pytest.param(
            {"commit.gpgSign": "true", "gpg.format": "ssh"}, "user.signingKey", id="no ssh key"
        ),
        pytest.param(
            {"commit.gpgSign": "true", "gpg.format": "ssh", "user.signingKey": "/no/key"},
            "cannot sign",
            id="ssh key lost",
        ),
        pytest.param(
            {"user.useConfigOnly": "true", "user.name": "", "user.email": ""},
            "git config user.name",
            id="nobody",
        ),
    ],
)
def test_git_that_refuses_to_commit_says_why(settings: dict[str, str], hint: str, folder: Path):
    for name, value in settings.items():
        git(folder, "config", name, value)
    (folder / "params.yaml").write_text("a: 2\n")

    with pytest.raises(VersioningError, match="git cannot commit") as caught:
        GitRepository(folder).commit([Path("params.yaml")], "Change")

    assert hint in caught.value.hint


def test_a_tag_that_cannot_be_signed_says_why(folder: Path):
    git(folder, "config", "tag.gpgSign", "true")
    git(folder, "config", "gpg.program", "false")

    with pytest.raises(VersioningError, match="git cannot tag the commit") as caught:
        GitRepository(folder).create_tag(TAG, "first")

    assert "cannot sign" in caught.value.hint
    for setting in ("commit.gpgSign", "tag.gpgSign"):  # what the hint says
        git(folder, "config", setting, "false")
    GitRepository(folder).create_tag(TAG, "first")


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the repository", "a person's own"])
def test_a_hook_that_refuses_is_named(elsewhere: bool, folder: Path, tmp_path: Path):
    hooks = tmp_path / "hooks" if elsewhere else folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    if elsewhere:
        git(folder, "config", "core.hooksPath", str(hooks))
    hook = hooks / "commit-msg"
    hook.write_text("#!/bin/sh\necho no ticket, already exists >&2\nexit 1\n")
    hook.chmod(0o755)
    (folder / "params.yaml").write_text("a: 2\n")

    with pytest.raises(VersioningError, match=r"a hook .* no ticket") as caught:
        GitRepository(folder).commit([Path("params.yaml")], "Change")

    assert str(hook) in caught.value.hint


def test_the_first_commit_is_asked_for(empty: Path):
    git(empty, "init", "--quiet")

    with pytest.raises(VersioningError, match="has no commit") as caught:
        GitRepository(empty).create_tag(TAG, "")

    assert "git commit" in caught.value.hint


def test_a_repository_is_asked_for(empty: Path):
    with pytest.raises(VersioningError, match="not a git repository") as caught:
        GitRepository(empty).check_ready()

    assert "git init" in caught.value.hint


def test_git_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(folder))

    with pytest.raises(MissingToolError, match="cannot run git") as caught:
        GitRepository(folder).check_ready()

    assert "install git" in caught.value.hint


@pytest.fixture
def cloned(folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A clone that follows ``folder``, which is one commit ahead of it."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(folder), str(clone))
    (folder / "best.pt.dvc").write_text("outs: new\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Release")
    return folder, clone


def test_fetching_tells_where_the_branch_would_go_and_changes_nothing(cloned: tuple[Path, Path]):
    origin, clone = cloned
    repository = GitRepository(clone)

    upstream = repository.fetch()

    assert (upstream.name, upstream.commit) == ("origin/main", git(origin, "rev-parse", "HEAD"))
    assert not (clone / "best.pt.dvc").exists()
    assert repository.show("origin/main", Path("best.pt.dvc")) == "outs: new\n"
    assert repository.show("origin/main", Path("last.pt.dvc")) is None


def test_a_file_that_is_here_already_does_not_stop_git(cloned: tuple[Path, Path]):
    _, clone = cloned
    repository = GitRepository(clone)
    commit = repository.fetch().commit
    assert commit is not None
    (clone / "best.pt.dvc").write_text("outs: new\n")

    repository.fast_forward(commit, same=[Path("best.pt.dvc")])

    assert git(clone, "rev-parse", "HEAD") == commit
    assert git(clone, "status", "--porcelain") == ""
    assert repository.fetch().commit is None


def test_a_file_that_is_another_here_is_not_overwritten(cloned: tuple[Path, Path]):
    _, clone = cloned
    repository = GitRepository(clone)
    commit = repository.fetch().commit
    assert commit is not None
    (clone / "best.pt.dvc").write_text("outs: mine\n")

    with pytest.raises(VersioningError, match="git cannot move to") as raised:
        repository.fast_forward(commit, same=[])

    assert "git stash" in raised.value.hint
    assert (clone / "best.pt.dvc").read_text() == "outs: mine\n"


def test_a_committed_file_is_read_as_it_is_and_not_as_a_message(folder: Path):
    """With an address that looks like a password, and whatever its line ends."""
    (folder / "params.yaml").write_bytes(b"origin: ssh://git@host/x\r\n")
    git(folder, "commit", "--quiet", "--all", "--message", "Change")

    assert GitRepository(folder).show("HEAD", Path("params.yaml")) == "origin: ssh://git@host/x\n"


def damage(folder: Path) -> None:
    name = git(folder, "rev-parse", "HEAD:params.yaml")
    (folder / ".git/objects" / name[:2] / name[2:]).unlink()


def make_it_a_folder(folder: Path) -> None:
    (folder / "params.yaml").unlink()
    (folder / "params.yaml").mkdir()
    (folder / "params.yaml/x").touch()
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Change")


def make_it_a_submodule(folder: Path) -> None:
    commit = git(folder, "rev-parse", "HEAD")
    git(folder, "rm", "--quiet", "params.yaml")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},params.yaml")
    git(folder, "commit", "--quiet", "--message", "Change")


@pytest.mark.parametrize("spoil", [damage, make_it_a_folder, make_it_a_submodule])
def test_a_committed_file_that_cannot_be_read_is_not_taken_for_none(
    spoil: Callable[[Path], None], folder: Path
):
    spoil(folder)

    with pytest.raises(VersioningError, match=r"git cannot read params\.yaml of HEAD as a file"):
        GitRepository(folder).show("HEAD", Path("params.yaml"))
    assert GitRepository(folder).show("HEAD", Path("nowhere.yaml")) is None
    assert GitRepository(folder).show("nowhere", Path("params.yaml")) is None


def test_changes_have_the_names_that_files_have(folder: Path):
    names = {os.fsdecode(b"T\xfcr"), "a\nb", ' "x" ', "data[1]/x"}
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "data1").mkdir()
    (folder / "data1/x").touch()

    changes = GitRepository(folder).changes(beside=[Path("data[1]")])

    assert {str(path) for path in changes} == names - {"data[1]/x"} | {"data1/x"}


def test_a_folder_is_unchanged_if_what_git_tracks_in_it_is(folder: Path):
    repository, paths = GitRepository(folder), [Path("da*"), Path("weights/none")]
    (folder / "da*").mkdir()
    (folder / "data").mkdir()
    for name in ("da*/x", "data/x"):
        (folder / name).touch()
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Data")
    (folder / "da*/new").touch()
    (folder / "data/x").write_text("y")
    assert repository.is_unchanged(paths)

    (folder / "da*/x").write_text("y")

    assert not repository.is_unchanged(paths)


def test_what_somebody_put_in_the_place_of_the_commit_is_a_change_of_it(folder: Path):
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    git(folder, "rm", "--quiet", "params.yaml")
    git(folder, "replace", tree, git(folder, "write-tree"))
    assert git(folder, "status", "--porcelain") == ""

    assert GitRepository(folder).code_state().clean is False


def test_a_branch_that_has_diverged_is_said(cloned: tuple[Path, Path]):
    _, clone = cloned
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "Mine")

    with pytest.raises(VersioningError, match="both have commits that the other lacks"):
        GitRepository(clone).fetch()


def test_a_branch_that_follows_nothing_has_nothing_to_fetch(folder: Path):
    upstream = GitRepository(folder).fetch()

    assert (upstream.name, upstream.commit) == (None, None)


def test_a_remote_that_cannot_be_read_is_said_without_its_token(folder: Path):
    git(folder, "config", "branch.main.remote", "origin")
    git(folder, "config", "branch.main.merge", "refs/heads/main")
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD")

    with pytest.raises(VersioningError, match="git cannot fetch origin/main") as raised:
        GitRepository(folder).fetch()

    assert TOKEN not in str(raised.value)


def test_a_commit_is_held_only_if_it_is_whole(folder: Path):
    repository, commit = GitRepository(folder), git(folder, "rev-parse", "HEAD")
    assert repository.has_commit(commit) is True
    assert repository.has_commit("1" * 40) is False

    blob = git(folder, "rev-parse", "HEAD:params.yaml")
    other = git(folder, "rev-parse", "HEAD:.gitignore")
    damaged, sound = (folder / ".git/objects" / name[:2] / name[2:] for name in (blob, other))
    damaged.chmod(0o644)
    damaged.write_bytes(sound.read_bytes())

    assert repository.has_commit(commit) is False


def test_outside_of_git_no_commit_is_held(empty: Path):
    assert GitRepository(empty).has_commit("1" * 40) is None
