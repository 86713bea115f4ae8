"""Describe this machine: its CPU, its GPUs, the installed programs."""

import os
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from container_doors.adapters.distributions import version_of
from container_doors.adapters.shell import call
from container_doors.core.child_environment import hide_secrets
from container_doors.core.errors import ConfigError, MissingToolError
from container_doors.core.installation import extra_of, install_command
from container_doors.core.records import Environment, Hardware

_PACKAGES = (
    "container-doors", "ultralytics", "torch", "torchvision", "numpy", "opencv-python-headless",
    "opencv-python", "pillow", "hotcoco", "dvc", "wandb",
)  # fmt: skip
"""Packages whose version can change a result. ``ultralytics`` stands for all its builds."""


_INSTRUCTION_SETS = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni"},
    "AMX": {"amx_tile"},
}
"""By Linux' names: https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/cpufeatures.h"""


def import_torch() -> Any:  # noqa: ANN401 - a module
    """Import PyTorch so that its threads sleep while they wait.

    By default OpenMP's threads wait actively, and take the CPU from one another as soon as
    anything else runs: on two busy cores an epoch of 4 s took 20 s.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when the library is loaded
    try:
        import torch
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    return torch


def missing_extra(error: ModuleNotFoundError) -> MissingToolError:
    """Explain which part of this package was not installed, with the line that adds it."""
    name = error.name or ""
    return MissingToolError(f"{name} is not installed", hint=install_command(extra_of(name)))


@hide_secrets()
def describe_machine(device: str) -> Hardware:
    """Choose one or more devices, check that each computes, and describe them.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, or GPUs by number: ``0`` or ``0,1``.

    Raises:
        ConfigError: If a requested GPU does not exist or does not compute.
        MissingToolError: If a GPU is requested, and PyTorch is not installed.
    """
    import psutil

    if device in {"auto", "cpu"} and find_spec("torch") is None:
        return Hardware(
            device="cpu",
            description=cpu_name(),
            cpu=cpu_name(),
            cores=usable_cores(),
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            gpus=[],
        )
    torch = import_torch()
    cpu = cpu_name()
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    chosen = choose_devices(device, len(gpus))
    for one in chosen:
        _compute_on(one)
    return Hardware(
        device=chosen[0] if chosen else "cpu",
        devices=chosen if len(chosen) > 1 else [],
        description=join_counts([_gpu_name(one) for one in chosen]) if chosen else cpu,
        cpu=cpu,
        cores=usable_cores(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpus=gpus,
        cuda=torch.version.cuda if gpus else None,
        driver=_driver() if gpus else None,
    )


@hide_secrets()  # Python asks uname what processor this is
def describe_environment() -> Environment:
    """Return the versions of the programs that can change a result."""
    found = {name: version_of(name) for name in _PACKAGES}
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: number for name, number in found.items() if number},
    )


def choose_devices(device: str, gpus: int) -> list[str]:
    """Return the GPUs to train on; none for the CPU.

    >>> choose_devices("auto", 2), choose_devices("1,0", 2), choose_devices("auto", 0)
    (['cuda:0'], ['cuda:1', 'cuda:0'], [])
    """
    if device == "cpu" or (device == "auto" and not gpus):
        return []
    indices = [0] if device in {"auto", "cuda"} else [int(index) for index in device.split(",")]
    if len(set(indices)) < len(indices):
        raise ConfigError(
            f"detection.training.device: expected each GPU once, found {device!r}",
            hint="write 0,1 for two GPUs",
        )
    if max(indices) >= gpus:
        raise ConfigError(
            f"detection.training.device: expected one of {gpus} GPU(s) here, found {device!r}",
            hint="use device: auto or cpu; on a machine with a GPU, check that nvidia-smi lists it "
            "and that the installed torch is a CUDA build",
        )
    return [f"cuda:{index}" for index in indices]


def gpus_for(device: str) -> list[str]:
    """Return the numbers of the GPUs that many trainings may use, one each; none for the CPU.

    Args:
        device: As :func:`describe_machine`; ``auto`` and ``cuda`` are all GPUs.

    Raises:
        ConfigError: If a GPU that is named does not exist.
    """
    if device == "cpu" or (device == "auto" and find_spec("torch") is None):
        return []
    gpus = int(import_torch().cuda.device_count())
    if device in {"auto", "cuda"} and gpus:
        return [str(number) for number in range(gpus)]
    return [name.removeprefix("cuda:") for name in choose_devices(device, gpus)]


def join_counts(names: Sequence[str]) -> str:
    """Join names; write equal ones once, with their number.

    >>> join_counts(["Tesla T4, 14.6 GiB", "Tesla T4, 14.6 GiB"]), join_counts(["A", "B"])
    ('2 x Tesla T4, 14.6 GiB', 'A + B')
    """
    return " + ".join(
        f"{count} x {name}" if count > 1 else name for name, count in Counter(names).items()
    )


def _compute_on(device: str) -> None:
    """Run a real operation: a listed GPU may be too old for the installed torch."""
    torch = import_torch()
    try:
        probe = torch.ones(8, 8, device=device)
        total = float((probe @ probe).sum())
    except RuntimeError as error:
        raise ConfigError(
            f"{device} is listed but does not compute: {error}",
            hint="use device: cpu, or install a torch build for this GPU and driver",
        ) from None
    if total != 512.0:  # 64 sums of 8
        raise ConfigError(f"{device} computes wrongly: expected 512, found {total}",
                          hint="use device: cpu, and have the GPU checked")  # fmt: skip


def _gpu_name(device: str) -> str:
    torch = import_torch()
    properties = torch.cuda.get_device_properties(torch.device(device))
    return f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB"


def _driver() -> str | None:
    """Ask nvidia-smi for the driver's version; None if it is not installed."""
    try:
        done = call(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            cwd=Path.cwd(),
            hint="install the NVIDIA driver",
            timeout_s=10,
        )
    except (MissingToolError, TimeoutError):
        return None
    return done.stdout.partition("\n")[0].strip() or None


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    import psutil

    return len(psutil.Process().cpu_affinity() or [0])


def cpu_name() -> str:
    """Return the processor's name, for people."""
    return _of_processor("model name") or platform.processor() or platform.machine()


def describe_processor() -> str:
    """Return the processor's name, its instruction sets for networks, and the usable cores.

    VNNI is what makes eight bits fast. Only Linux tells which there are.
    """
    flags = set(_of_processor("flags").split())
    sets = [name for name, any_of in _INSTRUCTION_SETS.items() if flags & any_of]
    known = f" ({', '.join(sets) or 'no AVX2'}{'' if 'VNNI' in sets else ', no VNNI'})"
    return f"{cpu_name()}{known if flags else ''}, {usable_cores()} core(s)"


def _of_processor(name: str) -> str:
    """Return what Linux says of the first processor; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(name))
    return next(found, "")
