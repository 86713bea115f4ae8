"""The environment variables of an SSH session: those of the notebook, with some exceptions.

An SSH server starts every session with a clean environment: without Kaggle's LD_LIBRARY_PATH
PyTorch finds no GPU, and without the secrets DVC and W&B cannot log in.
"""

import re
import shlex
from collections.abc import Mapping

from container_doors.core.child_environment import is_for_a_session

_OWN = re.compile(
    r"HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|SHLVL|_|MAIL|TERM|TERM_.*|COLUMNS|LINES|DISPLAY|TMUX|TMUX_PANE"
    r"|SSH_.*|XDG_(RUNTIME|SESSION).*|PS[0-4]|IFS|BASH.*|DBUS_.*"
)
"""Each session has its own values of these."""

_OF_THE_NOTEBOOK = re.compile(
    r"JPY_.*|JUPYTER.*|IPY.*|PYDEVD.*|MPLBACKEND|PYTHONSAFEPATH|(GIT_)?PAGER|CLICOLOR.*|FORCE_COLOR"
)
"""Valid only in cells: for example, plots for a notebook fail elsewhere."""

_KAGGLES = re.compile(
    r"(?!KAGGLE_SECRET_)KAGGLE_.*(TOKEN|KEY|SECRET|PASSWORD|JWT).*|(CLOUDFLARE_)?TUNNEL_TOKEN"
)
"""Kaggle's tokens give access to the account, and the tunnel's token is only for cloudflared."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def session_variables(notebook: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a session.

    >>> session_variables({"LD_LIBRARY_PATH": "/usr/local/nvidia/lib64", "HOME": "/root",
    ...                    "KAGGLE_USER_SECRETS_TOKEN": "t0ken"}, {"KAGGLE_SECRET_WANDB_KEY": "k"})
    {'LD_LIBRARY_PATH': '/usr/local/nvidia/lib64', 'KAGGLE_SECRET_WANDB_KEY': 'k'}
    """
    allowed = {
        name: value
        for name, value in notebook.items()
        if _is_for_sessions(name) and is_for_a_session(name, value)
    }
    return {**allowed, **secrets}


def as_shell(variables: Mapping[str, str]) -> str:
    """Return a script that a POSIX shell can source; values may contain any text."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _is_for_sessions(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not any(
        pattern.fullmatch(name) for pattern in (_OWN, _OF_THE_NOTEBOOK, _KAGGLES)
    )
