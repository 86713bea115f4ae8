"""``scripts/audit_lock.py``: locked versions against advisories, without a network."""

import importlib.util
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

LOCK = """
version = 1
[[package]]
name = "doorlib"
version = "2.0"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "project"
version = "1"
source = { editable = "." }
"""


@pytest.fixture(scope="module")
def audit(repository_root: Path) -> Any:
    spec = importlib.util.spec_from_file_location(
        "audit_lock", repository_root / "scripts/audit_lock.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    (tmp_path / "uv.lock").write_text(LOCK)
    (tmp_path / ".ci/advisory-exceptions.toml").write_text("")
    return tmp_path


def record(*events: dict[str, str], name: str = "doorlib", **more: object) -> dict[str, Any]:
    """Write an advisory as OSV's dump has it."""
    package = {"ecosystem": "PyPI", "name": name}
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}]
    return {
        "id": "GHSA-1",
        "aliases": ["CVE-1"],
        "summary": "A door opens.",
        "modified": "2026-11-20T00:00:00Z",
        "affected": [{"package": package, "ranges": ranges}],
        **more,
    }


def knows(audit: Any, repository: Path, *records: dict[str, Any]) -> None:
    with zipfile.ZipFile(repository / "all.zip", "w") as dump:
        for number, one in enumerate([record(name="other"), *records]):
            dump.writestr(f"{number}.json", json.dumps(one))
    run(audit, repository, "import", str(repository / "all.zip"))


def run(audit: Any, repository: Path, *arguments: str, today: str = "2026-11-28") -> int:
    code: int = audit.main(["--repository", str(repository), "--today", today, *arguments])
    return code


def accept(repository: Path, text: str) -> None:
    (repository / ".ci/advisory-exceptions.toml").write_text(f"[[exception]]\n{text}\n")


@pytest.mark.parametrize(
    ("events", "version", "affected"),
    [
        ([{"introduced": "0"}], "2.0", True),
        ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0", False),
        ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0rc1", True),
        ([{"introduced": "0"}, {"last_affected": "2.0"}], "2.0", True),
        ([{"introduced": "0"}, {"last_affected": "1.9"}], "2.0", False),
        ([{"fixed": "2.1"}, {"introduced": "2.0"}], "2.0.5", True),
        ([{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}], "1.7", False),
        ([{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}], "2.0+cu128", True),
        ([{"introduced": "2.10"}], "2.9", False),
    ],
    ids=["always", "fixed", "before the fix", "last", "after the last", "in disorder", "between",
         "a local version", "ten is more than nine"],
)  # fmt: skip
def test_a_version_is_affected_as_osv_defines_it(
    audit: Any, events: list[dict[str, str]], version: str, *, affected: bool
):
    assert audit.affects({"affected": [{"ranges": [{"events": events}]}]}, version) == affected


def test_a_locked_version_with_an_advisory_is_a_finding(
    audit: Any, repository: Path, capsys: pytest.CaptureFixture[str]
):
    knows(audit, repository, record({"introduced": "0"}, {"fixed": "2.1"}))

    assert run(audit, repository) == 1
    said = capsys.readouterr().out
    assert "error: doorlib 2.0: GHSA-1, CVE-1: A door opens. Fixed in: 2.1." in said


def test_an_advisory_that_was_withdrawn_is_none(audit: Any, repository: Path):
    knows(audit, repository, record({"introduced": "0"}, withdrawn="2026-01-01T00:00:00Z"))

    assert run(audit, repository) == 0


@pytest.mark.parametrize("name", ["GHSA-1", "CVE-1"])
def test_an_exception_accepts_it_by_any_of_its_names_and_shows_its_reason(
    name: str, audit: Any, repository: Path, capsys: pytest.CaptureFixture[str]
):
    knows(audit, repository, record({"introduced": "0"}))
    accept(repository, f'package = "doorlib"\nid = "{name}"\nreason = "nobody opens it"')

    assert run(audit, repository) == 0
    assert f"accepted: doorlib ({name}): nobody opens it" in capsys.readouterr().out


@pytest.mark.parametrize(
    "exception",
    [
        'package = "doorlib"\nid = "CVE-1"\nreason = "old"',
        'package = "gone"\nreason = "nobody maintains it"',
    ],
    ids=["fixed by now", "not locked any more"],
)
def test_an_exception_that_no_longer_applies_is_a_finding(
    exception: str, audit: Any, repository: Path, capsys: pytest.CaptureFixture[str]
):
    knows(audit, repository, record({"introduced": "0"}, {"fixed": "2.0"}))
    accept(repository, exception)

    assert run(audit, repository) == 1
    assert "is unused" in capsys.readouterr().out


@pytest.mark.parametrize(
    "exception",
    [
        'package = "doorlib"',
        'package = "doorlib"\nreason = " "',
        'package = "doorlib"\nid = 3\nreason = "x"',
    ],
    ids=["no reason", "an empty one", "no text"],
)
def test_an_exception_without_a_reason_is_refused(
    exception: str, audit: Any, repository: Path, capsys: pytest.CaptureFixture[str]
):
    knows(audit, repository)
    accept(repository, exception)

    assert run(audit, repository) == 2
    assert "expected package, reason and perhaps id" in capsys.readouterr().err


def test_a_package_at_a_version_that_was_not_asked_about_is_named(
    audit: Any, repository: Path, capsys: pytest.CaptureFixture[str]
):
    entry = {"as_of": "2026-11-01", "source": "PyPI", "versions": ["1.0"], "advisories": []}
    audit.write_database(repository / ".ci/advisories.json", {"doorlib": entry})

    assert run(audit, repository) == 0
    said = capsys.readouterr().out
    assert "warning: not in the database: doorlib 2.0" in said
    assert "0 of 1 locked packages compared" in said


def test_an_old_database_is_a_warning_and_no_failure(
    audit: Any, repository: Path, capsys: pytest.CaptureFixture[str]
):
    knows(audit, repository)

    assert run(audit, repository, today="2027-02-18") == 0
    assert "days ago" not in capsys.readouterr().out
    assert run(audit, repository, today="2027-02-19") == 0
    assert "warning: the database is of 2026-11-20, more than 90 days" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"packages": {"doorlib": {}}}', '{"packages": {"doorlib": 3}}']
)
def test_a_database_that_is_none_never_passes(text: str, audit: Any, repository: Path):
    (repository / ".ci/advisories.json").write_text(text)

    assert run(audit, repository) == 2


def test_the_database_of_this_repository_is_sound_and_its_lock_has_no_finding(
    audit: Any, repository_root: Path
):
    assert run(audit, repository_root) == 0
