import hashlib
from pathlib import Path

import pytest

from container_doors.publishing.hashing import artifact, params_sha256


def test_an_artifact_is_its_content(tmp_path: Path):
    content = bytes(range(256)) * 5000
    (tmp_path / "best.pt").write_bytes(content)

    found = artifact(tmp_path / "best.pt")

    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.size_bytes == len(content)


def test_params_are_hashed_by_what_they_say():
    """By hand: printf '{"a":{"b":0.5,"c":[1,null]},"d":"é"}' | sha256sum."""
    canonical = '{"a":{"b":0.5,"c":[1,null]},"d":"é"}'

    found = params_sha256({"d": "é", "a": {"c": [1, None], "b": 0.5}})

    assert found == hashlib.sha256(canonical.encode()).hexdigest()


def test_what_json_cannot_say_is_not_hashed():
    with pytest.raises(ValueError, match="not JSON compliant"):
        params_sha256({"a": float("nan")})
