"""Install the packages of uv.lock, checked by sha256, beside those of a machine's image.

    python scripts/install_locked.py --without dvc --project
    python scripts/install_locked.py --environment FOLDER --group dvc

The first installs for the Python that runs it. The image's PyTorch, NumPy and OpenCV stay: another
torch would not fit its CUDA. The second makes an environment of one dependency group. This uses
the standard library only, because nothing is installed yet.
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
"""Builds of one program, with the same files: if one is installed, no other is."""
ULTRALYTICS = ("ultralytics-opencv-headless", "ultralytics")
"""Builds of one program, too; we install the first."""
OLDEST_UV = (0, 8)  # reads revision 3 of the lock, and knows `export --prune`
PASSED_ON = {
    "PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}  # fmt: skip
"""The variables that installers get besides their own settings: they run code of packages, which
must not see secrets."""
_REQUIRED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_UNMET = re.compile(r"The package `([^`]+)` requires `([A-Za-z0-9._-]+)([^`]*)`, but (.+)")


class InstallError(Exception):
    """The installation failed: the problem, and what a person can do."""


def main() -> int:
    """Install, and print what was installed; 2 if it failed."""
    options = _arguments()
    try:
        uv = find_uv()
        if options.environment:
            make_environment(uv, options.environment, options.group)
        else:
            install(uv, without=options.without, with_project=options.project)
    except InstallError as failed:
        problem, hint = failed.args
        print(f"error: {problem}\n  hint: {hint}", file=sys.stderr)
        return 2
    return 0


def install(uv: Path, *, without: Sequence[str], with_project: bool) -> None:
    """Install the project's packages for this Python; the image's packages do not change."""
    image = image_packages()
    own = set(image)
    if own & set(OPENCV):
        own |= set(OPENCV)
    locked = export(uv, "--no-default-groups", "--extra", "train", without=[*without, *sorted(own)])
    _remove_other_builds(uv)
    _install(uv, locked)
    if with_project:
        _install(uv, export(uv, "--only-group", "setup", without=["uv"]))
        call([uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-deps",
              "--no-build-isolation", "--editable", REPOSITORY])  # fmt: skip
    after = {name: number for name, number in image_packages().items() if name in image}
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
    # First the build tools, for packages published only as source: a build downloads nothing.
    tools = export(uv, "--only-group", "setup", without=["uv"])
    _install(uv, tools, python=python)
    both = export(uv, "--only-group", group, "--only-group", "setup", without=["uv"])
    with _written(both) as path:
        call([uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes",
              "--no-build-isolation", path])  # fmt: skip


def image_packages() -> dict[str, str]:
    """Return the versions of the image's packages that must not change."""
    found = {name: installed_version(name) for name in (*IMAGE, *OPENCV)}
    return {name: number for name, number in found.items() if number}


def installed_version(name: str) -> str | None:
    """Return the version of a distribution; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def export(uv: Path, *groups: str, without: Sequence[str]) -> str:
    """Return requirements with hashes, from the unchanged uv.lock."""
    pruned = [word for name in without for word in ("--prune", name)]
    return call(
        [uv, "export", "--quiet", "--frozen", "--no-emit-project", "--no-header", "--no-annotate",
         "--python", sys.executable, *groups, *pruned]
    )  # fmt: skip


def find_uv() -> Path:
    """Find uv; if there is none, or only an old one, download the version in uv.lock."""
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
    """Install wheels only: a build from source would download its build tools unchecked."""
    with _written(locked) as path:
        call([uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build",
              "--require-hashes", "--requirement", path])  # fmt: skip


def _remove_other_builds(uv: Path) -> None:
    """Remove both builds if the other one is installed: removing one takes files of both."""
    other = installed_version(ULTRALYTICS[1])
    if other is not None:
        print(f"replacing {ULTRALYTICS[1]} {other} by {ULTRALYTICS[0]}, the "
              "same program without windows")  # fmt: skip
        call([uv, "pip", "uninstall", "--quiet", "--python", sys.executable, *ULTRALYTICS])


def check(uv: Path, names: set[str], *, absent: set[str]) -> None:
    """Check that the installed packages are compatible with the image's.

    Args:
        uv: The program.
        names: The installed packages; conflicts between other packages are ignored.
        absent: Packages that are left out, or replaced by another build.
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
            f"the image's packages do not fit: {'; '.join(unmet)}",
            "choose the latest environment in the notebook's settings; if it is the latest, "
            "`uv lock --upgrade-package NAME` and commit",
        )


def call(command: Sequence[str | Path]) -> str:
    """Run a program without the secrets of this one.

    Raises:
        InstallError: If it fails; its output is printed before.
    """
    done = _run(command)
    if done.returncode == 0:
        return done.stdout
    print(done.stdout + done.stderr, file=sys.stderr)
    if "mismatch" in done.stderr.lower() or "do not match the hashes" in done.stderr.lower():
        raise InstallError(
            "a package is not the file that uv.lock names, by its sha256; it was not installed",
            "do not continue: the package server here (UV_INDEX_URL, PIP_INDEX_URL, a proxy) "
            "has another file. On the laptop, `uv lock` shows whether the release was replaced",
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
    """Return the environment for an installer."""
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
                        help="leave a package out, and those that only it needs")  # fmt: skip
    parser.add_argument("--project", action="store_true", help="install this repository as well")
    parser.add_argument("--environment", type=Path, metavar="FOLDER",
                        help="make a separate environment instead")  # fmt: skip
    parser.add_argument("--group", default="dvc", help="the dependency group of that environment")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
