"""Output files of reports: only an earlier report is replaced."""

from pathlib import Path

from container_doors.core.errors import RunError


def refuse_another_file(output: Path, *, begins: str, what: str, option: str = "--output") -> None:
    """Check that an output is either new or an earlier output of the same kind.

    Args:
        output: The path to write to.
        begins: The first characters of this kind of file.
        what: The kind of file, for the message.
        option: The option that names it, for the hint.

    Raises:
        RunError: If it is another file, or no file.
    """
    if output.exists() and not (output.is_file() and _begins(output, begins.encode())):
        raise RunError(
            f"{output} exists already, and is not a {what}",
            hint=f"choose another {option}, or move it away",
        )


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start
