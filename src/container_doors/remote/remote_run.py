"""A training that outlives the connection it was started over."""

import shlex

REPOSITORY = "DOORS_REPOSITORY"
"""The variable by which a session finds the repository on the machine."""

_ENDED = 'echo; echo "ended with exit code $code"; echo "leave with: exit"; exec "$SHELL"'


def in_tmux(name: str, *, attach: bool) -> str:
    """Write the command that starts a run in tmux, or comes back to one that is there.

    The window stays when the run has ended, so that its last words can be read.

    Args:
        name: The experiment; letters, digits, ``-`` and ``_``.
        attach: Whether to look on, rather than to start it and leave.
    """
    training = f"bash scripts/run_training.sh {shlex.quote(name)}; code=$?; {_ENDED}"
    start = f"tmux -u new-session {{}} -s {shlex.quote(name)} {shlex.quote(training)}"
    steps = [
        f'cd "${{{REPOSITORY}:?is not set; is this a machine that doors tunnel serve opened?}}"',
        # Terminals newer than the machine are unknown there, and tmux then refuses to start.
        'infocmp "$TERM" > /dev/null 2>&1 || export TERM=xterm-256color',
        f"exec {start.format('-A')}"
        if attach
        else f"tmux has-session -t ={shlex.quote(name)} 2> /dev/null || {start.format('-d')}",
    ]
    return f"{steps[0]} && {{ {steps[1]}; {steps[2]}; }}"
