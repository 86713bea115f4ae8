"""Check whether this machine can train: Python, packages, GPU, memory, disk, network.

A package that may be missing is imported only in the check that needs it.
"""

import os
import platform
import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from container_doors.adapters.distributions import BUILDS, clashes, version_of
from container_doors.adapters.shell import call
from container_doors.core.errors import MissingToolError
from container_doors.core.installation import install_command, is_kaggle, missing_in
from container_doors.doctor.health import Health, failed, passed, warned

REQUIRED = (
    "ultralytics",
    "opencv",
    "torch",
    "torchvision",
    "hotcoco",
    "wandb",
    "numpy",
    "scipy",
    "pillow",
    "pydantic",
    "pyyaml",
    "psutil",
    "matplotlib",
    "jinja2",
    "rich",
    "tensorboardx",
)
"""Programs that training needs, or its reports and trackers."""
OF_TRAINING = (BUILDS["ultralytics"][0], "torch", "torchvision", "hotcoco", "scipy", "tensorboardx")
"""Those of the extra ``train``."""
_HOSTS = ("api.wandb.ai", "www.googleapis.com", "github.com", "pypi.org")
_LEAST_DISK_GIB, _GOOD_DISK_GIB = 2, 8
_GOOD_MEMORY_GIB = 4
_GOOD_SHARED_GIB = 1
_WAIT_S = 5.0
_CONNECT = "check the network. Behind a proxy, set HTTPS_PROXY; a firewall must allow https"
_NO_GPU = "none"
_BASE = "not installed, so this machine cannot train"


def python() -> Health:
    """Check Python's version."""
    found = f"{platform.python_version()} ({sys.executable})"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return passed("python", found)
    return failed("python", found, "use Python 3.11, 3.12 or 3.13")


def packages() -> Health:
    """Check that the packages for training are installed."""
    missing = [BUILDS.get(name, (name,))[0] for name in REQUIRED if not version_of(name)]
    if missing and missing_in("train") and set(missing) <= set(OF_TRAINING):
        return warned(
            "packages",
            f"those of the base, without {', '.join(missing)}: this machine cannot train",
            f"train on Kaggle's GPUs (doors kaggle run), or {install_command('train')}",
        )
    if missing:
        return failed("packages", f"not installed: {', '.join(missing)}", install_command())
    if mixed := clashes():
        return warned(
            "packages",
            f"these write the same files, but differ: {'; '.join(mixed)}",
            f"uninstall all of them (pip uninstall, or uv pip uninstall), then {install_command()}",
        )
    named = ("ultralytics", "wandb")
    return passed("packages", ", ".join(f"{name} {version_of(name)}" for name in named))


def torch_build() -> Health:
    """Check that torch and torchvision fit together, by an operation that needs both."""
    from container_doors.adapters.machine import import_torch

    if missing_in("train") == "torch":
        return warned("torch", _BASE, install_command("train"))
    try:
        torch = import_torch()
        import torchvision

        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]])
        boxes_left = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5)
    except (OSError, RuntimeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        return failed(
            "torch",
            f"torch and torchvision do not fit together: {reason}",
            f"install the versions that the image came with; then {install_command()}"
            if is_kaggle()
            else "uv sync --reinstall-package torch --reinstall-package torchvision",
        )
    found = f"{torch.__version__}, torchvision {torchvision.__version__}"
    return (
        passed("torch", found)
        if len(boxes_left) == 1
        else failed("torch", found, install_command())
    )


def gpu() -> Health:
    """Compute on each GPU, because a listed one may not work."""
    from container_doors.adapters.machine import describe_machine, import_torch, join_counts
    from container_doors.core.errors import ConfigError

    if missing_in("train") == "torch":
        return warned("gpu", f"not checked: {_BASE}", install_command("train"))
    torch, listed = import_torch(), _listed_by_the_driver()
    if not torch.cuda.is_available():
        return _without_gpu(torch.version.cuda, listed)
    numbers = ",".join(str(index) for index in range(torch.cuda.device_count()))
    try:
        hardware = describe_machine(numbers)
    except ConfigError as error:
        return failed("gpu", error.problem, error.hint)
    return passed(
        "gpu", f"{join_counts(hardware.gpus)}, CUDA {hardware.cuda}, driver {hardware.driver}"
    )


def gpu_for_set_up() -> Health:
    """Like :func:`gpu`, but only warn without a GPU: such a machine can still be set up."""
    found = gpu()
    if found.verdict == "fail" and found.found == _NO_GPU:
        return warned(found.name, f"{_NO_GPU}: a training would take days", found.remedy)
    return found


def memory() -> Health:
    """Check the free memory, and the shared memory of data loaders."""
    import psutil

    free = psutil.virtual_memory().available / 2**30
    total = psutil.virtual_memory().total / 2**30
    found = f"{free:.1f} of {total:.1f} GiB free, {len(os.sched_getaffinity(0))} cores"
    shared = Path("/dev/shm")  # noqa: S108 - only its size is read
    if free < _GOOD_MEMORY_GIB:
        return warned("memory", found, "end other programs; --set detection.training.cache=none")
    if shared.exists() and shutil.disk_usage(shared).free < _GOOD_SHARED_GIB * 2**30:
        return warned(
            "memory",
            f"{found}; less than {_GOOD_SHARED_GIB} GiB of /dev/shm",
            "--set detection.training.workers=2, or docker run --shm-size=4g",
        )
    return passed("memory", found)


def disk() -> Health:
    """Check the free space on the disk for runs."""
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    found, remedy = (
        f"{free:.0f} GiB free in {Path.cwd()}",
        "free some space: du -sh runs/* .dvc/cache",
    )
    if free < _LEAST_DISK_GIB:
        return failed("disk", found, remedy)
    return warned("disk", found, remedy) if free < _GOOD_DISK_GIB else passed("disk", found)


def network() -> Health:
    """Try to connect to the servers that a run may need, in parallel."""
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    if proxy:
        return passed("network", "through a proxy, not checked")
    with ThreadPoolExecutor(len(_HOSTS)) as pool:
        unreachable = [
            host
            for host, answers in zip(_HOSTS, pool.map(_answers, _HOSTS), strict=True)
            if not answers
        ]
    if not unreachable:
        return passed("network", f"{', '.join(_HOSTS)} answer")
    return warned(
        "network",
        f"no answer from {', '.join(unreachable)}",
        ("Settings > Internet on, in the notebook's editor" if is_kaggle() else _CONNECT)
        + ". Training needs no network once the data and the weights are here",
    )


def _without_gpu(build: str | None, listed: str) -> Health:
    if listed and build is None:
        return failed(
            "gpu",
            f"{listed} is there, but torch is built for the CPU only",
            "install torch for CUDA: https://pytorch.org/get-started/locally",
        )
    if listed:
        newer = "the driver is too old for this torch: nvidia-smi shows its CUDA version"
        by_ssh = "check LD_LIBRARY_PATH, which doors tunnel serve passes on; otherwise " + newer
        return failed(
            "gpu",
            f"{listed} is there, but torch (CUDA {build}) does not find it",
            by_ssh if is_kaggle() or "SSH_CONNECTION" in os.environ else newer,
        )
    if is_kaggle():
        remedy = "Settings > Accelerator > GPU T4 x2, in the notebook's editor"
        return failed("gpu", _NO_GPU, remedy)
    return warned(
        "gpu",
        f"{_NO_GPU}: training would run on the CPU, slowly",
        "doors kaggle plan: what is needed to train on Kaggle's GPUs, from here",
    )


def _listed_by_the_driver() -> str:
    try:
        done = call(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            cwd=Path.cwd(),
            hint="",
            timeout_s=20,
        )
    except (MissingToolError, TimeoutError):
        return ""
    return " + ".join(done.stdout.split("\n")).strip(" +") if done.exit_code == 0 else ""


def _answers(host: str) -> bool:
    try:
        with socket.create_connection((host, 443), timeout=_WAIT_S):
            return True
    except OSError:
        return False
