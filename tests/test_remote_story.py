"""Choosing a remote and fetching data, as the pipeline tells it, with fakes."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from container_doors.core.errors import VersioningError
from container_doors.steps.data.pull import pull_data
from container_doors.steps.storage import check_storage, set_storage
from container_doors.storage.credentials import DriveCredentials
from tests.fakes import FakeProgress, FakeStorage, FakeStore

BOT = DriveCredentials("service account", "bot@x.iam.gserviceaccount.com", "it", {"key": "S3CRET"})


def nowhere(folder: Path) -> Path | None:
    return None


def test_a_drive_gets_a_file_of_credentials_and_what_they_are():
    storage = FakeStorage()

    url, used = set_storage(
        "gdrive://1aBc", BOT, delegate="me@x.org", storage=storage, root_that_tracks=nowhere
    )

    assert (url, used) == ("gdrive://1aBc", BOT)
    assert storage.kept == ['{"key": "S3CRET"}']
    assert storage.options == {
        "gdrive_use_service_account": "true",
        "gdrive_service_account_json_file_path": "/home/me/credentials.json",
        "gdrive_service_account_user_email": "me@x.org",
    }
    assert check_storage(storage=storage) == "gdrive://1aBc"


def test_a_folder_is_verified_and_no_secret_is_kept_for_it():
    storage = FakeStorage()

    assert set_storage(
        "../away", BOT, delegate=None, storage=storage, root_that_tracks=nowhere
    ) == ("../away", None)

    assert storage.kept == []
    assert storage.options == {"verify": "true"}


def test_without_an_address_the_one_there_is_stays():
    storage = FakeStorage(url="gdrive://1aBc")

    url, _ = set_storage(None, BOT, delegate=None, storage=storage, root_that_tracks=nowhere)

    assert url == "gdrive://1aBc"
    assert len(storage.kept) == 1


def test_an_address_is_asked_for_where_there_is_none():
    with pytest.raises(VersioningError, match="names no storage yet"):
        set_storage(None, None, delegate=None, storage=FakeStorage(), root_that_tracks=nowhere)


class Renewed(FakeStore):
    """A data set that is newer than its archives."""

    def content_of(self, path: Path) -> str | None:
        return "newer.dir"

    def version_of(self, path: Path) -> str | None:
        return "older.dir"

    def pull(self, pointers: Sequence[Path], *, force: bool = False) -> None:
        assert [pointer.name for pointer in pointers] == ["data"]


def test_archives_of_another_version_are_left_alone(tmp_path: Path):
    store, progress = Renewed(), FakeProgress()
    (tmp_path / "data_shards").mkdir()
    (tmp_path / "data_shards/train-000.tar.dvc").touch()

    assert pull_data(tmp_path / "data", store=store, progress=progress) == "folder"
    assert "another version" in progress.lines[0]


class Locked(Renewed):
    def pull(self, pointers: Sequence[Path], *, force: bool = False) -> None:
        raise VersioningError("the workspace is read-only", hint="make it writable")


def test_force_is_named_only_where_it_would_help(tmp_path: Path):
    with pytest.raises(VersioningError, match="read-only") as refused:
        pull_data(tmp_path / "data", store=Locked(), progress=FakeProgress())

    assert refused.value.hint == "make it writable"
