"""``doors version``."""

import argparse
from pathlib import Path

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.cli import console
from container_doors.cli.evaluate import FAULTS, open_detector, warn_of_lost_uses
from container_doors.cli.gate import row_of
from container_doors.cli.output import say
from container_doors.cli.signing import signature_policy, signed_checkpoints
from container_doors.cli.storage import uncommitted_configuration
from container_doors.core.errors import ConfigError
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.publishing.names import TAGS, tag_command
from container_doors.reporting.gate import TargetResult, in_one_sentence
from container_doors.steps.gate import gate_published
from container_doors.steps.version import version_model


def version(arguments: argparse.Namespace) -> int:
    """Track and push the published model, then print the git commands that remain.

    With ``--release`` nothing is pushed unless the targets hold.
    """
    if arguments.point and not arguments.release:
        raise ConfigError(
            "--point is about the targets of a release, but --release is not given",
            hint="add --release, or leave --point out",
        )
    results = _result_of(arguments) if arguments.release else None
    if results is not None and not all(row.holds for row in results):
        say(f"{arguments.experiment or 'the model'} is not released: {in_one_sentence(results)}")
        return FAULTS
    with console.progress() as progress:
        written, pointers = version_model(
            arguments.experiment,
            store=DvcStore(Path.cwd(), progress=progress),
            progress=progress,
            checkpoints=signed_checkpoints(),
            policy=signature_policy(),
        )
    added = [*pointers, PUBLISHED / ".gitignore", *uncommitted_configuration()]
    files = " ".join(map(str, added))
    repository = GitRepository(Path.cwd())
    say("pushed; next:")
    if repository.uncommitted([*added, REPORTS]):
        say(f"  git add {files} {REPORTS}/")
        say(f'  git commit -m "Release {written.version}"')
    if written.git_tag not in repository.tags(TAGS):
        say(f"  {tag_command(written.version, written.version + _note(arguments))}")
    say("  git push --follow-tags, and elsewhere: doors sync")
    if results is None:
        say("its targets were not checked: doors version --release pushes only if they hold")
    return 0


def _result_of(arguments: argparse.Namespace) -> list[TargetResult]:
    warn_of_lost_uses()
    with console.progress() as progress:
        results = gate_published(
            None if arguments.experiment is None else Run.named(arguments.experiment),
            at_the_point=arguments.point,
            open_detector=open_detector,
            progress=progress,
        )
    say(*(row_of(row) for row in results))
    return results


def _note(arguments: argparse.Namespace) -> str:
    if not arguments.release:
        return ""
    how = "as they were measured" if arguments.point else "at the worse end of each interval"
    return f", all targets hold {how}"
