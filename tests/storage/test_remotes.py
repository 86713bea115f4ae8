import pytest

from container_doors.core.errors import VersioningError
from container_doors.storage.complaints import explain, may_pass
from container_doors.storage.remotes import check_url, kind_of

GOOD = {
    "../door-storage": "directory",
    "/mnt/doors": "directory",
    "gdrive://1aB_c-D": "drive",
    "gdrive://root/doors": "drive",
    "s3://bucket/doors": "other",
    "ssh://me@example.org/doors": "other",
    "https://example.org/a@b:c": "other",
}


@pytest.mark.parametrize(("url", "kind"), GOOD.items())
def test_any_address_that_dvc_knows_is_taken(url: str, kind: str):
    check_url(url)

    assert kind_of(url) == kind


BAD = {
    "": "doors remote set DIRECTORY",
    " /mnt": "doors remote set DIRECTORY",
    "gdrive://": "gdrive://FOLDER_ID",
    "gdrive://a b": "last part",
    "s3://": "s3://BUCKET/FOLDER",
    "s4://bucket": "s3://BUCKET/FOLDER",
    "garbage": "doors remote set ./garbage",
    "::::": "doors remote set ./::::",
    "/etc/passwd": "doors remote set DIRECTORY",
    "https://me:sekrit@example.org/doors": "--local",
    "https://drive.google.com/drive/u/0/folders/1aBc?usp=sharing": "gdrive://1aBc",
    "drive.google.com/open?id=1aBc": "gdrive://1aBc",
}


@pytest.mark.parametrize(("url", "hint"), BAD.items())
def test_an_address_that_cannot_be_committed_or_used_is_refused(url: str, hint: str):
    with pytest.raises(VersioningError, match=r".") as caught:
        check_url(url)

    assert hint in caught.value.hint
    assert "sekrit" not in str(caught.value)


SAID = {
    "Service Accounts do not have storage quota. ... storageQuotaExceeded": "owns no storage",
    "The user's Drive storage quota has been exceeded. storageQuotaExceeded": "Drive is full",
    "HttpAccessTokenRefreshError: invalid_grant: Token has": "expired or was revoked",
    "invalid_grant: Invalid grant: account not found": "no longer valid",
    "unauthorized_client: Client is unauthorized": "may not impersonate",
    "accessNotConfigured. Drive API has not been used": "not enabled",
    "gdrive is supported, but requires 'dvc-gdrive' to be installed": "plugin",
    "httplib2.error.ServerNotFoundError: Unable to find the server": "no network",
    "KeyError: 'access_token'": "not of the kind",
    "json.decoder.JSONDecodeError: Expecting value": "not JSON",
    "PermissionError\nFile not found: 1aBc": "not shared",
}


@pytest.mark.parametrize(("said", "meaning"), SAID.items())
def test_what_google_says_is_put_plainly(said: str, meaning: str):
    complaint = explain(said)

    assert complaint is not None
    assert meaning in complaint.meaning
    assert complaint.remedy


@pytest.mark.parametrize(
    "said",
    ["<HttpError 429 when requesting", "Error 503", "EOF occurred in violation", "Broken pipe"],
)
def test_what_may_pass_is_tried_again(said: str):
    assert may_pass(said)


@pytest.mark.parametrize("said", ["storageQuotaExceeded", "invalid_grant", "<HttpError 404 when"])
def test_what_needs_a_person_is_not(said: str):
    assert not may_pass(said)
