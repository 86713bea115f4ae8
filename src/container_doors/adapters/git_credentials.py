"""How git proves who it is, without a secret in the arguments of any program.

git hands an address to the program below it, ``git remote-https origin https://me:token@host/``,
where every user of the machine can read it. So a password in an address is handed over in git's
environment instead, and asked for by a credential helper of one line. A user's name alone may be a
token; it would stand in the question that a program for passwords (``GIT_ASKPASS``) is asked.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from container_doors.core.child_environment import full_environment

_TALKS = frozenset(("fetch", "pull", "push", "clone", "ls-remote", "remote", "submodule", "lfs"))
"""What may ask a server; other commands of git need no password, but in a partial clone."""

_BY_HELPER: Mapping[str, Sequence[str]] = {
    "gh": ("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
    "glab": ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN", "OAUTH_TOKEN", "GITLAB_HOST"),
}
"""What programs read that are called as helpers (``gh auth git-credential``)."""

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
"""What git would ask by itself, without the name in it; a token has an empty password."""

_LONGEST_SCRIPT = 65536


def git_credentials(
    argv: Sequence[str], directory: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """Find what a git that talks to a server must see as well.

    Args:
        argv: The command; one that talks to nobody needs nothing.
        directory: Where it runs.
        environment: What it sees otherwise.
    """
    if not _TALKS.intersection(argv[1:]) and not _is_partial(directory, environment):
        return {}
    return _for_helpers(directory, environment) | _for_addresses(directory, environment)


def without_secrets(address: str) -> str:
    """Take out of an address what may be secret.

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
    """Tell whether git may fetch what it reads, whatever the command."""
    return any(_configured(directory, environment, r"^remote\..*\.promisor$"))


def _for_helpers(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Pass the variables that the person's own helper reads: it names them, or is known to."""
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
    """Let git use each remote's address without the password in it, and ask a helper for that.

    ``url.ADDRESS.insteadOf`` replaces the longest beginning that fits: a whole address outranks
    what the person has for the host.
    """
    rewrites = [
        (prefix, key.removeprefix("url.").removesuffix(".insteadof"))
        for key, prefix in _configured(directory, environment, r"^url\..*\.insteadof$")
    ]
    settings: list[tuple[str, str]] = []
    secrets: dict[str, str] = {}
    remotes = _configured(directory, environment, r"^(remote\..*\.url|branch\..*\.remote)$")
    for number, address in enumerate(dict.fromkeys(address for _, address in remotes)):
        meant = _rewritten(address, rewrites)
        public = without_secrets(meant)
        if public == meant:
            continue
        settings.append((f"url.{public}.insteadOf", address))
        found = _ADDRESS.fullmatch(meant)
        if found and found["scheme"].lower() in _SCHEMES:
            login, helpers = _login(public, found["login"], number)
            secrets |= login
            settings += helpers
    return {**secrets, **_as_variables(settings, environment)}


def _login(
    public: str, login: str, number: int
) -> tuple[dict[str, str], Iterator[tuple[str, str]]]:
    """Return variables with what an address held, and the settings that let git ask for it."""
    user, password, place = (f"{name}_{number}" for name in (_USER, _PASSWORD, _PLACE))
    name, colon, secret = login.partition(":")
    values = {user: unquote(name), password: unquote(secret), place: public}
    names = {"user": f"${user}", "password": f"${password}", "place": f"${place}"}
    if colon:
        # The empty one ends the list of others: they were not asked while it stood in the address.
        pairs = (("helper", ""), ("helper", _filled(_ANSWER, names)))
    else:
        pairs = (("username", values[user]), ("helper", _filled(_ASK, names)))
    return values, ((f"credential.{public}.{key}", value) for key, value in pairs)


def _filled(script: str, names: Mapping[str, str]) -> str:
    for name, variable in names.items():
        script = script.replace(f"${{{name}}}", variable)
    return script


def _rewritten(address: str, rewrites: Sequence[tuple[str, str]]) -> str:
    """Replace an address's beginning as git will.

    >>> _rewritten("https://host/a.git", [("https://host/", "https://me:t0ken@host/")])
    'https://me:t0ken@host/a.git'
    """
    fitting = [rewrite for rewrite in rewrites if address.startswith(rewrite[0])]
    prefix, base = max(fitting, key=lambda rewrite: len(rewrite[0]), default=("", ""))
    return base + address.removeprefix(prefix)


def _as_variables(
    settings: Sequence[tuple[str, str]], environment: Mapping[str, str]
) -> dict[str, str]:
    """Spell settings as git reads them from its environment, after those that are there."""
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
    except OSError:  # whoever runs git next says so
        return
    for entry in listed.stdout.split("\0")[:-1]:
        key, _, value = entry.partition("\n")
        yield key, value


def _text_of(*programs: str | None) -> Iterator[str]:
    """Read scripts; a program in another form names no variables that could be read."""
    for program in programs:
        if program and Path(program).is_file():
            with Path(program).open(encoding="utf-8", errors="replace") as file:
                yield file.read(_LONGEST_SCRIPT)
