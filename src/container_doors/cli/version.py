"""``doors metadata``, ``doors version`` and ``doors summary``."""

import argparse
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from container_doors.adapters.dvc.store import DvcStore
from container_doors.adapters.git.repository import GitRepository
from container_doors.cli import console
from container_doors.cli.evaluate import FAULTS, open_detector, row_of, warn_of_lost_uses
from container_doors.cli.output import complain, say, say_text
from container_doors.cli.signing import signature_policy, signed_checkpoints
from container_doors.core.errors import ConfigError
from container_doors.core.run import PUBLISHED, REPORTS, Run
from container_doors.publishing.names import TAGS
from container_doors.reporting.gate import TargetResult, in_one_sentence
from container_doors.reporting.which_run import named_or_only, read_record
from container_doors.steps.gate import gate_published
from container_doors.steps.metadata import regenerate_metadata
from container_doors.steps.summary import check_report, model_card, report_page, summarise
from container_doors.steps.version import version_model
from container_doors.training.history import history_warnings

STDOUT = (Path("-"), Path("/dev/stdout"))


def metadata(arguments: argparse.Namespace) -> int:
    """Write ``metadata.json`` again and print the version."""
    written = regenerate_metadata(
        arguments.weights_dir,
        repository=GitRepository(Path.cwd()),
        runs_root=Path("runs"),
        major=arguments.major,
        experiment=arguments.experiment,
    )
    say(f"{arguments.weights_dir / 'metadata.json'}: {written.version}")
    return 0


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
    files = " ".join(str(path) for path in [*pointers, PUBLISHED / ".gitignore"])
    say("pushed; next:")
    say(f"  git add {files} {REPORTS}/")
    say(f'  git commit -m "Release {written.version}"')
    if written.git_tag not in GitRepository(Path.cwd()).tags(TAGS):
        message = shlex.quote(written.version + _note(arguments))
        say(f"  git tag -a {shlex.quote(written.git_tag)} -m {message}")
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


def _print_summary(run: Run, arguments: argparse.Namespace) -> int:
    """Print the report without its pictures and pages."""
    if arguments.html or arguments.card:
        raise ConfigError(
            "--html and --card write files, but the output is standard output",
            hint="--output FILE names the report that they are written beside",
        )
    complain(*history_warnings(run, read_record(run)))
    with TemporaryDirectory() as scratch:
        report = summarise(run, Path(scratch) / f"summary_{run.name}.md")
        say_text(report.read_text(encoding="utf-8").rstrip())
    complain("its pictures are left out: --output FILE writes them beside it")
    return 0


def summary(arguments: argparse.Namespace) -> int:
    """Write the report and print its path."""
    run = named_or_only(arguments.experiment, "summary --experiment")
    if arguments.output in STDOUT:
        return _print_summary(run, arguments)
    output = arguments.output or Path(f"summary_{run.name}.md")
    if output.suffix == ".html":
        raise ConfigError(
            f"--output {output}: expected the name of the Markdown report, found a page's",
            hint=f"--output {output.with_suffix('.md')} --html writes {output} beside it",
        )
    for line in history_warnings(run, read_record(run)):
        complain(line)
    card = output.with_name(f"{output.stem}_card.md") if arguments.card else None
    page = output.with_suffix(".html") if arguments.html else None
    if card or page:
        check_report(run, output, page=page, card=card)
        warn_of_lost_uses()
    with console.progress() as progress:
        measured: dict[str, Any] = {"open_detector": open_detector, "progress": progress}
        if card:
            say(f"wrote {model_card(run, card, **measured)}")
        if page:
            say(f"wrote {report_page(run, page, **measured)}")
    say(f"wrote {summarise(run, output)}")  # last: it has what the others measured
    return 0
