"""Is a published model still what its metadata says, and what its figures were measured on?

Each function looks at one link of the chain from the photographs to the remote, and names
everything that is not as it was; none of them stops at the first.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from container_doors.core.errors import RunError, VersioningError
from container_doors.core.records import Check, Evaluation, Metadata, Mismatch, RunRecord
from container_doors.core.run import Run
from container_doors.publishing.comparison import (
    digits,
    file_mismatches,
    first_difference,
    hash_mismatch,
    is_close,
    shown,
    unequal,
)
from container_doors.publishing.hashing import file_sha256, params_sha256
from container_doors.publishing.metadata import build_metadata, metrics_of
from container_doors.publishing.names import git_tag, parse_name
from container_doors.publishing.pointers import TRACKED, pointer_name, pointer_to, read_pointer
from container_doors.publishing.provenance import record_paths, record_sha256
from container_doors.publishing.publication import METADATA
from container_doors.publishing.ways_back import (
    FETCHED,
    NO_COPY,
    metadata_back,
    pointer_back,
    record_back,
    run_metadata_back,
    weights_back,
)


def weights_check(metadata: Metadata, folder: Path, run: Run) -> Check:
    """Hash every weight file, and the plots and tables published beside them."""
    expected = {name: described.sha256 for name, described in metadata.artifacts.items()}
    again = {f"weights/{name}": sha for name, sha in expected.items()}
    beside = {**(again if (folder / "weights").is_dir() else {}), **metadata.files}
    here = {name: sha for name, sha in beside.items() if (folder / name).exists()}
    if len(here) < len(beside) and not (folder / "args.yaml").exists():
        beside = here  # fetched from the remote, which has the weights and the metadata alone
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
    """Tell whether a document is spelled as doors writes it, without a mark before it."""
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError):
        return False
    return content.decode() == json.dumps(document, indent=2, sort_keys=True) + "\n"


def metadata_check(metadata: Metadata, path: Path, run: Run) -> Check:
    """See that ``metadata.json`` agrees with itself, and with what its run keeps of it."""
    hint = metadata_back(path.parent, run)
    mismatches = [
        Mismatch(f"{path}: {name}", str(expected), str(found), hint)
        for name, expected, found in _own_figures(metadata)
        if expected != found
    ]
    if not _is_as_written(path.read_bytes()):
        mismatches.append(Mismatch(str(path), "the spelling that doors writes", "another", hint))
    if run.metadata.exists():
        try:
            kept = Metadata.read(run.metadata)
        except RunError as error:
            copy = f"cp {path} {run.metadata}"
            mismatches.append(Mismatch(str(run.metadata), "metadata", error.problem, copy))
        else:
            copied = run_metadata_back(path.parent, run)
            if kept.run_id == metadata.run_id and copied:
                mismatches += _differences(run.metadata, metadata, kept, copied)
            elif kept.run_id == metadata.run_id:
                mismatches += _differences(path, kept, metadata, hint)
    return Check("metadata", f"{metadata.version} agrees with itself", tuple(mismatches))


def code_check(metadata: Metadata, *, is_there: bool | None) -> Check:
    """See that the commit that made the model can still be had.

    Args:
        metadata: Of the model.
        is_there: Whether git has the commit, whole; None where there is no git.
    """
    commit = metadata.code.commit
    name, holds = "code", f"commit {commit}"
    if commit is None:
        return Check(name, holds, not_checked="the model was trained outside of git")
    if is_there is None:
        return Check(name, holds, not_checked="this is no git repository")
    if not is_there:
        hint = "git fetch --all fetches it, if anybody has it; git fsck says what is damaged"
        return Check(name, holds, (Mismatch("git", holds, "no such commit, whole", hint),))
    if not metadata.code.clean:
        return Check(name, holds, not_checked=f"trained with changes that {holds} does not hold")
    return Check(name, holds)


def starting_weights_check(metadata: Metadata) -> Check:
    """Hash the weights that training began with."""
    began = metadata.starting_weights
    name, holds = "starting weights", f"{began.source} weights"
    if began.path is None or began.sha256 is None:
        return Check(name, holds)
    path = Path(began.path)
    if not path.is_file():
        return Check(name, holds, not_checked=f"no {path} here")
    hint = f"delete {path}: it is downloaded when it is needed"
    return Check(name, holds, tuple(hash_mismatch(path, began.sha256, file_sha256(path), hint)))


def reports_check(
    expected: Mapping[str, str], directory: Path, committed: Mapping[str, str | None]
) -> Check:
    """Compare the reports that git keeps with those that would be written now.

    Args:
        expected: The text of each that can be written here, by its name.
        directory: Where they are.
        committed: The text of each in git's last commit.
    """
    there = {report: text for report, text in expected.items() if (directory / report).is_file()}
    name, holds = "reports", f"{', '.join(there)} in {directory}"
    if not there:
        return Check(name, holds, not_checked=f"there are none in {directory}")
    mismatches = []
    for report, text in there.items():
        found = (directory / report).read_bytes().decode(errors="replace")
        if found != text:
            where = str(directory / report)
            is_in_git = committed.get(report) == text
            hint = f"git checkout HEAD -- {where}" if is_in_git else "doors metadata"
            mismatches.append(Mismatch(where, *first_difference(text, found), hint))
    return Check(name, holds, tuple(mismatches))


def records_check(metadata: Metadata, run: Run) -> Check:
    """Hash the records behind the figures, and build the metadata from them once more."""
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
    if record.run_id != metadata.run_id and not _is_evaluated_so(metadata, run):
        why = f"{run.directory} is another run of that name; the model's own was set aside"
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
    try:
        rebuilt = build_metadata(
            record,
            evaluation,
            parse_name(metadata.version),
            records=metadata.records,
            files=metadata.files,
        )
    except (RunError, VersioningError) as error:
        mismatches.append(Mismatch(str(run.record), "a finished run", error.problem, NO_COPY))
    except KeyError as error:
        mismatches.append(Mismatch(str(run.record), f"{error}", "nothing of that name", NO_COPY))
    else:
        mismatches += _differences(run.record, metadata, rebuilt, NO_COPY)
    backed = [path for path in record_paths(run) if path.is_file()]
    missing = None if metadata.records or not backed else "recorded by a release without hashes"
    return Check(name, holds, tuple(mismatches), not_checked=missing)


def params_check(
    metadata: Metadata,
    asked: Mapping[str, Any],
    was: Mapping[str, Any],
    *,
    revision: str | None,
    hint: str,
) -> Check:
    """Compare what was asked for with what ``params.yaml`` asks for now.

    Args:
        metadata: Of the model.
        asked: The params of today, without what decides only how a run is watched.
        was: Those of the model, the same way.
        revision: Where git has a ``params.yaml`` that says the same as those of the model.
        hint: How ``metadata.json`` comes back.
    """
    mismatches = [
        Mismatch(
            f"params.yaml: detection.{key}",
            shown(old),
            shown(new),
            f"git checkout {revision} -- params.yaml"
            if revision
            else f"write it so in params.yaml, or add --set detection.{key}={shown(old)}",
        )
        for key, old, new in unequal(was, asked)
    ]
    found = params_sha256(metadata.hyperparameters)
    mismatches += hash_mismatch(
        Path("metadata.json: hyperparameters"), metadata.params_sha256, found, hint
    )
    return Check("params", digits(found), tuple(mismatches))


def dataset_check(
    metadata: Metadata,
    root: Path,
    *,
    found: Mapping[str, str],
    found_sha256: str,
    recorded: Mapping[str, str] | None,
    hint: str,
) -> Check:
    """Compare the data set by content, file by file where the run's list of them is there.

    Args:
        metadata: Of the model.
        root: The data set's folder.
        found: sha256 of each file now, by relative path.
        found_sha256: Of all of them together.
        recorded: sha256 of each file that was trained on, if the list is there and sound.
        hint: How files of it come back.
    """
    mismatches: list[Mismatch] = []
    if found_sha256 != metadata.dataset_sha256:
        mismatches = [
            Mismatch(str(root / name), digits(old), digits(new), hint)
            for name, old, new in unequal(recorded or {}, found if recorded else {})
        ] or [
            Mismatch(str(root), digits(metadata.dataset_sha256), digits(found_sha256), hint),
        ]
    return Check("data set", f"{len(found)} files of {root}", tuple(mismatches))


def pointers_check(
    metadata: Metadata, folder: Path, tagged: Mapping[str, str], committed: Mapping[str, str]
) -> Check:
    """Compare each pointer with its file, and with what git holds of it.

    Where the two disagree, the one that is as git has it, or as the metadata says, is right. A
    file of the weights is left to the check of the weights.

    Args:
        metadata: Of the model.
        folder: Of the pointers.
        tagged: The pointers' texts under the git tag, by name; empty if there is no tag.
        committed: Those of git's last commit, by name.
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
            mismatches.append(Mismatch(str(file), *compared, FETCHED.format(path)))
        elif text != expected:
            compared = first_difference(expected, text)
            mismatches.append(Mismatch(str(path), *compared, hint))
        elif tagged.get(path.name, text) != text:
            where = f"{path}, against the tag {metadata.git_tag}"
            back = f"git checkout {metadata.git_tag} -- {path}"
            mismatches.append(Mismatch(where, *first_difference(tagged[path.name], text), back))
    return Check("pointers", holds, tuple(mismatches))


def _is_as_described(metadata: Metadata, file: Path) -> bool:
    """Tell whether weights are those that were trained, and metadata can be read."""
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
    """Hash what the remote gave, fetched anew, against what the pointers name.

    Args:
        folder: Of the pointers.
        objects: By the file's name; None if the remote does not have it, or only damaged.
        remote: Its name, for people.
    """
    send = "doors version"
    # DVC takes a remote that does not answer for one that is empty (3.67, over HTTP).
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
    """Compare figures that were measured again with those that were published."""
    mismatches = [
        Mismatch(f"metadata.json: metrics.{name}", shown(old), shown(new), NO_COPY)
        for name, old, new in unequal(metadata.metrics, measured)
        if not is_close(old, new, tolerance)
    ]
    return Check("figures", f"{len(measured)} measured again, to {tolerance:g}", tuple(mismatches))


def _is_evaluated_so(metadata: Metadata, run: Run) -> bool:
    """Tell the model's own run by its evaluation, where only the run's name has changed."""
    return file_sha256(run.scores) == metadata.records.get(run.scores.name)


def _own_figures(metadata: Metadata) -> Iterator[tuple[str, object, object]]:
    """Yield what stands in it twice, or follows from the rest of it."""
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
    """Name the fields that differ, a few levels down."""
    was, now = expected.model_dump(mode="json"), found.model_dump(mode="json")
    return [
        Mismatch(f"{where}: {key}", shown(old), shown(new), hint)
        for key, old, new in unequal(was, now)
    ]
