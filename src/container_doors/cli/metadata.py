"""``doors metadata``."""

import argparse
from pathlib import Path

from container_doors.adapters.git.repository import GitRepository
from container_doors.cli.output import say
from container_doors.steps.metadata import regenerate_metadata


def metadata(arguments: argparse.Namespace) -> int:
    """Write ``metadata.json`` again and print the version."""
    written = regenerate_metadata(
        arguments.weights_dir,
        repository=GitRepository(Path.cwd()),
        runs_root=Path("runs"),
        major=arguments.major,
        minor=arguments.minor,
        experiment=arguments.experiment,
    )
    say(f"{arguments.weights_dir / 'metadata.json'}: {written.version}")
    return 0
