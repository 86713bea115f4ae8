"""The environment variables that each child program gets: its own, and no other's.

One table decides (docs/security.md shows it). A program does not get what it does not need, above
all the secrets of other programs; ``CONTAINER_DOORS_PASS`` adds variables by name.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from container_doors.core.errors import ConfigError

PASS = "CONTAINER_DOORS_PASS"  # noqa: S105 - a variable's name
"""Names of additional variables: ``NAME`` for all programs, ``git:NAME`` for git."""

_PLACES = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TZDIR",
    "TMPDIR", "TMP", "TEMP", "TERM", "TERMINFO", "COLUMNS", "LINES", "NO_COLOR", "XDG_*",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_*", "NIX_*", "LOCALE_ARCHIVE",
    "PYTHON*", "VIRTUAL_ENV", "CONDA_*", "MAMBA_*", "PYENV_*", "ASDF_*", "MISE_*",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA",
    "USERPROFILE", "USERNAME", "HOMEDRIVE", "HOMEPATH", "PROGRAMDATA", "PROGRAMFILES*",
)  # fmt: skip
"""Places of programs, libraries, homes and languages: for every program. Conda, pyenv and similar
tools are scripts in PATH that need their own variables; Windows starts nothing without its own."""

NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPLIB2_CA_CERTS",
    "NIX_SSL_CERT_FILE", "OPENSSL_CONF", "KRB5_CONFIG", "KRB5CCNAME",
)  # fmt: skip
"""Network settings; a proxy's address may contain a password."""

WANDB = ("WANDB_*", *NETWORK)
"""What W&B's client reads, here or in its own process; its service inherits the same."""

COMPUTE = (
    "CUDA_*", "NVIDIA_*", "CUBLAS_*", "CUDNN_*", "NCCL_*", "TORCH*", "PYTORCH_*", "TRITON_*",
    "OMP_*", "KMP_*", "GOMP_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "NUMEXPR_*", "VECLIB_*",
    "GLOO_*", "TP_SOCKET_IFNAME", "UCX_*", "FI_*", "HIP_*", "ROCR_*", "ROCM_*", "HSA_*",
    "MALLOC_*", "YOLO_*", "ULTRALYTICS_*", "OPENCV_*", "MPL*",
)  # fmt: skip
"""How processors and GPUs are used."""

_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS")
"""Where to find a keyring, or the screen for a password window."""

_AGENT = ("SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE",
          "SSH_SK_PROVIDER", *_DESKTOP)  # fmt: skip

_GIT_PLACES = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
               "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM",
               "GIT_TEST_ASSUME_DIFFERENT_OWNER")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Needs:
    """What a program needs besides :data:`_PLACES`."""

    own: Sequence[str] = ()
    """Patterns of its own variables; secrets among them are passed."""
    general: Sequence[str] = ()
    """Patterns of other variables; what looks like a secret among them is not passed."""
    network: bool = False


TOOLS: Mapping[str, Needs] = {
    "git": Needs(
        own=("GIT_*", "GCM_*", "GNUPGHOME", "GPG_TTY", "GPG_AGENT_INFO", "PASSWORD_STORE_DIR",
             "GH_CONFIG_DIR", "GH_HOST", *_AGENT),
        general=("EMAIL", "PRE_COMMIT_*"),
        network=True,
    ),
    "dvc": Needs(general=("DVC_*", *_GIT_PLACES), network=True),
    "wandb": Needs(
        own=("WANDB_*",), general=("NETRC", "CONTAINER_DOORS_*", *COMPUTE), network=True
    ),
    "trainer": Needs(general=("CONTAINER_DOORS_*", *COMPUTE)),
    "watch": Needs(),
    "sshd": Needs(),
    "ssh": Needs(own=_AGENT, network=True),
    "ssh-keygen": Needs(own=_AGENT),
    "cloudflared": Needs(network=True),
    "nvidia-smi": Needs(general=("CUDA_*", "NVIDIA_*")),
    "apt-get": Needs(general=("APT_*", "DEBIAN_*", "DEBCONF_*"), network=True),
    "uv": Needs(own=("UV_*", "PIP_*"), network=True),
}  # fmt: skip
"""By the program's name; any other program gets :data:`_PLACES` only. ``trainer``: Ultralytics'
processes; ``wandb``: the process that follows a run, with the client's service below it;
``watch``: the process that closes a tunnel."""

REMOTES: Mapping[str, Sequence[str]] = {
    "gdrive": ("GDRIVE_*",),
    "s3": ("AWS_*", "BOTO_*", "FSSPEC_S3_*"),
    "gs": ("GOOGLE_*", "GCLOUD_*", "CLOUDSDK_*", "GCE_METADATA_*", "STORAGE_EMULATOR_HOST",
           "FSSPEC_GS_*", "FSSPEC_GCS_*"),
    "azure": ("AZURE_*", "IDENTITY_*", "MSI_*", "FSSPEC_AZ_*", "FSSPEC_ABFS_*"),
    "oss": ("OSS_*",),
    "ssh": _AGENT,
    "hdfs": ("HADOOP_*", "JAVA_HOME", "CLASSPATH", "ARROW_LIBHDFS_DIR", "KRB5*"),
    "webhdfs": ("HADOOP_*", "KRB5*"),
}  # fmt: skip
"""What DVC also needs, by the scheme of each remote in its configuration."""

SESSION: Sequence[str] = (
    "KAGGLE_SECRET_*", "WANDB_*", "GIT_*", *NETWORK,
    *(one for own in REMOTES.values() for one in own)
)  # fmt: skip
"""Variables whose secrets an SSH session shares with the notebook, for DVC, W&B and git."""

_SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|SERVICE_ACCOUNT|CONNECTION_STRING"
    r"|COOKIE|_(?:PAT|PASS|PWD|AUTH|JSON|DSN|JWT)$",
    re.IGNORECASE,
)
"""Found in the name of an environment variable, or of a key in the JSON that it contains."""

_USER_INFO = re.compile(r"://[^/@\s]+@")
_REMOTE_URL = re.compile(
    r"^\s*url\s*=\s*[\"']?([a-z][a-z0-9+.-]*)://", re.IGNORECASE | re.MULTILINE
)
_NAME = re.compile(r"(?:(?P<tool>[a-z-]+):)?(?P<name>[A-Za-z_*][A-Za-z0-9_*]*)")

_hidden: dict[str, str] = {}
"""The secrets, while inside :func:`hide_secrets`."""


def environment_for(tool: str, directory: Path | None = None) -> dict[str, str]:
    """Return the environment for a program.

    Args:
        tool: A row of :data:`TOOLS`, or the name of any other program.
        directory: Where it runs; DVC's remotes are those of the repository there.

    Raises:
        ConfigError: If ``CONTAINER_DOORS_PASS`` has an invalid name.
    """
    environment = full_environment()
    needs = TOOLS.get(tool, Needs())
    own = [*needs.own, *_passed_to(tool, environment)]
    if needs.network:
        own += NETWORK
    if tool == "dvc":
        for scheme in remote_schemes(directory or Path.cwd(), environment):
            own += REMOTES.get(scheme, ())
    general = (*_PLACES, *needs.general)
    return {
        name: value
        for name, value in environment.items()
        if _matches(name, own) or (_matches(name, general) and not is_secret(name, value))
    }


def is_for_a_session(name: str, value: str) -> bool:
    """Return whether an SSH session gets a variable of the notebook."""
    own = [*SESSION, *_passed_to("session", os.environ)]
    return _matches(name, own) or not is_secret(name, value)


def full_environment() -> dict[str, str]:
    """Return our environment, with the secrets that are hidden at present."""
    return {**_hidden, **os.environ}


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable is a secret, by its name and value; a path to a secret is not.

    >>> is_secret("HF_TOKEN", "hf_abc"), is_secret("HTTPS_PROXY", "http://me:pw@proxy:3128")
    (True, True)
    """
    if value.lstrip().startswith("{") or _USER_INFO.search(value):
        return True
    return is_secret_name(name) and not is_path(value)


def is_secret_name(name: str) -> bool:
    """Return whether a variable, or a key of a JSON, has the name of a secret."""
    return name != PASS and _SECRET_NAME.search(name) is not None


def is_path(text: str) -> bool:
    """Return whether there is a file or folder of that name."""
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a JSON key is longer than a file name may be
        return False


@contextmanager
def hide_secrets(*, but: Sequence[str] = ()) -> Iterator[None]:
    """Remove all secrets from the environment of this process and its forks, while inside.

    Processes that a library starts by itself, such as ``uname`` or W&B's service, do not get them
    either. Programs that use :func:`environment_for` still get theirs.

    Args:
        but: Patterns of names that stay, such as :data:`NETWORK` for code that needs a network.
    """
    secrets = {
        name: value
        for name, value in os.environ.items()
        if is_secret(name, value) and not _matches(name, but)
    }
    _hidden.update(secrets)
    for name in secrets:
        del os.environ[name]
    _overwrite_initial(secrets)
    try:
        yield
    finally:
        for name, value in secrets.items():
            os.environ.setdefault(name, value)
            _hidden.pop(name, None)


def _overwrite_initial(variables: Mapping[str, str]) -> None:
    """Overwrite variables in the process's initial environment (``/proc/PID/environ``).

    A forked process has a copy of that memory, even of variables that were unset. Nothing points
    there any more.
    """
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        start, end = int(fields[47]), int(fields[48])  # env_start, env_end: man 5 proc
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            block = memory.read(end - start)
            for name, value in variables.items():
                entry = os.fsencode(f"{name}={value}")
                at = (b"\0" + block).find(b"\0" + entry + b"\0")
                if at >= 0:
                    memory.seek(start + at)
                    memory.write(bytes(len(entry)))


def remote_schemes(directory: Path, environment: Mapping[str, str]) -> set[str]:
    """Find the URL schemes of the remotes in DVC's configuration files.

    They are read as text: starting DVC would take a second.
    """
    home = Path(environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '')}/.config")
    files = [
        Path(environment.get("DVC_SYSTEM_CONFIG_DIR") or "/etc/xdg/dvc") / "config",
        Path(environment.get("DVC_GLOBAL_CONFIG_DIR") or home / "dvc") / "config",
    ]
    root = next((one for one in (directory.absolute(), *directory.absolute().parents)
                 if (one / ".dvc").is_dir()), None)  # fmt: skip
    if root is not None:
        files += [root / ".dvc/config", root / ".dvc/config.local"]
    schemes = set()
    for file in files:
        with suppress(OSError):
            schemes |= set(_REMOTE_URL.findall(file.read_text("utf-8", "replace")))
    return {scheme.lower() for scheme in schemes}


def _passed_to(tool: str, environment: Mapping[str, str]) -> list[str]:
    names = []
    for word in environment.get(PASS, "").replace(",", " ").split():
        match = _NAME.fullmatch(word)
        if match is None or match["tool"] not in {None, "session", *TOOLS}:
            raise ConfigError(
                f"{PASS}: expected names of variables, such as NAME or git:NAME, found {word!r}",
                hint=f"write one of these before the colon: {', '.join(TOOLS)}",
            )
        if match["tool"] in {None, tool}:
            names.append(match["name"])
    return names


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
