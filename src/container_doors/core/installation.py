"""How this package is installed: which extras there are, and the line that adds one.

Only the standard library is imported, because ``doors doctor`` runs where packages are missing.
"""

import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def is_kaggle() -> bool:
    """Check whether this is a Kaggle machine, for which the remedies are different."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


GET_UV = 'pip install --target .uv uv && export PATH="$PWD/.uv/bin:$PATH"'
"""The README's line: it also works where pip may not install next to Python (PEP 668)."""

TORCH_FOR_PROCESSORS = "torch torchvision --index-url https://download.pytorch.org/whl/cpu"
"""Packages a tenth as large as those with CUDA, as the README says too."""

EXTRAS = {
    "train": (
        "torch",
        "torchvision",
        "ultralytics",
        "hotcoco",
        "scipy",
        "tensorboardX",
        "cloudpickle",
    ),
    "gdrive": ("dvc_gdrive",),
    "export": ("nncf", "onnx", "onnxruntime", "onnxslim", "openvino"),
    "robustness": ("imagecorruptions",),
    "serve": ("fastapi", "fastapi_offline", "prometheus_client", "python_multipart", "uvicorn"),
    "demo": ("gradio",),
    "sweep": ("optuna", "sqlalchemy", "sklearn"),
    "ray": ("ray",),
}
"""What `pip install 'container-doors[EXTRA]'` adds, by extra, as names to import."""


def extra_of(module: str) -> str | None:
    """Return the extra that brings a module; None if every installation has it.

    >>> extra_of("torch.nn"), extra_of("numpy")
    ('train', None)
    """
    top = module.partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if top in modules), None)


def missing_in(extra: str) -> str | None:
    """Return the first module of an extra that is not installed; None if all are."""
    return next((name for name in EXTRAS[extra] if find_spec(name) is None), None)


def install_command(extra: str | None = None) -> str:
    """Return the command that installs missing packages, or activates the right environment.

    Args:
        extra: The extra that is missing; None if it is a package of every installation.
    """
    clone = Path(__file__).resolve().parents[3]
    environment = clone / (os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")
    if not (clone / "uv.lock").is_file():
        if extra is not None:
            return _install_extra(extra)
        return f"install container-doors again; {sys.executable} -m pip check lists what is missing"
    if is_kaggle():
        return "bash scripts/setup_kaggle.sh"
    is_here = Path(sys.prefix).resolve() == environment.resolve()
    if (environment / "pyvenv.cfg").is_file() and not is_here:
        of_windows = environment / "Scripts" / "activate"
        activate = of_windows if os.name == "nt" else f"source {environment / 'bin' / 'activate'}"
        return f"{activate}, then the same command again"
    sync = "uv sync" if shutil.which("uv") else f"{GET_UV} && uv sync"
    return sync if clone == Path.cwd() else f"cd {shlex.quote(str(clone))} && {sync}"


def install_packages(*names: str) -> str:
    """Return the line that adds packages that are in no extra of ours to this environment."""
    return _pip_install(" ".join(names))


def _install_extra(extra: str) -> str:
    """Return the line that adds an extra to an installation from a wheel."""
    package = f"'container-doors[{extra}]'"
    is_tool = "uv" in Path(sys.prefix).parts[-3:] and "tools" in Path(sys.prefix).parts
    if is_tool or _is_without_pip():
        install = "uv tool install" if is_tool else f"uv pip install --python {sys.executable}"
        without_gpu = "add --torch-backend cpu"
    else:
        install = f"{sys.executable} -m pip install"
        without_gpu = f"first {install} {TORCH_FOR_PROCESSORS}"
    line = f"{install} {package}"
    return f"{line} (without a GPU, {without_gpu})" if extra == "train" else line


def _pip_install(packages: str) -> str:
    if _is_without_pip():
        return f"uv pip install --python {sys.executable} {packages}"
    return f"{sys.executable} -m pip install {packages}"


def _is_without_pip() -> bool:
    return find_spec("pip") is None and shutil.which("uv") is not None
