"""Compare uv.lock with the advisories of .ci/advisories.json, without a network.

    uv run --frozen python scripts/audit_lock.py              # what .ci/run does
    uv run --frozen python scripts/audit_lock.py import all.zip
    uv run --frozen python scripts/audit_lock.py ask NAME ...

``import`` reads OSV's dump, one file with every advisory of PyPI:
https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip. ``ask`` asks PyPI for single
packages, one request each, if that file is not available. The database has OSV's records, reduced
to the fields that are compared: https://ossf.github.io/osv-schema/. An accepted advisory is in
.ci/advisory-exceptions.toml, with its reason.
"""

import argparse
import json
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import requests
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

REPOSITORY = Path(__file__).resolve().parents[1]
OLD_DAYS = 90
PYPI = "https://pypi.org/pypi"
PAUSE_S = 0.5
SUMMARY = 300
Document = dict[str, Any]
Locked = Sequence[tuple[str, str]]
Database = dict[str, Document]


class AuditError(Exception):
    """A file or an answer cannot be used: the problem, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, or update the database: 0 if nothing is wrong, 1 for findings, 2 for a broken file."""
    options = _arguments(arguments)
    database = options.repository / ".ci" / "advisories.json"
    try:
        locked = read_lock(options.repository / "uv.lock")
        if options.do == "check":
            exceptions = read_exceptions(options.repository / ".ci" / "advisory-exceptions.toml")
            return check(locked, read_database(database), exceptions, today=options.today)
        if options.do == "import":
            write_database(database, read_dump(options.path, locked))
        else:
            known = read_database(database)
            new = ask(options.names, locked, options.index, options.today)
            write_database(database, known | new)
    except AuditError as error:
        print(f"error: {error.args[0]}\n  hint: {error.args[1]}", file=sys.stderr)
        return 2
    return 0


def check(
    locked: Locked, database: Database, exceptions: Sequence[Document], *, today: date
) -> int:
    """Print every finding; a database that is old or incomplete is a warning."""
    known = [one for one in locked if _knows(database, *one)]
    hits = [
        Hit(name, version, advisory)
        for name, version in known
        for advisory in database[name]["advisories"]
        if affects(advisory, version)
    ]
    faults = [hit.describe() for hit in hits if not any(hit.is_of(one) for one in exceptions)]
    faults += [stale for one in exceptions if (stale := _stale(one, locked, hits))]
    lines = [*_warnings(database, locked, today), *map(_accepted, exceptions)]
    print("\n".join([*lines, *(f"error: {fault}" for fault in faults)]))
    print(f"{len(known)} of {len(locked)} locked packages compared: {len(faults)} finding(s)")
    return 1 if faults else 0


@dataclass(frozen=True, slots=True)
class Hit:
    """An advisory that affects a locked version."""

    name: str
    version: str
    advisory: Document

    def is_of(self, exception: Document) -> bool:
        """Return whether an exception names this advisory, by its id or an alias."""
        names = {self.advisory["id"], *self.advisory.get("aliases", ())}
        return exception["package"] == self.name and exception.get("id") in names

    def describe(self) -> str:
        """Return a line with the advisory."""
        names = ", ".join([self.advisory["id"], *self.advisory.get("aliases", ())])
        fixed = ", ".join(self.advisory.get("fixed_in", ())) or "no release"
        summary = self.advisory.get("summary", "")
        return f"{self.name} {self.version}: {names}: {summary} Fixed in: {fixed}."


def affects(advisory: Document, version: str) -> bool:
    """Return whether a version is affected, as OSV's schema defines it."""
    if advisory.get("withdrawn"):
        return False
    number = Version(version)
    return any(
        any(_same(number, one) for one in affected.get("versions", ()))
        or any(_within(number, one["events"]) for one in affected.get("ranges", ()))
        for affected in advisory["affected"]
    )


def _within(version: Version, events: Sequence[Mapping[str, str]]) -> bool:
    """Apply events in order: affected from ``introduced`` on, not affected from ``fixed`` on."""
    is_affected = False
    for event in sorted(events, key=_event_order):
        (kind, text), *_ = event.items()
        if kind == "introduced" and (text == "0" or version >= Version(text)):
            is_affected = True
        elif (kind == "fixed" and version >= Version(text)) or (
            kind == "last_affected" and version > Version(text)
        ):
            is_affected = False
    return is_affected


def _event_order(event: Mapping[str, str]) -> tuple[Version, bool]:
    (kind, text), *_ = event.items()
    return Version(text), kind != "introduced"


def _same(version: Version, text: str) -> bool:
    try:
        return version == Version(text)
    except InvalidVersion:
        return False


def _stale(exception: Document, locked: Locked, hits: Sequence[Hit]) -> str | None:
    package, about = exception["package"], _about(exception)
    if package not in {name for name, _ in locked}:
        return f"the exception for {package} ({about}) is unused: it is not locked. Remove it"
    if "id" in exception and not any(hit.is_of(exception) for hit in hits):
        return (
            f"the exception for {package} ({about}) is unused: no locked version is known to "
            "be affected. Remove it, or ask again if the database is of another version"
        )
    return None


def _warnings(database: Database, locked: Locked, today: date) -> Iterator[str]:
    if unknown := [f"{name} {version}" for name, version in locked
                   if not _knows(database, name, version)]:  # fmt: skip
        yield f"warning: not in the database: {', '.join(unknown)}"
    dates = [date.fromisoformat(database[name]["as_of"]) for name, version in locked
             if _knows(database, name, version)]  # fmt: skip
    if dates and (today - min(dates)).days > OLD_DAYS:
        yield (f"warning: the database is of {min(dates)}, more than {OLD_DAYS} days ago: "
               "scripts/audit_lock.py describes how to update it")  # fmt: skip


def _accepted(exception: Document) -> str:
    return f"accepted: {exception['package']} ({_about(exception)}): {exception['reason']}"


def _about(exception: Document) -> str:
    return str(exception.get("id", "unmaintained"))


def _knows(database: Database, name: str, version: str) -> bool:
    entry = database.get(name)
    return entry is not None and (entry["versions"] is None or version in entry["versions"])


# Updating the database


def read_dump(dump: Path, locked: Locked) -> Database:
    """Read the advisories of all locked packages from OSV's dump.

    The dump's date is that of its newest record.
    """
    names = {name for name, _ in locked}
    found: dict[str, list[Document]] = {name: [] for name in names}
    newest = ""
    for record in _records(dump):
        newest = max(newest, record.get("modified", ""))
        for name in names & {canonicalize_name(one["package"]["name"]) for one in _of_pypi(record)}:
            found[name].append(_reduce(record, name))
    if not newest:
        raise AuditError(f"{dump} has no advisory", "use OSV's all.zip, or a folder of its files")
    return {
        name: {"as_of": newest[:10], "source": "OSV's dump", "versions": None,
               "advisories": sorted(advisories, key=lambda one: one["id"])}
        for name, advisories in found.items()
    }  # fmt: skip


def _records(dump: Path) -> Iterator[Document]:
    try:
        if dump.is_dir():
            yield from (json.loads(_text(path)) for path in sorted(dump.rglob("*.json")))
        else:
            with zipfile.ZipFile(dump) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".json"):
                        yield json.loads(archive.read(name))
    except (OSError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise AuditError(f"{dump} cannot be read: {error}", "download it again") from None


def _of_pypi(record: Document) -> list[Document]:
    return [one for one in record.get("affected", ()) if one["package"]["ecosystem"] == "PyPI"]


def _reduce(record: Document, name: str) -> Document:
    affected = [
        one for one in _of_pypi(record) if canonicalize_name(one["package"]["name"]) == name
    ]
    ranges = [
        {"events": one["events"]}
        for of in affected
        for one in of.get("ranges", ())
        if one["type"] == "ECOSYSTEM"
    ]
    versions = [version for of in affected for version in of.get("versions", ())]
    fixed = {event["fixed"] for one in ranges for event in one["events"] if "fixed" in event}
    return _advisory(
        record, fixed_in=sorted(fixed), affected={"ranges": ranges, "versions": versions}
    )


def _advisory(record: Document, *, fixed_in: Sequence[str], affected: Document) -> Document:
    summary = record.get("summary") or record.get("details") or ""
    return {
        "id": record["id"],
        "aliases": sorted(record.get("aliases", ())),
        "summary": " ".join(summary.split())[:SUMMARY],
        "fixed_in": list(fixed_in),
        "withdrawn": record.get("withdrawn"),
        "affected": [affected],
    }


def ask(names: Sequence[str], locked: Locked, index: str, today: date) -> Database:
    """Ask PyPI about single packages, at the versions that are locked."""
    found: Database = {}
    for name in map(canonicalize_name, names):
        versions = sorted(version for one, version in locked if one == name)
        if not versions:
            raise AuditError(f"{name} is not locked", "give names that are in uv.lock")
        records = {version: _ask_version(index, name, version) for version in versions}
        found[name] = {
            "as_of": today.isoformat(),
            "source": "PyPI",
            "versions": versions,
            "advisories": [
                _advisory(one, fixed_in=one["fixed_in"], affected={"versions": [version]})
                for version, several in records.items()
                for one in sorted(several, key=lambda one: str(one["id"]))
            ],
        }
        time.sleep(PAUSE_S)
    return found


def _ask_version(index: str, name: str, version: str) -> list[Document]:
    """Ask about a version; on a PyPI mirror without versions, about the newest."""
    for address in (f"{index}/{name}/{version}/json", f"{index}/{name}/json"):
        try:
            answer = requests.get(address, timeout=30)
            document = answer.json() if answer.ok else {}
        except requests.RequestException as error:  # also for an answer that is no JSON
            raise AuditError(f"{address}: {type(error).__name__}", "is there a network?") from None
        if document.get("info", {}).get("version") == version and "vulnerabilities" in document:
            return list(document["vulnerabilities"])
    raise AuditError(
        f"{index} reports no advisories for {name} {version}",
        "import OSV's dump instead, or lock the newest release",
    )


# Files


def read_lock(path: Path) -> Locked:
    """Read the locked versions; one package may have several, for different Pythons."""
    try:
        document = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise AuditError(f"{path}: {error}", "git checkout uv.lock") from None
    return sorted(
        (package["name"], package["version"])
        for package in document.get("package", ())
        if "registry" in package["source"]
    )


def read_database(path: Path) -> Database:
    """Read the database of advisories."""
    try:
        document = json.loads(_text(path))
        packages: Database = document["packages"]
        for entry in packages.values():
            date.fromisoformat(entry["as_of"])
            for one in entry["advisories"]:
                affects(one, "0")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AuditError(
            f"{path}: expected what this script writes, found {type(error).__name__}: {error}",
            f"git checkout {path}",
        ) from None
    return packages


def read_exceptions(path: Path) -> list[Document]:
    """Read the accepted advisories: each has a package, a reason, and usually an id."""
    try:
        document = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise AuditError(f"{path}: {error}", "correct it") from None
    exceptions: list[Document] = document.get("exception", [])
    for number, one in enumerate(exceptions, 1):
        if not {"package", "reason"} <= set(one) <= {"package", "reason", "id"} or not all(
            isinstance(value, str) and value.strip() for value in one.values()
        ):
            raise AuditError(
                f"{path}: exception {number}: expected package, reason and perhaps id, found "
                f"{', '.join(one) or 'nothing'}",
                "id is that of the advisory, CVE-... or GHSA-...; leave it out for a package that "
                "is unmaintained",
            )
    return exceptions


def write_database(path: Path, database: Database) -> None:
    """Write the database; equal content gives equal bytes."""
    text = json.dumps({"schema": 1, "packages": database}, indent=1, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path} cannot be read: {error}", f"git checkout {path}") from None


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repository", type=Path, default=REPOSITORY, metavar="FOLDER")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date(),
                        metavar="DATE")  # fmt: skip
    parser.set_defaults(do="check")
    commands = parser.add_subparsers(dest="do")
    commands.add_parser("check", help="compare; the default")
    import_ = commands.add_parser("import", help="update all packages from OSV's dump")
    import_.add_argument("path", type=Path, help="all.zip, or a folder of its files")
    ask_ = commands.add_parser("ask", help="update single packages from PyPI")
    ask_.add_argument("names", nargs="+", metavar="NAME")
    ask_.add_argument("--index", default=PYPI, help="the address of PyPI's JSON interface")
    options = parser.parse_args(arguments)
    options.do = options.do or "check"
    return options


if __name__ == "__main__":
    sys.exit(main())
