import pytest
from dvc.config_schema import REMOTE_SCHEMAS

from container_doors.core.errors import VersioningError
from container_doors.storage.complaints import explain, may_pass
from container_doors.storage.remotes import SECRET_OPTIONS, check_url, kind_of

GOOD = {
    "../door-storage": "directory",
    "/mnt/doors": "directory",
    "gdrive://1aB_c-D": "drive",
    "gdrive://root/doors": "drive",
    "s3://bucket/doors": "other",
    "ssh://me@example.org/doors": "other",
    "https://example.org/a@b:c": "other",
    "ssh://me@[::1]/doors": "other",
    "http://example.org:8080/doors": "other",
}


@pytest.mark.parametrize(("url", "kind"), GOOD.items())
def test_any_address_that_dvc_knows_is_taken(url: str, kind: str):
    check_url(url)

    assert kind_of(url) == kind


BAD = {
    "": "doors storage set DIRECTORY",
    " /mnt": "doors storage set DIRECTORY",
    "gdrive://": "last part",
    "1AbCdEfGhIjKlMnOpQrStUvWxYz012345": "doors storage set gdrive://1AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "gdrive://a b": "last part",
    "s3://": "s3://BUCKET/FOLDER",
    "s4://bucket": "s3://BUCKET/FOLDER",
    "garbage": "doors storage set ../garbage",
    "::::": "doors storage set ../::::",
    "/etc/passwd": "doors storage set DIRECTORY",
    "https://me:sekrit@example.org/doors": "doors storage set https://example.org/doors, then",
    "https://sekrit@example.org/doors": "doors storage set https://example.org/doors, then",
    "https://example.org/doors?sig=sekrit": "doors storage set https://example.org/doors, then",
    "https://me:sek/rit@example.org/doors": "doors storage set https://HOST/FOLDER, then",
    "https://me:sek#rit@example.org/doors": "doors storage set https://HOST/FOLDER, then",
    "HTTPS://example.org?sig=sekrit": "doors storage set https://example.org, then",
    "https://example.org/doors#sekrit": "--local storage password SECRET",
    "s3://bucket/doors?token=sekrit": "--local storage secret_access_key SECRET",
    "azure://box?sv=1&sig=sekrit": "--local storage sas_token SECRET",
    "azure://AccountName=a;AccountKey=sekrit": "doors storage set azure://AccountName=a, then",
    "ssh://me@example.org/doors?password=sekrit": "doors storage set ssh://me@example.org/doors",
    "gdrive://1aBc?token=sekrit": "doors storage set gdrive://1aBc",
    "s4://me:sekrit@bucket": "doors storage set s4://bucket",
    "s4://bucket?token=sekrit": "doors storage set s4://bucket",
    "https:/example.org/doors?sig=sekrit": "doors storage set https://...",
    "s3:bucket/doors?token=sekrit": "doors storage set s3://...",
    "https://drive.google.com/drive/u/0/folders/1aBc?usp=sharing": "gdrive://1aBc",
    "drive.google.com/open?id=1aBc": "gdrive://1aBc",
}


@pytest.mark.parametrize(("url", "hint"), BAD.items())
def test_an_address_that_cannot_be_committed_or_used_is_refused(url: str, hint: str):
    with pytest.raises(VersioningError, match=r".") as caught:
        check_url(url)

    assert hint in caught.value.hint
    assert "sek" not in str(caught.value)


def test_the_options_that_are_advised_for_a_secret_are_dvcs():
    assert [
        scheme
        for scheme, option in SECRET_OPTIONS.items()
        if option not in map(str, REMOTE_SCHEMAS[scheme])
    ] == []


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
