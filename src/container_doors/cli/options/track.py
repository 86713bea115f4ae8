"""The options of ``doors track ...``."""

from container_doors.cli.options.shared import ONLY_RUN, Commands, add_command, add_group, add_json
from container_doors.cli.workspace import typed_path


def add_to(commands: Commands) -> None:
    """Add the commands, in the order of the help."""
    track = add_group(commands, "track", "a run's curves: show them, or send them to W&B")
    show = add_command(
        track, "show", "track:show", "print a run's epochs and draw its curves, on this machine"
    )
    show.add_argument("name", nargs="?", metavar="NAME", help=ONLY_RUN)
    show.add_argument(
        "--output",
        type=typed_path,
        metavar="FILE",
        help="the picture (default: runs/NAME/curves.png)",
    )
    add_json(show)
    sync = add_command(
        track, "sync", "upload:sync", "send to W&B what it does not have yet; nothing twice"
    )
    sync.add_argument("names", nargs="*", metavar="NAME", help="default: every run in runs/")
    add_command(
        track, "login", "upload:login", "ask for a W&B key, check it, and store it in ~/.netrc"
    )
    follow = add_command(
        track, "follow", "upload:follow", "track a run while it trains (doors train starts this)"
    )
    follow.add_argument("directory", type=typed_path, metavar="DIR", help="the run's folder")
