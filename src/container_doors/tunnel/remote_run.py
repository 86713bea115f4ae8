"""Run a training in tmux, so that it continues after the connection ends."""

import shlex

REPOSITORY = "DOORS_REPOSITORY"
"""The variable with the path of the repository on the machine."""

_MARK = "@doors_ended"
_ENDED = (
    f'tmux set-option {_MARK} 1; echo; echo "ended with exit code $code"; '
    'echo "leave with: exit; then doors tunnel run trains again"; exec "$SHELL"'
)
_NO_TMUX = "tmux is not installed here: apt-get install tmux"
_ENVIRONMENT = '"${DOORS_TUNNEL:-}/environment.sh"'
"""The environment of the present tunnel: an older tmux server has its own variables."""


def in_tmux(name: str, *, attach: bool) -> str:
    """Return the command that starts a run in tmux, or attaches to one that exists.

    The window stays open when the run has ended, so that its last lines can be read. With
    ``attach`` they are shown; without it, the run is started again.

    Args:
        name: The experiment; letters, digits, ``-`` and ``_``.
        attach: Whether to watch the run, or only to start it.
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
