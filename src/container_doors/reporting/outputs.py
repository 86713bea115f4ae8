"""Files that a report is written to: somebody else's is not replaced."""

from pathlib import Path

from container_doors.core.errors import RunError


def refuse_another_file(output: Path, *, begins: str, what: str) -> None:
    """See that what is in the place of an output is an earlier one.

    Args:
        output: Where it will be written.
        begins: How each of its kind begins.
        what: Its kind, for people.

    Raises:
        RunError: If it is anything else.
    """
    if output.is_dir() or (output.exists() and not _begins(output, begins.encode())):
        raise RunError(
            f"{output} is there already, and is no {what}",
            hint="choose another --output, or move that away",
        )


def _begins(path: Path, with_: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(with_)) == with_
