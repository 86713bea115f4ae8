"""A model is published, taken and verified only as it was signed, where the project asks for it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from container_doors import pipeline
from container_doors.core.config import Data, Params, Training, Versioning, dump
from container_doors.core.errors import (
    ConfigError,
    NoSigningKeyError,
    RunError,
    SignatureError,
    VersioningError,
)
from container_doors.core.ports import Upstream
from container_doors.core.records import Check, Metadata
from container_doors.core.run import PUBLISHED, Run
from container_doors.publishing.pointers import TRACKED, pointer_name, pointer_to
from container_doors.publishing.signatures import ALLOWED_SIGNERS, MODEL, SIGNATURE, SignaturePolicy
from container_doors.steps.release import release_model
from container_doors.steps.sync import sync_model
from container_doors.steps.verify import check_signature
from container_doors.steps.version import version_model
from tests.builders import a_small_dataset
from tests.fakes import (
    FakeDetector,
    FakeProgress,
    FakeRepository,
    FakeStore,
    FakeTrainer,
    FakeWorld,
)
from tests.signing import Desk, cut_off, make_huge, public

PARAMS = Params(
    data=Data(min_train_images=2, min_val_images=1),
    training=Training(epochs=3, batch_size=2, learning_rate=0.001),
)
DOWNLOAD = Path("download")
SIGNED = PUBLISHED / SIGNATURE
METADATA = PUBLISHED / "metadata.json"


@dataclass
class Team:
    """Alice trains and signs; a laptop takes what she made."""

    desk: Desk
    store: FakeStore = field(default_factory=FakeStore)
    repository: FakeRepository = field(default_factory=FakeRepository)
    progress: FakeProgress = field(default_factory=FakeProgress)

    def policy(self, allowed: str | None = "", *, is_required: bool = True) -> SignaturePolicy:
        return self.desk.policy(self.repository, allowed, is_required=is_required)

    def version(self, policy: SignaturePolicy | None = None, name: str = "exp1") -> list[Path]:
        return version_model(
            name, store=self.store, progress=self.progress, policy=policy or self.policy()
        )[1]

    def verify(self, policy: SignaturePolicy | None = None) -> Check:
        return check_signature(policy or self.policy())

    def download(self) -> Path:
        """Copy what is published to a laptop's downloads, whole, and go to the laptop."""
        laptop = self.desk.folder / "laptop"
        shutil.copytree(PUBLISHED, laptop / DOWNLOAD)
        shutil.rmtree(laptop / DOWNLOAD / "weights")
        os.chdir(laptop)
        return laptop

    def sync(
        self, policy: SignaturePolicy | None = None, outputs: Path | None = DOWNLOAD
    ) -> Metadata:
        return sync_model(
            outputs,
            store=self.store,
            repository=self.repository,
            progress=self.progress,
            policy=policy or self.policy(),
            try_weights=lambda _: None,
        )


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    desk = Desk(tmp_path)
    monkeypatch.chdir(tmp_path / "work")
    a_small_dataset(Path(PARAMS.data.path))
    pipeline.train(PARAMS, Run("exp1"), world=FakeWorld().world)
    return Team(desk)


def test_a_model_is_signed_before_it_is_pushed(team: Team):
    files = team.version()

    assert SIGNED in files
    assert [
        line for line in team.progress.lines if line.startswith("signed by alice@example.org (")
    ]
    assert team.verify().holds.startswith("metadata.json is signed by alice@example.org (ED25519")


def test_a_model_that_is_signed_already_keeps_its_signature(team: Team):
    team.version()
    before = SIGNED.read_bytes()
    team.desk.sign_with_nothing()

    team.version()

    assert SIGNED.read_bytes() == before


def without_a_key(team: Team) -> SignaturePolicy:
    team.desk.sign_with_nothing()
    return team.policy()


UNSIGNED: dict[str, tuple[Callable[[Team], SignaturePolicy], str, str]] = {
    "no key": (
        without_a_key,
        "git signs with openpgp", "git config --global gpg.format ssh",
    ),
    "no list": (lambda team: team.policy(None), r"no \.allowed_signers", ">> .allowed_signers"),
    "not in the list": (
        lambda team: team.policy(f"m@x {public(team.desk.mallory)}\n"),
        "git's signing key is not allowed", ">> .allowed_signers",
    ),
    "expired": (
        lambda team: team.policy(f'a@x valid-before="20200101" {public(team.desk.alice)}\n'),
        "its key has expired", ">> .allowed_signers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", UNSIGNED)
def test_nothing_is_published_unsigned_where_a_signature_is_asked_for(why: str, team: Team):
    policy_of, said, hint = UNSIGNED[why]
    policy = policy_of(team)

    with pytest.raises(VersioningError, match=said) as caught:
        team.version(policy)

    assert hint in caught.value.hint
    assert (team.store.objects, SIGNED.exists()) == ({}, False)
    assert not list(PUBLISHED.glob("*.dvc"))


@pytest.mark.parametrize(("why", "is_said"), [("no key", False), ("not in the list", True)])
def test_what_nobody_asks_for_is_published_unsigned(why: str, is_said: bool, team: Team):
    policy = UNSIGNED[why][0](team)
    optional = SignaturePolicy(policy.signatures, policy.repository, is_required=False)

    team.version(optional)

    assert not SIGNED.exists()
    assert any(line.startswith("not signed: ") for line in team.progress.lines) is is_said
    assert team.verify(optional).holds == "none, and params.yaml does not ask for one"


def test_a_signature_that_no_list_knows_is_made_and_its_key_said(team: Team):
    optional = team.policy(None, is_required=False)

    team.version(optional)

    assert "but there is no .allowed_signers yet" in team.progress.lines[-1]
    assert team.verify(optional).holds.endswith(
        "there is no .allowed_signers to say whose key that is"
    )
    before = SIGNED.read_bytes()
    team.desk.sign_with_nothing()
    team.version(optional)
    assert SIGNED.read_bytes() == before


def test_another_training_is_not_signed_by_what_signed_the_last_one(team: Team):
    team.version()
    world = FakeWorld(trainer=FakeTrainer(trained=5), detector=FakeDetector(map50_95=0.999))
    pipeline.train(PARAMS, Run("exp2"), world=world.world)

    assert not SIGNED.exists()


@pytest.mark.parametrize("has_key", [True, False])
def test_metadata_that_was_written_anew_is_signed_anew_or_not_at_all(has_key: bool, team: Team):
    team.version()
    tamper()
    if not has_key:
        team.desk.sign_with_nothing()
    optional = team.policy(is_required=False)

    team.version(optional)

    assert (team.verify(optional).is_ok, SIGNED.exists()) == (True, has_key)


def tamper() -> None:
    METADATA.write_text(METADATA.read_text().replace('"seed": 0', '"seed": 1'))


def sign_for_another_purpose(team: Team) -> None:
    SIGNED.write_text(team.desk.signatures.sign(METADATA, namespace="container-doors-checkpoint"))


def sign_by_nobody(team: Team) -> None:
    team.desk.sign_with(str(team.desk.mallory))
    SIGNED.write_text(team.desk.signatures.sign(METADATA, namespace=MODEL))


def sign_another_version(team: Team) -> None:
    other = Path("other.json")
    other.write_text(METADATA.read_text().replace("_v1.0_", "_v0.9_"))
    SIGNED.write_text(team.desk.signatures.sign(other, namespace=MODEL))


WRONG: dict[str, tuple[Callable[[Team], object], str]] = {
    "tampered": (lambda team: tamper(), "it does not match this file"),
    "another purpose": (sign_for_another_purpose, "it has another namespace"),
    "another key": (sign_by_nobody, "no allowed signer has its key"),
    "another version": (sign_another_version, "it does not match this file"),
    "truncated": (lambda team: cut_off(SIGNED), "it is cut off"),
    "100 MB": (lambda team: make_huge(SIGNED), "at most 16 KiB"),
}


@pytest.mark.parametrize("is_required", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_signature_is_found_whether_or_not_one_is_asked_for(
    wrong: str, is_required: bool, team: Team
):
    team.version()
    spoil, said = WRONG[wrong]
    spoil(team)

    check = team.verify(team.policy(is_required=is_required))

    assert check.is_ok is False
    assert said in check.mismatches[0].found


@pytest.mark.parametrize("is_required", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_signature_brings_nothing_into_place(wrong: str, is_required: bool, team: Team):
    team.version()
    spoil, said = WRONG[wrong]
    spoil(team)
    for name in TRACKED:  # by the same hand: consistent in itself
        pointer = pointer_to(PUBLISHED / name, Metadata.read(METADATA).version)
        (PUBLISHED / pointer_name(name)).write_text(pointer.to_yaml())
    team.download()

    with pytest.raises(SignatureError, match=said):
        team.sync(team.policy(is_required=is_required))

    assert not PUBLISHED.exists()


def test_what_is_not_signed_is_not_taken_where_a_signature_is_asked_for(team: Team):
    team.version()
    SIGNED.unlink()
    check = team.verify()
    team.download()

    with pytest.raises(SignatureError, match=r"is not signed; params\.yaml asks for"):
        team.sync()

    assert not PUBLISHED.exists()
    assert check.mismatches[0].found.startswith("metadata.json is not signed")
    assert "doors version signs it" in check.mismatches[0].remedy
    assert team.sync(team.policy(is_required=False)).experiment_name == "exp1"


def test_a_signature_comes_along_and_is_released(team: Team):
    team.version()
    before = SIGNED.read_bytes()
    team.download()

    metadata = team.sync()
    team.sync(outputs=None)
    release_model(metadata, team.repository)

    assert SIGNED.read_bytes() == before
    assert team.repository.files["HEAD", SIGNED].encode() == before


def test_a_signature_that_is_missing_in_a_download_is_kept_where_the_model_is_the_same(team: Team):
    team.version()
    before = SIGNED.read_bytes()
    team.download()
    team.sync()
    (DOWNLOAD / SIGNATURE).unlink()
    (PUBLISHED / "last.pt").unlink()

    team.sync()

    assert (SIGNED.read_bytes(), (PUBLISHED / "last.pt").exists()) == (before, True)


def test_who_may_sign_is_never_what_a_download_says(team: Team):
    team.version()
    sign_by_nobody(team)
    laptop = team.download()
    mallory = f"mallory@example.org {public(team.desk.mallory)}\n"
    (laptop / DOWNLOAD / ALLOWED_SIGNERS).write_text(mallory)
    (laptop / ALLOWED_SIGNERS).write_text(mallory)  # nor what nobody has committed

    with pytest.raises(SignatureError, match="no allowed signer has its key"):
        team.sync()


def follow(team: Team, files: dict[Path, str]) -> None:
    """Let git bring what is published, and these files."""
    found = {
        PUBLISHED / p.name: p.read_text() for p in (*PUBLISHED.glob("*.dvc"), SIGNED) if p.exists()
    }
    team.repository.upstream = Upstream("origin/main", "f" * 40)
    team.repository.files |= {("f" * 40, path): text for path, text in (found | files).items()}


def test_git_brings_a_model_together_with_who_may_sign_it(team: Team):
    policy = team.policy()
    team.desk.sign_with(str(team.desk.mallory))
    carol = f"carol@example.org {public(team.desk.mallory)}\n"
    team.repository.files["HEAD", ALLOWED_SIGNERS] = carol
    team.version(policy)
    follow(team, {ALLOWED_SIGNERS: carol})
    team.policy()  # on the laptop the last commit knows alice alone
    team.download()

    assert team.sync(policy, None).experiment_name == "exp1"
    assert any(line.startswith("signed by carol@example.org") for line in team.progress.lines)


@pytest.mark.parametrize("outputs", [None, DOWNLOAD], ids=["from git", "from a download"])
def test_a_commit_that_begins_to_ask_asks_the_same_of_every_source(
    outputs: Path | None, team: Team
):
    team.version()
    SIGNED.unlink()
    asking = dump(PARAMS.model_copy(update={"versioning": Versioning(require_signature=True)}))
    listed = f"alice@example.org {public(team.desk.alice)}\n"
    follow(team, {Path("params.yaml"): asking, ALLOWED_SIGNERS: listed})
    team.download()

    with pytest.raises(SignatureError, match="is not signed"):
        team.sync(team.policy(is_required=False), outputs)

    assert not (PUBLISHED / "best.pt").exists()


NOT_UNDERSTOOD = {
    "no YAML": ("detection: [", "is not YAML"),
    "empty": ("", "expected a section 'detection'"),
    "a link's target": ("other/params.yaml", "expected a section 'detection'"),
    "a list": ("detection: []", "expected a section 'detection'"),
    "twice": (
        "detection:\n  versioning:\n    require_signature: true\n    require_signature: false\n",
        r":4 is not YAML: .*key",
    ),
    "laughs": (f"a: &a [{'1, ' * 999}]\nb: [{'*a, ' * 999}]", "is not YAML"),
    "no section": ("detection: {versioning: }", r"detection\.versioning: .*found None"),
    "a word": ("detection: {versioning: true}", r"detection\.versioning: .*found true"),
    "misspelt": (
        "detection: {versioning: {require_signatures: true}}", "did you mean 'require_signature'",
    ),
    **{
        text: (
            f"detection: {{versioning: {{require_signature: {text}}}}}",
            r"detection\.versioning\.require_signature: .*found",
        )
        for text in ('"yes"', "1", "0", "[true]", "~", '"true"', "!!binary dHJ1ZQ==", "2026-01-01")
    },
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_UNDERSTOOD)
def test_params_that_cannot_be_understood_are_never_a_no(what: str, team: Team):
    """Of a commit that git brings: here they would be refused by every command."""
    text, said = NOT_UNDERSTOOD[what]
    team.version()
    follow(team, {Path("params.yaml"): text})
    team.download()

    with pytest.raises(ConfigError, match=rf"(?s)params\.yaml of commit f{{12}}.*{said}"):
        team.sync(team.policy(None, is_required=False), None)

    assert not PUBLISHED.exists()


@pytest.mark.parametrize(
    "text",
    ["detection: {training: {of: a later release}, versioning: {require_signature: no}}",
     "detection: {versioning: {}}", "detection: {}"],
)  # fmt: skip
def test_params_of_another_release_ask_for_what_they_say(text: str, team: Team):
    team.version()
    follow(team, {Path("params.yaml"): text})
    team.download()

    assert team.sync(team.policy(None, is_required=False), None).experiment_name == "exp1"


def test_a_model_that_is_here_already_is_looked_at_too(team: Team):
    team.version()
    SIGNED.unlink()
    team.download()
    team.sync(team.policy(is_required=False))

    with pytest.raises(SignatureError, match="is not signed"):
        team.sync()


def test_a_signature_that_was_lost_here_comes_back_from_git(team: Team):
    team.version()
    team.repository.files["HEAD", SIGNED] = SIGNED.read_text()
    SIGNED.unlink()

    (mismatch,) = team.verify().mismatches

    assert mismatch.remedy == f"git checkout HEAD -- {SIGNED}"


def test_weights_that_signed_metadata_does_not_name_are_not_taken(team: Team):
    metadata = Metadata.read(METADATA)
    only_best = {"best.pt": metadata.artifacts["best.pt"]}
    metadata.model_copy(update={"artifacts": only_best}).write(METADATA)
    SIGNED.write_text(team.desk.signatures.sign(METADATA, namespace=MODEL))
    for name in TRACKED:
        pointer = pointer_to(PUBLISHED / name, metadata.version)
        (PUBLISHED / pointer_name(name)).write_text(pointer.to_yaml())
    team.download()

    with pytest.raises(RunError, match=r"does not describe last\.pt"):
        team.sync()

    assert not PUBLISHED.exists()


def test_a_downloaded_pointer_brings_no_command(team: Team):
    team.version()
    team.download()
    pointer = DOWNLOAD / "best.pt.dvc"
    pointer.write_text(pointer.read_text() + "cmd: touch executed\n")

    team.sync()

    assert "cmd" not in (PUBLISHED / "best.pt.dvc").read_text()


def test_a_missing_key_is_told_from_one_that_cannot_be_used(team: Team):
    team.desk.sign_with(str(team.desk.folder / "nowhere"))

    with pytest.raises(VersioningError, match="cannot be used") as caught:
        team.version()

    assert not isinstance(caught.value, NoSigningKeyError)
