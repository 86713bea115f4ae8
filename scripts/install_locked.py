"""Install what uv.lock names, each file known by its sha256, beside what a machine's image holds.

    python scripts/install_locked.py --without dvc --project
    python scripts/install_locked.py --environment FOLDER --group dvc

The first installs for the Python that runs it. PyTorch, NumPy and OpenCV stay the image's own:
another torch would not fit its CUDA. The second makes an environment of one dependency group.
Standard library alone, because nothing is installed yet.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGE = ("torch", "torchvision", "torchaudio", "numpy")
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""Builds of one program, with the same files: where one is there, none is installed."""
ULTRALYTICS = ("ultralytics-opencv-headless", "ultralytics")
"""Likewise; we install the first."""
OLDEST_UV = (0, 8)  # reads revision 3 of the lock, and knows `export --prune`
PASSED_ON = {
    "PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}  # fmt: skip
"""What installers need to know, beside their own settings: they run packages' code, beside
secrets that are none of its business."""
_REQUIRED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_UNMET = re.compile(r"The package `([^`]+)` requires `([A-Za-z0-9._-]+)([^`]*)`, but (.+)")


class InstallError(Exception):
    """Something was not installed: what, and what a person can do."""


def main() -> int:
    """Install, and print what; 2 if it could not be done."""
    asked = _arguments()
    try:
        uv = find_uv()
        if asked.environment:
            make_environment(uv, asked.environment, asked.group)
        else:
            install(uv, without=asked.without, with_project=asked.project)
    except InstallError as failed:
        problem, hint = failed.args
        print(f"error: {problem}\n  hint: {hint}", file=sys.stderr)
        return 2
    return 0


def install(uv: Path, *, without: Sequence[str], with_project: bool) -> None:
    """Install the project's packages for this Python; what the image holds stays as it is."""
    image = of_the_image()
    own = set(image)
    if own & set(OPENCV):
        own |= set(OPENCV)
    locked = export(uv, "--no-default-groups", without=[*without, *sorted(own)])
    _remove_other_builds(uv)
    _install(uv, locked)
    if with_project:
        _install(uv, export(uv, "--only-group", "setup", without=["uv"]))
        call([uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-deps",
              "--no-build-isolation", "--editable", REPOSITORY])  # fmt: skip
    after = {name: number for name, number in of_the_image().items() if name in image}
    if after != image:
        raise InstallError(
            f"the image's packages were changed: {_listed(image)} before, {_listed(after)} now",
            "restart the machine, and report what was installed before",
        )
    names = set(_REQUIRED.findall(locked))
    check(uv, names, absent={*without, *own})
    print(f"{len(names)} packages of uv.lock, by their sha256; the image's {_listed(image)}")


def make_environment(uv: Path, folder: Path, group: str) -> None:
    """Make an environment of one dependency group, and nothing else."""
    python = folder / "bin" / "python"
    if not python.exists():
        call([uv, "venv", "--quiet", "--python", sys.executable, folder])
    # First what builds those that are published as source alone: a build fetches nothing itself.
    tools = export(uv, "--only-group", "setup", without=["uv"])
    _install(uv, tools, python=python)
    both = export(uv, "--only-group", group, "--only-group", "setup", without=["uv"])
    with _written(both) as path:
        call([uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes",
              "--no-build-isolation", path])  # fmt: skip


def of_the_image() -> dict[str, str]:
    """Find the versions of what is not ours to change."""
    found = {name: installed(name) for name in (*IMAGE, *OPENCV)}
    return {name: number for name, number in found.items() if number}


def installed(name: str) -> str | None:
    """Find the version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def export(uv: Path, *groups: str, without: Sequence[str]) -> str:
    """Write requirements with hashes, from uv.lock as it is."""
    pruned = [word for name in without for word in ("--prune", name)]
    return call(
        [uv, "export", "--quiet", "--frozen", "--no-emit-project", "--no-header", "--no-annotate",
         "--python", sys.executable, *groups, *pruned]
    )  # fmt: skip


def find_uv() -> Path:
    """Find uv; where there is none, or an old one, fetch the one that uv.lock names."""
    found = shutil.which("uv")
    if found is not None and _version_of_uv(Path(found)) >= OLDEST_UV:
        return Path(found)
    lock = tomllib.loads((REPOSITORY / "uv.lock").read_text(encoding="utf-8"))
    locked = next(package for package in lock["package"] if package["name"] == "uv")
    folder = _data_home() / f"uv-{locked['version']}"
    program = folder / "bin" / "uv"
    if not program.exists():
        _fetch_uv(locked, folder)
    return program


def _fetch_uv(locked: dict[str, Any], folder: Path) -> None:
    pip = [sys.executable, "-m", "pip"]
    if _run([*pip, "--version"]).returncode:
        raise InstallError("neither uv nor pip is here", "apt-get install python3-pip")
    hashes = [f"--hash={wheel['hash']}" for wheel in locked["wheels"]]
    with _written(" \\\n  ".join([f"uv=={locked['version']}", *hashes]) + "\n") as path:
        call([*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
              "--upgrade", "--target", folder, "--requirement", path])  # fmt: skip


def _version_of_uv(program: Path) -> tuple[int, ...]:
    answer = re.match(r"uv (\d+)\.(\d+)", _run([program, "--version"]).stdout)
    return tuple(map(int, answer.groups())) if answer else ()


def _data_home() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "container-doors"


def _install(uv: Path, locked: str, *, python: Path = Path(sys.executable)) -> None:
    """Install wheels alone: what is built from source would fetch what builds it unchecked."""
    with _written(locked) as path:
        call([uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build",
              "--require-hashes", "--requirement", path])  # fmt: skip


def _remove_other_builds(uv: Path) -> None:
    """Remove both builds where the other one is there: removing one alone takes files of both."""
    if installed(ULTRALYTICS[1]) is not None:
        print(f"replacing {ULTRALYTICS[1]} {installed(ULTRALYTICS[1])} by {ULTRALYTICS[0]}, the "
              "same program without windows")  # fmt: skip
        call([uv, "pip", "uninstall", "--quiet", "--python", sys.executable, *ULTRALYTICS])


def check(uv: Path, names: set[str], *, absent: set[str]) -> None:
    """See that what was installed fits what the image holds.

    Args:
        uv: The program.
        names: What was installed. Others' quarrels in the image are none of ours.
        absent: What is left out, or replaced by another build.
    """
    done = _run([uv, "pip", "check", "--python", sys.executable])
    complaints = _UNMET.findall(done.stdout + done.stderr)
    unmet = [
        f"{package} needs {name}{specifier}, but {found}"
        for package, name, specifier, found in complaints
        if package in names and not (name in absent and "not installed" in found)
    ]
    if unmet:
        raise InstallError(
            f"what the image holds does not fit: {'; '.join(unmet)}",
            "choose the latest environment in the notebook's settings; if that is it, "
            "`uv lock --upgrade-package NAME` and commit",
        )


def call(command: Sequence[str | Path]) -> str:
    """Run a program without the secrets of this one.

    Raises:
        InstallError: If it fails; what it said comes first.
    """
    done = _run(command)
    if done.returncode == 0:
        return done.stdout
    print(done.stdout + done.stderr, file=sys.stderr)
    if "mismatch" in done.stderr.lower() or "do not match the hashes" in done.stderr.lower():
        raise InstallError(
            "a package is not the file that uv.lock names, by its sha256; it was not installed",
            "do not go on: what serves packages here (UV_INDEX_URL, PIP_INDEX_URL, a proxy) "
            "serves another file. On the laptop, `uv lock` shows whether the release was replaced",
        )
    raise InstallError(
        "the packages could not be installed: see above",
        "is Internet on, in the notebook's settings? Is the disk full (df -h)? Then run this again",
    )


def _run(command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True,
                              text=True, errors="replace", check=False)  # fmt: skip
    except OSError as error:
        raise InstallError(
            f"{command[0]} cannot be started: {error.strerror}", "install uv"
        ) from None


def environment() -> dict[str, str]:
    """Choose the variables that an installer is given."""
    own = ("UV_", "PIP_")
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in PASSED_ON or (name.startswith(own) and "PUBLISH" not in name)
    }


@contextmanager
def _written(text: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="doors-") as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text(text, encoding="utf-8")
        yield path


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items()) or "nothing"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--without", action="append", default=[], metavar="NAME",
                        help="leave a package out, with all that it alone needs")  # fmt: skip
    parser.add_argument("--project", action="store_true", help="install this repository as well")
    parser.add_argument("--environment", type=Path, metavar="FOLDER",
                        help="make an environment of its own instead")  # fmt: skip
    parser.add_argument("--group", default="dvc", help="the dependency group that it is made of")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
