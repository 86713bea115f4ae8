"""A checkpoint is sent signed, and comes from the storage only as it was signed."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from container_doors.core.errors import SignatureError, VersioningError
from container_doors.publishing.signed_checkpoints import SignedCheckpoints
from tests.fakes import FakeCheckpoints, FakeRepository
from tests.signing import Desk, cut_off, make_huge

NAME = "20261125T101500-0f3c9a1b-000012-0123456789abcdef.tar"
LATER = "20261125T101500-0f3c9a1b-000013-0123456789abcdef.tar"
MARK = "20261125T101500-0f3c9a1b-finished"


@dataclass
class Machines:
    """One that trains, with a key, and one that goes on."""

    desk: Desk
    storage: FakeCheckpoints = field(init=False)

    def __post_init__(self) -> None:
        self.storage = FakeCheckpoints(self.desk.folder / "storage")

    def remote(self, *, is_required: bool = True) -> SignedCheckpoints:
        policy = self.desk.policy(FakeRepository(), is_required=is_required)
        return SignedCheckpoints(self.storage, policy)

    def send(self, name: str = NAME, *, is_required: bool = True) -> None:
        path = self.desk.folder / "sent" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"state of {name}".encode())
        self.remote(is_required=is_required).put(path, "exp1")

    def fetched(self, name: str = NAME, *, is_required: bool = True) -> bytes:
        into = self.desk.folder / "fetched"
        self.remote(is_required=is_required).get(name, "exp1", into)
        return (into / name).read_bytes()

    def there(self, name: str = NAME) -> Path:
        return self.storage.folder / "exp1" / name


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return Machines(Desk(tmp_path))


def test_a_signed_checkpoint_arrives(machines: Machines):
    machines.send()

    assert machines.fetched() == f"state of {NAME}".encode()
    assert machines.remote().names("exp1") == [NAME]
    assert machines.there(f"{NAME}.sig").exists()


def test_a_checkpoint_that_goes_takes_its_signature_along(machines: Machines):
    machines.send()
    machines.send(LATER)
    machines.send(MARK)

    machines.remote().remove([NAME, MARK], "exp1")

    assert sorted(machines.storage.names("exp1")) == [LATER, f"{LATER}.sig"]


def test_nothing_is_signed_where_nobody_asks(machines: Machines):
    machines.send(is_required=False)

    assert machines.storage.names("exp1") == [NAME]
    assert machines.fetched(is_required=False)


def test_a_checkpoint_that_cannot_be_signed_is_not_sent(machines: Machines):
    machines.desk.sign_with(str(machines.desk.mallory))

    with pytest.raises(VersioningError, match="no allowed signer has its key"):
        machines.send()

    assert machines.storage.names("exp1") == []


def sign_by(machines: Machines, name: str, experiment: str = "exp1") -> None:
    """Sign what is there as the attacker can: with a key of their own, or what was signed once."""
    folder = machines.desk.folder / "elsewhere"
    policy = machines.desk.policy(FakeRepository(), None, is_required=False)
    remote = SignedCheckpoints(FakeCheckpoints(folder), policy)
    (machines.there(f"{name}.sig")).write_text(remote._sign(machines.there(name), experiment))


def by_another_key(machines: Machines) -> None:
    machines.desk.sign_with(str(machines.desk.mallory))
    sign_by(machines, NAME)


def poison(machines: Machines) -> None:
    machines.there().write_bytes(b"poison")


def move_from_another_epoch(machines: Machines) -> None:
    machines.send(LATER)
    for end in ("", ".sig"):
        shutil.copy(machines.there(LATER + end), machines.there(NAME + end))


def move_from_another_experiment(machines: Machines) -> None:
    sign_by(machines, NAME, "exp2")


WRONG: dict[str, tuple[Callable[[Machines], None], str]] = {
    "another key": (by_another_key, "no allowed signer has its key"),
    "poison": (poison, "it does not match this file"),
    "another epoch": (move_from_another_epoch, "it does not match this file"),
    "another experiment": (move_from_another_experiment, "it does not match this file"),
    "100 MB": (lambda machines: make_huge(machines.there(f"{NAME}.sig")), "at most 16 KiB"),
    "cut off": (lambda machines: cut_off(machines.there(f"{NAME}.sig")), "it is cut off"),
}


@pytest.mark.parametrize("is_required", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_checkpoint_that_is_wrongly_signed_does_not_arrive(
    wrong: str, is_required: bool, machines: Machines
):
    machines.send()
    spoil, said = WRONG[wrong]
    spoil(machines)

    with pytest.raises(SignatureError, match=said):
        machines.fetched(is_required=is_required)

    assert not (machines.desk.folder / "fetched" / NAME).exists()


def test_a_checkpoint_that_nobody_signed_is_not_even_fetched(machines: Machines):
    machines.send(is_required=False)

    with pytest.raises(SignatureError, match=r"is not signed, and params\.yaml asks") as caught:
        machines.fetched()

    assert not (machines.desk.folder / "fetched").exists()
    assert "doors train --experiment exp1 --replace" in caught.value.hint
