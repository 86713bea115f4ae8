"""``doors metadata``, ``doors version`` and ``doors summary``."""

import argparse
from pathlib import Path

from container_doors import assessment, pipeline
from container_doors.adapters.dvc_checkpoints import checkpoints_of
from container_doors.adapters.dvc_store import DvcStore
from container_doors.adapters.git_repository import GitRepository
from container_doors.cli import console
from container_doors.cli.evaluate import opened
from container_doors.run import PUBLISHED, Run


def metadata(arguments: argparse.Namespace) -> int:
    """Write ``metadata.json`` anew and name the version."""
    written = pipeline.regenerate_metadata(
        arguments.weights_dir,
        repository=GitRepository(Path.cwd()),
        runs_root=Path("runs"),
        major=arguments.major,
    )
    print(f"{arguments.weights_dir / 'metadata.json'}: {written.version}")
    return 0


def version(arguments: argparse.Namespace) -> int:
    """Track and push the published model, then name what is left for the person to do."""
    with console.progress() as progress:
        written, pointers = pipeline.version(
            Run(arguments.experiment).name,
            store=DvcStore(Path.cwd(), progress=progress),
            progress=progress,
            checkpoints=checkpoints_of(Path.cwd()),
        )
    files = " ".join(str(path) for path in [*pointers, PUBLISHED / ".gitignore"])
    print("pushed; next:")
    print(f"  git add {files} reports")
    print(f'  git commit -m "Release {written.version}"')
    print(f"  git tag -a {written.git_tag} -m {written.version}")
    print("  git push --follow-tags, and elsewhere: doors sync")
    return 0


def summary(arguments: argparse.Namespace) -> int:
    """Write the report and say where it is."""
    run = Run(arguments.experiment)
    output = arguments.output or Path(f"summary_{run.name}.md")
    print(f"wrote {pipeline.summarise(run, output)}")
    if arguments.html:
        with console.progress() as progress:
            page = assessment.report_page(
                run, output.with_suffix(".html"), open_detector=opened, progress=progress
            )
        print(f"wrote {page}")
    return 0
