"""Give git its credentials without a secret in the arguments of any program.

git passes an address to a child program, ``git remote-https origin https://me:token@host/``, where
every user of the machine can read it. So a password in an address is passed in git's environment
instead, and a credential helper of one line reads it there. A user name alone may be a token; git
would put it into the question to a password program (``GIT_ASKPASS``).
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from container_doors.core.child_environment import full_environment

_SERVER_COMMANDS = frozenset(
    ("fetch", "pull", "push", "clone", "ls-remote", "remote", "submodule", "lfs")
)
"""git commands that contact a server; others need no password, except in a partial clone."""

_BY_HELPER: Mapping[str, Sequence[str]] = {
    "gh": ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
    "glab": ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN", "OAUTH_TOKEN", "GITLAB_HOST"),
}
"""The variables that known credential helpers read (``gh auth git-credential``)."""

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_WORD = re.compile(r"[\w-]+")
_USER, _PASSWORD, _PLACE = (f"CONTAINER_DOORS_GIT_{word}" for word in ("USER", "PASSWORD", "PLACE"))
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<login>[^/]*)@(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_SCHEMES = ("http", "https", "ftp", "ftps")
_SSH_SCHEMES = ("ssh", "git+ssh", "ssh+git")
_ANSWER = r"""!printf 'username=%s\npassword=%s\n' "${user}" "${password}" #"""
_ASK = (
    r"""!f() { test "$1" = get || exit 0; """
    r"""ask=${GIT_ASKPASS:-$(git config --type=path core.askPass)}; """
    r"""ask=${ask:-$SSH_ASKPASS}; """
    r"""test -z "$ask" || typed=$("$ask" "Password for '${place}': "); """
    r"""printf 'username=%s\npassword=%s\n' "${user}" "$typed"; }; f"""
)
"""Asks like git itself, but without the user name; a token has an empty password."""

_LONGEST_SCRIPT = 65536


def git_credentials(
    argv: Sequence[str], directory: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the additional environment for a git command that contacts a server.

    Args:
        argv: The command; one that contacts no server needs nothing.
        directory: Where it runs.
        environment: Its other environment variables.
    """
    if not _SERVER_COMMANDS.intersection(argv[1:]) and not _is_partial(directory, environment):
        return {}
    return _for_helpers(directory, environment) | _for_addresses(directory, environment)


def without_secrets(address: str) -> str:
    """Remove what may be secret from an address.

    >>> without_secrets("https://t0ken@host/a.git"), without_secrets("ssh://git:pw@host/a.git")
    ('https://host/a.git', 'ssh://git@host/a.git')
    """
    found = _ADDRESS.fullmatch(address)
    if found and found["scheme"].lower() in _SCHEMES:
        return f"{found['scheme']}://{found['rest']}"
    if found and found["scheme"].lower() in _SSH_SCHEMES:
        return f"{found['scheme']}://{found['login'].partition(':')[0]}@{found['rest']}"
    return address


def _is_partial(directory: Path, environment: Mapping[str, str]) -> bool:
    """Check whether it is a partial clone, where any command may fetch."""
    return any(_configured(directory, environment, r"^remote\..*\.promisor$"))


def _for_helpers(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the person's own helper reads: named in it, or known to us."""
    helpers = [
        helper for _, helper in _configured(directory, environment, r"^credential\.(.*\.)?helper$")
    ]
    scripts = _text_of(environment.get("GIT_ASKPASS"), environment.get("SSH_ASKPASS"))
    names = {name for text in (*helpers, *scripts) for name in _VARIABLE.findall(text)}
    for helper in helpers:
        for word in _WORD.findall(helper):
            names.update(_BY_HELPER.get(word, ()))
    return {name: value for name, value in full_environment().items() if name in names}


def _for_addresses(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Make git use each remote's address without the password, and a helper for the password.

    ``url.ADDRESS.insteadOf`` replaces the longest matching prefix, so our full address wins over
    the person's own setting for the host.
    """
    rewrites = [
        (prefix, key.removeprefix("url.").removesuffix(".insteadof"))
        for key, prefix in _configured(directory, environment, r"^url\..*\.insteadof$")
    ]
    settings: list[tuple[str, str]] = []
    secrets: dict[str, str] = {}
    remotes = _configured(directory, environment, r"^(remote\..*\.url|branch\..*\.remote)$")
    for number, address in enumerate(dict.fromkeys(address for _, address in remotes)):
        target = _rewritten(address, rewrites)
        public = without_secrets(target)
        if public == target:
            continue
        settings.append((f"url.{public}.insteadOf", address))
        found = _ADDRESS.fullmatch(target)
        if found and found["scheme"].lower() in _SCHEMES:
            login, helpers = _login(public, found["login"], number)
            secrets |= login
            settings += helpers
    return {**secrets, **_as_variables(settings, environment)}


def _login(
    public: str, login: str, number: int
) -> tuple[dict[str, str], Iterator[tuple[str, str]]]:
    """Return the login of an address as variables, and the settings with which git reads it."""
    user, password, place = (f"{name}_{number}" for name in (_USER, _PASSWORD, _PLACE))
    name, colon, secret = login.partition(":")
    values = {user: unquote(name), password: unquote(secret), place: public}
    names = {"user": f"${user}", "password": f"${password}", "place": f"${place}"}
    if colon:
        # The empty helper clears the others, which are not asked either if the address has a login.
        pairs = (("helper", ""), ("helper", _filled(_ANSWER, names)))
    else:
        pairs = (("username", values[user]), ("helper", _filled(_ASK, names)))
    return values, ((f"credential.{public}.{key}", value) for key, value in pairs)


def _filled(script: str, names: Mapping[str, str]) -> str:
    for name, variable in names.items():
        script = script.replace(f"${{{name}}}", variable)
    return script


def _rewritten(address: str, rewrites: Sequence[tuple[str, str]]) -> str:
    """Replace an address's prefix as git does.

    >>> _rewritten("https://host/a.git", [("https://host/", "https://me:t0ken@host/")])
    'https://me:t0ken@host/a.git'
    """
    fitting = [rewrite for rewrite in rewrites if address.startswith(rewrite[0])]
    prefix, base = max(fitting, key=lambda rewrite: len(rewrite[0]), default=("", ""))
    return base + address.removeprefix(prefix)


def _as_variables(
    settings: Sequence[tuple[str, str]], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return settings as git's environment variables, numbered after the existing ones."""
    count = environment.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdecimal() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(settings))} if settings else {}
    for number, (key, value) in enumerate(settings, start=first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _configured(
    directory: Path, environment: Mapping[str, str], pattern: str
) -> Iterator[tuple[str, str]]:
    try:
        listed = subprocess.run(
            ["git", "config", "--null", "--get-regexp", pattern],
            cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="surrogateescape", check=False,
        )  # fmt: skip
    except OSError:  # the next git command reports it
        return
    for entry in listed.stdout.split("\0")[:-1]:
        key, _, value = entry.partition("\n")
        yield key, value


def _text_of(*programs: str | None) -> Iterator[str]:
    """Read the programs as text; only scripts contain variable names that can be found."""
    for program in programs:
        if program and Path(program).is_file():
            with Path(program).open(encoding="utf-8", errors="replace") as file:
                yield file.read(_LONGEST_SCRIPT)
