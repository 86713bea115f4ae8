"""A training that outlives the connection it was started over."""

import shlex

REPOSITORY = "DOORS_REPOSITORY"
"""The variable by which a session finds the repository on the machine."""

_MARK = "@doors_ended"
_ENDED = (
    f'tmux set-option {_MARK} 1; echo; echo "ended with exit code $code"; '
    'echo "leave with: exit; then doors tunnel run trains again"; exec "$SHELL"'
)
_NO_TMUX = "tmux is not installed here: apt-get install tmux"
_ENVIRONMENT = '"${DOORS_TUNNEL:-}/environment.sh"'
"""Of the way in that is open now: a tmux that was there before has variables of its own."""


def in_tmux(name: str, *, attach: bool) -> str:
    """Write the command that starts a run in tmux, or comes back to one that is there.

    The window stays when the run has ended, so that its last words can be read. Who looks on is
    shown them; otherwise the run is started again.

    Args:
        name: The experiment; letters, digits, ``-`` and ``_``.
        attach: Whether to look on, rather than to start it and leave.
    """
    training = (
        f"if [ -r {_ENVIRONMENT} ]; then . {_ENVIRONMENT}; fi; "
        f"bash scripts/run_training.sh {shlex.quote(name)}; code=$?; {_ENDED}"
    )
    start = (
        f'tmux -u new-session {"-A" if attach else "-d"} -e DOORS_TUNNEL="$DOORS_TUNNEL" '
        f"-s {shlex.quote(name)} {shlex.quote(training)}"
    )
    target = f"-t ={shlex.quote(name)}"
    steps = [
        f'cd "${{{REPOSITORY}:?is not set; is this a machine that doors tunnel serve opened?}}"',
        f"command -v tmux > /dev/null || {{ echo {shlex.quote(_NO_TMUX)} >&2; exit 2; }}",
        # Terminals newer than the machine are unknown there, and tmux then refuses to start.
        'infocmp "$TERM" > /dev/null 2>&1 || export TERM=xterm-256color',
        f"exec {start}"
        if attach
        else f'if [ "$(tmux show-options -qv {target}: {_MARK} 2> /dev/null)" = 1 ]; '
        f"then tmux kill-session {target}; fi; "
        f"tmux has-session {target} 2> /dev/null || {start}",
    ]
    return f"{steps[0]} && {{ {'; '.join(steps[1:])}; }}"
