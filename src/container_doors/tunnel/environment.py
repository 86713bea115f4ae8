"""What a session over SSH shares with the notebook: its variables, less what is not for it.

An SSH server starts every session with a clean environment: without Kaggle's LD_LIBRARY_PATH
PyTorch sees no GPU there, and without the secrets DVC and W&B know nobody.
"""

import re
import shlex
from collections.abc import Mapping

from container_doors.core.child_environment import is_for_a_session

_OWN = re.compile(
    r"HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|SHLVL|_|MAIL|TERM|TERM_.*|COLUMNS|LINES|DISPLAY|TMUX|TMUX_PANE"
    r"|SSH_.*|XDG_(RUNTIME|SESSION).*|PS[0-4]|IFS|BASH.*|DBUS_.*"
)
"""Each session has these of its own."""

_OF_THE_NOTEBOOK = re.compile(
    r"JPY_.*|JUPYTER.*|IPY.*|PYDEVD.*|MPLBACKEND|PYTHONSAFEPATH|(GIT_)?PAGER|CLICOLOR.*|FORCE_COLOR"
)
"""True of cells alone: a script that draws into a notebook fails elsewhere."""

_KAGGLES = re.compile(
    r"(?!KAGGLE_SECRET_)KAGGLE_.*(TOKEN|KEY|SECRET|PASSWORD|JWT).*|(CLOUDFLARE_)?TUNNEL_TOKEN"
)
"""Whoever has Kaggle's tokens acts as the account, and the tunnel's is for cloudflared alone."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def handed_on(notebook: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Choose what a session is to see.

    >>> handed_on({"LD_LIBRARY_PATH": "/usr/local/nvidia/lib64", "HOME": "/root",
    ...            "KAGGLE_USER_SECRETS_TOKEN": "t0ken"}, {"KAGGLE_SECRET_WANDB_KEY": "k"})
    {'LD_LIBRARY_PATH': '/usr/local/nvidia/lib64', 'KAGGLE_SECRET_WANDB_KEY': 'k'}
    """
    kept = {
        name: value
        for name, value in notebook.items()
        if _is_for_sessions(name) and is_for_a_session(name, value)
    }
    return {**kept, **secrets}


def as_shell(variables: Mapping[str, str]) -> str:
    """Write a file that a POSIX shell sources; values may hold anything, line ends too."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _is_for_sessions(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not any(
        pattern.fullmatch(name) for pattern in (_OWN, _OF_THE_NOTEBOOK, _KAGGLES)
    )
