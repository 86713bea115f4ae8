"""Free-form JSON goes in; credentials or a sentence come out, and never a secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_doors.core.errors import VersioningError
from container_doors.storage.credentials import find_credentials, parse_credentials
from tests.pem import private_key, rsa_key

SERVICE = {
    "type": "service_account",
    "client_email": "bot@x.iam.gserviceaccount.com",
    "client_id": "1",
    "private_key_id": "2",
    "private_key": rsa_key(),
}
PERSON = {"refresh_token": "1//S3CRET", "client_id": "cid", "client_secret": "S3CRET"}
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEYS = st.sampled_from(["type", "installed", *SERVICE, *PERSON])


def with_another_letter(key: str) -> str:
    return f"{key[:200]}{'B' if key[200] == 'A' else 'A'}{key[201:]}"


@pytest.mark.parametrize("key", [rsa_key(), rsa_key(pkcs1=True), rsa_key().replace("\n", "\r\n")])
def test_a_whole_key_is_one_in_every_form(key: str):
    found = parse_credentials(json.dumps(SERVICE | {"private_key": key}), source="it")

    assert found.document["private_key"] == key


def test_a_service_account_is_told_by_its_type():
    found = parse_credentials(json.dumps(SERVICE), source="it")

    assert (found.kind, found.account) == ("service account", SERVICE["client_email"])
    assert found.options("/f", delegate="me@example.org") == {
        "gdrive_use_service_account": "true",
        "gdrive_service_account_json_file_path": "/f",
        "gdrive_service_account_user_email": "me@example.org",
    }


@pytest.mark.parametrize("kind", [{}, {"type": "authorized_user"}], ids=["bare", "gcloud"])
def test_a_persons_credentials_are_filled_up_for_oauth2client(kind: dict[str, str]):
    from oauth2client.client import Credentials

    found = parse_credentials(json.dumps(PERSON | kind), source="it")
    read = Credentials.new_from_json(found.text)

    assert found.kind == "person"
    assert read.refresh_token == PERSON["refresh_token"]
    assert read.access_token_expired
    assert found.options("/f", delegate=None) == {
        "gdrive_use_service_account": "false",
        "gdrive_user_credentials_file": "/f",
    }


def test_a_person_acts_for_nobody_else():
    found = parse_credentials(json.dumps(PERSON), source="it")

    with pytest.raises(VersioningError, match="cannot act for another person"):
        found.options("/f", delegate="you@example.org")


WRONG = {
    "nothing": ("", "found nothing"),
    "cut off": ('{"type": "service_acc', "incomplete JSON"),
    "a path": ("/home/me/key.json", "17 characters that are not a JSON"),
    "a list": ("[1]", "not a JSON object"),
    "an API key": ('{"key": "AIza"}', "found neither"),
    "another type": ('{"type": "external_account"}', "found type external_account"),
    "a client": ('{"installed": {"client_id": "x"}}', "has an OAuth client"),
    "no key": (json.dumps(SERVICE | {"private_key": ""}), "without private_key"),
    "a mangled key": (json.dumps(SERVICE | {"private_key": "S3CRET"}), "is not a valid key"),
    "a stub of a key": (
        json.dumps(SERVICE | {"private_key": private_key("MIIB")}),
        "is not a valid key",
    ),
    "a key without its end": (
        json.dumps(SERVICE | {"private_key": rsa_key()[:-60]}),
        "is not a valid key",
    ),
    "a key that lacks a line": (
        json.dumps(
            SERVICE
            | {"private_key": "\n".join(rsa_key().split("\n")[:3] + rsa_key().split("\n")[4:])}
        ),
        "is not a valid key",
    ),
    "a key with another letter": (
        json.dumps(SERVICE | {"private_key": with_another_letter(rsa_key())}),
        "is not a valid key",
    ),
    "a key whose line ends were doubled": (
        json.dumps(SERVICE | {"private_key": rsa_key().replace("\n", "\\n")}),
        "is not a valid key",
    ),
    "no secret": (json.dumps(PERSON | {"client_secret": None}), "without client_secret"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_credential_is_named(text: str, said: str):
    with pytest.raises(VersioningError, match=said) as caught:
        parse_credentials(text, source="DVC_SERVICE_ACCOUNT_JSON")

    assert "DVC_SERVICE_ACCOUNT_JSON" in caught.value.problem
    assert "S3CRET" not in str(caught.value)


@given(st.text() | JSON.map(json.dumps) | st.dictionaries(KEYS, JSON).map(json.dumps))
def test_whatever_is_pasted_it_is_credentials_or_a_sentence(text: str):
    hint, found = "", None
    try:
        found = parse_credentials(text, source="it")
    except VersioningError as error:
        hint = error.hint

    assert hint if found is None else json.loads(found.text) == dict(found.document)


@given(st.sampled_from([SERVICE, PERSON]), st.dictionaries(KEYS, st.text("S3CRET", min_size=6)))
def test_no_secret_is_shown(good: dict[str, str], changed: dict[str, str]):
    shown = {"client_email", "client_id", "type"}
    document = good | {key: value for key, value in changed.items() if key not in shown}
    try:
        said = repr(parse_credentials(json.dumps(document), source="it"))
    except VersioningError as error:
        said = str(error)

    secrets = {value for key, value in document.items() if key not in shown and len(value) > 5}
    assert not [secret for secret in secrets if secret in said]


def test_the_variables_are_asked_in_order_and_empty_ones_do_not_count():
    text = json.dumps(PERSON)

    assert find_credentials({}) is None
    assert find_credentials({"GDRIVE_CREDENTIALS_DATA": " "}) is None
    found = find_credentials({"GDRIVE_CREDENTIALS_DATA": "", "KAGGLE_SECRET_DVC_JSON": text})
    assert found is not None
    assert found.source == "KAGGLE_SECRET_DVC_JSON"


def test_dvc_can_use_from_the_environment_what_is_whole_and_of_the_same_kind():
    person = parse_credentials(json.dumps(PERSON), source="it")

    assert person.is_usable(person.text)
    assert not person.is_usable(json.dumps(PERSON))
    assert not person.is_usable(json.dumps(SERVICE))
    assert not person.is_usable("{")
