"""Check that a published model still matches its metadata and the inputs of its figures.

Each function checks one link of the chain from the photographs to the remote. It reports
every change, not only the first.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.records import Check, Evaluation, Metadata, Mismatch, RunRecord
from container_doors.core.run import Run
from container_doors.publishing.comparison import (
    differing_fields,
    file_mismatches,
    first_difference,
    format_hash,
    format_value,
    hash_mismatch,
    is_close,
)
from container_doors.publishing.hashing import file_sha256, params_sha256
from container_doors.publishing.metadata import build_metadata, metrics_of
from container_doors.publishing.names import git_tag, parse_name
from container_doors.publishing.pointers import TRACKED, pointer_name, pointer_to, read_pointer
from container_doors.publishing.provenance import record_paths, record_sha256
from container_doors.publishing.publication import METADATA
from container_doors.publishing.ways_back import (
    DVC_PULL,
    NO_COPY,
    metadata_back,
    pointer_back,
    record_back,
    run_metadata_back,
    weights_back,
)


def weights_check(metadata: Metadata, folder: Path, run: Run) -> Check:
    """Check the hash of every weight file, and of the plots and tables published beside them."""
    expected = {name: described.sha256 for name, described in metadata.artifacts.items()}
    again = {f"weights/{name}": sha for name, sha in expected.items()}
    beside = {**(again if (folder / "weights").is_dir() else {}), **metadata.files}
    here = {name: sha for name, sha in beside.items() if (folder / name).exists()}
    if len(here) < len(beside) and not (folder / "args.yaml").exists():
        beside = here  # fetched from the remote, which has only the weights and the metadata
    return Check(
        "weights",
        f"best.pt, last.pt and {len(beside)} files beside them",
        tuple(
            mismatch
            for name, sha256 in (expected | beside).items()
            for mismatch in file_mismatches(
                folder, {name: sha256}, weights_back(name, sha256, folder, run)
            )
        ),
    )


def _is_as_written(content: bytes) -> bool:
    """Return whether a document is formatted as doors writes it, without a byte order mark."""
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError):
        return False
    return content.decode() == json.dumps(document, indent=2, sort_keys=True) + "\n"


def metadata_check(metadata: Metadata, path: Path, run: Run) -> Check:
    """Check that ``metadata.json`` is consistent, and equals the copy in its run's folder."""
    hint = metadata_back(path.parent, run)
    mismatches = [
        Mismatch(f"{path}: {name}", str(expected), str(found), hint)
        for name, expected, found in _own_figures(metadata)
        if expected != found
    ]
    if not _is_as_written(path.read_bytes()):
        mismatches.append(Mismatch(str(path), "the format that doors writes", "another", hint))
    if run.metadata.exists():
        try:
            own = Metadata.read(run.metadata)
        except RunError as error:
            copy = f"cp {path} {run.metadata}"
            mismatches.append(Mismatch(str(run.metadata), "metadata", error.problem, copy))
        else:
            back = run_metadata_back(path.parent, run)
            if own.run_id == metadata.run_id and back:
                mismatches += _differences(run.metadata, metadata, own, back)
            elif own.run_id == metadata.run_id:
                mismatches += _differences(path, own, metadata, hint)
    return Check("metadata", f"{metadata.version} is consistent", tuple(mismatches))


def code_check(metadata: Metadata, *, has_commit: bool | None) -> Check:
    """Check that git still has the commit that the model was trained from.

    Args:
        metadata: Of the model.
        has_commit: Whether git has the commit and all its objects; None where there is no git.
    """
    commit = metadata.code.commit
    name, holds = "code", f"commit {commit}"
    if commit is None:
        return Check(name, holds, not_checked="the model was trained outside of git")
    if has_commit is None:
        return Check(name, holds, not_checked="this is not a git repository")
    if not has_commit:
        hint = "git fetch --all fetches it, if a remote has it; git fsck lists what is damaged"
        return Check(
            name, holds, (Mismatch("git", holds, "no such commit, or an incomplete one", hint),)
        )
    if not metadata.code.clean:
        return Check(name, holds, not_checked=f"trained with changes that are not in {holds}")
    return Check(name, holds)


def starting_weights_check(metadata: Metadata) -> Check:
    """Check the hash of the weights that training started from."""
    start = metadata.starting_weights
    name, holds = "starting weights", f"{start.source} weights"
    if start.path is None or start.sha256 is None:
        return Check(name, holds)
    path = Path(start.path)
    if not path.is_file():
        return Check(name, holds, not_checked=f"no {path} here")
    if start.official:
        away = shlex.join(["mv", str(path), f"{path}.changed"])
        hint = f"{away}: it is downloaded again when it is needed"
    else:
        hint = f"put back the file that the training of {metadata.experiment_name} started from"
    return Check(name, holds, tuple(hash_mismatch(path, start.sha256, file_sha256(path), hint)))


def reports_check(
    expected: Mapping[str, str], directory: Path, committed: Mapping[str, str | None]
) -> Check:
    """Compare the reports in git with those that would be written now.

    Args:
        expected: The text of each report that can be written here, by its name.
        directory: The folder of the reports.
        committed: The text of each report in git's last commit.
    """
    present = {report: text for report, text in expected.items() if (directory / report).is_file()}
    name, holds = "reports", f"{', '.join(present)} in {directory}/"
    if not present:
        return Check(name, holds, not_checked=f"there are none in {directory}/")
    mismatches = []
    for report, text in present.items():
        found = (directory / report).read_bytes().decode(errors="replace")
        if found != text:
            where = str(directory / report)
            is_in_git = committed.get(report) == text
            hint = f"git checkout HEAD -- {where}" if is_in_git else "doors metadata"
            mismatches.append(Mismatch(where, *first_difference(text, found), hint))
    return Check(name, holds, tuple(mismatches))


def records_check(metadata: Metadata, run: Run) -> Check:
    """Check the hashes of the run's records, and build the metadata from them again."""
    name, holds = "records", f"{len(metadata.records)} records of {run.directory}"
    if not run.has_record:
        return Check(name, holds, not_checked=f"{run.directory} is not on this machine")
    try:
        record = RunRecord.read(run.record)
        evaluation = Evaluation.read(run.scores)
    except RunError as error:
        return Check(
            name, holds, (Mismatch(str(run.directory), "records", error.problem, error.hint),)
        )
    if record.run_id != metadata.run_id and not _has_own_records(metadata, run):
        why = f"{run.directory} is another run of that name; the model's own run was renamed"
        return Check(name, holds, not_checked=why)
    expected = {key: sha for key, sha in metadata.records.items() if key != run.record.name}
    mismatches = [
        mismatch
        for key, sha in expected.items()
        for mismatch in file_mismatches(
            run.directory, {key: sha}, record_back(run.directory / key, sha, run)
        )
    ]
    if run.record.name in metadata.records:
        was, found = metadata.records[run.record.name], record_sha256(run.record)
        back = record_back(run.record, was, run)
        mismatches += hash_mismatch(run.record, was, found, back)
    restored = {one.where: one.remedy for one in mismatches if one.remedy != NO_COPY}
    follows = restored.get(str(run.record)) or restored.get(str(run.scores)) or NO_COPY
    try:
        rebuilt = build_metadata(
            record,
            evaluation,
            parse_name(metadata.version),
            records=metadata.records,
            files=metadata.files,
            operating_target=metadata.operating_target,
        )
    except (RunError, VersioningError) as error:
        mismatches.append(Mismatch(str(run.record), "a finished run", error.problem, follows))
    except KeyError as error:
        mismatches.append(Mismatch(str(run.record), f"{error}", "no such name", follows))
    else:
        mismatches += _differences(run.record, metadata, rebuilt, follows)
    present = [path for path in record_paths(run) if path.is_file()]
    missing = None if metadata.records or not present else "recorded by a release without hashes"
    return Check(name, holds, tuple(mismatches), not_checked=missing)


def params_check(
    metadata: Metadata,
    asked: Mapping[str, Any],
    was: Mapping[str, Any],
    *,
    revision: str | None,
    hint: str,
) -> Check:
    """Compare the model's params with those in ``params.yaml`` now.

    Args:
        metadata: Of the model.
        asked: The params now, without those that only control how a run is monitored.
        was: Those of the model, filtered in the same way.
        revision: A git revision whose ``params.yaml`` has the model's params.
        hint: The command that restores ``metadata.json``.
    """
    mismatches = [
        Mismatch(
            f"params.yaml: detection.{key}",
            format_value(old),
            format_value(new),
            f"git checkout {revision} -- params.yaml"
            if revision
            else f"set it in params.yaml, or add --set detection.{key}={format_value(old)}",
        )
        for key, old, new in differing_fields(was, asked)
    ]
    found = params_sha256(metadata.hyperparameters)
    mismatches += hash_mismatch(
        Path("metadata.json: hyperparameters"), metadata.params_sha256, found, hint
    )
    return Check("params", format_hash(found), tuple(mismatches))


def dataset_check(
    metadata: Metadata,
    root: Path,
    *,
    found: Mapping[str, str],
    found_sha256: str,
    recorded: Mapping[str, str] | None,
    hint: str,
) -> Check:
    """Compare the data set by content, file by file if the run's list of files exists.

    Args:
        metadata: Of the model.
        root: The data set's folder.
        found: sha256 of each file now, by relative path.
        found_sha256: sha256 of all files together.
        recorded: sha256 of each file that was trained on; None if that list is lost or damaged.
        hint: The command that restores its files.
    """
    mismatches: list[Mismatch] = []
    if found_sha256 != metadata.dataset_sha256:
        mismatches = [
            Mismatch(str(root / name), format_hash(old), format_hash(new), hint)
            for name, old, new in differing_fields(recorded or {}, found if recorded else {})
        ] or [
            Mismatch(
                str(root), format_hash(metadata.dataset_sha256), format_hash(found_sha256), hint
            ),
        ]
    return Check("data set", f"{len(found)} files of {root}", tuple(mismatches))


def pointers_check(
    metadata: Metadata, folder: Path, tagged: Mapping[str, str], committed: Mapping[str, str]
) -> Check:
    """Compare each pointer with its file, and with the pointer in git.

    If pointer and file disagree, the one that matches git or the metadata is right. Damaged weight
    files are left to the check of the weights.

    Args:
        metadata: Of the model.
        folder: The folder of the pointers.
        tagged: The pointers' texts at the git tag, by name; empty if there is no tag.
        committed: The pointers' texts in git's last commit, by name.
    """
    paths = {name: folder / pointer_name(name) for name in TRACKED}
    again = "doors version"
    holds = f"3 pointers, {'as tagged' if tagged else 'not yet tagged'}"
    if not any(path.exists() for path in paths.values()) and not committed:
        return Check("pointers", holds, not_checked=f"there are none yet: {again}")
    mismatches = []
    for name, path in paths.items():
        file = folder / name
        hint = pointer_back(path, committed.get(path.name), again)
        text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        if not _is_as_described(metadata, file):
            if committed.get(path.name, text) != text:
                compared = first_difference(committed[path.name], text)
                mismatches.append(Mismatch(str(path), *compared, hint))
            continue
        expected = pointer_to(file, metadata.version).to_yaml()
        if text != expected and text == committed.get(path.name):
            compared = first_difference(text, expected)
            mismatches.append(Mismatch(str(file), *compared, DVC_PULL.format(path)))
        elif text != expected:
            compared = first_difference(expected, text)
            mismatches.append(Mismatch(str(path), *compared, hint))
        elif tagged.get(path.name, text) != text:
            where = f"{path}, against the tag {metadata.git_tag}"
            back = f"git checkout {metadata.git_tag} -- {path}"
            mismatches.append(Mismatch(where, *first_difference(tagged[path.name], text), back))
    return Check("pointers", holds, tuple(mismatches))


def _is_as_described(metadata: Metadata, file: Path) -> bool:
    """Return whether a file matches the metadata."""
    if not file.is_file():
        return False
    if file.name == METADATA:
        try:
            return Metadata.read(file) == metadata
        except RunError:
            return False
    described = metadata.artifacts.get(file.name)
    return described is None or file_sha256(file) == described.sha256


def objects_check(folder: Path, objects: Mapping[str, Path | None], remote: str) -> Check:
    """Compare the hashes of freshly fetched objects with those in the pointers.

    Args:
        folder: The folder of the pointers.
        objects: By the file's name; None if the remote has no object, or only a damaged one.
        remote: Its name, for messages.
    """
    send = "doors version"
    # DVC (3.67, over HTTP) treats a remote that does not answer as an empty one.
    none = (
        "a damaged one, or none" if any(objects.values()) else "nothing, or no remote that answers"
    )
    mismatches = []
    for name, fetched in objects.items():
        where = f"{remote}: {name}"
        if fetched is None:
            mismatches.append(Mismatch(where, "its object", none, send))
        else:
            expected = read_pointer(folder / pointer_name(name)).md5
            found = pointer_to(fetched).md5
            if found != expected:
                hint = f"delete files/md5/{expected[:2]}/{expected[2:]} there, then: {send}"
                mismatches.append(Mismatch(where, f"md5 {expected}", f"md5 {found}", hint))
    return Check("remote", f"{len(objects)} objects in {remote}", tuple(mismatches))


def figures_check(metadata: Metadata, measured: Mapping[str, float], *, tolerance: float) -> Check:
    """Compare figures that were measured again with the published ones."""
    mismatches = [
        Mismatch(f"metadata.json: metrics.{name}", format_value(old), format_value(new), NO_COPY)
        for name, old, new in differing_fields(metadata.metrics, measured)
        if not is_close(old, new, tolerance)
    ]
    return Check("figures", f"{len(measured)} measured again, to {tolerance:g}", tuple(mismatches))


def _has_own_records(metadata: Metadata, run: Run) -> bool:
    """Return whether a run has the model's evaluation, or the copy of its record: not its id."""
    if file_sha256(run.scores) == metadata.records.get(run.scores.name):
        return True
    was = metadata.records.get(run.record.name)
    return was is not None and record_back(run.record, was, run) != NO_COPY


def _own_figures(metadata: Metadata) -> Iterator[tuple[str, object, object]]:
    """Yield the fields that repeat others or follow from them: name, expected, found."""
    evaluation = metadata.evaluation
    yield "metrics", metrics_of(evaluation), metadata.metrics
    yield "dataset_info.sha256", metadata.dataset_sha256, metadata.dataset_info.get("sha256")
    yield "evaluation.run_id", metadata.run_id, evaluation.run_id
    best = metadata.artifacts.get("best.pt")
    yield "evaluation.weights_sha256", best and best.sha256, evaluation.weights_sha256
    try:
        tag = git_tag(parse_name(metadata.version))
    except VersioningError as error:
        yield "version", "a version", error.problem
    else:
        yield "git_tag", tag, metadata.git_tag


def _differences(where: Path, expected: Metadata, found: Metadata, hint: str) -> list[Mismatch]:
    """Return a mismatch for each field that differs, at any depth."""
    was, now = expected.model_dump(mode="json"), found.model_dump(mode="json")
    return [
        Mismatch(f"{where}: {key}", format_value(old), format_value(new), hint)
        for key, old, new in differing_fields(was, now)
    ]
