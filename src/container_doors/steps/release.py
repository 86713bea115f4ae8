"""Commit a published model's files that belong in git, and tag the commit."""

from container_doors.core.ports import Repository
from container_doors.core.records import Metadata
from container_doors.publishing.arrival import refuse_other_tag, released_paths


def is_released(metadata: Metadata, repository: Repository) -> bool:
    """Return whether git's last commit has the model's pointers and reports, and its tag exists."""
    return metadata.git_tag in repository.tags(metadata.git_tag) and all(
        repository.show("HEAD", path) == path.read_text(encoding="utf-8")
        for path in released_paths()
    )


def release_model(metadata: Metadata, repository: Repository) -> str | None:
    """Commit and tag the published model's files for git; do neither twice.

    Returns:
        The commit; None if there was nothing to commit.

    Raises:
        VersioningError: If git refuses, or if the tag is of another model.
    """
    paths = released_paths()
    tag = metadata.git_tag
    is_tagged = tag in repository.tags(tag)
    if is_tagged:
        refuse_other_tag(tag, {path: repository.show(tag, path) for path in paths}, paths)
    commit = repository.commit(paths, f"Release {metadata.version}")
    if not is_tagged:
        repository.create_tag(tag, metadata.version)
    return commit
