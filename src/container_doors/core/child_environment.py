"""What each program that we start sees of our environment: its own variables, and no other's.

One table decides (docs/security.md shows it). What a program does not need is not passed, above all
the secrets of others; ``CONTAINER_DOORS_PASS`` adds variables by name.
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
"""Names of variables that are passed as well: ``NAME`` to all programs, ``git:NAME`` to git."""

_PLACES = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TZDIR",
    "TMPDIR", "TMP", "TEMP", "TERM", "TERMINFO", "COLUMNS", "LINES", "NO_COLOR", "XDG_*",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_*", "NIX_*", "LOCALE_ARCHIVE",
    "PYTHON*", "VIRTUAL_ENV", "CONDA_*", "MAMBA_*", "PYENV_*", "ASDF_*", "MISE_*",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA",
    "USERPROFILE", "USERNAME", "HOMEDRIVE", "HOMEPATH", "PROGRAMDATA", "PROGRAMFILES*",
)  # fmt: skip
"""Where programs, libraries, homes and languages are: for every program. Conda, pyenv and their
like stand in PATH as scripts that need their own variables; Windows starts nothing without its."""

NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPLIB2_CA_CERTS",
    "NIX_SSL_CERT_FILE", "OPENSSL_CONF", "KRB5_CONFIG", "KRB5CCNAME",
)  # fmt: skip
"""The way out; a proxy's address may hold a password."""

WANDB = ("WANDB_*", *NETWORK)
"""What W&B's client reads, here or in a process of its own; its service inherits the same."""

COMPUTE = (
    "CUDA_*", "NVIDIA_*", "CUBLAS_*", "CUDNN_*", "NCCL_*", "TORCH*", "PYTORCH_*", "TRITON_*",
    "OMP_*", "KMP_*", "GOMP_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "NUMEXPR_*", "VECLIB_*",
    "GLOO_*", "TP_SOCKET_IFNAME", "UCX_*", "FI_*", "HIP_*", "ROCR_*", "ROCM_*", "HSA_*",
    "MALLOC_*", "YOLO_*", "ULTRALYTICS_*", "OPENCV_*", "MPL*",
)  # fmt: skip
"""How processors and GPUs are used."""

_DESKTOP = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS")
"""Where a keyring is, or a window that asks for a password."""

_AGENT = ("SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE",
          "SSH_SK_PROVIDER", *_DESKTOP)  # fmt: skip

_GIT_PLACES = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
               "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM",
               "GIT_TEST_ASSUME_DIFFERENT_OWNER")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Needs:
    """What a program needs beside its places."""

    own: Sequence[str] = ()
    """Patterns of names, secrets among them: they are this program's."""
    general: Sequence[str] = ()
    """Patterns of names; what looks like a secret among them is not passed."""
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
"""By the program's name; any other sees its places alone. ``trainer`` are Ultralytics' processes,
``wandb`` the one that shows a run, with the client's service below it, ``watch`` the one that
ends a way in."""

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
"""What DVC needs as well, by the scheme of each remote that its configuration names."""

SESSION: Sequence[str] = (
    "KAGGLE_SECRET_*", "WANDB_*", "GIT_*", *NETWORK,
    *(one for own in REMOTES.values() for one in own)
)  # fmt: skip
"""Whose secrets a session over SSH shares with the notebook, where DVC, W&B and git are used."""

_SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|SERVICE_ACCOUNT|CONNECTION_STRING"
    r"|COOKIE|_(?:PAT|PASS|PWD|AUTH|JSON|DSN|JWT)$",
    re.IGNORECASE,
)
"""In the name of an environment variable, or of a key in the JSON that one holds."""

_USER_INFO = re.compile(r"://[^/@\s]+@")
_REMOTE_URL = re.compile(
    r"^\s*url\s*=\s*[\"']?([a-z][a-z0-9+.-]*)://", re.IGNORECASE | re.MULTILINE
)
_NAME = re.compile(r"(?:(?P<tool>[a-z-]+):)?(?P<name>[A-Za-z_*][A-Za-z0-9_*]*)")

_put_away: dict[str, str] = {}
"""The secrets, while :func:`secrets_put_away`."""


def environment_for(tool: str, directory: Path | None = None) -> dict[str, str]:
    """Choose what a program sees of our environment.

    Args:
        tool: A row of :data:`TOOLS`, or the name of any other program.
        directory: Where it runs; DVC's remotes are those of the repository around it.

    Raises:
        ConfigError: If ``CONTAINER_DOORS_PASS`` names no variables.
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
    """Tell whether a session over SSH sees a variable of the notebook."""
    own = [*SESSION, *_passed_to("session", os.environ)]
    return _matches(name, own) or not is_secret(name, value)


def full_environment() -> dict[str, str]:
    """Return our environment, with what is put away for now."""
    return {**_put_away, **os.environ}


def is_secret(name: str, value: str) -> bool:
    """Tell by a variable's name and value whether it holds a secret; a path to one is none.

    >>> is_secret("HF_TOKEN", "hf_abc"), is_secret("HTTPS_PROXY", "http://me:pw@proxy:3128")
    (True, True)
    """
    if value.lstrip().startswith("{") or _USER_INFO.search(value):
        return True
    return is_secret_name(name) and not is_path(value)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable, or a key of a JSON, is called like a secret."""
    return name != PASS and _SECRET_NAME.search(name) is not None


def is_path(text: str) -> bool:
    """Tell whether there is a file or folder of that name."""
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # a key in JSON is longer than a name may be
        return False


@contextmanager
def secrets_put_away(*, but: Sequence[str] = ()) -> Iterator[None]:
    """While inside, this process and those that it forks have no secret in their environment.

    Nor has what a library starts of its own accord, such as ``uname`` or W&B's service. Programs
    that :func:`environment_for` is asked for still get theirs.

    Args:
        but: Patterns of names that stay, such as :data:`NETWORK` for who goes out.
    """
    taken = {
        name: value
        for name, value in os.environ.items()
        if is_secret(name, value) and not _matches(name, but)
    }
    _put_away.update(taken)
    for name in taken:
        del os.environ[name]
    _blot_out(taken)
    try:
        yield
    finally:
        for name, value in taken.items():
            os.environ.setdefault(name, value)
            _put_away.pop(name, None)


def _blot_out(variables: Mapping[str, str]) -> None:
    """Overwrite them where the system keeps what a process began with (``/proc/PID/environ``).

    Forked processes have a copy of that place, whatever is unset. Nothing points there any more.
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
    """Find what kinds of remotes DVC's configuration names, in the order that DVC reads it.

    Read as text: asking DVC takes a second, and it would have to be started for that.
    """
    home = Path(environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '')}/.config")
    files = [
        Path(environment.get("DVC_SYSTEM_CONFIG_DIR") or "/etc/xdg/dvc") / "config",
        Path(environment.get("DVC_GLOBAL_CONFIG_DIR") or home / "dvc") / "config",
    ]
    around = next((one for one in (directory.absolute(), *directory.absolute().parents)
                   if (one / ".dvc").is_dir()), None)  # fmt: skip
    if around is not None:
        files += [around / ".dvc/config", around / ".dvc/config.local"]
    schemes = set()
    for file in files:
        with suppress(OSError):
            schemes |= set(_REMOTE_URL.findall(file.read_text("utf-8", "replace")))
    return {scheme.lower() for scheme in schemes}


def _passed_to(tool: str, environment: Mapping[str, str]) -> list[str]:
    names = []
    for word in environment.get(PASS, "").replace(",", " ").split():
        found = _NAME.fullmatch(word)
        if found is None or found["tool"] not in {None, "session", *TOOLS}:
            raise ConfigError(
                f"{PASS}: expected names of variables, such as NAME or git:NAME, found {word!r}",
                hint=f"before the colon stands one of {', '.join(TOOLS)}",
            )
        if found["tool"] in {None, tool}:
            names.append(found["name"])
    return names


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
